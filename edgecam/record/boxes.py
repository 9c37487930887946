"""Fragmented MP4 read without a library (ISO/IEC 14496-12): what is in the file, and how much of it is whole.

Reads the headers only, a few hundred bytes for each fragment, whatever the file's length. `read` says what a file
holds altogether; `tracks` and `runs` say it of one `moov` and one `moof`.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

_VIDEO = {b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc", b"mp4v": "mjpeg", b"jpeg": "mjpeg"}
"""Sample entries. We write `mp4v` for JPEG only (object type 6C)."""

_SOUND = {b"mp4a": "aac"}

_HEADER_LIMIT = 1 << 20
"""Bytes of the largest `moov` or `moof` we would have written ourselves, by far."""

# ISO/IEC 14496-12, 8.8: which optional fields are there
_TFHD_FIELDS = {0x1: "Q", 0x2: "I", 0x8: "I", 0x10: "I", 0x20: "I"}
_BASE, _, _DURATION, _SIZE, _FLAGS = _TFHD_FIELDS
_TRUN_OFFSET, _TRUN_FIRST_FLAGS = 0x1, 0x4
_TRUN_FIELDS = (0x100, 0x200, 0x400, 0x800)

_MOST_SAMPLES = 1 << 16
"""Of one run. Ours hold a second or two; a number far beyond is damage, and would cost memory."""


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
class Track:
    """What `moov` says of a track."""

    id: int
    codec: str
    """As of Video, or aac."""
    width: int
    height: int
    """Pixels; 0 of sound."""
    timescale: int
    """Ticks in a second."""
    entry: bytes
    """The sample entry, a whole box: how the samples are coded."""

    @property
    def is_video(self) -> bool:
        return self.width > 0


@dataclass(frozen=True, slots=True)
class Run:
    """Samples of one track that follow each other, in time and in the file."""

    at: int
    """Ticks at which the first is decoded."""
    place: int
    """Where its bytes begin in the file."""
    durations: Sequence[int]
    sizes: Sequence[int]
    flags: Sequence[int]
    """ISO/IEC 14496-12, 8.8.3.1."""
    shifts: Sequence[int]
    """Ticks from when each is decoded to when it is shown: 32 bits, two's complement."""


def read(file: BinaryIO) -> Video:
    """Raises NotPlayable. A torn, damaged or foreign tail is not an error: it is left out."""
    track: Track | None = None
    pending: tuple[int, int] | None = None  # frames of a moof whose mdat is still to come, and where they end
    frames = ticks = end = torn_from = 0
    ours = False
    for kind, start, size, body in whole(file):
        ours |= kind == b"ftyp" and not start
        try:
            if kind == b"moov":
                track = next(track for track in tracks(load(file, start + body, size - body)) if track.is_video)
            elif kind == b"moof" and track:
                pending = _count(runs(load(file, start + body, size - body), track.id, start), ticks)
            elif kind == b"mdat" and pending:
                frames, ticks, end = frames + pending[0], pending[1], start + size
                pending = None
        except (struct.error, LookupError, StopIteration):
            break
        torn_from = start + size
    if track is None and not (ours and _torn(file, torn_from)):
        raise NotPlayable("it is not a video of ours")
    if not frames and _torn(file, torn_from):
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


def _count(found: Iterator[Run], before: int) -> tuple[int, int]:
    """Number of frames of a fragment, and the time (ticks) at which they end; none end `before`."""
    frames, end = 0, before
    for run in found:
        frames, end = frames + len(run.durations), run.at + sum(run.durations)
    return frames, end


def whole(file: BinaryIO) -> Iterator[tuple[bytes, int, int, int]]:
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


def load(file: BinaryIO, start: int, size: int) -> bytes:
    """A header; raises LookupError."""
    if size > _HEADER_LIMIT:
        raise LookupError("a header this large is damaged")
    file.seek(start)
    return file.read(size)


def children(data: bytes, name: bytes) -> Iterator[bytes]:
    """The bodies of all boxes called `name` right within `data`; raises LookupError."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            raise LookupError(name)
        if kind == name:
            yield data[at + 8 : at + size]
        at += size


def child(data: bytes, *path: bytes) -> bytes:
    """The body of the first box at `path` within `data`; raises LookupError."""
    for name in path:
        found = next(children(data, name), None)
        if found is None:
            raise LookupError(name)
        data = found
    return data


def tracks(moov: bytes) -> Iterator[Track]:
    """Those of a coding that we know. Raises LookupError, struct.error.

    Offsets: tkhd 8.3.2, mdhd 8.4.2, sample entry 8.5.2 and 12.1.3.
    """
    for trak in children(moov, b"trak"):
        entry = child(trak, b"mdia", b"minf", b"stbl", b"stsd")[8:]
        size, kind = struct.unpack_from(">I4s", entry)
        codec = _VIDEO.get(kind) or _SOUND.get(kind)
        if codec is None:
            continue
        tkhd, mdhd = child(trak, b"tkhd"), child(trak, b"mdia", b"mdhd")
        (id,) = struct.unpack_from(">I", tkhd, 20 if tkhd[0] == 1 else 12)
        (timescale,) = struct.unpack_from(">I", mdhd, 20 if mdhd[0] == 1 else 12)
        width, height = struct.unpack_from(">HH", entry, 32) if kind in _VIDEO else (0, 0)
        yield Track(id, codec, width, height, timescale or 1, entry[:size])


def runs(moof: bytes, track: int, start: int) -> Iterator[Run]:
    """What the fragment at `start` of a file holds of `track`. Raises LookupError, struct.error.

    Defaults that are in `moov` alone (8.8.3) count as 0; none of ours are.
    """
    for traf in children(moof, b"traf"):
        tfhd = child(traf, b"tfhd")
        if int.from_bytes(tfhd[4:8], "big") != track:
            continue
        defaults = _defaults(tfhd)
        base = place = defaults.get(_BASE, start)
        tfdt = child(traf, b"tfdt")
        at = int.from_bytes(tfdt[4:12] if tfdt[0] else tfdt[4:8], "big")
        for trun in children(traf, b"trun"):
            run = _run(trun, at, base, place, defaults)
            at, place = at + sum(run.durations), run.place + sum(run.sizes)
            yield run


def _defaults(tfhd: bytes) -> dict[int, int]:
    (flags,) = struct.unpack_from(">I", tfhd)
    there = [field for field in _TFHD_FIELDS if flags & field]
    values = struct.unpack_from(">" + "".join(_TFHD_FIELDS[field] for field in there), tfhd, 8)
    return dict(zip(there, values, strict=True))


def _run(trun: bytes, at: int, base: int, place: int, defaults: dict[int, int]) -> Run:
    """`place`: where its data begin unless it says so itself, from `base` on."""
    flags, count = struct.unpack_from(">II", trun)
    if count > _MOST_SAMPLES:
        raise LookupError("a run of so many samples is damaged")
    cursor, there = 8, [field for field in _TRUN_FIELDS if flags & field]
    if flags & _TRUN_OFFSET:
        place = base + int(struct.unpack_from(">i", trun, cursor)[0])
        cursor += 4
    first = trun[cursor : cursor + 4] if flags & _TRUN_FIRST_FLAGS else b""
    table = struct.unpack_from(f">{count * len(there)}I", trun, cursor + len(first))
    duration, size, marks, shift = (
        table[there.index(field) :: len(there)] if field in there else (defaults.get(default, 0),) * count
        for field, default in zip(_TRUN_FIELDS, (_DURATION, _SIZE, _FLAGS, 0), strict=True)
    )
    if first:
        marks = (int.from_bytes(first, "big"), *marks[1:])
    return Run(at, place, duration, size, marks[:count], shift)
