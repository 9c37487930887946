"""MQTT: states to restore at any broker, Home Assistant's discovery, and commands from there."""
