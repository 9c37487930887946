"""The garden that the synthetic camera looks at: sky, hills, a bird box, sensor noise, and a robin that flies by.

Drawn straight as YUV 4:2:0 planes, full range as in JPEG. Everything costly is drawn once; a frame is a copied
plane with a small sprite on it.
"""

import numpy as np
from numpy.typing import NDArray

from edgecam.sources import overlay
from edgecam.sources.overlay import Luma

Planes = tuple[Luma, Luma, Luma]
Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]
"""Y, U, V."""

SEED = 20_261_121
NOISE = 2.0
"""Standard deviation of the sensor noise, in steps of 256."""
LOOKS_OF_NOISE = 6

_SUN: Colour = (238, 96, 142)
_FAR: Colour = (138, 134, 112)
_NEAR: Colour = (112, 112, 112)
_GRASS: Colour = (92, 104, 112)
_POST: Colour = (74, 118, 142)
_WOOD: Colour = (122, 104, 152)
_ROOF: Colour = (70, 116, 146)
_HOLE: Colour = (24, 128, 128)
_STRIP: Colour = (overlay.DARK, 128, 128)
_BACK: Colour = (44, 122, 136)
_BREAST: Colour = (110, 82, 196)
_BEAK: Colour = (150, 70, 160)


def yuv(colour: Colour, mask: Mask, planes: Planes) -> None:
    """Paint `colour` where the full-size mask says."""
    for plane, value, where in zip(planes, colour, (mask, mask[::2, ::2], mask[::2, ::2]), strict=True):
        plane[where] = value


def garden(width: int, height: int) -> Planes:
    """The still part of the picture, without noise."""
    x, y = np.arange(width, dtype=np.float32)[None, :] / width, np.arange(height, dtype=np.float32)[:, None] / height
    planes, ratio = _sky(width, height), width / height
    yuv(_SUN, (x - 0.17) ** 2 * ratio**2 + (y - 0.2) ** 2 < 0.06**2, planes)
    yuv(_FAR, y > 0.52 + 0.05 * np.sin(5 * x + 0.6) + 0.02 * np.sin(13 * x), planes)
    yuv(_NEAR, y > 0.64 + 0.045 * np.sin(4 * x + 2.4), planes)
    yuv(_GRASS, y > 0.8 + 0.015 * np.sin(7 * x), planes)
    yuv(_POST, (np.abs(x - 0.76) < 0.009) & (y > 0.5) & (y < 0.9), planes)
    yuv(_WOOD, (np.abs(x - 0.76) < 0.055) & (y > 0.34) & (y < 0.6), planes)
    yuv(_ROOF, (y > 0.26) & (y < 0.35) & (np.abs(x - 0.76) < (y - 0.26) * 0.8 + 0.005), planes)
    yuv(_HOLE, (x - 0.76) ** 2 * ratio**2 + (y - 0.43) ** 2 < 0.032**2, planes)
    yuv(_STRIP, np.broadcast_to(y >= overlay.strip(width, height) / height, (height, width)), planes)
    return planes


def _sky(width: int, height: int) -> Planes:
    fall = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    luma = np.broadcast_to(152 + 70 * fall, (height, width)).astype(np.uint8)
    u, v = (np.broadcast_to(top + (128 - top) * fall[::2], ((height + 1) // 2, (width + 1) // 2)) for top in (158, 104))
    return luma, u.astype(np.uint8), v.astype(np.uint8)


def robin(width: int, height: int, wing_up: bool) -> tuple[Planes, Mask]:
    """The bird as a sprite of about an eighth of the picture's width, flying to the right, and where it is."""
    w, h = max(8, width // 8 & ~1), max(6, height // 7 & ~1)
    x, y = np.linspace(-1, 1, w)[None, :], np.linspace(-1, 1, h)[:, None]
    u, v = np.full((2, h // 2, w // 2), 128, np.uint8)
    planes: Planes = np.zeros((h, w), np.uint8), u, v
    body = (x / 0.62) ** 2 + (y / 0.42) ** 2 < 1
    head = ((x - 0.6) / 0.22) ** 2 + ((y + 0.2) / 0.32) ** 2 < 1
    tail = (x < -0.4) & (x > -0.98) & (np.abs(y + 0.1) < 0.16 - 0.1 * x)
    beak = (x > 0.75) & (np.abs(y + 0.2) < (1.0 - x) * 0.5)
    rise = -1.0 if wing_up else 1.0
    wing = ((x + 0.1 + 0.25 * rise * y) / 0.28) ** 2 + ((y - 0.5 * rise) / 0.5) ** 2 < 1
    breast = (body | head) & (x + 0.5 * y > 0.25)
    yuv(_BEAK, beak, planes)
    yuv(_BACK, body | head | tail, planes)
    yuv(_BREAST, breast, planes)
    yuv(_BACK, wing, planes)
    return planes, body | head | tail | beak | wing


class Scene:
    """Draws frames of one size. Not thread-safe: the planes of a frame are true until the next is drawn."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._rng = np.random.default_rng(SEED)
        luma, self._u, self._v = garden(width, height)
        self._looks = [self._noisy(luma) for _ in range(LOOKS_OF_NOISE)]
        self._look = 0
        self._robins = [robin(width, height, wing_up) for wing_up in (True, False)]

    def _noisy(self, luma: Luma) -> Luma:
        noise = self._rng.standard_normal(luma.shape, np.float32) * NOISE
        return np.clip(luma + noise + 0.5, 0, 255).astype(np.uint8)

    def draw(self, text: str, number: int, flight: float | None) -> Planes:
        """Y, U, V. `flight`: how far the robin has come, 0..1 from edge to edge; None: it is not there."""
        self._look = (self._look + int(self._rng.integers(1, LOOKS_OF_NOISE))) % LOOKS_OF_NOISE  # never the same twice
        luma = self._looks[self._look].copy()
        planes = luma, self._u, self._v
        if flight is not None:
            planes = luma, self._u.copy(), self._v.copy()
            self._place_robin(planes, flight)
        overlay.write_text(luma, text)
        overlay.write_counter(luma, number)
        return planes

    def _place_robin(self, planes: Planes, flight: float) -> None:
        (width, height), (sprite, mask) = self._size, self._robins[int(flight * 24) % 2]
        h, w = mask.shape
        left = int(flight * (width + w)) - w & ~1
        top = int(height * (0.42 - 0.12 * np.sin(np.pi * 2 * flight))) & ~1
        begin, end = max(0, -left), min(w, width - left) & ~1
        for plane, part, step in zip(planes, sprite, (1, 2, 2), strict=True):
            where = mask[::step, begin:end:step]
            target = plane[top // step : top // step + h // step, (left + begin) // step : (left + end) // step]
            target[where] = part[:, begin // step : end // step][where]
