"""Film: a fragmented MP4 that is nowhere: headers of our own around bytes that lie in recordings (ISO/IEC 14496-12).

Its size is known at once and its bytes are always the same, so that any range of them can be served.
"""

import hashlib
import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import BinaryIO, NamedTuple

from edgecam.record.cut.samples import Footage, Read, Samples
from edgecam.record.sink import Sink

FRAGMENT, LONGEST = 0.9, 2.0
"""Seconds after which a fragment ends at the next keyframe, and after which it ends anyway."""

CHUNK = 1 << 18
"""Bytes that are read at once."""

_KEYFRAME, _OTHER = 0x0200_0000, 0x0101_0000
"""Flags of a sample (8.8.3.1): depends on no other; depends on others, and is no place to begin at."""

_MOST_REFERENCES = 0xFFFF
_SAP = 0x9000_0000
"""In an index (8.16.3): begins with a keyframe."""


@dataclass(slots=True)
class Take:
    """Frames `first` to `stop` of a recording, one after the other."""

    footage: Footage
    shift: int
    """Ticks from the recording's own times to those of the whole."""
    first: int
    stop: int

    @property
    def begin(self) -> int:
        return self.footage.video.times[self.first] + self.shift

    @property
    def end(self) -> int:
        return self.footage.video.after(self.stop) + self.shift


class _Part(NamedTuple):
    """Samples of one track within a fragment. `end`: when the last one ends, in the film's ticks."""

    samples: Samples
    shift: int
    first: int
    stop: int
    end: int

    @property
    def size(self) -> int:
        return sum(self.samples.sizes[self.first : self.stop])

    @property
    def durations(self) -> Iterator[int]:
        times = self.samples.times[self.first : self.stop]
        times.append(self.end - self.shift)
        return (after - before for before, after in pairwise(times))


class _Fragment(NamedTuple):
    footage: Footage
    parts: tuple[_Part, ...]
    """Video, then sound if there is any."""


class Film:
    """`takes` in the order of time, of one coding, the first at 0; each lasts until the next one begins.

    Sound that is coded as the first that is heard goes along. Any thread, several at once.
    """

    def __init__(
        self, takes: Sequence[Take], begin: float, end: float, gaps: tuple[tuple[float, float], ...] = ()
    ) -> None:
        self.begin, self.end = begin, end
        """Unix seconds that are really covered."""
        self.gaps = gaps
        """Unix seconds, within what was asked for, of which there is no picture; they are left out."""
        lead = next((take.footage for take in takes if take.footage.sound), takes[0].footage)
        self._fragments = list(_fragments(takes, lead.sound))
        self._starts = array("q", [0])  # of the head and of each fragment
        sizes = [_moof_size(fragment) + 8 + sum(part.size for part in fragment.parts) for fragment in self._fragments]
        self._head = lead.head + _index(lead.video.track.id, self._fragments, sizes)
        at = len(self._head)
        for size in sizes:
            self._starts.append(at)
            at += size
        self.size = at
        """Bytes."""
        self.etag = self._digest()
        """The same for the same bytes: which samples lie where in what. Hexadecimal."""

    def _digest(self) -> str:
        digest = hashlib.blake2b(self._head, digest_size=16)
        for footage, parts in self._fragments:
            digest.update(footage.identity)
            for samples, shift, first, stop, end in parts:
                digest.update(struct.pack(">4q", shift, first, stop, end))
                for column in (samples.places, samples.sizes, samples.times, samples.shifts):
                    digest.update(column[first:stop].tobytes())
        return digest.hexdigest()

    def pieces(self, start: int = 0, stop: int | None = None) -> Generator[bytes, None, None]:
        """Bytes `start` to `stop` of the file. Blocking; raises OSError when a recording is gone meanwhile.

        One recording is open at a time; close the iterator to leave early.
        """
        stop = self.size if stop is None else min(stop, self.size)
        if start < min(stop, len(self._head)):
            yield self._head[start:stop]
        with ExitStack() as opened:
            footage: Footage | None = None
            for number in range(max(0, bisect_right(self._starts, start) - 2), len(self._fragments)):
                at, fragment = self._starts[number + 1], self._fragments[number]
                if at >= stop:
                    return
                if fragment.footage is not footage:
                    opened.close()
                    footage = fragment.footage
                    read = opened.enter_context(footage.opened())
                yield from _bytes(fragment, number + 1, read, start - at, stop - at)

    def write(self, file: BinaryIO) -> None:
        """All of it. Blocking; raises OSError."""
        sink = Sink(file)
        for piece in self.pieces():
            sink.write(piece)


def _fragments(takes: Sequence[Take], lead: Samples | None) -> Iterator[_Fragment]:
    heard = 0  # where the sound ends so far
    for number, take in enumerate(takes):
        until = takes[number + 1].begin if number + 1 < len(takes) else take.end
        voice = None
        if lead is not None:
            voice = _voice(take, until, lead, heard)
            heard = voice.end if voice else heard
        video, first = take.footage.video, take.first
        while first < take.stop:
            stop = _fragment_end(video, first, take.stop)
            end = video.times[stop] + take.shift if stop < take.stop else until
            parts = [_Part(video, take.shift, first, stop, end)]
            if voice:
                now, voice = _split(voice, end * voice.samples.track.timescale // video.track.timescale)
                parts += [now] if now.first < now.stop else []
            yield _Fragment(take.footage, tuple(parts))
            first = stop


def _fragment_end(video: Samples, first: int, stop: int) -> int:
    second = video.track.timescale
    soon, late = (
        bisect_left(video.times, video.times[first] + round(age * second), first + 1, stop)
        for age in (FRAGMENT, LONGEST)
    )
    key = video.keys.find(1, soon, late)
    return late if key < 0 else key


def _voice(take: Take, until: int, lead: Samples, heard: int) -> _Part | None:
    """The sound of a take: what begins in it, and not within what was `heard` before it.

    A packet reaches beyond the end of the take in which it begins; the next one in the next recording then continues
    it, by their times give or take half a packet.
    """
    sound, second = take.footage.sound, take.footage.video.track.timescale
    if sound is None or sound.coding != lead.coding:
        return None
    rate, step = sound.track.timescale, sound.after(1) - sound.times[0]
    shift, begin = take.shift * rate // second, take.begin * rate // second
    if heard > begin - step:
        begin = max(0, heard - step // 2)
    first = bisect_left(sound.times, begin - shift)
    stop = bisect_left(sound.times, until * rate // second - shift)
    if first >= stop:
        return None
    shift += max(0, heard - sound.times[first] - shift)
    return _Part(sound, shift, first, stop, min(sound.after(stop), sound.times[stop - 1] + step) + shift)


def _split(part: _Part, at: int) -> tuple[_Part, _Part]:
    """What begins before `at`, and the rest."""
    middle = bisect_left(part.samples.times, at - part.shift, part.first, part.stop)
    end = part.samples.times[middle] + part.shift if middle < part.stop else part.end
    return part._replace(stop=middle, end=end), part._replace(first=middle)


def _bytes(fragment: _Fragment, number: int, read: Read, start: int, stop: int) -> Iterator[bytes]:
    """Bytes `start` to `stop` of a fragment, as far as there are any."""
    head = _moof(fragment, number) + struct.pack(">I4s", 8 + sum(part.size for part in fragment.parts), b"mdat")
    if start < min(stop, len(head)):
        yield head[max(0, start) : stop]
    at = len(head)
    for place, size in chain.from_iterable(part.samples.ranges(part.first, part.stop) for part in fragment.parts):
        for begin in range(max(0, start - at), min(size, stop - at), CHUNK):
            yield read(place + begin, min(CHUNK, size - begin, stop - at - begin))
        at += size


def _moof_size(fragment: _Fragment) -> int:
    return 24 + sum(
        64 + (8 if part.samples.track.codec == "aac" else 16) * (part.stop - part.first) for part in fragment.parts
    )


def _moof(fragment: _Fragment, number: int) -> bytes:
    data, trafs = _moof_size(fragment) + 8, list[bytes]()
    for part in fragment.parts:
        trafs.append(_traf(part, data))
        data += part.size
    return _box(b"moof", _box(b"mfhd", struct.pack(">II", 0, number)), *trafs)


def _traf(part: _Part, data: int) -> bytes:
    """8.8.6; `data`: from the first byte of the moof to the first of the samples."""
    samples, first, stop = part.samples, part.first, part.stop
    columns: list[Iterator[int] | Sequence[int]] = [part.durations, samples.sizes[first:stop]]
    if samples.track.is_video:
        columns.append([_KEYFRAME if key else _OTHER for key in samples.keys[first:stop]])
        columns.append([shift & 0xFFFF_FFFF for shift in samples.shifts[first:stop]])
    table = list(chain.from_iterable(zip(*columns, strict=True)))
    return _box(
        b"traf",
        _box(b"tfhd", struct.pack(">II", 0x020000, samples.track.id)),  # offsets count from the moof
        _box(b"tfdt", struct.pack(">IQ", 1 << 24, samples.times[first] + part.shift)),
        _box(
            b"trun",
            struct.pack(">IIi", 1 << 24 | (0xF01 if samples.track.is_video else 0x301), stop - first, data),
            struct.pack(f">{len(table)}I", *table),
        ),
    )


def _index(track: int, fragments: Sequence[_Fragment], sizes: Sequence[int]) -> bytes:
    """`sidx` (8.16.3): by it players know the length at once, and where to jump.

    FFmpeg takes its times for those of decoding, so video whose frames are reordered goes without.
    """
    videos = [fragment.parts[0] for fragment in fragments]
    if any(any(part.samples.shifts[part.first : part.stop]) for part in videos):
        return b""
    step = -(-len(videos) // _MOST_REFERENCES)
    references = list[int]()
    for at in range(0, len(videos), step):
        begin, last = videos[at], videos[min(at + step, len(videos)) - 1]
        duration = last.end - begin.samples.times[begin.first] - begin.shift
        sap = _SAP if begin.samples.keys[begin.first] else 0
        references += [sum(sizes[at : at + step]), duration, sap]
    return _box(
        b"sidx",
        struct.pack(">IIIQQHH", 1 << 24, track, videos[0].samples.track.timescale, 0, 0, 0, len(references) // 3),
        struct.pack(f">{len(references)}I", *references),
    )


def _box(kind: bytes, *body: bytes) -> bytes:
    data = b"".join(body)
    return struct.pack(">I4s", 8 + len(data), kind) + data
