"""H.264 and H.265 as a byte stream (ITU-T H.264 annex B): the one form in which the muxer takes them.

Cameras give it directly; files and RTSP libraries give length-prefixed units with a configuration record
(ISO/IEC 14496-15, 5.3.3 and 8.3.3), recognised by its first byte.
"""

from collections.abc import Iterator

from edgecam.frame import Frame, Kind

_START = b"\0\0\0\1"


def stream(frame: Frame) -> bytes:
    """The frame's data as a byte stream; keyframes begin with the parameter sets that `extradata` brings.

    Raises ValueError for a configuration record that cannot be read.
    """
    record = frame.extradata
    if not record or record[0] != 1:
        return (record or b"") + frame.data if frame.keyframe else frame.data
    try:
        size, sets = _avc(record) if frame.kind is Kind.H264 else _hevc(record)
    except IndexError:
        raise ValueError("the camera's codec configuration is damaged") from None
    units = [*(sets if frame.keyframe else ()), *_units(frame.data, size)]
    return b"".join(_START + unit for unit in units)


def _units(data: bytes, size: int) -> Iterator[bytes]:
    at = 0
    while at + size <= len(data):
        end = at + size + int.from_bytes(data[at : at + size], "big")
        yield data[at + size : end]
        at = end


def _sets(record: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """`count` units with lengths of two bytes from `at` on, and where they end."""
    found = []
    for _ in range(count):
        length = record[at] << 8 | record[at + 1]
        found.append(record[at + 2 : at + 2 + length])
        at += 2 + length
    return found, at


def _avc(record: bytes) -> tuple[int, list[bytes]]:
    """Bytes of a unit's length, and the parameter sets."""
    sequence, at = _sets(record, 6, record[5] & 0x1F)
    picture, _ = _sets(record, at + 1, record[at])
    return (record[4] & 3) + 1, sequence + picture


def _hevc(record: bytes) -> tuple[int, list[bytes]]:
    found: list[bytes] = []
    at = 23
    for _ in range(record[22]):
        sets, at = _sets(record, at + 3, record[at + 1] << 8 | record[at + 2])
        found += sets
    return (record[21] & 3) + 1, found
