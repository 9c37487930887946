"""Optics: telling what a picture shows from the light it is shown in.

Light multiplies what a scene reflects, so it is a sum in the logarithm, and it changes softly across a picture:
the change that a pixel shares with its wide surroundings is light, the rest is things.
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

Mask = NDArray[np.bool_]

DARK = 12
"""Grey levels added before the logarithm, so that the noise of black does not count for much."""

WIDE = 0.12
"""Reach of the surroundings that share their light, as a part of the picture's width."""

CLOSE = 0.025
"""Reach of those against which an edge shows."""

FAINT = np.float32(0.02)
"""Weight of the simple mean where nearly all surroundings are left out."""

_LOGARITHM: Plane = np.log(np.arange(256) + DARK).astype(np.float32)


class Optics:
    """For luma of one size. What is masked has no influence on the rest."""

    def __init__(self, height: int, width: int, masks: Sequence[Polygon] = ()) -> None:
        self.masks, self.masked = bool(masks), raster(masks, height, width)
        self.valid: Plane = (~self.masked).astype(np.float32)
        """1 where nothing masks, 0 elsewhere."""
        self._near_share = np.maximum(_near(self.valid), np.float32(1e-6))
        self._close, self._wide = _window(CLOSE * width), _window(WIDE * width / 2)
        self._close_share = np.maximum(_mean(self.valid, self._close), np.float32(1e-6))
        self._coarse = _half(self.valid)
        self._wide_share = np.maximum(_mean(self._coarse, self._wide), FAINT)

    def brightness(self, luma: Luma) -> Plane:
        """Logarithm of brightness, slightly smoothed against noise; 0 where masked."""
        light: Plane = cv2.LUT(luma, _LOGARITHM) * self.valid
        smooth: Plane = np.divide(_near(light), self._near_share)
        smooth *= self.valid
        return smooth

    def edges(self, brightness: Plane) -> Plane:
        """Brightness against the close surroundings: what has none is a beam of light, or the shadow of a cloud."""
        return np.subtract(brightness, _mean(brightness, self._close) / self._close_share)

    def lighting(self, change: Plane, limit: Plane) -> Plane:
        """The part of a change of brightness that each pixel shares with its surroundings.

        What departs from the surroundings' simple mean by more than `limit` is a thing, or beside one; it is left
        out of the mean that counts, so that a thing casts no halo. Light is soft: half the resolution is enough.
        """
        coarse, least = _half(change * self.valid), _half(limit)
        simple = _mean(coarse, self._wide) / self._wide_share
        common = self._coarse * (np.abs(coarse - simple) <= least)
        shared = _mean(coarse * common, self._wide) + FAINT * simple
        lighting = shared / (_mean(common, self._wide) + FAINT)
        return _resized(lighting, change.shape[1], change.shape[0], cv2.INTER_LINEAR)


def _window(reach: float) -> tuple[int, int]:
    side = 2 * max(1, round(reach)) + 1
    return side, side


def _half(plane: Plane) -> Plane:
    """At half the resolution; one pixel at least."""
    height, width = plane.shape
    return _resized(plane, (width + 1) // 2, (height + 1) // 2, cv2.INTER_AREA)


def _resized(plane: Plane, width: int, height: int, how: int) -> Plane:
    return cv2.resize(plane, (width, height), interpolation=how).astype(np.float32, copy=False)


def _near(plane: Plane) -> Plane:
    return cv2.GaussianBlur(plane, (3, 3), 0.8).astype(np.float32, copy=False)


def _mean(plane: Plane, window: tuple[int, int]) -> Plane:
    return cv2.blur(plane, window, borderType=cv2.BORDER_REPLICATE).astype(np.float32, copy=False)
