"""Pictures that a fixed camera sees while nothing happens, and while somebody walks by: drawn, seeded, with the truth.

A nuisance changes the scene, the light, the way to the sensor, or the picture; every picture also has the noise of a
sensor. All as a detector sees it: luma of 160x90, LOOKS a second.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

import stages
from edgecam.config import model
from edgecam.motion.eye import eye
from edgecam.motion.luma import Luma, of_jpeg
from edgecam.motion.scan import Finds, FoundEvent
from scenery import HEIGHT, SCENES, WIDTH, Plane, Random, Scene, Walker
from stages import Stage

__all__ = [
    "HEIGHT",
    "LOOKS",
    "NUISANCES",
    "SCENES",
    "WIDTH",
    "Nuisance",
    "Plane",
    "Random",
    "Scene",
    "Stage",
    "Walker",
    "events",
    "film",
    "sensed",
    "told",
]

LOOKS = 5
"""A second."""
SECONDS = 26.0
"""Length of a film."""


@dataclass(frozen=True, slots=True)
class Nuisance:
    """What is done to pictures. Standard deviation of the noise: at black and at mid grey, in grey levels."""

    outside: Callable[[Scene, Random], Stage] = stages.nothing
    """To light, air, lens and camera; a walker is part of what it changes."""
    behind: Callable[[Scene, Random], Stage] = stages.nothing
    """To the scene that a walker stands before."""
    noise: tuple[float, float] = (0.5, 1.2)
    blotch: float = 0
    """The noise's grain in pixels where a camera has smoothed it."""
    quality: int | None = None
    """Of the JPEG, 640x360, that the picture comes through."""


NUISANCES = {
    "nothing": Nuisance(),
    "step": Nuisance(stages.step),
    "drift": Nuisance(stages.drift),
    "noise 2.5": Nuisance(noise=(1, 2.5)),
    "noise 5": Nuisance(noise=(3, 5)),
    "noise 10": Nuisance(noise=(6, 10)),
    "blotches": Nuisance(noise=(1.5, 2.5), blotch=1.5),
    "shake": Nuisance(stages.shake),
    "banding": Nuisance(stages.banding),
    "sweep": Nuisance(stages.sweep),
    "snow": Nuisance(stages.snow),
    "rain": Nuisance(stages.rain),
    "insects": Nuisance(stages.insects),
    "hunting": Nuisance(stages.hunting),
    "infrared": Nuisance(stages.infrared),
    "jpeg 30": Nuisance(quality=30),
    "lamp": Nuisance(stages.lamp),
    "window": Nuisance(stages.window),
    "shadow": Nuisance(stages.shadow),
    "lightning": Nuisance(stages.lightning),
    "knock": Nuisance(stages.knock),
    "focus": Nuisance(stages.focus),
    "stamp": Nuisance(stages.stamp),
    "branches": Nuisance(behind=stages.branches),
    "ripples": Nuisance(behind=stages.ripples),
    "curtain": Nuisance(behind=stages.curtain),
    "fan": Nuisance(behind=stages.fan),
    "television": Nuisance(behind=stages.television),
}


def sensed(picture: Plane, nuisance: Nuisance, rng: Random) -> Luma:
    """As a sensor gives it: with noise, clipped, in whole grey levels, and through a JPEG where there is one."""
    black, grey = nuisance.noise
    seen = np.clip(picture, 0, 255)
    noise = rng.standard_normal(seen.shape, np.float32)
    if nuisance.blotch:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), nuisance.blotch), np.float32)
        noise /= noise.std()
    noise *= np.sqrt(black**2 + (grey**2 - black**2) * seen / 128)
    luma: Luma = np.clip(np.rint(seen + noise), 0, 255).astype(np.uint8)
    if nuisance.quality is None:
        return luma
    large = np.asarray(cv2.resize(luma, (640, 360), interpolation=cv2.INTER_CUBIC), np.uint8)
    return of_jpeg(bytes(simplejpeg.encode_jpeg(large[:, :, None], nuisance.quality, "GRAY")), WIDTH)


def film(
    scene: Callable[[Random], Scene],
    nuisance: Nuisance,
    seed: int,
    walker: Walker | None = None,
    seconds: float = SECONDS,
) -> Iterator[tuple[float, Luma]]:
    """Times and pictures. The same arguments always give the same."""
    rng = np.random.default_rng(seed)
    drawn = scene(rng)
    outside, behind = nuisance.outside(drawn, rng), nuisance.behind(drawn, rng)
    for number in range(round(seconds * LOOKS)):
        at = number / LOOKS
        picture = behind(drawn.picture, at)
        if walker is not None:
            picture = walker.paint(picture, at)
        yield at, sensed(outside(picture, at), nuisance, rng)


def events(pictures: Iterator[tuple[float, Luma]]) -> tuple[FoundEvent, ...]:
    """What the live eye and gate make of them, as they are by default."""
    config = model.Motion()
    watcher, finds = eye(config), Finds.like(config)
    for number, (at, luma) in enumerate(pictures):
        finds.look(number, at, watcher.look(luma, at))
    finds.close()
    return tuple(finds.events)


def told(found: tuple[FoundEvent, ...], walker: Walker) -> bool:
    """One event, no more, which touches the walk and does not go beyond it by more than a second and a half."""
    return len(found) == 1 and all(
        walker.begins - 0.5 <= event.start < walker.ends and walker.begins < event.end <= walker.ends + 1.5
        for event in found
    )
