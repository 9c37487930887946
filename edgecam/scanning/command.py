"""The command `edgecam scan`: reports of videos in their order, clips of their events, and what is left for later."""

import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgecam import crew, durable
from edgecam.alone import Busy, alone
from edgecam.bars import Progress, bars
from edgecam.config import model
from edgecam.motion.scan import ScanResult, scan, scan_json, scan_text
from edgecam.motion.video import Unreadable
from edgecam.scanning import clips, rounds
from edgecam.scanning.clips import Clip
from edgecam.scanning.cut import NotCut
from edgecam.scanning.rounds import Done, Due, Look

OK, FAILED, USAGE = 0, 1, 2
EARLY = 0.05
"""Seconds that nobody needs to be told of."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed."""

    videos: Sequence[Path]
    camera: model.Camera | None
    """Whose settings hold; the defaults without one."""
    fps: float | None = None
    as_json: bool = False
    clips: Path | None = None
    """Where clips go to; None: none is made."""
    since: float = math.inf
    """Seconds that a video may be old."""
    most: int | None = None
    dry: bool = False
    """Clips are told, nothing is written."""

    @property
    def trouble(self) -> str | None:
        """Why it makes no sense."""
        if self.fps is not None and not self.fps > 0:
            return "--fps: must be above 0"
        if self.most is not None and self.most < 1:
            return "--max: must be 1 or more"
        if self.clips is None:
            return "--dry-run: without --clips DIR nothing is written anyway" if self.dry else None
        if self.clips.exists() and not self.clips.is_dir():
            return f"--clips: {self.clips} is no folder"
        if any(video.resolve() == self.clips.resolve() for video in self.videos):
            return f"--clips: {self.clips} is scanned itself: choose another folder, one in it will do"
        return None


def main(asked: Asked, *, now: float) -> int:
    """Scan, print, cut. `now`: unix seconds. The exit code: 0 all, or another run is at work in the folder of clips;
    1 something could not be read or cut; 2 usage.
    """
    if asked.trouble:
        return _say(asked.trouble, USAGE)
    try:
        with _own(asked):
            return _Run(asked).do(now)
    except Busy:
        return _say(f"another scan is at work in {asked.clips}; nothing was done", OK)
    except OSError as error:
        place = error.filename or asked.clips
        return _say(f"{place}: {error.strerror or error}; the next run goes on from here", FAILED)


@contextmanager
def _own(asked: Asked) -> Iterator[None]:
    """The folder of clips is ours. Raises Busy, OSError."""
    if asked.clips is None or asked.dry:
        yield
        return
    durable.make_folder(asked.clips)
    with alone(asked.clips), _stopped_as_interrupted():
        clips.sweep(asked.clips)
        yield


@contextmanager
def _stopped_as_interrupted() -> Iterator[None]:
    """So that systemd leaves nothing half either."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Run:
    """One run, its folder being ours."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._event = asked.camera.record.event if asked.camera else model.EventRecord()
        self._motion = asked.camera.motion if asked.camera else model.Motion()
        self._done = Done(asked.clips) if asked.clips else None
        self._code = OK

    def do(self, now: float) -> int:
        """Raises OSError when the folder of clips, or one of videos, cannot be used."""
        asked = self._asked
        run = rounds.plan(asked.videos, self._done, now=now, since=asked.since, most=asked.most)
        with bars() as bar:
            each = [bar(due.path.name) for due in run.due]
            work = partial(_scanned, config=self._motion, fps=asked.fps)
            with closing(crew.work(work, [due.path for due in run.due], each)) as found:
                for due, future in zip(run.due, found, strict=True):
                    self._one(due, future, bar)
        for count, words in (
            (run.done, "scanned before"),
            (run.growing, f"changed in the last {rounds.STABLE:g} s: left for the next run"),
            (run.waiting, "beyond --max: left for the next run"),
            (run.old, "older than --since"),
        ):
            if count:
                _say(f"{count} video{'s' * (count != 1)} {words}")
        if not (run.due or run.done or run.growing or run.waiting or run.old):
            _say("no videos there")
        return self._code

    def _one(self, due: Due, future: "Future[ScanResult]", bar: Callable[[str], Progress]) -> None:
        """Tell what is in a video, cut it, and remember that it is done."""
        try:
            result = future.result()
        except Unreadable as error:
            self._code = _say(error, FAILED)
            if os.access(due.path, os.R_OK):
                self._remember(due)  # told once; again when it has changed
            return
        except crew.Killed as error:
            self._code = _say(
                f"{due.path}: the process that scanned it {error}; if memory was short, one process at a time needs "
                "less: taskset -c 0 edgecam scan ...",
                FAILED,
            )
            return
        if self._asked.clips and Look.at(due.path) != due.look:
            _say(f"{due.path}: is still growing: left for the next run")
            return
        told = json.loads(scan_json(result))
        made = self._cut(due, result, told, bar)
        if self._asked.as_json:
            line = json.dumps(told if made is None else {**told, "clips": [clip.told for clip in made]})
        else:
            line = "\n".join([scan_text(result), *map(self._words, made or ())])
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        self._remember(due)

    def _cut(
        self, due: Due, result: ScanResult, told: Mapping[str, Sequence[clips.Facts]], bar: Callable[[str], Progress]
    ) -> Sequence[Clip] | None:
        """The clips, whole and on disk; None: nobody asked. Raises OSError."""
        if self._asked.clips is None:
            return None
        pre, post = self._event.pre, self._event.post
        try:
            made = clips.planned(self._asked.clips, due, result.events, told["events"], pre, post)
            if not self._asked.dry:
                clips.make(due, made, bar(f"{due.path.name}: clips"))
        except (NotCut, Unreadable) as error:
            self._code = _say(error, FAILED)
            return []
        return made

    def _words(self, clip: Clip) -> str:
        """A clip, for people."""
        state = "would be cut" if self._asked.dry else "was there" if clip.is_there else "cut"
        early = f", {clip.cut.early:.1f} s sooner than asked, at a keyframe" if clip.cut.early >= EARLY else ""
        return f"  {state}: {clip.file}  ({clip.cut.begin:.1f} s to {clip.cut.end:.1f} s{early})"

    def _remember(self, due: Due) -> None:
        """Once its clips are there. Raises OSError."""
        if self._done is not None and not self._asked.dry:
            self._done.add(due)


def _scanned(path: Path, progress: Progress, *, config: model.Motion, fps: float | None) -> ScanResult:
    """For the crew."""
    return scan(path, config, fps, progress)


def _say(text: object, code: int = OK) -> int:
    """To the person: standard output is for the reports."""
    sys.stderr.write(f"edgecam scan: {text}\n")
    return code
