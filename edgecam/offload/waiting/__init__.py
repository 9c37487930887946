"""What waits for the store: the directory that knows it, and what goes next."""
