"""Sources: where frames come from. A name in the YAML leads to one class, imported on first use."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from threading import Thread
from typing import Protocol

from edgecam.clock import Clock
from edgecam.config import model
from edgecam.frame import Frame, Sound, Stamp
from edgecam.hub import Demand
from edgecam.sources.budget import FOR_MOTION, FOR_PEOPLE, Budget
from edgecam.supervisor import Trouble


class Source(Protocol):
    """One camera's device or connection, for one life."""

    def frames(self) -> AsyncGenerator[Frame | Sound, None]:
        """Opens on first use and yields until it is broken. Called once.

        Any exception, and the end of a live stream, ends this life; Finished ends the source for good. The same
        frame object again is a sign of life: the camera answered that nothing has changed.

        A camera that gives JPEG yields that and nothing else. One that gives video yields each frame as it is coded,
        and pictures (`Frame.image`) of some of them, as many as `Rig.demand` asks for.
        """
        ...

    async def close(self) -> None:
        """Let go of everything, bounded in time; may be called more than once."""
        ...

    def describe(self) -> str:
        """Where the frames come from, for people: no secret in it."""
        ...


class Broken(Trouble):
    """This life of a source is over; the text says what is wrong and, where it helps, what to do."""


class Finished(Exception):
    """The source has given everything it has: no further life. The text says so for people."""


class LostThreads:
    """Capture threads that did not come back from their library. One for the whole process; loop thread only.

    One that was left in the middle of its library's own time-out comes back by itself: only after `patience` seconds
    nobody hopes for it any more.
    """

    def __init__(self, patience: float = 60.0) -> None:
        self._patience = patience
        self._gone: list[tuple[Thread, float]] = []

    def add(self, thread: Thread) -> None:
        self._gone.append((thread, time.monotonic()))

    @property
    def count(self) -> int:
        """How many are still gone; one that came back late no longer counts."""
        self._gone = [(thread, since) for thread, since in self._gone if thread.is_alive()]
        return len(self._gone)

    @property
    def hopeless(self) -> int:
        """How many of those will not come back."""
        now = time.monotonic()
        return sum(thread.is_alive() and now - since >= self._patience for thread, since in self._gone)


@dataclass(slots=True)
class Tone:
    """Whether pictures are grey now. Set on the loop's thread, read from any."""

    grey: bool = False
    varies: bool = False
    """Whether that may change while the camera lives."""


@dataclass(frozen=True, slots=True)
class Rig:
    """What every source of one camera is given, over all its lives."""

    stamp: Stamp
    clock: Clock
    quality: int = 80
    """Of the JPEGs that we encode ourselves."""
    lost: LostThreads = field(default_factory=LostThreads)
    demand: Demand = field(default_factory=Demand)
    """Who wants what now."""
    looks: float = 5.0
    """Pictures a second that motion wants."""
    video: model.Video = field(default_factory=model.Video)
    """How to code where the source codes video itself."""
    tone: Tone = field(default_factory=Tone)
    audio: model.Audio | None = None
    """How to code the camera's sound; None: its sound is left alone."""
    looking: Budget = field(default_factory=lambda: Budget(FOR_MOTION))
    """What decoding for motion alone may cost."""
    watching: Budget = field(default_factory=lambda: Budget(FOR_PEOPLE))
    """What decoding for people may cost."""
    told: set[str] = field(default_factory=set)
    """What was said already and need not be said again in the next life. Capture threads only."""


SOURCES: Mapping[str, str] = {
    "file": "edgecam.sources.file:File",
    "mjpeg": "edgecam.sources.mjpeg:Mjpeg",
    "picamera2": "edgecam.sources.pi.camera:Picamera",
    "rtsp": "edgecam.sources.rtsp:Rtsp",
    "still": "edgecam.sources.still:Still",
    "synthetic": "edgecam.sources.synthetic:Synthetic",
    "v4l2": "edgecam.sources.v4l2:V4l2",
}


WITH_SOUND = frozenset({"file", "rtsp"})
"""Types whose own stream may bring sound."""

RETOUCHED = frozenset(("file", "mjpeg", "still", "synthetic", "v4l2"))
"""Sources whose pictures we turn and grey; the others do it themselves, or cannot."""


def is_retouched(config: model.SourceConfig, rig: Rig) -> bool:
    """Whether pictures are, or may be, changed on their way: video that passes undecoded will not do."""
    return bool(config.rotate or config.hflip or config.vflip or rig.tone.grey or rig.tone.varies)


def open_source(config: model.SourceConfig, rig: Rig) -> Source:
    """The source that `config.type` names, not yet opened. Raises Broken when its library is missing."""
    source = _bare(config, rig)
    if config.type not in RETOUCHED or not is_retouched(config, rig):
        return source
    from edgecam.sources.retouch import Retouched

    return Retouched(source, config, rig)


def _bare(config: model.SourceConfig, rig: Rig) -> Source:
    module, _, name = SOURCES[config.type].partition(":")
    try:
        build: Callable[[model.SourceConfig, Rig], Source] = getattr(import_module(module), name)
    except ImportError as error:
        raise Broken(f"source type {config.type} needs {error.name}: pip install {error.name}") from error
    return build(config, rig)
