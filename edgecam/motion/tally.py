"""Tally: what is known of an event so far, and its best moment."""

from dataclasses import dataclass

from edgecam.events import Box
from edgecam.frame import Frame
from edgecam.motion.detector import Look

NOWHERE: Box = (0.0, 0.0, 1.0, 1.0)
"""The box of motion that has no place: the whole picture changed."""


@dataclass(slots=True)
class Tally:
    """Grows with each moving look of one event. The best moment is where the most stands out the clearest."""

    score: int = 0
    area: float = 0.0
    box: Box = NOWHERE
    best: Frame | None = None
    best_score: int = 0
    weight: float = -1.0

    def add(self, look: Look, frame: Frame) -> None:
        """Count one moving look and the frame it looked at."""
        self.score, self.area = max(self.score, look.score), max(self.area, look.area)
        weight = look.area * look.score
        if weight > self.weight:
            self.weight, self.best, self.best_score = weight, frame, look.score
            self.box = look.box or NOWHERE

    @property
    def facts(self) -> tuple[int, float, Box]:
        """What an update would tell."""
        return self.score, self.area, self.box
