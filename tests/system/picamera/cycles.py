"""Opens and closes the Pi camera over and over in one process, as idling and privacy do. Runs in the root.

Prints how many seconds a cycle takes and what it leaves: memory, descriptors, threads. Argument: how many cycles.
"""

import asyncio
import os
import sys
import threading
import time
from contextlib import aclosing
from pathlib import Path

from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Frame, Kind, Stamp
from edgecam.hub import Want
from edgecam.sources import Rig, open_source

FIRST = 5
"""Cycles after which what is loaded once is loaded."""


def held() -> tuple[int, int, int]:
    """Kilobytes of memory, descriptors, threads."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]), len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208


async def cycle(rig: Rig) -> None:
    source = open_source(model.Picamera2Source(type="picamera2", fps=30), rig)
    found = set()
    async with aclosing(source.frames()) as frames:
        async for frame in frames:
            if isinstance(frame, Frame):
                found.add(frame.kind)
            if found == {Kind.RAW, Kind.H264}:
                break
    await source.close()


async def main(cycles: int) -> int:
    rig = Rig(Stamp("birdbox", SystemClock()), SystemClock())
    rig.demand[Want.RECORD] = rig.demand[Want.VIEWER] = 1
    for _ in range(FIRST):
        await cycle(rig)
    before, begin = held(), time.monotonic()
    for _ in range(cycles):
        await cycle(rig)
    after = held()
    memory, files, threads = (new - old for new, old in zip(after, before, strict=True))
    seconds = (time.monotonic() - begin) / cycles
    print(
        f"{cycles} cycles of {seconds:.2f} s: {memory} kB more of {after[0]}, {files} descriptors, {threads} threads, "
        f"{rig.lost.count} lost"
    )
    return 1 if files > 2 or threads > 1 or memory > 40 * cycles + 8000 else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]))))
