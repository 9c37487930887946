"""Pictures that a fixed camera sees while nothing happens, and while somebody walks by: drawn, seeded, with the truth.

A scene is light times what reflects it. A nuisance changes the scene, the light, the way to the sensor, or the picture;
every picture also has the noise of a sensor. All as a detector sees it: luma of 160x90, LOOKS a second.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from edgecam.config import model
from edgecam.motion.eye import eye
from edgecam.motion.luma import Luma, of_jpeg
from edgecam.motion.scan import Finds, FoundEvent

HEIGHT, WIDTH = 90, 160
LOOKS = 5
"""A second."""
SECONDS = 26.0
"""Length of a film."""
SUDDEN = 8.0
"""When what happens suddenly happens first, in seconds."""

Plane = NDArray[np.float32]
Random = np.random.Generator
Stage = Callable[[Plane, float], Plane]
"""A picture at a time in seconds, changed."""

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


def _clouds(rng: Random, *grains: int) -> Plane:
    """Texture 0..1 with details of so many pixels."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for grain in grains:
        coarse = rng.random((HEIGHT // grain + 2, WIDTH // grain + 2), np.float32)
        total += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(total / len(grains), 0, 1), np.float32)


def garden(rng: Random) -> Scene:
    """Bushes and grass with hard texture below a plain bright sky."""
    leaves = 0.15 + 0.6 * _clouds(rng, 2, 4, 12)
    sky = np.clip((24 + 6 * _clouds(rng, 8) - ROWS) / 3, 0, 1)
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
    return Scene(230 - 0.7 * COLUMNS, _soft(reflects), _soft(infrared))


def night(rng: Random) -> Scene:
    """A yard that is nearly black around one lamp."""
    reflects = 0.15 + 0.55 * _clouds(rng, 3, 9)
    lamp = np.exp(-(((COLUMNS - rng.uniform(40, 120)) / 30) ** 2 + ((ROWS - 20) / 25) ** 2))
    return Scene(30 + 170 * lamp, reflects, np.clip(1.0 - reflects, 0.1, 1))


SCENES: dict[str, Callable[[Random], Scene]] = {"garden": garden, "room": room, "night": night}


def _soft(plane: Plane) -> Plane:
    """As a lens shows hard edges."""
    return np.asarray(cv2.GaussianBlur(plane, (3, 3), 0.6), np.float32)


def _nothing(scene: Scene, rng: Random) -> Stage:
    return lambda picture, at: picture


def _gain(gain: Callable[[float], float | Plane]) -> Stage:
    return lambda picture, at: np.asarray(picture * gain(at), np.float32)


def step(scene: Scene, rng: Random) -> Stage:
    """A lamp goes on for six seconds, and later off for as long."""
    up, down = rng.uniform(1.25, 1.6), rng.uniform(0.5, 0.75)
    return _gain(lambda at: up if SUDDEN <= at < SUDDEN + 6 else down if SUDDEN + 12 <= at < SUDDEN + 18 else 1)


def drift(scene: Scene, rng: Random) -> Stage:
    """Clouds: up and down by a third, never faster than in two seconds."""
    periods, phases = rng.uniform(8, 20, 2), rng.uniform(0, 6, 2)
    return _gain(lambda at: float(1 + 0.17 * np.sin(2 * np.pi * at / periods + phases).sum()))


def hunting(scene: Scene, rng: Random) -> Stage:
    """Automatic exposure that finds no rest: 20 % to and fro in two to three seconds, in steps of a frame."""
    period = rng.uniform(2, 3)
    return _gain(lambda at: float(1 + 0.2 * np.sin(2 * math.pi * at / period)))


def banding(scene: Scene, rng: Random) -> Stage:
    """Mains light through a rolling shutter: bands of 7 % that wander."""
    pace, tall = rng.uniform(0.3, 4.5), rng.uniform(30, 70)
    return _gain(lambda at: 1 + 0.07 * np.sin(2 * math.pi * (ROWS / tall + pace * at)))


def sweep(scene: Scene, rng: Random) -> Stage:
    """A head lamp's beam with a soft edge crosses the lower half in one or two seconds, every six."""
    takes, power = rng.uniform(1, 2), rng.uniform(60, 120)

    def lit(picture: Plane, at: float) -> Plane:
        since = (at - SUDDEN) % 6
        if at < SUDDEN or since > takes:
            return picture
        x = (1.4 * since / takes - 0.2) * WIDTH
        beam = power * np.exp(-(((COLUMNS - x) / 24) ** 2) - ((ROWS - 58) / 20) ** 2)
        return np.asarray(picture * (1 + beam / scene.light), np.float32)

    return lit


def shake(scene: Scene, rng: Random) -> Stage:
    """A pole in the wind: the whole picture wanders by up to a pixel."""

    def shaken(picture: Plane, at: float) -> Plane:
        x, y = rng.uniform(-1, 1, 2)
        matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
        return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.float32)

    return shaken


def branches(scene: Scene, rng: Random) -> Stage:
    """Twigs in front of a third of the picture sway by three pixels, each clump in its own time."""
    where = np.clip((cv2.blur(_clouds(rng, 30), (9, 9)) - 0.5) * 8, 0, 1)
    phase, period = 6 * _clouds(rng, 20), rng.uniform(1.5, 3)
    twigs = scene.light * np.where(_clouds(rng, 2, 3) > 0.55, np.float32(0.12), scene.reflects)

    def swaying(picture: Plane, at: float) -> Plane:
        aside = (3 * np.sin(2 * math.pi * at / period + phase)).astype(np.float32)
        moved = cv2.remap(twigs, COLUMNS + aside, ROWS, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(picture + where * (moved - picture), np.float32)

    return swaying


def snow(scene: Scene, rng: Random) -> Stage:
    """Sixty flakes of one to two pixels fall through the picture."""
    x, y, size = rng.uniform(0, WIDTH, 60), rng.uniform(0, HEIGHT, 60), rng.uniform(0.5, 1.1, 60)

    def falling(picture: Plane, at: float) -> Plane:
        over = np.zeros_like(picture)
        for left, top, radius in zip(
            (x + 4 * np.sin(at + y)) % WIDTH, (y + 25 * size * at) % HEIGHT, size, strict=True
        ):
            _dot(over, left, top, radius)
        return np.asarray(picture + over * np.maximum(0.9 * scene.light - picture, 0), np.float32)

    return falling


def rain(scene: Scene, rng: Random) -> Stage:
    """Forty faint streaks of a dozen pixels, elsewhere in every picture."""

    def falling(picture: Plane, at: float) -> Plane:
        over = np.zeros_like(picture)
        for left, top in rng.uniform((0, -12), (WIDTH, HEIGHT), (40, 2)):
            foot = (round(left + 2), round(top + rng.uniform(6, 14)))
            cv2.line(over, (round(left), round(top)), foot, float(rng.uniform(0.1, 0.35)))
        return np.asarray(picture + over * (0.9 * scene.light - picture), np.float32)

    return falling


def insects(scene: Scene, rng: Random) -> Stage:
    """Near the lens, out of focus and bright: one dashes through the picture in half a second, every three."""
    tracks = rng.uniform((0, 0), (WIDTH, HEIGHT), (20, 2))
    radius = rng.uniform(5, 9, 20)

    def flying(picture: Plane, at: float) -> Plane:
        number, since = int((at + 1) // 3), (at + 1) % 3
        if since > 0.5:
            return picture
        x, y = tracks[number] + (since - 0.25) * 300 * np.array([math.cos(number), math.sin(number)])
        blob = 0.5 * np.exp(-((COLUMNS - x) ** 2 + (ROWS - y) ** 2) / radius[number] ** 2)
        return np.asarray(picture + blob * (200 - picture), np.float32)

    return flying


def infrared(scene: Scene, rng: Random) -> Stage:
    """Day turns to night: a black moment, and then the light of the camera's own infrared lamp."""
    lamp = 210 * np.exp(-(((COLUMNS - 80) / 90) ** 2 + ((ROWS - 45) / 60) ** 2))

    def switched(picture: Plane, at: float) -> Plane:
        if at < SUDDEN:
            return picture
        if at < SUDDEN + 0.5:
            return picture * np.float32(0.05)
        return np.asarray(lamp * scene.infrared * picture / scene.picture, np.float32)

    return switched


def _dot(over: Plane, x: float, y: float, radius: float) -> None:
    left, top = max(0, int(x) - 2), max(0, int(y) - 2)
    shape = np.s_[top : top + 5, left : left + 5]
    near = np.exp(-((COLUMNS[shape] - x) ** 2 + (ROWS[shape] - y) ** 2) / (2 * radius**2))
    over[shape] = np.maximum(over[shape], near)


@dataclass(frozen=True, slots=True)
class Nuisance:
    """What is done to pictures. Standard deviation of the noise: at black and at mid grey, in grey levels."""

    outside: Callable[[Scene, Random], Stage] = _nothing
    """To light, air, lens and camera; a walker is part of what it changes."""
    behind: Callable[[Scene, Random], Stage] = _nothing
    """To the scene that a walker stands before."""
    noise: tuple[float, float] = (0.5, 1.2)
    blotch: float = 0
    """The noise's grain in pixels where a camera has smoothed it."""
    quality: int | None = None
    """Of the JPEG, 640x360, that the picture comes through."""


NUISANCES = {
    "nothing": Nuisance(),
    "step": Nuisance(step),
    "drift": Nuisance(drift),
    "noise 2.5": Nuisance(noise=(1, 2.5)),
    "noise 5": Nuisance(noise=(3, 5)),
    "noise 10": Nuisance(noise=(6, 10)),
    "blotches": Nuisance(noise=(1.5, 2.5), blotch=1.5),
    "shake": Nuisance(shake),
    "banding": Nuisance(banding),
    "sweep": Nuisance(sweep),
    "snow": Nuisance(snow),
    "rain": Nuisance(rain),
    "insects": Nuisance(insects),
    "hunting": Nuisance(hunting),
    "infrared": Nuisance(infrared),
    "jpeg 30": Nuisance(quality=30),
    "branches": Nuisance(behind=branches),
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
