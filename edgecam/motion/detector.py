"""What a detector is, and which there are.

Importing this module loads neither numpy nor cv2; `build` loads the chosen detector on first use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from edgecam.events import Box

if TYPE_CHECKING:
    from edgecam.motion.luma import Luma

Polygon = Sequence[tuple[float, float]]
"""Corners x, y in 0..1 of the picture."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at one picture says."""

    moving: bool = False
    score: int = 0
    """0..100: how far what moves stands out. 0 when nothing does."""
    area: float = 0.0
    """Percent of the picture that moves."""
    box: Box | None = None
    """Around everything that moves."""
    suppressed: str | None = None
    """Why nothing counts as moving in this look, whatever it shows."""
    zones: tuple[str, ...] = ()
    """The zones that are touched, in the file's order; none unless `moving`."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A named part of the picture. It is touched by a look when enough of what moves lies in it.

    What moves, and how much is enough, the zone may see otherwise than the picture as a whole; `min_area` is in percent
    of the picture here too. Where it is more sensitive or content with less, what it sees is motion of the picture as
    well; where it is not, it is touched only while the picture moves.
    """

    name: str
    polygon: Polygon
    sensitivity: int | None = None
    """None: the picture's, as it is tuned."""
    min_area: float | None = None


class Detector(Protocol):
    """Pure arithmetic: no threads, no clock, no files. The same looks give the same answers, always."""

    def look(self, luma: "Luma", now: float) -> Look:
        """Judge one picture taken at `now` (seconds, growing). Another size than before begins anew."""
        ...

    def reset(self) -> None:
        """Forget everything seen so far; keep the settings."""
        ...

    def tune(self, sensitivity: int, min_area: float) -> None:
        """Another sensitivity (1..100) and least area (percent), from the next look on. What was learned stays."""
        ...


class Build(Protocol):
    """How a detector is made. `threshold` is in the method's own unit and wins over `sensitivity`."""

    def __call__(
        self,
        *,
        sensitivity: int,
        threshold: float | None,
        min_area: float,
        masks: Sequence[Polygon],
        zones: Sequence[Zone],
    ) -> Detector: ...


METHODS = {
    "background": ("edgecam.motion.background", "Background"),
    "difference": ("edgecam.motion.difference", "Difference"),
}


def build(
    method: str,
    *,
    sensitivity: int,
    threshold: float | None,
    min_area: float,
    masks: Sequence[Polygon],
    zones: Sequence[Zone] = (),
) -> Detector:
    """The detector that the configuration names. `min_area` is in percent of the picture."""
    module, name = METHODS[method]
    make = cast(Build, getattr(import_module(module), name))
    return make(sensitivity=sensitivity, threshold=threshold, min_area=min_area, masks=masks, zones=zones)
