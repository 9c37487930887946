"""edgecam: the camera daemon for Home Assistant."""

__version__ = "0.1.0"
