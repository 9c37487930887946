"""What can be asked of us in more than one way: by a press of a button, or in a request that is answered. Pure."""

from dataclasses import dataclass

LAST = 60.0
"""Seconds that are saved when nobody says how many."""
CAUSE = "mqtt"
"""Of an event for which nobody says why."""


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Take a picture now and keep it."""

    camera: str


@dataclass(frozen=True, slots=True)
class SaveClip:
    """Keep the last so many seconds as a clip."""

    camera: str
    last: float


@dataclass(frozen=True, slots=True)
class Trigger:
    """Begin an event of so many seconds now."""

    camera: str
    duration: float
    cause: str = CAUSE


@dataclass(frozen=True, slots=True)
class Reload:
    """Read the configuration anew."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Begin the whole program anew."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The broker's memory of something old, retained by mistake: to be cleared, not obeyed."""
