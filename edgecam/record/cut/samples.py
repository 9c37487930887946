"""Samples of our own recordings: when each is decoded, and where its bytes lie. Headers are read, nothing else.

A table costs 25 bytes a sample, so that hours can be held.
"""

import errno
import hashlib
import io
import os
import struct
import weakref
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edgecam.record import boxes

_NOT_SYNC = 0x10000
"""Of a sample's flags (ISO/IEC 14496-12, 8.8.3.1): it is no keyframe."""

_LEAP = 3600
"""Seconds from one sample to the next, or that a fragment may last; more is damage."""

_BIT_RATES = slice(22, 30)
"""Where in `esds` the largest and the mean bit rate are, lengths written in four bytes as FFmpeg does: estimates that
differ from file to file (ISO/IEC 14496-1, 7.2.6)."""

Read = Callable[[int, int], bytes]
"""(place, size): so many bytes from there on; raises OSError."""


class Samples:
    """Those of one track, in the order of decoding; times are ticks from the file's time 0 on."""

    def __init__(self, track: boxes.Track) -> None:
        self.track = track
        self.coding = _coding(track)
        """Equal for tracks whose samples one decoder takes in a row."""
        self.times = array("q")
        self.places = array("q")
        self.sizes = array("I")
        self.shifts = array("i")
        """From when each is decoded to when it is shown."""
        self.keys = bytearray()
        """1: a keyframe."""
        self.end = 0
        """When the last one ends."""

    def __len__(self) -> int:
        return len(self.times)

    def add(self, run: boxes.Run) -> None:
        """Raises LookupError for times that no camera has."""
        length, last = sum(run.durations), self.times[-1] if self.times else 0
        if not last <= run.at <= self.end + self._leap or length > self._leap:
            raise LookupError("times that leap are damaged")
        at, place = run.at, run.place
        for duration, size in zip(run.durations, run.sizes, strict=True):
            self.times.append(at)
            self.places.append(place)
            at, place = at + duration, place + size
        self.sizes.extend(run.sizes)
        self.shifts.frombytes(array("I", run.shifts).tobytes())
        self.keys.extend(not flags & _NOT_SYNC for flags in run.flags)
        self.end = at

    @property
    def _leap(self) -> int:
        return _LEAP * self.track.timescale

    def after(self, index: int) -> int:
        """When the sample before `index` ends."""
        return self.times[index] if index < len(self.times) else self.end

    def keyframe(self, at: int) -> int:
        """Index of the last keyframe at or before `at`; -1: there is none."""
        return self.keys.rfind(1, 0, bisect_right(self.times, at))

    def ranges(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Where the bytes of these samples (one at least) lie: place and size, what lies side by side as one."""
        begin = end = self.places[first]
        for place, size in zip(self.places[first:stop], self.sizes[first:stop], strict=True):
            if place != end:
                yield begin, end - begin
                begin = place
            end = place + size
        yield begin, end - begin


class Footage:
    """A recording that was read: its head, its samples, and the way to their bytes.

    Reading raises OSError, and boxes.NotPlayable when no keyframe is whole. A file that is still being written is read
    up to its last whole fragment. Files are opened when their bytes are wanted; with `hold` one that is not finished,
    and will change its name, is held open. Any thread.
    """

    def __init__(self, source: Path | bytes, *, hold: bool = False) -> None:
        self._source = source
        self._held: int | None = None
        if isinstance(source, Path):
            self.name = source.name
            with source.open("rb") as file:
                self._identity = _identity(file.fileno())
                self._read(file)
                if hold and ".part." in source.name:
                    self._held = os.dup(file.fileno())
                    weakref.finalize(self, os.close, self._held)
        else:
            self.name = "the newest frames in memory"
            self._read(io.BytesIO(source))

    def _read(self, file: BinaryIO) -> None:
        tables = list[Samples]()
        head = list[tuple[int, int]]()
        pending = list[tuple[Samples, list[boxes.Run]]]()
        for kind, start, size, body in boxes.whole(file):
            try:
                if kind in (b"ftyp", b"moov") and not tables:
                    head.append((start, size))
                if kind == b"moov" and not tables:
                    tables = _tables(boxes.load(file, start + body, size - body))
                elif kind == b"moof":
                    moof = boxes.load(file, start + body, size - body)
                    pending = [(table, list(boxes.runs(moof, table.track.id, start))) for table in tables]
                elif kind == b"mdat":
                    for table, runs in pending:
                        _add(table, runs, start + body, start + size)
                    pending = []
            except (struct.error, LookupError):
                break
        video = next((table for table in tables if table.track.is_video and 1 in table.keys), None)
        if video is None:
            boxes.read(file)
            raise boxes.NotPlayable("its first pictures are damaged")
        self.video = video
        self.sound = next((table for table in tables if not table.track.is_video and table.times), None)
        self.head = b"".join(boxes.load(file, start, size) for start, size in head)
        """`ftyp` and `moov`."""

    @property
    def is_held(self) -> bool:
        return self._held is not None

    @property
    def identity(self) -> bytes:
        """Of the recording, whatever its file is called while it is written."""
        if isinstance(self._source, Path):
            return self.name.partition(".")[0].encode()
        return hashlib.sha256(self._source).digest()

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """Raises OSError: it is gone, or another file now."""
        if isinstance(self._source, bytes):
            memory = memoryview(self._source)
            yield lambda place, size: bytes(memory[place : place + size])
        elif self._held is not None:
            yield self._reader(self._held)
        else:
            with self._source.open("rb", buffering=0) as file:
                if _identity(file.fileno()) != self._identity:
                    raise OSError(errno.ESTALE, "it was replaced meanwhile", str(self._source))
                yield self._reader(file.fileno())

    def _reader(self, descriptor: int) -> Read:
        def read(place: int, size: int) -> bytes:
            data = os.pread(descriptor, size, place)
            if len(data) != size:
                raise OSError(errno.EIO, "it is shorter than it was", str(self._source))
            return data

        return read


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _tables(moov: bytes) -> list[Samples]:
    """Empty ones, of the first track of each sort."""
    tracks = list(boxes.tracks(moov))
    return [
        Samples(track)
        for wanted in (True, False)
        for track in [track for track in tracks if track.is_video is wanted][:1]
    ]


def _add(table: Samples, runs: Sequence[boxes.Run], begin: int, end: int) -> None:
    """Raises LookupError when their bytes are not between `begin` and `end`."""
    for run in runs:
        if not begin <= run.place <= run.place + sum(run.sizes) <= end:
            raise LookupError("samples outside of their fragment are damaged")
        table.add(run)


def _coding(track: boxes.Track) -> tuple[object, ...]:
    """What a decoder must know: the sample entry without what is told of bit rates, its boxes in any order."""
    fixed = 86 if track.is_video else 36  # ISO/IEC 14496-12, 12.1.3.2 and 12.2.3.2
    parts, at = [], fixed
    while at + 8 <= len(track.entry):
        size, kind = struct.unpack_from(">I4s", track.entry, at)
        body = track.entry[at + 8 : at + max(size, 8)]
        if kind == b"esds":
            parts.append(body[: _BIT_RATES.start] + body[_BIT_RATES.stop :])
        elif kind != b"btrt":
            parts.append(body)
        at += max(size, 8)
    return track.timescale, track.entry[4:fixed], *sorted(parts)
