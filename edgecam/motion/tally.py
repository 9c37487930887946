"""Tally: what is known of an event so far, and its best moment."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from edgecam.events import Box
from edgecam.motion.best import worth
from edgecam.motion.detector import Look, Reason

NOWHERE: Box = (0.0, 0.0, 1.0, 1.0)
"""The box of motion that has no place: the whole picture changed, or nobody has seen any yet."""

Shown = TypeVar("Shown")
"""What shows a look: a frame to the daemon, a place in the file to a scan."""


class Facts(NamedTuple):
    """What an update would tell."""

    score: int
    area: float
    box: Box
    zones: tuple[str, ...]


@dataclass(slots=True)
class Peak(Generic[Shown]):
    """The most of some moving looks, and the one that makes the best picture."""

    moving: int = 0
    score: int = 0
    area: float = 0.0
    box: Box = NOWHERE
    best: Shown | None = None
    best_score: int = 0
    worth: float = -1.0

    def join(self, other: "Peak[Shown]") -> None:
        self.moving += other.moving
        self.score, self.area = max(self.score, other.score), max(self.area, other.area)
        if other.worth > self.worth:
            self.worth, self.best, self.best_score, self.box = other.worth, other.best, other.best_score, other.box


@dataclass(slots=True)
class Tally(Generic[Shown]):
    """Grows with each look, and begins anew until something is confirmed; what is not, counts for nothing."""

    order: Sequence[str] = ()
    """The camera's zones, as they are told."""
    begun: bool = False
    """An event goes on: whatever is looked at belongs to it."""
    looks: int = 0
    zones: tuple[str, ...] = ()
    suppressed: Counter[Reason] = field(default_factory=Counter)
    """Looks by why they count as nothing, though something differs."""
    peak: Peak[Shown] = field(default_factory=Peak)
    """Of what was confirmed."""
    _run: Peak[Shown] = field(default_factory=Peak)
    """Of what may yet be."""

    def add(self, look: Look, shown: Shown, *, confirmed: bool, zones: Collection[str] = ()) -> None:
        """Count one look, what it looked at, whether the gate has confirmed it, and in which zones."""
        if not (look.moving and look.follows):
            self.lapse()
        if not (look.moving or self.begun):
            return
        self.looks += 1
        if look.moving:
            self._run.join(Peak(1, look.score, look.area, look.box or NOWHERE, shown, look.score, worth(look)))
        elif look.suppressed:
            self.suppressed[look.suppressed] += 1
        if confirmed:
            self.begun = True
            self.peak.join(self._run)
            self._run = Peak()
            self.zones = tuple(zone for zone in self.order if zone in self.zones or zone in zones)

    def lapse(self) -> None:
        """The moving looks that are not confirmed came to nothing."""
        if self.begun:
            self.suppressed[Reason.TOO_SHORT] += self._run.moving
        else:
            self.looks = 0
        self._run = Peak()

    def see(self, shown: Shown) -> None:
        """A picture in which nobody has looked for motion: any that shows some is better."""
        if self.peak.best is None:
            self.peak.worth, self.peak.best = 0.0, shown

    @property
    def reasons(self) -> dict[str, int]:
        """How many looks did not count, by why, the most first."""
        return {str(reason): looks for reason, looks in self.suppressed.most_common() if looks}

    @property
    def facts(self) -> Facts:
        return Facts(self.peak.score, self.peak.area, self.peak.box, self.zones)
