"""Reel: any interval out of recordings as one MP4, without coding anew and without writing anything.

The rules:

* A film begins with the last keyframe at or before what was asked for and ends with the last frame that begins before
  its end. Each frame lasts until the next one, so that the film is as long as the time it covers.
* At any moment the most preferred recording that covers it is shown. A recording is entered at a keyframe only: when
  one ends in the middle of another, the other is entered at its last keyframe before, and what the first had from there
  on is left out. So no frame is shown twice, and none is lost.
* A time of more than GAP that no recording covers is left out and told; in a shorter one the last frame stands.
* A film has one coding (size and parameter sets included): that of the most preferred recording, unless another coding
  covers at least GAP more of what was asked for; among equals JPEG video comes last. Recordings of other codings are
  left out as if they were not there.
* Sound goes along where it is coded as the first that is heard; where there is none, the film is silent.
"""

import logging
import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgecam.record.boxes import NotPlayable, Unfinished
from edgecam.record.cut.film import Film, Take
from edgecam.record.cut.samples import Footage

__all__ = ["Film", "NothingThere", "Recording", "cut"]

log = logging.getLogger(__name__)

GAP = 1.0
"""Seconds, beyond the length of a frame."""

ALIKE = 0.01
"""Seconds by which two codings that show the same may differ."""

NEAR = 0.002
"""Seconds by which two recordings may differ about the time of one frame: their begins are rounded to milliseconds."""

MOST_HELD = 50
"""Files that are not finished yet, and that a film holds open at once."""


class NothingThere(ValueError):
    """Nothing of the interval was recorded, or nothing of it can be read."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One of ours: H.264, H.265 or JPEG as record/mp4.py and record/coding/transcode.py write them."""

    start: float
    """Unix seconds of its first frame: the file's time 0."""
    source: Path | bytes
    """A file, perhaps one that is still being written, or a whole MP4 in memory."""
    later: Path | None = None
    """Where a file that is still being written lies as soon as it is finished."""


@dataclass(frozen=True, slots=True)
class _Strip:
    """A recording on the common time line, in ticks. `rank` 0 is the most preferred."""

    footage: Footage
    rank: int
    shift: int
    begin: int
    end: int


def cut(recordings: Sequence[Recording], begin: float, end: float, *, leading: bool = False) -> Film:
    """The film of `begin` to `end` (unix seconds), most preferred recordings first. Blocking; reads headers only.

    `leading`: the first recording must be in it, so that its coding is the film's however little it covers.
    What cannot be read is left out with a warning. Raises NothingThere.
    """
    origin = math.floor(begin)
    strips: dict[object, list[_Strip]] = {}
    held = 0
    for rank, recording in enumerate(recordings):
        footage = _footage(recording, hold=held < MOST_HELD) if recording.start < end else None
        if footage is not None:
            held += footage.is_held
            strip = _strip(footage, rank, recording.start - origin)
            strips.setdefault(footage.video.coding, []).append(strip)
    reels = [takes for of_a_coding in strips.values() if (takes := _takes(of_a_coding, begin - origin, end - origin))]
    if not reels:
        raise NothingThere(f"nothing is recorded from {_told(begin)} to {_told(end)}")
    if leading:
        del reels[1:]
    shown = [_shown(takes, begin - origin, end - origin) for takes in reels]
    reaching = zip(reels, shown, strict=True)
    near = [(takes, seconds) for takes, seconds in reaching if seconds >= max(shown) - GAP]
    equal = (takes for takes, seconds in near if seconds >= max(shown) - ALIKE)
    takes = next((takes for takes in equal if takes[0].footage.video.track.codec != "mjpeg"), near[0][0])
    return _film(takes, origin, begin - origin, end - origin)


def _footage(recording: Recording, *, hold: bool) -> Footage | None:
    try:
        try:
            return Footage(recording.source, hold=hold)
        except FileNotFoundError:
            if recording.later is None:
                raise
            return Footage(recording.later)
    except Unfinished:
        return None
    except (OSError, NotPlayable) as error:
        name = recording.source.name if isinstance(recording.source, Path) else "the newest frames"
        log.warning("%s cannot be shown: %s", name, error)
        return None


def _strip(footage: Footage, rank: int, start: float) -> _Strip:
    video = footage.video
    shift = round(start * video.track.timescale)
    return _Strip(footage, rank, shift, video.times[video.keys.find(1)] + shift, video.end + shift)


def _takes(strips: Sequence[_Strip], begin: float, end: float) -> list[Take]:
    """What is shown from `begin` to `end` (seconds), in ticks of the strips' one timescale; see the rules above."""
    waiting = deque(sorted(strips, key=lambda strip: strip.begin))
    second = waiting[0].footage.video.track.timescale
    near, now, last = round(NEAR * second), round(begin * second), round(end * second)
    takes, running = list[Take](), list[_Strip]()
    while now < last - near:
        while waiting and waiting[0].begin <= now + near:
            running.append(waiting.popleft())
        running = [strip for strip in running if strip.end > now + near]
        if running:
            strip = min(running, key=lambda strip: strip.rank)
            until = _overtaken(strip, min(strip.end, last), waiting)
            _enter(takes, strip, now, until, near)
            now = until
        else:
            now = waiting[0].begin if waiting else last
    return takes


def _overtaken(strip: _Strip, until: int, waiting: Iterable[_Strip]) -> int:
    """When a preferred one begins before `until`, else `until`. `waiting` in the order of begins."""
    for later in waiting:
        if later.begin >= until:
            break
        if later.rank < strip.rank:
            return later.begin
    return until


def _enter(takes: list[Take], strip: _Strip, now: int, until: int, near: int) -> None:
    """Show `strip` until then, from its last keyframe at or before `now`; the takes before it end there."""
    video = strip.footage.video
    first = video.keyframe(now + near - strip.shift)
    begin = video.times[first] + strip.shift
    while takes:
        take = takes[-1]
        take.stop = bisect_left(take.footage.video.times, begin - near - take.shift, take.first, take.stop)
        if take.first < take.stop:
            break
        takes.pop()
    stop = len(video)
    if until < strip.end:
        stop = bisect_left(video.times, until - near - strip.shift, first + 1)
    takes.append(Take(strip.footage, strip.shift, first, stop))


def _shown(takes: Sequence[Take], begin: float, end: float) -> float:
    """Seconds of the interval of which there are pictures."""
    second = takes[0].footage.video.track.timescale
    return sum(min(take.end, end * second) - max(take.begin, begin * second) for take in takes) / second


def _film(takes: Sequence[Take], origin: int, begin: float, end: float) -> Film:
    """Leaves the gaps out: sets each take where it is in the film."""
    second = takes[0].footage.video.track.timescale
    covered = takes[0].begin, takes[-1].end
    done, skipped, gaps = begin * second, takes[0].begin, list[tuple[float, float]]()
    for number, take in enumerate(takes):
        at, until = take.begin, take.end
        if at - done > GAP * second:
            gaps.append((origin + done / second, origin + at / second))
            skipped += at - round(done) if number else 0
        take.shift -= skipped
        done = until
    if end * second - done > GAP * second:
        gaps.append((origin + done / second, origin + end))
    return Film(takes, origin + covered[0] / second, origin + covered[1] / second, tuple(gaps))


def _told(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
