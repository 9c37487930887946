"""Background: learns what each pixel usually shows and how much it usually wavers, and finds what stands out.

It tells things from light (see optics.py), so clouds, dusk and exposure pass unseen. A pixel stands out when it leaves
the range of its learned neighbourhood by more than `threshold` times its own noise: leaves and a shaking pole move
things by a pixel, and swaying grass earns itself a higher noise. What stands out must hang together over `min_area`,
and its edges must be changing now: a car that has parked, or the empty place of a cup that was taken away, falls silent
at once and is learned within seconds; the beam of a head lamp has no edges. A zone asks the same of what stands out in
its polygon, with a threshold and a least area of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgecam.motion.detector import Look, Polygon, Zone
from edgecam.motion.luma import Luma
from edgecam.motion.optics import Mask, Optics, Plane
from edgecam.motion.zones import Area, Zones

THRESHOLD = 4.5
"""Times the pixel's noise, at sensitivity 50."""

LEAST_NOISE = 0.006
"""Added to each pixel's noise: half a grey level of 256 in mid grey."""

LEARN = 8.0
"""Seconds in which the background follows a lasting change (time constant)."""

WAVER = 5.0
"""The same for the noise."""

RECENT = 0.4
"""Seconds that count as now when asking whether something is changing."""

CHANGING = 0.2
"""Share of a thing's pixels whose edges must be changing; `min_area` of them is enough for any thing."""

EDGE = 0.5
"""An edge is changing when it differs from the last moments by this part of what a pixel needs to stand out."""

LEAST_PIXELS = 4.0
"""Anything smaller is a speck, whatever `min_area` says."""

SURPRISE = 4.0
"""One look raises a pixel's noise by at most this many times what it was: a passer-by is not noise."""

CALM = 0.5
"""Where something moves the background learns this much slower."""

LIGHT = 1.0
"""Seconds over which brightness is remembered, to tell when a lamp is switched."""

FLASH_SHARE = 0.25
FLASH_COHERENCE = 0.75
FLASH_STEP = 0.04
FLASH_BLIND = 1.0
FLASH_LEARN = 0.3
FLASH_REST = 3.0
"""A lamp is switched: at least FLASH_SHARE of the picture stands out and FLASH_COHERENCE of it became
brighter, or darker, by FLASH_STEP (logarithm). Then blind for FLASH_BLIND seconds, learning in FLASH_LEARN, and not
again before FLASH_REST: whatever fills the picture for longer is not a lamp."""

_SPECK = np.ones((2, 2), np.uint8)
_BRIDGE = np.ones((3, 3), np.uint8)


@dataclass(slots=True)
class Scene:
    """What was learned of one scene; all planes have the picture's shape."""

    optics: Optics
    usual: Plane
    """The background: usual brightness (logarithm)."""
    noise: Plane
    """Mean absolute deviation from it."""
    recent: Plane
    """Edges of the last moments."""
    light: Plane
    """Brightness (logarithm) of the last second."""
    at: float
    looks: int = 1
    flash: float = -math.inf
    """When a lamp was switched last."""


@dataclass(frozen=True, slots=True)
class Things:
    """What moves in one look."""

    mask: Mask
    box: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels, right and bottom exclusive."""
    strength: float
    """Times what a pixel needs to stand out, in the mean."""

    def joined(self, other: "Things") -> "Things":
        left, top, right, bottom = zip(self.box, other.box, strict=True)
        box = (min(left), min(top), max(right), max(bottom))
        return Things(self.mask | other.mask, box, max(self.strength, other.strength))


class Background:
    """The default detector. 0.3 ms of CPU for a look at 160x90."""

    def __init__(
        self,
        *,
        sensitivity: int = 50,
        threshold: float | None = None,
        min_area: float = 0.3,
        masks: Sequence[Polygon] = (),
        zones: Sequence[Zone] = (),
    ) -> None:
        self._fixed, self._masks = threshold, masks
        self._zones = Zones(zones, _unit)
        self._scene: Scene | None = None
        self.tune(sensitivity, min_area)

    def tune(self, sensitivity: int, min_area: float) -> None:
        self._min_area = min_area
        self._threshold = self._fixed if self._fixed is not None else _unit(sensitivity)

    def reset(self) -> None:
        self._scene = None

    def look(self, luma: Luma, now: float) -> Look:
        scene = self._scene
        if scene is None or scene.usual.shape != luma.shape:
            self._scene = self._begin(luma, now)
            return Look()
        elapsed, scene.at = max(1e-3, now - scene.at), now
        scene.looks += 1
        light = scene.optics.brightness(luma)
        edges = scene.optics.edges(light)
        limit = self._threshold * (scene.noise + LEAST_NOISE)
        level = light - scene.optics.lighting(light - scene.usual, limit)
        excess = _excess(level, scene.usual)
        excess[scene.optics.masked] = 0
        change = np.abs(edges - scene.recent)
        out = excess > limit
        things = _things(out, excess, change, limit, self._min_area)

        def moves(area: Area) -> bool:
            nonlocal things
            own = limit * np.float32(area.threshold / self._threshold)
            found = _things((excess > own) & area.inside, excess, change, own, area.min_area)
            if found is not None and area.keen:
                things = found if things is None else things.joined(found)
            return found is not None

        touched = self._zones.touched(
            luma.shape, moving=things is not None, threshold=self._threshold, min_area=self._min_area, moves=moves
        )
        flash = _flashed(scene, out, light, now)
        _learn(scene, light, level, edges, None if flash else things, elapsed, flash)
        if things is None:
            return Look(suppressed="light change" if flash else None)
        return _told(things, () if flash else touched, flash)

    def _begin(self, luma: Luma, now: float) -> Scene:
        optics = Optics(luma.shape[0], luma.shape[1], self._masks)
        light = optics.brightness(luma)
        return Scene(optics, light, np.full_like(light, LEAST_NOISE), optics.edges(light), light.copy(), now)


def _unit(sensitivity: int) -> float:
    """The threshold."""
    return float(THRESHOLD * 2 ** ((50 - sensitivity) / 30))


def _things(out: Mask, excess: Plane, change: Plane, limit: Plane, min_area: float) -> Things | None:
    """The connected things of what stands `out` that are large enough and are changing now."""
    clean = cv2.morphologyEx(out.view(np.uint8), cv2.MORPH_OPEN, _SPECK)
    if not clean.any():
        return None
    joined = cv2.morphologyEx(clean, cv2.MORPH_CLOSE, _BRIDGE)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    least = max(LEAST_PIXELS, min_area / 100 * out.size)
    changed = np.bincount(labels[(change > limit * EDGE) & (clean > 0)], minlength=count)
    good = (areas >= least) & (changed >= np.minimum(CHANGING * areas, least))
    good[0] = False  # what is not a thing
    if not good.any():
        return None
    left, top = stats[good, cv2.CC_STAT_LEFT], stats[good, cv2.CC_STAT_TOP]
    right, bottom = left + stats[good, cv2.CC_STAT_WIDTH], top + stats[good, cv2.CC_STAT_HEIGHT]
    box = (int(left.min()), int(top.min()), int(right.max()), int(bottom.max()))
    mask: Mask = good[labels]
    return Things(mask, box, max(1.0, float(np.mean((excess / limit)[mask]))))


def _flashed(scene: Scene, out: Mask, light: Plane, now: float) -> bool:
    """Whether this look is blinded by a lamp that was switched; notes a new one."""
    if now - scene.flash >= FLASH_REST:
        step = (light - scene.light)[~scene.optics.masked]
        if np.count_nonzero(out) > FLASH_SHARE * step.size:
            coherent = max(np.count_nonzero(step > FLASH_STEP), np.count_nonzero(step < -FLASH_STEP))
            if coherent > FLASH_COHERENCE * step.size:
                scene.flash = now
    return now - scene.flash < FLASH_BLIND


def _learn(
    scene: Scene, light: Plane, level: Plane, edges: Plane, things: Things | None, elapsed: float, flash: bool
) -> None:
    """Move everything learned towards this look; slower where something moves, at once after a lamp."""
    calm = np.float32(1) if things is None else np.where(things.mask, np.float32(CALM), np.float32(1))
    young = np.float32(1 / scene.looks)  # the first looks are all there is to learn from
    usual = _rate(elapsed, FLASH_LEARN) if flash else max(_rate(elapsed, LEARN), young)
    scene.usual += usual * calm * (light - scene.usual)
    wavers = np.minimum(np.abs(level - scene.usual), SURPRISE * (scene.noise + LEAST_NOISE))
    scene.noise += max(_rate(elapsed, WAVER), young) * calm * (wavers - scene.noise)
    scene.recent += _rate(elapsed, RECENT) * (edges - scene.recent)
    scene.light += _rate(elapsed, LIGHT) * (light - scene.light)


def _rate(elapsed: float, constant: float) -> np.float32:
    """How far a running mean moves in `elapsed` seconds."""
    return np.float32(1 - math.exp(-elapsed / constant))


def _excess(seen: Plane, usual: Plane) -> Plane:
    """How far each pixel lies outside the range of the learned 3x3 pixels around it; negative inside."""
    excess: Plane = np.maximum(seen - cv2.dilate(usual, _BRIDGE), cv2.erode(usual, _BRIDGE) - seen)
    return excess


def _told(things: Things, zones: tuple[str, ...], flash: bool) -> Look:
    height, width = things.mask.shape
    left, top, right, bottom = things.box
    return Look(
        moving=not flash,
        score=max(1, round(100 * (1 - 1 / things.strength))),
        area=100 * int(np.count_nonzero(things.mask)) / things.mask.size,
        box=(left / width, top / height, right / width, bottom / height),
        suppressed="light change" if flash else None,
        zones=zones,
    )
