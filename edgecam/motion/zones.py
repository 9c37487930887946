"""Polygons in 0..1 of the picture, as pixels."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgecam.motion.detector import Polygon


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
