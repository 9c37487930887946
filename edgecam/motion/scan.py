"""Scan: recorded video through the live eye and gate, as fast as it can be decoded.

Times are the video's own, so the same file always gives the same answer. MJPEG is looked at exactly as a camera's
JPEGs are, without decoding what is not looked at; anything else is decoded and reduced to the same luma.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecam.bars import Progress
from edgecam.config import model
from edgecam.events import Box
from edgecam.motion.detector import Look
from edgecam.motion.eye import eye
from edgecam.motion.gate import Ended, Fact, Gate, Moved, Resumed, Started
from edgecam.motion.luma import BadPicture
from edgecam.motion.pace import Pace
from edgecam.motion.sensors import Sensors
from edgecam.motion.tally import NOWHERE, Tally
from edgecam.motion.video import Video


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """What the daemon would have published as one event. Frames are the video's own, times its seconds."""

    start_frame: int
    end_frame: int
    start: float
    end: float
    peak_score: int
    zones: tuple[str, ...] = ()
    best_frame: int | None = None
    """Where the picture of the event is taken."""
    peak_area: float = 0.0
    """Percent of the picture."""
    box: Box = NOWHERE
    """Around everything that moves in the best frame."""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What one video holds."""

    file: str
    fps: float
    frames: int
    width: int
    height: int
    motion: tuple[tuple[int, int], ...]
    """First and last frame of each run of confirmed motion, without the cooldown."""
    events: tuple[FoundEvent, ...]
    cpu_ms_per_frame: float
    """CPU of this process for each frame looked at: decoding and detecting."""
    looks: int = 0
    suppressed: Mapping[str, int] = field(default_factory=dict)
    """Looks in which something differed and that did not count as motion, by why, the most first."""


@dataclass(slots=True)
class Finds:
    """Collects runs and events as the gate tells them. Pure: looks in, finds out."""

    gate: Gate
    sensors: Sensors
    runs: list[tuple[int, int]] = field(default_factory=list)
    events: list[FoundEvent] = field(default_factory=list)
    _frames: dict[float, int] = field(default_factory=dict)
    """Frame numbers of the looks that an open event or an unconfirmed run may still name."""
    film: Tally[int] = field(default_factory=lambda: Tally(begun=True))
    """Of all looks."""
    _event: Tally[int] = field(init=False)

    @classmethod
    def like(cls, config: model.Motion) -> "Finds":
        """With the gates that the daemon has."""
        return cls(Gate(config.min_frames, config.cooldown), Sensors(config.zones, config.min_frames, config.cooldown))

    def __post_init__(self) -> None:
        self._event = Tally(self.sensors.names)

    def look(self, number: int, at: float, look: Look) -> None:
        """One look at frame `number`, taken at `at` seconds."""
        if look.repeats:
            self.sensors.tick(at)
            self._ends(self.gate.tick(at))
            return
        self.sensors.look(at, look.zones, look.follows)
        if not (look.moving and look.follows) and not self.gate.open:
            self._frames.clear()
        facts = self.gate.look(at, look.moving, look.follows)
        for fact in facts:
            match fact:
                case Ended():
                    self._ended(fact)
                case Started(begin) | Resumed(begin):
                    self.runs.append((self._frames.get(begin, number), number))
                case Moved():
                    self.runs[-1] = (self.runs[-1][0], number)
        if look.moving:
            self._frames[at] = number
        confirmed = any(isinstance(fact, Moved) for fact in facts)
        for tally in (self.film, self._event):
            tally.add(look, number, confirmed=confirmed, zones=self.sensors.moving)

    def close(self) -> None:
        """The video is over, and so is a running event."""
        self.film.lapse()
        self._ends(self.gate.close())

    def _ends(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, Ended):
                self._ended(fact)

    def _ended(self, event: Ended) -> None:
        first, last = self._frames[event.since], self._frames[event.at]
        facts, best = self._event.facts, self._event.peak.best
        self.events.append(
            FoundEvent(first, last, event.since, event.at, facts.score, facts.zones, best, facts.area, facts.box)
        )
        self._frames.clear()
        self._event = Tally(self.sensors.names)


def scan(
    path: Path, config: model.Motion, fps: float | None = None, progress: Progress = lambda done, total: None
) -> ScanResult:
    """Run one video through the detector that `config` describes, `fps` (or `config.fps`) looks a second.

    Raises Unreadable.
    """
    watcher, pace, finds = eye(config), Pace(fps or config.fps), Finds.like(config)
    looks = frames = 0
    with Video(path) as video:
        began = time.process_time()
        for picture in video.pictures():
            frames = picture.number + 1
            if not pace.due(picture.at):
                continue
            try:
                look = watcher.look(picture.luma(config.width), picture.at)
            except BadPicture:
                continue
            looks += 1
            finds.look(picture.number, picture.at, look)
            progress(frames, video.total)
        finds.close()
        spent = time.process_time() - began
        return ScanResult(
            file=str(path),
            fps=video.fps,
            frames=frames,
            width=video.width,
            height=video.height,
            motion=tuple(finds.runs),
            events=tuple(finds.events),
            cpu_ms_per_frame=1000 * spent / max(1, looks),
            looks=looks,
            suppressed=finds.film.reasons,
        )


def scan_json(result: ScanResult) -> str:
    """One line of JSON, as the contract (section 7) has it."""
    return json.dumps(
        {
            "file": result.file,
            "fps": round(result.fps, 3),
            "frames": result.frames,
            "width": result.width,
            "height": result.height,
            "motion": result.motion,
            "events": [
                {
                    "start_frame": event.start_frame,
                    "end_frame": event.end_frame,
                    "start": round(event.start, 3),
                    "end": round(event.end, 3),
                    "peak_score": event.peak_score,
                    "zones": event.zones,
                    "best_frame": event.best_frame,
                    "peak_area": round(event.peak_area, 2),
                    "box": [round(edge, 4) for edge in event.box],
                }
                for event in result.events
            ],
            "looks": result.looks,
            "suppressed": result.suppressed,
            "cpu_ms_per_frame": round(result.cpu_ms_per_frame, 3),
        }
    )


def scan_text(result: ScanResult) -> str:
    """The same for people."""
    count = len(result.events)
    lines = [f"{result.file}: {result.frames / result.fps:.1f} s, {count} event{'s' * (count != 1)} of motion"]
    lines += [
        f"  {event.start:8.1f} s to {event.end:8.1f} s  (frames {event.start_frame} to {event.end_frame}), "
        f"score {event.peak_score}{''.join(f', {zone}' for zone in event.zones)}"
        for event in result.events
    ]
    if result.suppressed:
        first, *rest = result.suppressed.items()
        said = [f"{first[1]} look{'s' * (first[1] != 1)} {first[0]}", *(f"{looks} {reason}" for reason, looks in rest)]
        lines.append(f"  not counted: {', '.join(said)}")
    return "\n".join(lines)


def camera_of(
    path: Path | None, camera: str | None, overrides: Sequence[str], environ: Mapping[str, str], command: str = "scan"
) -> model.Camera | None:
    """A camera's section of a configuration file; None without a file: the defaults. `command` asks.

    Raises ConfigErrors for a wrong file, LookupError with a sentence when the camera is not clear.
    """
    from edgecam.config.load import load

    if path is None:
        if camera is not None or overrides:
            raise LookupError(f"edgecam {command}: --camera and --set need -c FILE")
        return None
    cameras = load(path, environ=environ, overrides=overrides).config.cameras
    if camera is None and len(cameras) == 1:
        return next(iter(cameras.values()))
    if camera not in cameras:
        said = "--camera is missing" if camera is None else f"{path} has no camera {camera!r}"
        raise LookupError(f"edgecam {command}: {said}; there are: {', '.join(cameras)}")
    return cameras[camera]


def settings(
    path: Path | None, camera: str | None, overrides: Sequence[str], environ: Mapping[str, str], command: str = "scan"
) -> model.Motion:
    """The motion section of `camera_of`. Raises what that does."""
    found = camera_of(path, camera, overrides, environ, command)
    return found.motion if found else model.Motion()
