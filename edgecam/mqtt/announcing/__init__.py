"""What Home Assistant is told of devices and entities, and how they are taken back."""
