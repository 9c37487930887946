"""One part of an MJPEG stream: headers and JPEG as one `bytes`, built once for all viewers. Pure.

Each part ends with the delimiter of the next one, as ustreamer's do: browsers show a picture when they see the
delimiter behind it, so sending it along saves them one frame of delay.
"""

from edgecam.frame import Frame

BOUNDARY = "boundarydonotcross"
"""mjpg-streamer's own word: some of its clients look for it instead of reading the header."""

CONTENT_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
DELIMITER = b"\r\n--%s\r\n" % BOUNDARY.encode()
OPENING = DELIMITER[2:]
"""What goes before the first part."""


def build(frame: Frame) -> bytes:
    """`X-Timestamp` is the capture in unix seconds with microseconds, `X-Frame` the camera's running number."""
    head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: %.6f\r\nX-Frame: %d\r\n\r\n"
    return b"".join((head % (len(frame.data), frame.wall, frame.number), frame.data, DELIMITER))
