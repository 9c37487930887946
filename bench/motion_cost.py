"""What a look costs: CPU of decoding and detecting one JPEG, beside the least that any detector needs.

    .venv/bin/python bench/motion_cost.py

The least is decoding to 1/8 grey and one difference. All of a size are measured in turns, in the same run.
"""

import time
from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg

from edgecam.config import model
from edgecam.motion import luma
from edgecam.motion.eye import eye

LOOKS = 200
SIZES = {"720p": (1280, 720, 1.2), "1080p": (1920, 1080, 0.3)}
"""Width, height, and a noise that makes JPEGs of about 155 and 275 kB."""


def film(width: int, height: int, noise: float) -> list[bytes]:
    """Ten JPEGs of a textured scene with noise; something crosses it."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(40, 200, (height // 16, width // 16, 3), np.uint8)
    scene = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    scene += rng.normal(0, 4, (height, width, 3))
    jpegs = []
    for number in range(10):
        picture = scene + rng.normal(0, noise, (height, width, 1))
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


def ours(method: str) -> Callable[[bytes, float], object]:
    config = model.Motion(method=method)
    watcher = eye(config)
    return lambda jpeg, now: watcher.look(luma.of_jpeg(jpeg, config.width), now)


def main() -> None:
    for name, (width, height, noise) in SIZES.items():
        jpegs = film(width, height, noise)
        print(f"{name}: JPEGs of {len(jpegs[0]) / 1000:.0f} kB")
        contenders = {"least": least(), "background": ours("background"), "difference": ours("difference")}
        spent = dict.fromkeys(contenders, 0.0)
        for number in range(LOOKS):
            jpeg = jpegs[number % len(jpegs)]
            for contender, look in contenders.items():
                began = time.process_time()
                look(jpeg, number / 5)
                spent[contender] += time.process_time() - began
        for contender, seconds in spent.items():
            milliseconds = 1000 * seconds / LOOKS
            print(f"  {contender:12}{milliseconds:6.2f} ms a look {seconds / spent['least']:6.2f} times the least")


if __name__ == "__main__":
    main()
