"""What a fixed camera sees while nothing happens: drawn, seeded. A stage makes another picture of a picture."""

import math
from collections.abc import Callable

import cv2
import numpy as np

from scenery import COLUMNS, HEIGHT, ROWS, WIDTH, Plane, Random, Scene, clouds, soft

SUDDEN = 8.0
"""When what happens suddenly happens first, in seconds."""

Stage = Callable[[Plane, float], Plane]
"""A picture at a time in seconds, changed."""


def nothing(scene: Scene, rng: Random) -> Stage:
    return lambda picture, at: picture


def gain_by(gain: Callable[[float], float | Plane]) -> Stage:
    return lambda picture, at: np.asarray(picture * gain(at), np.float32)


def step(scene: Scene, rng: Random) -> Stage:
    """A lamp goes on for six seconds, and later off for as long."""
    up, down = rng.uniform(1.25, 1.6), rng.uniform(0.5, 0.75)
    return gain_by(lambda at: up if SUDDEN <= at < SUDDEN + 6 else down if SUDDEN + 12 <= at < SUDDEN + 18 else 1)


def drift(scene: Scene, rng: Random) -> Stage:
    """Clouds: up and down by a third, never faster than in two seconds."""
    periods, phases = rng.uniform(8, 20, 2), rng.uniform(0, 6, 2)
    return gain_by(lambda at: float(1 + 0.17 * np.sin(2 * np.pi * at / periods + phases).sum()))


def hunting(scene: Scene, rng: Random) -> Stage:
    """Automatic exposure that finds no rest: 20 % to and fro in two to three seconds, in steps of a frame."""
    period = rng.uniform(2, 3)
    return gain_by(lambda at: float(1 + 0.2 * np.sin(2 * math.pi * at / period)))


def banding(scene: Scene, rng: Random) -> Stage:
    """Mains light through a rolling shutter: bands of 7 % that wander."""
    pace, tall = rng.uniform(0.3, 4.5), rng.uniform(30, 70)
    return gain_by(lambda at: 1 + 0.07 * np.sin(2 * math.pi * (ROWS / tall + pace * at)))


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
        return warped(picture, np.array([[1, 0, x], [0, 1, y]], np.float32))

    return shaken


def branches(scene: Scene, rng: Random) -> Stage:
    """Twigs in front of a third of the picture sway by three pixels, each clump in its own time."""
    where = np.clip((cv2.blur(clouds(rng, 30), (9, 9)) - 0.5) * 8, 0, 1)
    phase, period = 6 * clouds(rng, 20), rng.uniform(1.5, 3)
    twigs = scene.light * np.where(clouds(rng, 2, 3) > 0.55, np.float32(0.12), scene.reflects)

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


def lamp(scene: Scene, rng: Random) -> Stage:
    """A lamp beside lights a part of the picture, twice."""
    x, y, reach = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(20, 45)
    lit = 1 + rng.uniform(0.4, 1.2) * np.exp(-((COLUMNS - x) ** 2 + (ROWS - y) ** 2) / reach**2)
    return gain_by(lambda at: lit if twice(at) else 1)


def window(scene: Scene, rng: Random) -> Stage:
    """The light of a window falls on a part of the picture, with hard edges, twice."""
    left, top = int(rng.integers(0, 100)), int(rng.integers(10, 50))
    lit = np.ones((HEIGHT, WIDTH), np.float32)
    lit[top : top + int(rng.integers(20, 40)), left : left + int(rng.integers(25, 60))] += rng.uniform(0.3, 0.8)
    soft_lit = soft(lit)
    return gain_by(lambda at: soft_lit if twice(at) else 1)


def twice(at: float) -> bool:
    return SUDDEN <= at < SUDDEN + 5 or SUDDEN + 9 <= at < SUDDEN + 13


def shadow(scene: Scene, rng: Random) -> Stage:
    """The shadow of a cloud, with a rather sharp edge, comes over the picture within some seconds."""
    angle, takes, dark, wide = rng.uniform(0, 6), rng.uniform(4, 9), rng.uniform(0.3, 0.55), rng.uniform(6, 15)
    along = math.cos(angle) * (COLUMNS - WIDTH / 2) + math.sin(angle) * (ROWS - HEIGHT / 2)
    return gain_by(lambda at: 1 - dark / 2 * (1 + np.tanh(((at - SUDDEN) / takes * 240 - 120 - along) / (2 * wide))))


def lightning(scene: Scene, rng: Random) -> Stage:
    """Five flashes, each three times as bright as the scene and over at once."""
    moments = rng.uniform(6, 24, 5)
    return gain_by(lambda at: 1 + 2 * float(np.exp(-np.abs(at - moments) / 0.12).sum()))


def knock(scene: Scene, rng: Random) -> Stage:
    """Somebody knocks the camera: from then on it looks beside, by up to eight pixels."""
    x, y = rng.uniform(4, 8) * rng.choice([-1, 1]), rng.uniform(2, 5) * rng.choice([-1, 1])
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return lambda picture, at: picture if at < SUDDEN else warped(picture, matrix)


def focus(scene: Scene, rng: Random) -> Stage:
    """Automatic focus hunts for eight seconds: the picture blurs and breathes by one percent."""
    period = rng.uniform(3, 5)

    def blurred(picture: Plane, at: float) -> Plane:
        if not SUDDEN <= at < SUDDEN + 8:
            return picture
        out = abs(math.sin(math.pi * (at - SUDDEN) / period))
        zoom = 1 + 0.01 * out
        matrix = np.array([[zoom, 0, WIDTH / 2 * (1 - zoom)], [0, zoom, HEIGHT / 2 * (1 - zoom)]], np.float32)
        return np.asarray(cv2.GaussianBlur(warped(picture, matrix), (0, 0), 0.01 + 1.5 * out), np.float32)

    return blurred


def stamp(scene: Scene, rng: Random) -> Stage:
    """White digits in a corner count the seconds."""

    def stamped(picture: Plane, at: float) -> Plane:
        digits = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.putText(digits, f"{int(at) * 7919 % 86400:05d}", (4, 12), cv2.FONT_HERSHEY_PLAIN, 0.6, 250, 1)
        return np.maximum(picture, digits)

    return stamped


def ripples(scene: Scene, rng: Random) -> Stage:
    """Water in the lower half: ripples wander, and their crests glitter."""
    waves = rng.uniform((0.3, -0.5, 2, 0), (1.4, 0.5, 6, 6), (5, 4))
    water = np.clip((ROWS - HEIGHT / 2) / 4, 0, 1)

    def rippled(picture: Plane, at: float) -> Plane:
        height = (
            sum(np.sin(down * ROWS + across * COLUMNS + pace * at + phase) for down, across, pace, phase in waves) / 5
        )
        return np.asarray(picture * (1 + water * (0.25 * height + 0.8 * np.clip(height - 0.55, 0, 1))), np.float32)

    return rippled


def curtain(scene: Scene, rng: Random) -> Stage:
    """A curtain moves in the draught: its folds, ten pixels wide, wander to and fro by four."""
    left, period = int(rng.integers(10, 80)), rng.uniform(2.5, 5)
    where = np.clip(np.minimum(COLUMNS - left, left + 50 - COLUMNS) / 3, 0, 1) * np.clip((75 - ROWS) / 3, 0, 1)

    def moving(picture: Plane, at: float) -> Plane:
        aside = COLUMNS + 4 * math.sin(2 * math.pi * at / period) * ROWS / 75
        folds = scene.light * (0.6 + 0.15 * np.sin(2 * math.pi * aside / 10))
        return np.asarray(picture + where * (folds - picture), np.float32)

    return moving


def fan(scene: Scene, rng: Random) -> Stage:
    """A fan turns in one place all the time."""
    x, y, radius, pace = rng.uniform(20, 140), rng.uniform(20, 70), rng.uniform(6, 12), rng.uniform(1, 9)
    angle, where = np.arctan2(ROWS - y, COLUMNS - x), np.clip(radius - np.hypot(COLUMNS - x, ROWS - y), 0, 1)

    def turning(picture: Plane, at: float) -> Plane:
        blades = scene.light * (0.5 + 0.35 * np.sin(3 * angle + pace * at))
        return np.asarray(picture + where * (blades - picture), np.float32)

    return turning


def television(scene: Scene, rng: Random) -> Stage:
    """A film on a television, with other pictures every second, flickers on the walls as well."""
    x, y = int(rng.integers(5, 130)), int(rng.integers(10, 60))
    shots = 220 * rng.random((60, 5, 7), np.float32)

    def shown(picture: Plane, at: float) -> Plane:
        lit = np.asarray(picture * (1 + 0.08 * math.sin(1.7 * at) + 0.05 * math.sin(5 * at)), np.float32)
        lit[y : y + 15, x : x + 22] = cv2.resize(shots[int(1.5 * at)], (22, 15))
        return lit

    return shown


def warped(picture: Plane, matrix: Plane) -> Plane:
    size = (WIDTH, HEIGHT)
    return np.asarray(cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REFLECT), np.float32)


def _dot(over: Plane, x: float, y: float, radius: float) -> None:
    left, top = max(0, int(x) - 2), max(0, int(y) - 2)
    shape = np.s_[top : top + 5, left : left + 5]
    near = np.exp(-((COLUMNS[shape] - x) ** 2 + (ROWS[shape] - y) ** 2) / (2 * radius**2))
    over[shape] = np.maximum(over[shape], near)
