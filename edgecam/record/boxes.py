"""Fragmented MP4 read without a library (ISO/IEC 14496-12): what is in the file, and how much of it is whole.

Reads the headers only, a few hundred bytes for each fragment, whatever the file's length.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_CODECS = {b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc", b"mp4v": "mjpeg", b"jpeg": "mjpeg"}
"""Sample entries. We write `mp4v` for JPEG only (object type 6C)."""

_HEADER_LIMIT = 1 << 20
"""Bytes of the largest `moov` or `moof` we would have written ourselves, by far."""

# ISO/IEC 14496-12, 8.8: which optional fields are there
_TFHD_BASE, _TFHD_DESCRIPTION, _TFHD_DURATION = 0x1, 0x2, 0x8
_TRUN_OFFSET, _TRUN_FIRST_FLAGS, _TRUN_DURATION = 0x1, 0x4, 0x100
_TRUN_FIELDS = (0x100, 0x200, 0x400, 0x800)


class NotPlayable(ValueError):
    """The file has no whole fragment; the text says what it has instead."""


class Unfinished(NotPlayable):
    """Our own file, whose head or first fragment was still being written: nothing is in it, and nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Video:
    """What a file holds up to the end of its last whole fragment; of its tracks, the video is told."""

    codec: str
    """h264, hevc or mjpeg."""
    width: int
    height: int
    frames: int
    duration: float
    """Seconds."""
    end: int
    """Bytes up to the end of the last whole fragment; what follows is torn, or an index that nobody needs."""


@dataclass(frozen=True, slots=True)
class _Track:
    id: int
    codec: str
    width: int
    height: int
    timescale: int


def read(file: BinaryIO) -> Video:
    """Raises NotPlayable. A torn, damaged or foreign tail is not an error: it is left out."""
    track: _Track | None = None
    pending: tuple[int, int] | None = None  # frames of a moof whose mdat is still to come, and where they end
    frames = ticks = end = whole = 0
    ours = False
    for kind, start, size, body in _boxes(file):
        ours |= kind == b"ftyp" and not start
        try:
            if kind == b"moov":
                track = _track(_load(file, start + body, size - body))
            elif kind == b"moof" and track:
                pending = _fragment(_load(file, start + body, size - body), track.id, ticks)
            elif kind == b"mdat" and pending:
                frames, ticks, end = frames + pending[0], pending[1], start + size
                pending = None
        except (struct.error, LookupError):
            break
        whole = start + size
    if track is None and not (ours and _torn(file, whole)):
        raise NotPlayable("it is not a video of ours")
    if not frames and _torn(file, whole):
        raise Unfinished("it ends before its first picture is whole")
    if not frames or track is None:
        raise NotPlayable("its first pictures are damaged")
    return Video(track.codec, track.width, track.height, frames, ticks / track.timescale, end)


def _torn(file: BinaryIO, at: int) -> bool:
    """Whether the file ends at `at`, or in a fragment that begins there."""
    file.seek(at)
    head = file.read(8)
    torn_at = at + int.from_bytes(head[:4], "big") > file.seek(0, 2)
    return len(head) < 8 or (torn_at and head[4:] in (b"moov", b"moof", b"mdat"))


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int, int]]:
    """Whole boxes of the file: type, offset, size, size of its header. Stops at the first torn one."""
    length = file.seek(0, 2)
    start = 0
    while start + 8 <= length:
        file.seek(start)
        head = file.read(16)
        size, kind = struct.unpack(">I4s", head[:8])
        body = 8
        if size == 1 and len(head) == 16:
            size, body = int.from_bytes(head[8:], "big"), 16
        if size < body or start + size > length:
            return
        yield kind, start, size, body
        start += size


def _load(file: BinaryIO, start: int, size: int) -> bytes:
    if size > _HEADER_LIMIT:
        raise LookupError("a header this large is damaged")
    file.seek(start)
    return file.read(size)


def _children(data: bytes, name: bytes) -> Iterator[bytes]:
    """The bodies of all boxes called `name` right within `data`; raises LookupError."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            raise LookupError(name)
        if kind == name:
            yield data[at + 8 : at + size]
        at += size


def _child(data: bytes, *path: bytes) -> bytes:
    """The body of the first box at `path` within `data`; raises LookupError."""
    for name in path:
        found = next(_children(data, name), None)
        if found is None:
            raise LookupError(name)
        data = found
    return data


def _track(moov: bytes) -> _Track:
    """The first track of a coding that we know. Offsets: tkhd 8.3.2, mdhd 8.4.2, sample entry 8.5.2 and 12.1.3."""
    for trak in _children(moov, b"trak"):
        entry = _child(trak, b"mdia", b"minf", b"stbl", b"stsd")[8:]
        if entry[4:8] not in _CODECS:
            continue
        tkhd, mdhd = _child(trak, b"tkhd"), _child(trak, b"mdia", b"mdhd")
        (id,) = struct.unpack_from(">I", tkhd, 20 if tkhd[0] == 1 else 12)
        (timescale,) = struct.unpack_from(">I", mdhd, 20 if mdhd[0] == 1 else 12)
        width, height = struct.unpack_from(">HH", entry, 32)
        return _Track(id, _CODECS[entry[4:8]], width, height, timescale or 1)
    raise LookupError(b"trak")


def _fragment(moof: bytes, track: int, before: int) -> tuple[int, int]:
    """Number of frames of `track` in a movie fragment, and the time (ticks) at which they end; none end `before`."""
    frames, end = 0, before
    for traf in _children(moof, b"traf"):
        tfhd = _child(traf, b"tfhd")
        if int.from_bytes(tfhd[4:8], "big") != track:
            continue
        tfdt = _child(traf, b"tfdt")
        end = int.from_bytes(tfdt[4:12] if tfdt[0] else tfdt[4:8], "big")
        for trun in _children(traf, b"trun"):
            count, ticks = _run(trun, _default_duration(tfhd))
            frames, end = frames + count, end + ticks
    return frames, end


def _run(trun: bytes, default: int) -> tuple[int, int]:
    """Number of samples of a run, and how long (ticks) they last."""
    flags, count = struct.unpack_from(">II", trun)
    flags &= 0xFFFFFF
    if not flags & _TRUN_DURATION:
        return count, count * default
    at = 8 + 4 * bool(flags & _TRUN_OFFSET) + 4 * bool(flags & _TRUN_FIRST_FLAGS)
    step = 4 * sum(bool(flags & field) for field in _TRUN_FIELDS)
    return count, sum(struct.unpack_from(">I", trun, at + n * step)[0] for n in range(count))


def _default_duration(tfhd: bytes) -> int:
    (flags,) = struct.unpack_from(">I", tfhd)
    at = 8 + 8 * bool(flags & _TFHD_BASE) + 4 * bool(flags & _TFHD_DESCRIPTION)
    return int(struct.unpack_from(">I", tfhd, at)[0]) if flags & _TFHD_DURATION else 0
