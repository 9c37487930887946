"""What a look costs: CPU of the detector alone, and of the way from a JPEG to a decision, beside others.

    .venv/bin/python bench/motion_cost.py [--looks 300]

One thread. All of a group are measured in turns in the same run, so ratios hold where milliseconds do not. MOG2 and KNN
are OpenCV's, with the opening and the components that a detector needs. The running average is the chain that Frigate
uses for motion: full grey decode, 100 lines, contrast stretched, difference, threshold, dilation, contours. The least
is decoding to 1/8 grey and one difference.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from statistics import median
from typing import TypeVar

import cv2
import numpy as np
import simplejpeg

import subtractors
from edgecam.config import model
from edgecam.motion import luma
from edgecam.motion.eye import eye
from edgecam.motion.luma import Luma

SIZES = {"720p": (1280, 720, 1.2), "1080p": (1920, 1080, 0.3)}
"""Width, height, and a noise that makes JPEGs of about 165 and 360 kB."""
AVERAGE_LINES = 100
AVERAGE_LEARNS = 0.2
AVERAGE_STEP = 30
WARM = 20
"""Looks before anything is measured."""
STIR = {False: "nothing moves", True: "something moves"}

Seen = TypeVar("Seen")


def film(width: int, height: int, noise: float, *, moving: bool = True) -> list[bytes]:
    """Ten JPEGs of a textured scene with noise; something may cross it."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(40, 200, (height // 16, width // 16, 3), np.uint8)
    scene = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    scene += rng.normal(0, 4, (height, width, 3))
    jpegs = []
    for number in range(10):
        picture = scene + rng.normal(0, noise, (height, width, 1))
        if moving:
            x = number * width // 12
            picture[height // 3 : height * 2 // 3, x : x + width // 12] = 20
        pixels = np.clip(picture, 0, 255).astype(np.uint8)
        jpegs.append(bytes(simplejpeg.encode_jpeg(pixels, 85, colorsubsampling="420")))
    return jpegs


def least() -> Callable[[bytes, float], object]:
    """Decode to 1/8 grey, subtract the picture before."""
    before = np.zeros(())

    def look(jpeg: bytes, now: float) -> object:
        nonlocal before
        small = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8))
        changed = cv2.absdiff(small, before) if before.shape == small.shape else None
        before = small
        return changed

    return look


def average() -> Callable[[bytes, float], object]:
    """The running average, as Frigate does it."""
    usual = np.zeros(())

    def look(jpeg: bytes, now: float) -> object:
        nonlocal usual
        grey = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE))
        wide = round(grey.shape[1] * AVERAGE_LINES / grey.shape[0])
        small = np.asarray(cv2.resize(grey, (wide, AVERAGE_LINES), interpolation=cv2.INTER_NEAREST))
        low, high = np.percentile(small, (4, 96))
        clear = np.clip((small - low) * (255 / max(1.0, high - low)), 0, 255).astype(np.uint8)
        clear = np.asarray(cv2.GaussianBlur(clear, (3, 3), 0))
        if usual.shape != clear.shape:
            usual = clear.astype(np.float32)
        changed = cv2.absdiff(clear, cv2.convertScaleAbs(usual))
        _, out = cv2.threshold(changed, AVERAGE_STEP, 255, cv2.THRESH_BINARY)
        found, _ = cv2.findContours(
            cv2.dilate(out, np.ones((3, 3), np.uint8)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.accumulateWeighted(clear, usual, AVERAGE_LEARNS)
        return [cv2.boundingRect(contour) for contour in found]

    return look


def ours(method: str) -> Callable[[bytes, float], object]:
    config = model.Motion(method=method)
    watcher = eye(config)
    return lambda jpeg, now: watcher.look(luma.of_jpeg(jpeg, config.width), now)


def measured(
    contenders: Mapping[str, Callable[[Seen, float], object]], pictures: Sequence[Seen], looks: int
) -> dict[str, float]:
    """CPU milliseconds a look of each, in the middle."""
    spent: dict[str, list[float]] = {contender: [] for contender in contenders}
    for number in range(WARM + looks):
        for contender, look in contenders.items():
            began = time.process_time()
            look(pictures[number % len(pictures)], number / 5)
            spent[contender].append(time.process_time() - began)
    return {contender: 1000 * median(seconds[WARM:]) for contender, seconds in spent.items()}


def tell(spent: Mapping[str, float], beside: str) -> None:
    for contender, milliseconds in spent.items():
        print(f"  {contender:16}{milliseconds:7.3f} ms a look {milliseconds / spent[beside]:6.2f} times {beside}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=int, default=300)
    arguments = parser.parse_args()
    for moving in (False, True):
        jpegs = film(*SIZES["720p"], moving=moving)
        seen: list[Luma] = [luma.of_jpeg(jpeg, model.Motion().width) for jpeg in jpegs]
        height, width = seen[0].shape
        print(f"luma of {width}x{height}, {STIR[moving]}")
        alone = {
            "background": eye(model.Motion()).look,
            "difference": eye(model.Motion(method="difference")).look,
            "MOG2": subtractors.mog2().look,
            "KNN": subtractors.knn().look,
        }
        tell(measured(alone, seen, arguments.looks), "MOG2")
    for (name, size), moving in product(SIZES.items(), (False, True)):
        jpegs = film(*size, moving=moving)
        print(f"JPEG of {name}, {len(jpegs[0]) / 1000:.0f} kB, {STIR[moving]}")
        whole = {
            "least": least(),
            "background": ours("background"),
            "difference": ours("difference"),
            "running average": average(),
        }
        tell(measured(whole, jpegs, arguments.looks), "running average")


if __name__ == "__main__":
    main()
