"""What turning and greying cost: CPU per JPEG, and what it costs to let one pass.

    .venv/bin/python bench/retouch.py

Process time, threads included, so that the stage's hop to its thread counts; all of a size in turns, in the same run.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Frame, Kind, Stamp
from edgecam.sources import Rig, Source, Tone
from edgecam.sources.retouch import Retouched
from motion_cost import SIZES, film

FRAMES = 100
ROUNDS = 5


class Reel:
    """A source that gives its frames as fast as they are taken."""

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames

    async def frames(self) -> AsyncGenerator[Frame, None]:
        for frame in self._frames:
            yield frame
            await self.taken.acquire()

    def __call__(self) -> "Reel":
        self.taken = asyncio.Semaphore(0)
        return self

    async def close(self) -> None:
        """Nothing is held."""

    def describe(self) -> str:
        return "the film"


async def consumed(reel: Reel, stage: Callable[[Source], Source]) -> float:
    """CPU milliseconds per frame."""
    source = stage(reel())
    began, count = time.process_time(), 0
    async with aclosing(source.frames()) as frames:
        async for _ in frames:
            count += 1
            reel.taken.release()
    spent = time.process_time() - began
    await source.close()
    assert count == FRAMES, "the stage left pictures out"
    return spent / FRAMES * 1e3


def staged(rig: Rig, **turns: object) -> Callable[[Source], Source]:
    return lambda source: Retouched(source, model.SyntheticSource.model_validate(turns), rig)


def main() -> None:
    clock = SystemClock()
    plain, grey = (Rig(Stamp("x", clock), clock, tone=Tone(grey)) for grey in (False, True))
    ways: dict[str, Callable[[Source], Source]] = {
        "without the stage": lambda source: source,
        "pass": staged(plain),
        "grey": staged(grey),
        "rotate 180": staged(plain, rotate=180),
        "rotate 180, grey": staged(grey, rotate=180),
    }
    for name, size in SIZES.items():
        stamp, pictures = Stamp("x", clock), film(*size)
        frames = [stamp(Kind.JPEG, pictures[n % len(pictures)], *size[:2]) for n in range(FRAMES)]
        reel = Reel(frames)
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, stage in ways.items():
                found[way].append(asyncio.run(consumed(reel, stage)))
        for way, costs in found.items():
            print(f"{name:6} {way:20} {statistics.median(costs):7.3f} ms")
        copies = [bytes(bytearray(picture)) for picture in pictures]
        began = time.process_time()
        same = sum(one == other for one, other in zip(pictures * 100, copies * 100, strict=True))
        spent = (time.process_time() - began) / same * 1e3
        print(f"{name:6} {'the same bytes again':20} {spent:7.3f} ms")


if __name__ == "__main__":
    main()
