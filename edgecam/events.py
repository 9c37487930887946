"""What happens, as facts, and the Bus that tells everybody who listens.

Times named `at` are unix seconds of the moment itself (of the frame, not of the message); `mono` orders.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from edgecam.media import Looks, MediaId, Sidecar

log = logging.getLogger(__name__)

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in 0..1 of the picture."""

MOTION = "motion"
"""The cause of an event that motion began; a trigger from outside has a word of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Fact):
    """Something that happened to one camera."""

    camera: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReloaded(Fact):
    """The file was read anew and is in force. Told by the daemon that lives by it."""

    changed: tuple[str, ...]
    """Paths of keys; none: the file says what it said before."""
    restarted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRefused(Fact):
    """The file was read anew and is wrong; what was in force stays so."""

    problems: tuple[str, ...]
    """`file:line:column: key: what is wrong`, one for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOnline(Event):
    """Frames come (again)."""

    after: float | None = None
    """Seconds it was away; None at the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraLost(Event):
    """Frames are wanted and missing for longer than the stall time-out."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LightChanged(Event):
    """It has become day or night before the camera; at the first look only night is worth telling."""

    night: bool


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A look in which something differed that did not count as motion."""

    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion(Event):
    """What is known of an event so far: the common part of started, updated and ended.

    An event that was triggered from outside is told in the same words; until something moves in it, its score and area
    are 0 and its box is the whole picture.
    """

    event_id: str
    mono: float
    score: int
    """0..100, the highest so far."""
    area: float
    """Percent of the picture, the largest so far."""
    box: Box
    """Around everything that moves, at the best moment so far."""
    zones: tuple[str, ...] = ()
    """All that were touched so far, in the file's order."""
    cause: str = MOTION
    """Why it began."""
    suppressed: Suppressed | None = None
    """The newest look, where something differed in it that did not count as motion."""
    looks: Looks | None = None
    """What the event's looks saw so far; None where nobody looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionStarted(Motion):
    """`at` and `mono` are those of the first moving frame of the run that was confirmed, or of the trigger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionUpdated(Motion):
    """Still moving; at most one in 5 s and only when something changed. `at` is the newest moving frame."""

    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionEnded(Motion):
    """Quiet for the cooldown, and no trigger holds. `at` and `mono` are the last moving frame, or the trigger's end
    where that is later; duration = that - start.
    """

    since: float
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionExplained(Event):
    """What the looks say, beside what is told of motion. `at` is the newest one.

    During an event every 5 s; outside of one when the light changes, once for as long as that goes on, and when the
    schedule of motion closes and opens.
    """

    event_id: str | None
    """Of the event that goes on."""
    suppressed: Suppressed | None
    looks: Looks | None
    """Of the event so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneMoved(Event):
    """A zone's own sensor went on or off. `at` is its first moving frame, or its last one."""

    zone: str
    moving: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionPicture(Event):
    """The best JPEG of an event so far. `at` is its capture time."""

    event_id: str
    jpeg: bytes
    score: int
    width: int
    height: int
    final: bool
    """True for the last and best one, after the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotTaken(Event):
    """Somebody asked for a picture: it is on disk under `media.id` when `media` is there, else only here."""

    jpeg: bytes
    width: int
    height: int
    media: Sidecar | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(Event):
    """A clip is open. `at` is its first frame, the pre-roll included."""

    id: str
    event_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSaved(Event):
    """A clip or picture lies complete and durable in the library. `at` is its end."""

    media: Sidecar


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipStored(Event):
    """The store confirmed key, size and hash; `media.receipt` says where. `at` is now."""

    media: Sidecar
    link: str | None
    link_expires: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLost(Event):
    """Something that still waited for a store is gone; `why` is for a person."""

    media: Sidecar
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRenamed(Event):
    """Finished media got another id, with all that bears it: the clock was wrong when it began. `at` is its start."""

    old: MediaId
    media: Sidecar


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTaken(Event):
    """Somebody else's finished object has the key of `media` in the store; ours lies at `key`."""

    media: Sidecar
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChanged(Event):
    """A live setting has a new effective value (see settings.py)."""

    key: str
    value: bool | int | float | str


F = TypeVar("F", bound=Fact)


class Bus:
    """Delivers each fact to those who listen for its class or a base of it, in the order of subscription.

    Loop thread only. Listeners are plain functions that return at once; one that raises is logged and does
    not keep the fact from the others.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[Fact], None]] = []

    def on(self, kind: type[F], listener: Callable[[F], None]) -> Callable[[], None]:
        """Call `listener` with each fact of `kind` from now on. Returns what ends that."""

        def deliver(fact: Fact) -> None:
            if isinstance(fact, kind):
                listener(fact)

        self._listeners.append(deliver)
        return lambda: self._listeners.remove(deliver)

    def publish(self, fact: Fact) -> None:
        for deliver in tuple(self._listeners):
            try:
                deliver(fact)
            except Exception:  # one deaf listener must not silence the house
                whose = fact.camera if isinstance(fact, Event) else "node"
                log.exception("%s: a listener failed on %s", whose, type(fact).__name__)
