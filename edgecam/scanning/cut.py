"""Cut: parts of any video as clips of their own, each frame as it is coded.

A video is read as the source `file` reads it and written as the recorder writes its clips, so H.264, H.265 and JPEG
pass untouched, and so does AAC; other sound becomes AAC. It is read twice, headers count the first time, so that
neither its length nor the distance of its keyframes is held in memory.
"""

import signal
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import av

from edgecam import durable
from edgecam.bars import Progress
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Frame, Sound, Stamp
from edgecam.motion.video import Video
from edgecam.record.mp4 import Mp4
from edgecam.sources import Broken, Rig
from edgecam.sources.file import Player
from edgecam.sources.pace import Pace

HEARD_BY = 1000
"""Frames and packets of sound within which a video with sound has some."""


SAME = 0.0005
"""Seconds by which two ways to tell one time may differ."""


class NotCut(ValueError):
    """No clip can be made of this video; the text says why, with its name."""


@dataclass(slots=True)
class Index:
    """A video's frames in coding order. Seconds are from its first picture on, as `scan` counts them."""

    step: float
    """Seconds a frame lasts, in the mean."""
    shown: "array[float]" = field(default_factory=lambda: array("d"))
    keys: list[int] = field(default_factory=list)
    """Places of the keyframes in it."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Which frames a clip has: places in the index, the last one not included. Seconds as there."""

    first: int
    stop: int
    begin: float
    end: float
    early: float
    """How much sooner than wanted it begins, as only a keyframe can be the first."""


def plan(index: Index, begin: float, end: float) -> Cut:
    """From the last keyframe at or before `begin` to the last frame shown before `end`. There is a keyframe. Pure."""
    begin = round(max(begin, 0.0), 6)
    first = max((key for key in index.keys if index.shown[key] <= begin), default=index.keys[0])
    last = max((place for place in range(first, len(index.shown)) if index.shown[place] <= end), default=first)
    covered = index.shown[first : last + 1]
    return Cut(first, last + 1, covered[0], max(covered) + index.step, max(0.0, begin - covered[0]))


def index(path: Path) -> Index:
    """Where the frames of a video are. Raises NotCut, Unreadable."""
    with Video(path) as video:
        next(video.pictures())
        found, origin = Index(1 / video.fps), video.first
    late: float | None = None
    for item in _read(path, sound=False):
        if not isinstance(item, Frame):
            continue
        if not item.is_coded:
            raise NotCut(f"{path}: only H.264, H.265 and MJPEG can be cut without coding it anew")
        own = item.pts * item.time_base if item.pts is not None and item.time_base is not None else None
        delay = own - item.dts * item.time_base if own is not None and item.dts is not None and item.time_base else 0
        if item.keyframe:
            found.keys.append(len(found.shown))
        found.shown.append(item.mono + float(delay))
        is_first = item.keyframe if own is None or origin is None else abs(own - origin) < SAME
        if late is None and is_first:
            late = found.shown[-1]
    if not found.keys:
        raise NotCut(f"{path}: has no keyframe that a clip could begin with")
    late = found.shown[found.keys[0]] if late is None else late
    if len(found.shown) > 1:
        found.step = (max(found.shown) - min(found.shown)) / (len(found.shown) - 1)
    found.shown = array("d", (round(at - late, 6) for at in found.shown))
    return found


def write(path: Path, cuts: Sequence[Cut], parts: Sequence[Path], progress: Progress) -> None:
    """Write the clips of a video, each whole and durable at its place in `parts` when this returns.

    Raises NotCut, and OSError when the disk refuses; then, and when it is interrupted, none of them is left. In the
    main thread only.
    """
    with _held() as came:
        _write(path, cuts, parts, progress, came)


@contextmanager
def _held() -> Iterator[Sequence[int]]:
    """The signals that came meanwhile. PyAV loses what is raised while it writes, and the bytes with it."""
    came: list[int] = []
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(number, lambda got, _: came.append(got)) for number in numbers]
    try:
        yield came
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _write(path: Path, cuts: Sequence[Cut], parts: Sequence[Path], progress: Progress, came: Sequence[int]) -> None:
    clips = [_Clip(cut, part) for cut, part in zip(cuts, parts, strict=True)]
    try:
        voice = next((item for item in islice(_read(path, sound=True), HEARD_BY) if isinstance(item, Sound)), None)
        place = -1
        for item in _read(path, sound=voice is not None):
            place += isinstance(item, Frame)
            for clip in clips:
                clip.take(place, item, voice)
            if isinstance(item, Frame):
                progress(place, max(cut.stop for cut in cuts))
            if came or all(clip.is_over for clip in clips):
                break
        for clip in clips:
            clip.close()
        if came:
            raise KeyboardInterrupt
        progress(1, 1)
    except (ValueError, av.FFmpegError) as error:
        _remove(parts)
        raise NotCut(f"{path}: cannot be cut: {error}") from error
    except BaseException:
        _remove(parts)
        raise
    finally:
        for clip in clips:
            clip.abandon()


class _Clip:
    """One that is being written."""

    def __init__(self, cut: Cut, part: Path) -> None:
        self._cut, self._part = cut, part
        self._file: BinaryIO | None = None
        self._mp4: Mp4 | None = None
        self.is_over = False

    def take(self, place: int, item: Frame | Sound, voice: Sound | None) -> None:
        """The next of the whole video; `place` is that of the newest frame."""
        if self.is_over or place < self._cut.first:
            return
        if place >= self._cut.stop:
            self.close()
        elif isinstance(item, Sound):
            if self._mp4:
                self._mp4.hear(item)
        else:
            if self._mp4 is None:
                self._file = durable.create(self._part, buffering=0)
                self._mp4 = Mp4(self._file, item, voice)
            self._mp4.write(item)

    def close(self) -> None:
        if self._file and self._mp4 and not self.is_over:
            self._mp4.close()
            durable.flush(self._file)
        self.is_over = True

    def abandon(self) -> None:
        if self._mp4:
            self._mp4.abandon()
        if self._file:
            self._file.close()


def _remove(parts: Sequence[Path]) -> None:
    for part in parts:
        part.unlink(missing_ok=True)


def _read(path: Path, *, sound: bool) -> Iterator[Frame | Sound]:
    """All of a video as a camera would give it; frames' `mono` grows by the video's own time.

    Raises NotCut.
    """
    clock = SystemClock()
    rig = Rig(Stamp("video", clock), clock, audio=model.Audio() if sound else None)
    player = Player(model.FileSource(type="file", path=str(path), loop=False), rig, Pace(clock))
    played = None
    try:
        while played := player.read():
            yield played.item
    except Broken as error:
        if not played:  # else it is torn, and what comes before that counts
            raise NotCut(str(error)) from error
    finally:
        player.close()
