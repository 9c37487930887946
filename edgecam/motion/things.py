"""Things: what hangs together among the pixels that stand out, and whether it is something that moves now.

A thing must be large enough, and its edges must be changing: a car that has parked, or the empty place of a cup that
was taken away, stands out and does not change. Where the edges of before still show, only the light is another.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from edgecam.events import Box
from edgecam.motion.detector import Reason, around
from edgecam.motion.optics import Mask, Plane

LEAST_PIXELS = 4.0
"""Anything smaller is a speck, whatever `min_area` says."""

CROWD = 12
AMONG = 8.0
"""So many specks and more are a crowd: flakes of snow, glints on water. A thing among them must be so many times as
large as half of them."""

CHANGING = 0.2
"""Share of a thing's pixels whose edges must be changing; `min_area` of them is enough for any thing."""

EDGE = 0.5
"""An edge is changing when it differs from a moment ago by this part of what a pixel needs to stand out."""

SAME_EDGES = 0.8
NEW_EDGES = 0.2
"""A thing is light where its edges correlate so with the usual ones, and what is new in them is no more than this part
of how far the thing stands out. Measured: 0.99 and 0.04 to 0.12 in the beam of a head lamp; what darkens the scene by
a fifth with a hard border has new edges of 0.27 and more; somebody who walks by correlates below 0.7."""

MARGIN = 2
"""Pixels around what is out: as far as closing gaps may reach from both sides."""

Part = tuple[slice, slice]
"""Rows and columns."""

_SPECK = np.ones((2, 2), np.uint8)
_BRIDGE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One look at one scene: planes of the picture's shape, all in logarithm of brightness."""

    light: Plane
    """What is seen."""
    level: Plane
    """The same in the light of before."""
    noise: Plane
    """How far each pixel usually is from what is usual there."""
    limit: Plane
    """How far it must be outside, to stand out."""
    excess: Plane
    """How far it is outside of what is usual around it; negative inside."""
    edges: Plane
    change: Plane
    """How far the edges differ from those of a moment ago."""
    usual_edges: Callable[[], Plane]
    """Those of the background."""


@dataclass(frozen=True, slots=True)
class Things:
    """What moves in one look."""

    mask: Mask
    boxes: tuple[Box, ...]
    """Around each, the largest first."""
    strength: float
    """Times what a pixel needs to stand out, in the mean."""
    sharpness: float
    """See `_sharpness`."""

    def joined(self, other: "Things") -> "Things":
        """Both. Boxes of the other that meet one of these are of the same thing."""
        boxes = list(self.boxes)
        for new in other.boxes:
            met = next((number for number, box in enumerate(boxes) if _meet(box, new)), None)
            if met is None:
                boxes.append(new)
            else:
                boxes[met] = around([boxes[met], new])
        strength, sharpness = max(self.strength, other.strength), max(self.sharpness, other.sharpness)
        return Things(self.mask | other.mask, tuple(boxes), strength, sharpness)


def find(out: Mask, seen: Evidence, min_area: float) -> tuple[Things | None, Reason | None]:
    """The things that move among the pixels that stand `out`; where there are none, why, unless nothing is out.

    `min_area` in percent of the picture.
    """
    least = least_pixels(min_area, out.size)
    clean = without_specks(out)
    left, top, width, height = cv2.boundingRect(clean)
    if not width:
        return None, Reason.SPECKLE if np.count_nonzero(out) >= least else None
    part = np.s_[max(0, top - MARGIN) : top + height + MARGIN, max(0, left - MARGIN) : left + width + MARGIN]
    joined = cv2.morphologyEx(clean[part], cv2.MORPH_CLOSE, _BRIDGE)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    large = areas >= least
    large[0] = False  # what is not a thing
    if not large.any():
        return None, Reason.SPECKLE if count > CROWD else Reason.TOO_SMALL
    if count > CROWD:
        large &= areas >= AMONG * np.median(areas[1:])
        if not large.any():
            return None, Reason.SPECKLE
    changing = (seen.change[part] > EDGE * seen.limit[part]) & clean[part].view(bool)
    changed = np.bincount(labels[changing], minlength=count)
    good = large & (changed >= np.minimum(CHANGING * areas, least))
    usual_edges = seen.usual_edges()[part]
    if not good.any():
        largest = labels == np.argmax(np.where(large, areas, 0))
        return None, Reason.SOFT_LIGHT if _shows_through(largest, part, seen, usual_edges) else Reason.STANDING
    for number in np.flatnonzero(good):
        good[number] = not _shows_through(labels == number, part, seen, usual_edges)
    if not good.any():
        return None, Reason.SOFT_LIGHT
    return _told(good, labels, stats, part, seen), None


def without_specks(out: Mask) -> MatLike:
    """Without what is narrower than two pixels; the rest stays where it is, which cv2's own opening does not grant."""
    return cv2.dilate(cv2.erode(out.view(np.uint8), _SPECK, anchor=(1, 1)), _SPECK, anchor=(0, 0))


def least_pixels(min_area: float, pixels: int) -> float:
    """How many pixels of a picture of so many a thing must have. `min_area` in percent."""
    return max(LEAST_PIXELS, min_area / 100 * pixels)


def _shows_through(thing: Mask, part: Part, seen: Evidence, usual_edges: Plane) -> bool:
    """Whether what was there before still shows in the thing, and nothing else."""
    now, before = seen.edges[part][thing], usual_edges[thing]
    now, before = now - now.mean(), before - before.mean()
    both, old, new = np.dot(now, before), np.dot(before, before), np.dot(now, now)
    if both <= SAME_EDGES * np.sqrt(old * new):
        return False
    most = NEW_EDGES * float(seen.excess[part][thing].mean())
    return bool(new - both * both / old < most * most * now.size)


def _told(good: NDArray[np.bool_], labels: MatLike, stats: MatLike, part: Part, seen: Evidence) -> Things:
    height, width = seen.limit.shape
    mask = np.zeros((height, width), bool)
    inside = mask[part]
    inside[:] = good[labels]
    boxes = []
    for number in sorted(np.flatnonzero(good), key=lambda number: -int(stats[number, cv2.CC_STAT_AREA])):
        left, top, wide, high = stats[number, : cv2.CC_STAT_AREA].tolist()
        left, top = left + part[1].start, top + part[0].start
        boxes.append((left / width, top / height, (left + wide) / width, (top + high) / height))
    strength = max(1.0, float(np.mean(seen.excess[part][inside] / seen.limit[part][inside])))
    return Things(mask, tuple(boxes), strength, _sharpness(seen.light[part], inside.view(np.uint8)))


def _sharpness(light: Plane, where: NDArray[np.uint8]) -> float:
    """How steep the edges are in what moves, as logarithm of brightness from pixel to pixel; where is 1 in it.

    A mean in which each step counts by its own height, so that plain cloth beside the edges makes nothing less sharp.
    Motion blurs along its own way only: the softer of both directions counts.
    """
    across, down = cv2.absdiff(light[:, 1:], light[:, :-1]), cv2.absdiff(light[1:], light[:-1])
    return min(_steepness(across, where[:, 1:]), _steepness(down, where[1:]))


def _steepness(steps: MatLike, where: NDArray[np.uint8]) -> float:
    return cv2.norm(steps, cv2.NORM_L2SQR, where) / max(1e-6, cv2.norm(steps, cv2.NORM_L1, where))


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
