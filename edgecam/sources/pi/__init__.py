"""The Pi camera: `camera` is the source, everything else serves it. picamera2 is known to `door` and `device` alone."""
