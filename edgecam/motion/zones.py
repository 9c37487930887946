"""Polygons in 0..1 of the picture, as pixels; and which zones a look touches, whatever the method."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecam.motion.detector import Polygon, Zone


def raster(polygons: Iterable[Polygon], height: int, width: int) -> NDArray[np.bool_]:
    """True, shape (height, width), where a pixel's centre lies in any of the polygons.

    A polygon closes itself; one that crosses itself follows the even-odd rule. Fewer than three corners hold nothing.
    """
    found = np.zeros((height, width), bool)
    x = (np.arange(width) + 0.5)[None, :] / width
    y = (np.arange(height) + 0.5)[:, None] / height
    for polygon in polygons:
        found |= _inside(polygon, x, y)
    return found


def _inside(polygon: Polygon, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Count for each point the edges to the right of it: odd is inside."""
    odd = np.zeros((y.shape[0], x.shape[1]), bool)
    previous = polygon[-1] if polygon else (0.0, 0.0)
    for corner in polygon:
        (y0, x0), (y1, x1) = sorted(((previous[1], previous[0]), (corner[1], corner[0])))  # the same edge either way
        crosses = (y0 > y) != (y1 > y)
        odd ^= crosses & ((x - x0) * (y1 - y0) < (y - y0) * (x1 - x0))
        previous = corner
    return odd


@dataclass(frozen=True, slots=True)
class Area:
    """A zone as a detector needs it, for pictures of one size."""

    inside: NDArray[np.bool_]
    threshold: float
    """In the method's own unit."""
    min_area: float
    """Percent of the picture."""
    keen: bool
    """It may see what the picture as a whole does not."""


class Zones:
    """The zones of one detector. Asking for none costs nothing."""

    def __init__(self, zones: Sequence[Zone], unit: Callable[[int], float]) -> None:
        """`unit`: the method's threshold at a sensitivity; less of it sees more."""
        self._zones, self._unit = zones, unit
        self._inside: dict[str, NDArray[np.bool_]] = {}
        self._shape = (0, 0)
        self.shut: Collection[str] = ()
        """Names of those that do not count now."""

    def touched(
        self,
        shape: tuple[int, int],
        *,
        moving: bool,
        threshold: float,
        min_area: float,
        moves: Callable[[Area], bool],
    ) -> tuple[str, ...]:
        """The zones in which `moves` finds enough, in order.

        `shape` is the picture's height and width; `moving`, `threshold` and `min_area` are what holds for all of it.
        """
        if self._zones and shape != self._shape:
            self._inside = {zone.name: raster([zone.polygon], *shape) for zone in self._zones}
            self._shape = shape
        found: list[str] = []
        for zone in self._zones:
            if zone.name in self.shut:
                continue
            own = threshold if zone.sensitivity is None else self._unit(zone.sensitivity)
            least = min_area if zone.min_area is None else zone.min_area
            keen = own < threshold or least < min_area
            if (moving or keen) and moves(Area(self._inside[zone.name], own, least, keen)):
                found.append(zone.name)
        return tuple(found)
