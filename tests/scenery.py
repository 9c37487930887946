"""Scenes that a fixed camera sees, and somebody who walks by: drawn, as light times what reflects it."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 90, 160
Plane = NDArray[np.float32]
Random = np.random.Generator

ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is there; planes of the picture's shape."""

    light: Plane
    """What white would show, 0..255."""
    reflects: Plane
    """0..1."""
    infrared: Plane
    """The same in the light of an infrared lamp: leaves are bright, and dark cloth may be."""

    @property
    def picture(self) -> Plane:
        return self.light * self.reflects


@dataclass(frozen=True, slots=True)
class Walker:
    """Somebody 1 % of the picture large, upright, on a straight path, `contrast` (logarithm) away from what is behind.

    The upper body is brighter and the legs are darker, or the other way round.
    """

    begins: float = 10.0
    seconds: float = 7.0
    start: tuple[float, float] = (-6.0, 50.0)
    """Centre, x and y in pixels."""
    end: tuple[float, float] = (166.0, 56.0)
    contrast: float = 0.7
    bright_above: bool = False

    @property
    def ends(self) -> float:
        return self.begins + self.seconds

    def paint(self, picture: Plane, at: float) -> Plane:
        part = (at - self.begins) / self.seconds
        if not 0 <= part <= 1:
            return picture
        x, y = (a + part * (b - a) for a, b in zip(self.start, self.end, strict=True))
        dx, dy = np.abs(COLUMNS - x), ROWS - y
        inside = np.clip(5.0 - dx, 0, 1) * np.clip(8.5 - np.abs(dy), 0, 1)
        above = np.where(dy < 0, 1, -1) * (1 if self.bright_above else -1)
        behind = cv2.blur(picture, (25, 25), borderType=cv2.BORDER_REPLICATE)
        return np.asarray(picture + inside * (behind * np.exp(above * self.contrast) - picture), np.float32)


def clouds(rng: Random, *grains: int) -> Plane:
    """Texture 0..1 with details of so many pixels."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for grain in grains:
        coarse = rng.random((HEIGHT // grain + 2, WIDTH // grain + 2), np.float32)
        total += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(total / len(grains), 0, 1), np.float32)


def garden(rng: Random) -> Scene:
    """Bushes and grass with hard texture below a plain bright sky."""
    leaves = 0.15 + 0.6 * clouds(rng, 2, 4, 12)
    sky = np.clip((24 + 6 * clouds(rng, 8) - ROWS) / 3, 0, 1)
    light = np.full((HEIGHT, WIDTH), 235, np.float32)
    return Scene(light, leaves + sky * (0.85 - leaves), np.clip(1.1 - leaves, 0.1, 1))


def room(rng: Random) -> Scene:
    """Plain walls and furniture with hard edges, a window at the side."""
    reflects = np.full((HEIGHT, WIDTH), 0.6, np.float32)
    reflects[62:] = 0.4
    infrared = reflects.copy()
    for _ in range(9):
        left, top = int(rng.integers(0, WIDTH - 20)), int(rng.integers(10, HEIGHT - 20))
        shape = np.s_[top : top + int(rng.integers(8, 35)), left : left + int(rng.integers(8, 45))]
        reflects[shape], infrared[shape] = rng.uniform(0.1, 0.95), rng.uniform(0.1, 0.95)
    return Scene(230 - 0.7 * COLUMNS, soft(reflects), soft(infrared))


def night(rng: Random) -> Scene:
    """A yard that is nearly black around one lamp."""
    reflects = 0.15 + 0.55 * clouds(rng, 3, 9)
    lamp = np.exp(-(((COLUMNS - rng.uniform(40, 120)) / 30) ** 2 + ((ROWS - 20) / 25) ** 2))
    return Scene(30 + 170 * lamp, reflects, np.clip(1.0 - reflects, 0.1, 1))


SCENES: dict[str, Callable[[Random], Scene]] = {"garden": garden, "room": room, "night": night}


def soft(plane: Plane) -> Plane:
    """As a lens shows hard edges."""
    return np.asarray(cv2.GaussianBlur(plane, (3, 3), 0.6), np.float32)
