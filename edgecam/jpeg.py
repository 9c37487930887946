"""JPEG without pixels: size, wholeness and end from the markers alone (ITU-T T.81, annex B)."""

from collections.abc import Iterator

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_SCAN = 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_NOT_IN_HEADERS = frozenset({0x00, 0xD8, 0xD9})
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

MAX_PIXELS = 50_000_000
"""No camera this daemon serves is larger; a header that says more is refused before anything is decoded."""

PADDING = 4096
"""Bytes that a camera may append to the end marker; webcams fill up to a round size."""


class BadJpeg(ValueError):
    """The bytes are not one whole JPEG of a sane size; the text says why."""


def size(data: bytes | memoryview) -> tuple[int, int]:
    """Width and height in pixels of a whole JPEG.

    Reads the markers up to the frame header and looks for the end marker; decodes nothing (about 3 µs).

    Raises BadJpeg: not a JPEG, truncated, damaged, no frame header, or more than MAX_PIXELS.
    """
    if data[:2] != SOI:
        raise BadJpeg("does not start like a JPEG")
    if bytes(data[-2:]) != EOI and EOI not in bytes(data[-PADDING:]):
        raise BadJpeg("is truncated (no end marker)")
    for marker, at, behind in _segments(data):
        if marker in _FRAME_HEADERS and at + 9 <= min(behind, len(data)):
            height = data[at + 5] << 8 | data[at + 6]
            width = data[at + 7] << 8 | data[at + 8]
            if not width or not height:
                raise BadJpeg("has no size")
            if width * height > MAX_PIXELS:
                raise BadJpeg(f"claims {width}x{height} pixels, more than any camera")
            return width, height
        if marker == _SCAN:
            break
    raise BadJpeg("has no frame header")


def scan(data: bytes | bytearray) -> int | None:
    """Where the coded picture begins, behind the header of the first scan; None when the bytes end before that.

    From there on neither SOI nor EOI can occur but as markers, since a coded 0xFF is always followed by 0x00.
    Before it they can: in the thumbnail that a camera puts into an application segment.

    Raises BadJpeg when the headers are damaged.
    """
    for marker, _, behind in _segments(data):
        if marker == _SCAN:
            return behind if behind <= len(data) else None
    return None


def _segments(data: bytes | bytearray | memoryview) -> Iterator[tuple[int, int, int]]:
    """Marker, its position and the position behind the segment, of each segment after SOI; raises BadJpeg."""
    at, end = 2, len(data)
    while at + 4 <= end:
        if data[at] != 0xFF:
            raise BadJpeg(f"is damaged at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = data[at + 2] << 8 | data[at + 3]
        if length < 2 or marker in _NOT_IN_HEADERS:
            raise BadJpeg(f"is damaged at byte {at}")
        yield marker, at, at + 2 + length
        at += 2 + length
