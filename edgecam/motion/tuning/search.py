"""Search: motion settings tried on labelled clips, through the live eye and gate. The same clips find the same ones.

Each clip is decoded once, and all settings look at it together, so memory does not grow with its length; clips go to
all cores. What is tried is a small grid, and of equals today's settings win.
"""

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from edgecam import crew
from edgecam.bars import Progress, shared
from edgecam.config import model
from edgecam.motion.eye import eye
from edgecam.motion.luma import BadPicture, Luma
from edgecam.motion.pace import Pace
from edgecam.motion.scan import Finds
from edgecam.motion.tuning.labelled import Clip
from edgecam.motion.tuning.score import Labels, Run, Score, score, together
from edgecam.motion.video import Unreadable, Video

SENSITIVITIES = (20, 30, 40, 50, 60, 70, 80)
AREAS = (0.1, 0.3, 0.6, 1.0, 2.0)
CONFIRMS = (1, 2, 3)
"""The grid, to which today's own values are added. Least areas in percent of the picture; looks in a row."""


ALONE = "if memory was short, one process at a time needs less: taskset -c 0 edgecam tune ..."


@dataclass(frozen=True, slots=True)
class Setting:
    """What is searched."""

    sensitivity: int
    min_area: float
    min_frames: int
    threshold: float | None = None
    """Wins over `sensitivity`; only today's own setting has one."""

    @classmethod
    def of(cls, config: model.Motion) -> "Setting":
        return cls(config.sensitivity, config.min_area, config.min_frames, config.threshold)

    def on(self, config: model.Motion) -> model.Motion:
        """The same camera with this setting."""
        return config.model_copy(
            update={
                "sensitivity": self.sensitivity,
                "min_area": self.min_area,
                "min_frames": self.min_frames,
                "threshold": self.threshold,
            }
        )

    def far(self, other: "Setting") -> float:
        """How much would have to be changed: about 1 for each step of the grid."""
        area = abs(math.log2(max(0.05, self.min_area) / max(0.05, other.min_area)))
        steps = abs(self.sensitivity - other.sensitivity) / 10 + abs(self.min_frames - other.min_frames) + area
        return steps + (self.threshold != other.threshold)


@dataclass(frozen=True, slots=True)
class Trial:
    """What one setting made of one clip."""

    score: Score
    runs: tuple[Run, ...]
    scores: bytes
    """0..100, one for each look; 0 unless it moves."""
    cpu: float
    """Seconds of CPU for all looks but the first, without decoding."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What all settings made of one clip."""

    name: str
    begins: int
    labels: Labels
    looks: tuple[int, ...]
    """Their frame numbers."""
    trials: dict[Setting, Trial]


@dataclass(frozen=True, slots=True)
class Result:
    """One setting over all clips."""

    setting: Setting
    score: Score
    clips: tuple[tuple[str, Score], ...]
    cpu_ms_per_look: float


class _Eye:
    """One detector, and a gate for each number of looks that may confirm what it sees."""

    def __init__(self, config: model.Motion, confirms: Sequence[int]) -> None:
        self._watcher = eye(config)
        self._finds = {confirm: Finds.like(config.model_copy(update={"min_frames": confirm})) for confirm in confirms}
        self._told: dict[int, list[int]] = {confirm: [] for confirm in confirms}
        self._scores = bytearray()
        self._cpu = 0.0

    def look(self, luma: Luma, number: int, at: float) -> None:
        began = time.thread_time()
        seen = self._watcher.look(luma, at)
        if self._scores:  # the first look also builds what all later ones use
            self._cpu += time.thread_time() - began
        self._scores.append(seen.score if seen.moving else 0)
        for confirm, finds in self._finds.items():
            finds.look(number, at, seen)
            if len(finds.runs) > len(self._told[confirm]):
                self._told[confirm].append(number)

    def trial(self, confirm: int, labels: Labels) -> Trial:
        found = zip(self._finds[confirm].runs, self._told[confirm], strict=True)
        runs = tuple(Run(first, last, told) for (first, last), told in found)
        return Trial(score(labels, runs), runs, bytes(self._scores), self._cpu)


def grid(config: model.Motion) -> list[Setting]:
    """What is tried: today's setting first. The difference method has no least area to search."""
    today = Setting.of(config)
    areas = {today.min_area} if config.method == "difference" else {*AREAS, today.min_area}
    every = itertools.product(
        sorted({*SENSITIVITIES, today.sensitivity}), sorted(areas), sorted({*CONFIRMS, today.min_frames})
    )
    return list(dict.fromkeys([today, *(Setting(*one) for one in every)]))


def watch(clip: Clip, progress: Progress, *, config: model.Motion, settings: Sequence[Setting]) -> Watched:
    """All settings over one clip, decoded once. Raises Unreadable."""
    alike: dict[tuple[int, float, float | None], list[Setting]] = {}
    for setting in settings:
        alike.setdefault((setting.sensitivity, setting.min_area, setting.threshold), []).append(setting)
    eyes = [(_Eye(same[0].on(config), [one.min_frames for one in same]), same) for same in alike.values()]
    begins, ends = clip.span
    pace, looks, last = Pace(config.fps), [], -1
    with Video(clip.path) as video:
        for picture in video.pictures():
            if ends is not None and picture.number > ends:
                break
            last, at = picture.number, clip.at(picture)
            if last < begins or not pace.due(at):
                continue
            try:
                luma = clip.luma(video, picture, config.width)
            except BadPicture:
                continue
            if not luma.size:
                raise Unreadable(f"{clip.path}: the crop of {clip.name} lies outside the picture")
            looks.append(last)
            progress(last - begins, video.total if ends is None else min(ends + 1, video.total or ends + 1) - begins)
            for each, _ in eyes:
                each.look(luma, last, at)
        labels = clip.labels(video, last)
    if not looks:
        raise Unreadable(f"{clip.path}: has no picture to look at from frame {begins} on, where {clip.name} begins")
    made = {setting: each.trial(setting.min_frames, labels) for each, same in eyes for setting in same}
    return Watched(clip.name, begins, labels, tuple(looks), {setting: made[setting] for setting in settings})


def watch_all(
    clips: Sequence[Clip], config: model.Motion, progress: Progress
) -> tuple[list[Watched], list[Unreadable]]:
    """All clips, on all cores; the results in their order, and what could not be read, or not be worked on."""
    watched: list[Watched] = []
    bad: list[Unreadable] = []
    work = partial(watch, config=config, settings=grid(config))
    for clip, future in zip(clips, crew.work(work, clips, shared(progress, len(clips))), strict=True):
        try:
            watched.append(future.result())
        except Unreadable as error:
            bad.append(error)
        except crew.Killed as error:
            bad.append(Unreadable(f"{clip.path}: the process that looked at {clip.name} {error}; {ALONE}"))
    return watched, bad


def results(watched: Sequence[Watched]) -> list[Result]:
    """Every setting over all clips, in the grid's order."""
    looks = max(1, sum(len(one.looks) - 1 for one in watched))
    return [
        Result(
            setting,
            together(one.trials[setting].score for one in watched),
            tuple((one.name, one.trials[setting].score) for one in watched),
            1000 * sum(one.trials[setting].cpu for one in watched) / looks,
        )
        for setting in watched[0].trials
    ]


def best(tried: Sequence[Result]) -> Result:
    """The highest F1, then the fewest false events. Of equals the nearest to the first, which is today's; then to the
    defaults.
    """
    today, usual = tried[0].setting, Setting.of(model.Motion())

    def rank(one: Result) -> tuple[float, int, float, float]:
        return -(one.score.f1 or 0.0), one.score.false_events, one.setting.far(today), one.setting.far(usual)

    return min(tried, key=rank)
