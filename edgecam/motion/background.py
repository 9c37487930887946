"""Background: learns what each pixel usually shows and how much it usually wavers, and finds what stands out.

It tells things from light (see optics.py), so clouds, dusk and exposure pass unseen. A pixel stands out when it leaves
the range of its learned neighbourhood by more than `threshold` times its own noise: leaves and a shaking pole move
things by a pixel, and swaying grass and falling snow earn themselves a higher noise. What stands out must be a thing
that moves now (see things.py). A zone asks the same of what stands out in its polygon, with a threshold and a least
area of its own.
"""

import math
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecam.motion.detector import HOT, Look, Polygon, Reason, Zone
from edgecam.motion.luma import Luma
from edgecam.motion.optics import Optics, Plane
from edgecam.motion.things import Evidence, Things, find, least_pixels, without_specks
from edgecam.motion.zones import Area, Zones

THRESHOLD = 4.5
"""Times the pixel's noise, at sensitivity 50."""

LEAST_NOISE = 0.006
"""Added to each pixel's noise: half a grey level of 256 in mid grey."""

STEADY = 0.64
"""The root of so much of a pixel's mean square deviation is its noise: the mean deviation where it is a sensor's, and
more where it comes seldom and strongly, like snow."""

LEARN = 8.0
"""Seconds in which the background follows a lasting change (time constant)."""

WAVER = 5.0
"""The same for the noise."""

NOW = 0.15
"""Seconds in which a thing's edges must have changed, or since the look before where that is longer ago."""

SURPRISE = 4.0
"""One look raises a pixel's noise by at most this many times what it was: a passer-by is not noise."""

CALM = 0.5
"""Where something moves the background learns this much slower."""

LIGHT = 1.0
"""Seconds over which brightness is remembered, to tell when a lamp is switched."""

FLASH_SHARE = 0.25
FLASH_COHERENCE = 0.75
FLASH_STEP = 0.04
FLASH_LARGE = 0.3
FLASH_SAME = 0.15
FLASH_BLIND = 1.0
FLASH_LEARN = 0.3
FLASH_REST = 3.0
"""A lamp is switched: FLASH_COHERENCE of the picture became brighter, or darker, by FLASH_STEP (logarithm), and
FLASH_SHARE of it stands out, or half of it changed by FLASH_LARGE and something seems to move. The edges still
correlate by FLASH_SAME with the usual ones, even if leaves are bright in infrared; behind a bird that fills the picture
they do not. Then blind for FLASH_BLIND seconds, for as long again while so much still changes, learning in FLASH_LEARN,
and not again before FLASH_REST: whatever fills the picture for longer is not a lamp."""

DRIFT = 0.005
"""The light is changing while the picture's mean is so far (logarithm) from what it was in the last second; for as long
as what is brighter than usual only has to be learned it is not."""

STIR = 24
"""Grey levels between two looks that are motion behind a mask."""

_NEAR = np.ones((3, 3), np.uint8)


@dataclass(slots=True)
class Scene:
    """What was learned of one scene; all planes have the picture's shape."""

    optics: Optics
    usual: Plane
    """The background: usual brightness (logarithm)."""
    spread: Plane
    """The noise, squared."""
    edges: deque[tuple[float, Plane]]
    """Of the looks of the last moments, with their times, the oldest first."""
    light: Plane
    """Brightness (logarithm) of the last second."""
    before: Luma
    """The newest look."""
    at: float
    looks: int = 1
    flash: float = -math.inf
    """When a lamp was switched last."""
    seen: Evidence | None = None


class Background:
    """The default detector."""

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

    def tune(self, sensitivity: int, min_area: float, shut: Collection[str] = ()) -> None:
        self._zones.shut = shut
        self._min_area = min_area
        self._threshold = self._fixed if self._fixed is not None else _unit(sensitivity)

    def reset(self) -> None:
        self._scene = None

    def heat(self) -> Luma | None:
        if self._scene is None or self._scene.seen is None:
            return None
        seen = self._scene.seen
        heat: Luma = np.clip(HOT * seen.excess / seen.limit, 0, 255).astype(np.uint8)
        return heat

    def look(self, luma: Luma, now: float) -> Look:
        scene = self._scene
        if scene is None or scene.usual.shape != luma.shape:
            self._scene = self._begin(luma, now)
            return Look()
        elapsed, scene.at = max(1e-3, now - scene.at), now
        scene.looks += 1
        seen = scene.seen = self._see(scene, luma)
        things, reason = find(seen.excess > seen.limit, seen, self._min_area)

        def moves(area: Area) -> bool:
            nonlocal things
            own = replace(seen, limit=seen.limit * np.float32(area.threshold / self._threshold))
            mine, _ = find((seen.excess > own.limit) & area.inside, own, area.min_area)
            if mine is not None and area.keen:
                things = mine if things is None else things.joined(mine)
            return mine is not None

        touched = self._zones.touched(
            luma.shape, moving=things is not None, threshold=self._threshold, min_area=self._min_area, moves=moves
        )
        flash = _flashed(scene, seen, now, moving=things is not None)
        if things is None:
            reason = self._reason(scene, seen, luma, reason)
        _learn(scene, seen, None if flash else things, elapsed, flash=flash)
        scene.before = luma
        if things is None:
            return Look(suppressed=Reason.GLOBAL_LIGHT if flash else reason)
        return _told(things, () if flash else touched, flash)

    def _begin(self, luma: Luma, now: float) -> Scene:
        optics = Optics(luma.shape[0], luma.shape[1], self._masks)
        light = optics.brightness(luma)
        return Scene(
            optics,
            light,
            np.full_like(light, LEAST_NOISE**2),
            deque([(now, optics.edges(light))]),
            light.copy(),
            luma,
            now,
        )

    def _see(self, scene: Scene, luma: Luma) -> Evidence:
        light = scene.optics.brightness(luma)
        noise = np.sqrt(scene.spread) + np.float32(LEAST_NOISE)
        limit = noise * np.float32(self._threshold)
        level = light - scene.optics.lighting(light - scene.usual, limit)
        edges = scene.optics.edges(light)
        while len(scene.edges) > 1 and scene.at - scene.edges[1][0] >= NOW:
            scene.edges.popleft()
        return Evidence(
            light=light,
            level=level,
            noise=noise,
            limit=limit,
            excess=_excess(level, scene.usual) * scene.optics.valid,
            edges=edges,
            change=np.abs(edges - scene.edges[0][1]),
            usual_edges=partial(scene.optics.edges, scene.usual),
        )

    def _reason(self, scene: Scene, seen: Evidence, luma: Luma, found: Reason | None) -> Reason | None:
        """Why nothing moves although something differs. `found`: why not what stands out, where anything does."""
        lit = _count(np.abs(seen.light - scene.usual) > seen.limit) / max(1, _count(scene.optics.valid))
        if lit >= (FLASH_COHERENCE if found else FLASH_SHARE) and abs(np.mean(seen.light - scene.light)) > DRIFT:
            return Reason.GLOBAL_LIGHT
        if found:
            return found
        least = least_pixels(self._min_area, luma.size)
        aside = np.abs(seen.level - scene.usual) * scene.optics.valid > seen.limit
        if _count(aside) >= least:
            return Reason.SWAY if _count(without_specks(aside)) >= least else Reason.SPECKLE
        if scene.optics.masks and _count((cv2.absdiff(luma, scene.before) > STIR) & scene.optics.masked) >= least:
            return Reason.MASK
        return None


def _unit(sensitivity: int) -> float:
    """The threshold."""
    return float(THRESHOLD * 2 ** ((50 - sensitivity) / 30))


def _flashed(scene: Scene, seen: Evidence, now: float, *, moving: bool) -> bool:
    """Whether this look is blinded by a lamp that was switched; notes a new one."""
    since = now - scene.flash
    if since < FLASH_BLIND:
        return True
    if 2 * FLASH_BLIND <= since < FLASH_REST:
        return False
    step, pixels = seen.light - scene.light, _count(scene.optics.valid)
    large = 2 * max(_count(step > FLASH_LARGE), _count(step < -FLASH_LARGE)) > pixels
    if since < 2 * FLASH_BLIND:
        return large
    wide = _count(seen.excess > seen.limit) > FLASH_SHARE * pixels
    if not wide and not (large and moving):
        return False
    if max(_count(step > FLASH_STEP), _count(step < -FLASH_STEP)) <= FLASH_COHERENCE * pixels or not _is_same(seen):
        return False
    scene.flash = now
    return True


def _is_same(seen: Evidence) -> bool:
    """Whether it still is the scene of before, in whatever light."""
    now, usual = seen.edges.ravel(), seen.usual_edges().ravel()
    return bool(abs(np.dot(now, usual)) > FLASH_SAME * np.sqrt(np.dot(now, now) * np.dot(usual, usual)))


def _learn(scene: Scene, seen: Evidence, things: Things | None, elapsed: float, *, flash: bool) -> None:
    """Move everything learned towards this look; slower where something moves, at once after a lamp."""
    calm = np.float32(1) if things is None else np.where(things.mask, np.float32(CALM), np.float32(1))
    young = np.float32(1 / scene.looks)  # the first looks are all there is to learn from
    usual = _rate(elapsed, FLASH_LEARN) if flash else max(_rate(elapsed, LEARN), young)
    scene.usual += usual * calm * (seen.light - scene.usual)
    wavers = np.minimum(np.abs(seen.level - scene.usual), SURPRISE * seen.noise)
    scene.spread += max(_rate(elapsed, WAVER), young) * calm * (STEADY * wavers * wavers - scene.spread)
    scene.light += _rate(elapsed, LIGHT) * (seen.light - scene.light)
    scene.edges.append((scene.at, seen.edges))


def _rate(elapsed: float, constant: float) -> np.float32:
    """How far a running mean moves in `elapsed` seconds."""
    return np.float32(1 - math.exp(-elapsed / constant))


def _excess(seen: Plane, usual: Plane) -> Plane:
    """How far each pixel lies outside the range of the learned 3x3 pixels around it; negative inside."""
    excess: Plane = np.maximum(seen - cv2.dilate(usual, _NEAR), cv2.erode(usual, _NEAR) - seen)
    return excess


def _count(plane: NDArray[np.generic]) -> int:
    return int(np.count_nonzero(plane))


def _told(things: Things, zones: tuple[str, ...], flash: bool) -> Look:
    return Look(
        moving=not flash,
        score=max(1, round(100 * (1 - 1 / things.strength))),
        area=100 * _count(things.mask) / things.mask.size,
        boxes=things.boxes,
        sharpness=things.sharpness,
        suppressed=Reason.GLOBAL_LIGHT if flash else None,
        zones=zones,
    )
