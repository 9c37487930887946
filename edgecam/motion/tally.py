"""Tally: what is known of an event so far, and its best moment."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edgecam.events import Box
from edgecam.frame import Frame
from edgecam.motion.detector import Look

NOWHERE: Box = (0.0, 0.0, 1.0, 1.0)
"""The box of motion that has no place: the whole picture changed, or nobody has seen any yet."""


class Facts(NamedTuple):
    """What an update would tell."""

    score: int
    area: float
    box: Box
    zones: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """Grows with each moving look of one event. The best moment is where the most stands out the clearest."""

    order: Sequence[str] = ()
    """The camera's zones, as they are told."""
    score: int = 0
    area: float = 0.0
    box: Box = NOWHERE
    zones: tuple[str, ...] = ()
    best: Frame | None = None
    best_score: int = 0
    weight: float = -1.0

    def add(self, look: Look, frame: Frame, zones: Collection[str] = ()) -> None:
        """Count one moving look, the frame it looked at, and the zones in which that is confirmed motion."""
        self.score, self.area = max(self.score, look.score), max(self.area, look.area)
        self.zones = tuple(zone for zone in self.order if zone in self.zones or zone in zones)
        weight = look.area * look.score
        if weight > self.weight:
            self.weight, self.best, self.best_score = weight, frame, look.score
            self.box = look.box or NOWHERE

    def see(self, frame: Frame) -> None:
        """A picture in which nobody has looked for motion: any that shows some is better."""
        if self.best is None:
            self.weight, self.best = 0.0, frame

    @property
    def facts(self) -> Facts:
        return Facts(self.score, self.area, self.box, self.zones)
