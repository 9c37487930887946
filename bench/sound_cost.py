"""What sound costs: CPU of following the clock and coding AAC, per second of sound; and of a clip's track for it.

    .venv/bin/python bench/sound_cost.py

Noise, which is dearer to code than a quiet garden. The other coder of the library is measured beside ours.
"""

import io
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from edgecam.config import model
from edgecam.frame import Frame, Kind, Sound
from edgecam.record.mp4 import Mp4
from edgecam.sources.ear import BLOCK, Coder

SECONDS = 60
DRIFT = 1 + 50e-6
"""A usual card's clock."""


def microphone(rate: int, channels: int) -> Iterator[tuple[float, bytes]]:
    """Blocks of noise with their times."""
    noise = np.random.default_rng(1).normal(0, 2000, (64, BLOCK * channels)).astype("<i2")
    for number in range(SECONDS * rate // BLOCK):
        yield 1000 + number * BLOCK / rate * DRIFT, noise[number % 64].tobytes()


def coded(rate: int, channels: int, coder: str = "fast") -> list[Sound]:
    code = Coder("bench", model.Audio(rate=rate, channels="2" if channels == 2 else "1"), rate, channels, coder)
    return [sound for mono, samples in microphone(rate, channels) for sound in code.take(mono, samples)]


def cost(work: Callable[[], object]) -> float:
    """Milliseconds of CPU for each second of sound, the best of three."""
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return 1000 * best / SECONDS


def clip(sounds: list[Sound]) -> None:
    mp4 = Mp4(io.BytesIO(), Frame("bench", 0, 1000.0, 0.0, Kind.JPEG, b"\xff\xd8\xff\xd9", 64, 48), sounds[0])
    for sound in sounds:
        mp4.hear(sound)
    mp4.abandon()


def main() -> None:
    for rate, channels in ((48000, 1), (48000, 2), (16000, 1)):
        mine = cost(partial(coded, rate, channels))
        other = cost(partial(coded, rate, channels, "twoloop"))
        print(f"{rate} Hz, {channels} channel(s): {mine:.1f} ms/s, with the other coder {other:.1f} ms/s")
    sounds = coded(48000, 1)
    print(f"written into a clip: {cost(lambda: clip(sounds)):.2f} ms/s")


if __name__ == "__main__":
    main()
