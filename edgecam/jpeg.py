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


def complete(data: bytes) -> bytes:
    """The same JPEG with its Huffman tables: USB cameras leave the standard ones out, and browsers need them.

    Untouched when it has tables, is coded in another way than sequentially, or is no JPEG. Decodes nothing.
    """
    sequential = False
    try:
        for marker, at, _ in _segments(data) if data[:2] == SOI else ():
            if marker == _TABLES:
                return data
            sequential |= marker in _SEQUENTIAL
            if marker == _SCAN:
                return data[:at] + STANDARD_TABLES + data[at:] if sequential else data
    except BadJpeg:  # for others to complain about
        pass
    return data


_TABLES = 0xC4
_SEQUENTIAL = frozenset({0xC0, 0xC1})

_AC = "a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9da"
STANDARD_TABLES = (
    b"\xff\xc4"
    + (2 + 416).to_bytes(2)
    + bytes.fromhex(
        # class and number, how many codes of each length 1..16, their values (ITU-T T.81, tables K.3, K.5, K.4, K.6)
        "00 00010501010101010100000000000000 000102030405060708090a0b"
        "10 0002010303020403050504040000017d 01020300041105122131410613516107227114328191a1082342b1c11552d1f0"
        "24336272 82090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a"
        "737475767778797a838485868788898a92939495969798999aa2" + _AC + "e1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
        "01 00030101010101010101010000000000 000102030405060708090a0b"
        "11 00020102040403040705040400010277 000102031104052131061241510761711322328108144291a1b1c109233352f0"
        "156272d1 0a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a63646566676869"
        "6a737475767778797a82838485868788898a92939495969798999aa2" + _AC + "e2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
    )
)
"""One DHT segment with the tables that baseline JPEG uses when nobody makes better ones."""
