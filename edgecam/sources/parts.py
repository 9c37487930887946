"""Parts: cuts the endless body of an HTTP camera into pictures.

Cameras differ in everything that RFC 2046 says about multipart: boundaries with or without dashes or quotes,
missing line ends, no Content-Length or a wrong one. So the cut follows what cannot lie, the JPEG's own markers;
Content-Length is the short cut that is believed as long as it is true. Pure: bytes in, pictures out.
"""

import re
from collections.abc import Iterator

from edgecam import jpeg
from edgecam.sources import Broken

MAX_PART = 32_000_000
"""Bytes of one picture; more than any camera sends."""
MAX_BETWEEN = 1_000_000
"""Bytes without a picture after which this is no camera."""

_START = jpeg.SOI + b"\xff"
_MARK = re.compile(re.escape(jpeg.EOI) + b"|" + re.escape(_START))  # one pass over the picture for both
_HEADERS = 4096
_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,12})[ \t]*\r?\n", re.IGNORECASE)


class Parts:
    """One stream. Feed it what arrives; it yields each picture as soon as its last byte is there.

    A picture that is cut short is yielded as it came: whether it is whole is the caller's question (`jpeg.size`).
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inside = False  # the buffer begins with a picture
        self._length: int | None = None  # that picture's bytes as announced
        self._searched = 0  # no end, and no start of the next, lies before this
        self._between = 0  # bytes thrown away since the last picture
        self._honest = True  # Content-Length was true so far

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Raises Broken when the stream cannot be one of JPEGs."""
        self._buffer += chunk
        while self._inside or self._start():
            picture = self._announced() or self._marked()
            if picture is None:
                return
            yield picture

    def _start(self) -> bool:
        """Throw away what lies before the next picture, but for the length that it announces."""
        at = self._buffer.find(_START)
        if at < 0:
            surplus = max(0, len(self._buffer) - _HEADERS)
            self._between += surplus
            del self._buffer[:surplus]
            if self._between > MAX_BETWEEN:
                raise Broken("sends data in which there is no JPEG")
            return False
        lengths = _LENGTH.findall(self._buffer, max(0, at - _HEADERS), at) if self._honest else []
        self._length = int(lengths[-1]) if lengths else None
        if self._length is not None and self._length > MAX_PART:
            raise Broken(f"announces a picture of {self._length} bytes")
        del self._buffer[:at]
        self._inside, self._searched, self._between = True, 0, 0
        return True

    def _announced(self) -> bytes | None:
        """The picture by its Content-Length, if that is where a JPEG ends."""
        if self._length is None or len(self._buffer) < self._length:
            return None
        length, self._length = self._length, None
        if self._buffer.startswith(jpeg.EOI, length - 2):
            return self._cut(length)
        self._honest = False
        return None

    def _marked(self) -> bytes | None:
        """The picture by its end marker; a damaged one up to where the next begins."""
        if self._length is not None:
            return None  # the rest is on its way
        if not self._searched:
            try:
                begin = jpeg.scan(self._buffer)
            except jpeg.BadJpeg:
                return self._cut(len(_START))
            if begin is None:
                self._check_limit()
                return None
            self._searched = begin
        if mark := _MARK.search(self._buffer, self._searched):
            return self._cut(mark.end() if mark[0] == jpeg.EOI else mark.start())
        self._searched = max(self._searched, len(self._buffer) - 2)
        self._check_limit()
        return None

    def _check_limit(self) -> None:
        if len(self._buffer) > MAX_PART:
            raise Broken(f"sends a picture that does not end within {MAX_PART} bytes")

    def _cut(self, end: int) -> bytes:
        picture = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._inside = False
        return picture
