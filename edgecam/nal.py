"""H.264 and H.265 as units, and as the byte stream in which the muxer takes them (ITU-T H.264 annex B). Pure.

Cameras give a byte stream; files and RTSP libraries give length-prefixed units with a configuration record
(ISO/IEC 14496-15, 5.3.3 and 8.3.3), recognised by its first byte.
"""

from collections.abc import Iterable, Iterator

from edgecam.frame import Frame, Kind

_START = b"\0\0\0\1"
_SETS = {Kind.H264: (7, 8), Kind.HEVC: (32, 33, 34)}
"""Types of the units that say how the others are to be read: SPS, PPS; VPS, SPS, PPS."""


def stream(frame: Frame) -> bytes:
    """The frame's data as a byte stream; keyframes begin with the parameter sets that `extradata` brings.

    Raises ValueError for a configuration record that cannot be read.
    """
    record = frame.extradata
    if not record or record[0] != 1:
        return (record or b"") + frame.data if frame.keyframe else frame.data
    size, sets = _read(frame.kind, record)
    units = [*(sets if frame.keyframe else ()), *_prefixed(frame.data, size)]
    return joined(units)


def units(frame: Frame) -> list[bytes]:
    """The frame's own units, in their order, none of them empty.

    Raises ValueError for a configuration record that cannot be read.
    """
    record = frame.extradata
    if not record or record[0] != 1:
        return list(split(frame.data))
    size, _ = _read(frame.kind, record)
    return [unit for unit in _prefixed(frame.data, size) if unit]


def parameters(frame: Frame) -> tuple[bytes, ...]:
    """The parameter sets that `extradata` brings; none without it. Raises ValueError as `units` does."""
    record = frame.extradata or b""
    return parameter_sets(frame.kind, _read(frame.kind, record)[1] if record[:1] == b"\1" else split(record))


def parameter_sets(kind: Kind, units: Iterable[bytes]) -> tuple[bytes, ...]:
    """Those of `units` that are parameter sets; records of H.265 hold messages of the encoder as well."""
    return tuple(unit for unit in units if unit and unit_type(kind, unit) in _SETS[kind])


def announced(frame: Frame) -> tuple[bytes, ...]:
    """The parameter sets that a keyframe of a byte stream brings itself; none where they come beside it."""
    if not frame.keyframe or (frame.extradata or b"")[:1] == b"\1":
        return ()
    return parameter_sets(frame.kind, split(frame.data))


def joined(units: Iterable[bytes]) -> bytes:
    """Units as a byte stream."""
    return b"".join(_START + unit for unit in units)


def unit_type(kind: Kind, unit: bytes) -> int:
    """`nal_unit_type` (ITU-T H.264, 7.3.1; H.265, 7.3.1.2)."""
    return unit[0] & 0x1F if kind is Kind.H264 else unit[0] >> 1 & 0x3F


def split(data: bytes) -> Iterator[bytes]:
    """The units of a byte stream, without start codes and the zeros around them."""
    at = data.find(b"\0\0\1")
    while at >= 0:
        end = data.find(b"\0\0\1", at + 3)
        if unit := data[at + 3 : end if end >= 0 else len(data)].rstrip(b"\0"):
            yield unit
        at = end


def _prefixed(data: bytes, size: int) -> Iterator[bytes]:
    at = 0
    while at + size <= len(data):
        end = at + size + int.from_bytes(data[at : at + size], "big")
        yield data[at + size : end]
        at = end


def _read(kind: Kind, record: bytes) -> tuple[int, list[bytes]]:
    """Bytes of a unit's length, and the parameter sets."""
    try:
        return _avc(record) if kind is Kind.H264 else _hevc(record)
    except IndexError:
        raise ValueError("the camera's codec configuration is damaged") from None


def _sets(record: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """`count` units with lengths of two bytes from `at` on, and where they end."""
    found = []
    for _ in range(count):
        length = record[at] << 8 | record[at + 1]
        found.append(record[at + 2 : at + 2 + length])
        at += 2 + length
    return found, at


def _avc(record: bytes) -> tuple[int, list[bytes]]:
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
