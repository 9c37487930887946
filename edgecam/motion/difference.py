"""Difference: the mean square of what changed between two consecutive looks.

The simplest detector there is, kept for those who know its numbers. It has one measure for the whole picture, so
`min_area` means nothing to it, and a change of light is motion. A zone is measured like a picture of its own.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecam.events import Box
from edgecam.motion.detector import HOT, Look, Polygon, Zone
from edgecam.motion.luma import Luma
from edgecam.motion.zones import Area, Zones, raster

THRESHOLD = 12.0
"""Mean square at sensitivity 50, in squared grey levels."""

OUTSTANDING = 10.0
"""Times the mean: where motion is. Where no pixel is that far out, it is everywhere."""


class Difference:
    """Moving when the mean square difference is above the threshold. Signed arithmetic: bytes would wrap."""

    def __init__(
        self,
        *,
        sensitivity: int = 50,
        threshold: float | None = None,
        min_area: float = 0.0,
        masks: Sequence[Polygon] = (),
        zones: Sequence[Zone] = (),
    ) -> None:
        self._fixed, self._masks = threshold, masks
        self._zones = Zones(zones, _unit)
        self._before: NDArray[np.float32] | None = None
        self._square: NDArray[np.float32] | None = None
        self._limit = 1.0
        self._valid = np.ones((0, 0), bool)
        self.tune(sensitivity, min_area)

    def tune(self, sensitivity: int, min_area: float, shut: Collection[str] = ()) -> None:
        self._zones.shut = shut
        del min_area
        self._threshold = self._fixed if self._fixed is not None else _unit(sensitivity)

    def reset(self) -> None:
        self._before = self._square = None

    def heat(self) -> Luma | None:
        if self._square is None:
            return None
        heat: Luma = np.clip(HOT * self._square / self._limit, 0, 255).astype(np.uint8)
        return heat

    def look(self, luma: Luma, now: float) -> Look:
        del now  # consecutive looks, however far apart
        picture = luma.astype(np.float32)
        before, self._before = self._before, picture
        if self._valid.shape != luma.shape:
            self._valid = ~raster(self._masks, *luma.shape)
        if before is None or before.shape != picture.shape:
            self._square = None
            return Look()
        square = np.square(picture - before) * self._valid
        mean = float(square.sum()) / max(1, int(self._valid.sum()))
        excess = mean / self._threshold

        def moves(area: Area) -> bool:
            nonlocal excess
            own = float(square[area.inside].sum()) / max(1, int((self._valid & area.inside).sum())) / area.threshold
            if area.keen:
                excess = max(excess, own)
            return own > 1

        touched = self._zones.touched(
            luma.shape, moving=excess > 1, threshold=self._threshold, min_area=0.0, moves=moves
        )
        self._square, self._limit = square, OUTSTANDING * (mean if excess > 1 else self._threshold)
        if excess <= 1:
            return Look()
        changed = square > self._limit
        area = 100 * float(changed.mean()) if changed.any() else 100.0
        boxes = (_around(changed),) if changed.any() else ()
        return Look(True, max(1, round(100 * (1 - 1 / excess))), area, boxes, zones=touched)


def _unit(sensitivity: int) -> float:
    """The threshold."""
    return float(THRESHOLD * 2 ** ((50 - sensitivity) / 12.5))


def _around(changed: NDArray[np.bool_]) -> Box:
    """The box around what is True."""
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    height, width = changed.shape
    return (
        float(columns[0] / width),
        float(rows[0] / height),
        float((columns[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    )
