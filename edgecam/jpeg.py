"""JPEG without pixels: size and wholeness from the markers alone (ITU-T T.81, annex B)."""

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

MAX_PIXELS = 50_000_000
"""No camera this daemon serves is larger; a header that says more is refused before anything is decoded."""


class BadJpeg(ValueError):
    """The bytes are not one whole JPEG of a sane size; the text says why."""


def size(data: bytes | memoryview) -> tuple[int, int]:
    """Width and height in pixels of a whole JPEG.

    Reads the markers up to the frame header and looks for the end marker; decodes nothing (about 3 µs).
    Padding after the end marker, which webcams send, is allowed.

    Raises BadJpeg: not a JPEG, truncated, no frame header, or more than MAX_PIXELS.
    """
    if data[:2] != _SOI:
        raise BadJpeg("does not start like a JPEG")
    if bytes(data[-2:]) != _EOI and _EOI not in bytes(data[-4096:]):
        raise BadJpeg("is truncated (no end marker)")
    at, end = 2, len(data)
    while at + 9 <= end:
        if data[at] != 0xFF:
            raise BadJpeg(f"is damaged at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAME_HEADERS:
            height = data[at + 5] << 8 | data[at + 6]
            width = data[at + 7] << 8 | data[at + 8]
            if not width or not height:
                raise BadJpeg("has no size")
            if width * height > MAX_PIXELS:
                raise BadJpeg(f"claims {width}x{height} pixels, more than any camera")
            return width, height
        at += 2 + (data[at + 2] << 8 | data[at + 3])
    raise BadJpeg("has no frame header")
