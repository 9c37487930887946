"""Local contrast: what a picture shows, without the light it is shown in.

Light multiplies what a scene reflects, so it is a sum in the logarithm, and it changes softly across a picture.
Taking from the logarithm of each pixel its wide surroundings' mean leaves the things themselves.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecam.motion.detector import Polygon
from edgecam.motion.luma import Luma
from edgecam.motion.zones import raster

Plane = NDArray[np.float32]
"""One number per pixel, shape (height, width)."""

DARK = 12
"""Grey levels added before the logarithm, so that the noise of black does not count for much."""

SURROUNDINGS = 0.09
"""Reach of a pixel's surroundings, as a part of the picture's width."""

_LOGARITHM: Plane = np.log(np.arange(256) + DARK).astype(np.float32)


class Contrast:
    """Turns luma of one size into brightness and local contrast. What is masked has no influence on the rest."""

    def __init__(self, height: int, width: int, masks: Sequence[Polygon] = ()) -> None:
        self.masked = raster(masks, height, width)
        reach = max(3, round(SURROUNDINGS * width))
        self._wide = (2 * reach + 1, 2 * reach + 1)
        self._weight: Plane | None = None
        if masks:
            self._weight = (~self.masked).astype(np.float32)
            self._near_weight = np.maximum(self._near(self._weight), np.float32(1e-6))
            self._wide_weight = np.maximum(self._around(self._weight), np.float32(1e-6))

    def __call__(self, luma: Luma) -> tuple[Plane, Plane]:
        """Brightness (logarithm, slightly smoothed against noise) and local contrast."""
        light: Plane = _LOGARITHM[luma]
        if self._weight is None:
            light = self._near(light)
            return light, np.subtract(light, self._around(light))
        light = np.divide(self._near(light * self._weight), self._near_weight)
        return light, np.subtract(light, self._around(light * self._weight) / self._wide_weight)

    @staticmethod
    def _near(plane: Plane) -> Plane:
        return cv2.GaussianBlur(plane, (3, 3), 0.8).astype(np.float32, copy=False)

    def _around(self, plane: Plane) -> Plane:
        mean = cv2.blur(plane, self._wide, borderType=cv2.BORDER_REPLICATE)
        return mean.astype(np.float32, copy=False)
