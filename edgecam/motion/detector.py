"""What a detector is, and which there are.

Importing this module loads neither numpy nor cv2; `build` loads the chosen detector on first use.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from edgecam.events import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgecam.motion.luma import Luma

HOT = 128
"""Heat of a pixel that stands out just enough; twice as far is 255."""

Polygon = Sequence[tuple[float, float]]
"""Corners x, y in 0..1 of the picture."""


class Reason(StrEnum):
    """Why what differs in a look is no motion: what its largest part failed, the test that it came furthest through.

    Or why nobody looks: the last two.
    """

    GLOBAL_LIGHT = "global light"  # a lamp, a cloud, the exposure
    SWAY = "sway"  # it only moved to where such a thing is learned, a pixel aside
    SPECKLE = "speckle"  # single pixels, or a crowd of specks: noise, rain, snow
    TOO_SMALL = "too small"  # less than min_area
    SOFT_LIGHT = "soft light"  # it has no edges of its own, what was there before shows through: a beam, a shadow
    STANDING = "standing"  # it differs and does not change: parked, or taken away
    TOO_SHORT = "too short"  # not yet min_frames looks in a row
    MASK = "mask"  # it moves behind a mask only
    SETTLING = "settling"  # the scene is being learned
    SCHEDULE = "schedule"  # nobody wants to know at this time of the week
    DUTY = "duty"  # the board rests between looks


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at one picture says."""

    moving: bool = False
    score: int = 0
    """0..100: how far what moves stands out. 0 when nothing does."""
    area: float = 0.0
    """Percent of the picture that moves."""
    boxes: tuple[Box, ...] = ()
    """Around each thing that moves, the largest first; none where motion has no place."""
    sharpness: float = 1.0
    """Of what moves, to be compared with other looks of the same detector only."""
    follows: bool = True
    """What moves may be what moved in the look before: it is not too far from it."""
    repeats: bool = False
    """The camera gave the same picture again: this is what was said of it before, and no further evidence."""
    suppressed: Reason | None = None
    """Why nothing counts as moving in this look, although something differs."""
    zones: tuple[str, ...] = ()
    """The zones that are touched, in the file's order; none unless `moving`."""

    @property
    def box(self) -> Box | None:
        """Around everything that moves."""
        return around(self.boxes) if self.boxes else None

    def why_not(self, confirmed: bool) -> Reason | None:
        """Why this look counts as nothing; None where it counts, and where nothing differs.

        `confirmed`: by the gate, as motion that is an event.
        """
        if self.moving:
            return None if confirmed else Reason.TOO_SHORT
        return self.suppressed


def around(boxes: Sequence[Box]) -> Box:
    """The box around all of these; one at least."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


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

    def heat(self) -> "NDArray[np.uint8] | None":
        """How far each pixel stood out in the newest look, for people: shape (height, width); from HOT on it is out.

        None before the second look.
        """
        ...

    def tune(self, sensitivity: int, min_area: float, shut: Collection[str] = ()) -> None:
        """Another sensitivity (1..100) and least area (percent), from the next look on. What was learned stays.

        Zones that are `shut` are not touched, and what they alone would see is no motion.
        """
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
