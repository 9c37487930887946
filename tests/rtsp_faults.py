"""The fault campaign: a network camera is killed, frozen and given another password, over and over, each at random for
some seconds, before a real Camera under the daemon's own supervision. `make rtsp-faults` runs all of it.

What must hold: frames come again within 10 s of the camera's return, and nothing grows.
"""

import argparse
import asyncio
import gc
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from edgecam.camera import LONGEST_WAIT, Camera, Liveness
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.events import Bus
from edgecam.frame import Frame, Stamp
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring, Want
from edgecam.sources import LostThreads, Rig, open_source
from edgecam.supervisor import Vitals, keep
from fakes import Switchboard, until
from peers import RtspCam

FAULTS = ("killed", "frozen", "wrong password")
PASSWORD = "right"
WITHIN = 10.0
"""Seconds from the camera's return to its first frame."""
STALL = 3.0
SHORTEST = {"killed": 0.2, "frozen": STALL + 0.5, "wrong password": 0.2}
"""Seconds; a shorter freeze is none."""
WARM = 6
"""Rounds after which memory must not grow any more."""
MOST_GROWTH = 4.0
"""MB: what allocators keep."""


@dataclass(frozen=True, slots=True)
class Round:
    """One fault and what was left of it."""

    fault: str
    away: float
    back: float
    """Seconds from the camera's return to its first frame."""
    threads: int
    files: int
    memory: float
    """Resident, MB."""


class House:
    """What the daemon builds around a camera, as far as it bears on staying alive."""

    def __init__(self, url: str) -> None:
        clock, bus = SystemClock(), Bus()
        config: model.SourceConfig = TypeAdapter(model.SourceConfig).validate_python(
            {"type": "rtsp", "url": url, "stall_timeout": STALL}
        )
        self.hub = FrameHub("yard", Ring(2.0))
        self.lost, self.status, self.vitals = LostThreads(), CameraStatus("Yard"), Vitals("yard")
        rig = Rig(Stamp("yard", clock), clock, lost=self.lost, demand=self.hub.demand)
        self.camera = Camera(
            id="yard",
            source=partial(open_source, config, rig),
            patience=STALL,
            hub=self.hub,
            settings=Switchboard(bus, clock),
            status=self.status,
            bus=bus,
            clock=clock,
            vitals=self.vitals,
            lost=self.lost,
        )
        self.liveness = Liveness(self.camera, clock)
        self.newest = 0.0
        """Capture time of the newest coded frame."""

    def _seen(self, frame: Frame) -> None:
        if frame.is_coded:
            self.newest = frame.mono

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """With a recorder's and motion's demand, until the end of the context."""
        with self.hub.tap(self._seen), self.hub.want(Want.RECORD), self.hub.want(Want.MOTION):
            clock = SystemClock()
            tasks = [
                asyncio.create_task(keep(self.camera, clock, self.vitals, longest=LONGEST_WAIT)),
                asyncio.create_task(self.liveness.run()),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    async def frames_after(self, moment: float, within: float) -> float:
        """Seconds from `moment` (monotonic) to the first frame that was captured after it."""
        await until("frames come again", lambda: self.newest > moment, within=within)
        return self.newest - moment


async def suffer(fault: str, seconds: float, peer: RtspCam, pool: Executor) -> None:
    """The fault, for so long; returns when the camera is back."""
    loop = asyncio.get_running_loop()
    if fault == "frozen":
        peer.freeze()
        await asyncio.sleep(seconds)
        peer.thaw()
        return
    await loop.run_in_executor(pool, peer.down, True)
    if fault == "wrong password":
        peer.password = "changed by somebody else"
        await loop.run_in_executor(pool, peer.up)
    await asyncio.sleep(seconds)
    await loop.run_in_executor(pool, peer.down, True)
    peer.password = PASSWORD
    await loop.run_in_executor(pool, peer.up)


def held() -> tuple[int, int]:
    """Threads, open files."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def grown(before: tuple[int, int]) -> bool:
    return any(now > then for now, then in zip(held(), before, strict=True))


def memory() -> float:
    """Resident MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


async def campaign(
    faults: Sequence[str], folder: Path, *, seed: int = 0, longest: float = 12.0, tell: bool = False
) -> list[Round]:
    """Raises AssertionError as soon as frames stay away or something is left behind."""
    chance, rounds = random.Random(seed), list[Round]()
    async with AsyncExitStack() as stack:
        peer = stack.enter_context(RtspCam(folder, password=PASSWORD))
        house = House(peer.url())
        await stack.enter_async_context(house.alive())
        await house.frames_after(0.0, 20)
        pool = stack.enter_context(ThreadPoolExecutor(1))
        await asyncio.get_running_loop().run_in_executor(pool, held)  # its thread is ours, not the camera's
        at_first = held()
        for number, fault in enumerate(faults, 1):
            away = max(SHORTEST[fault], chance.uniform(0.0, longest))
            await suffer(fault, away, peer, pool)
            back = await house.frames_after(time.monotonic(), WITHIN)
            await until("the threads and files are those of before", lambda: not grown(at_first), within=10)
            gc.collect()
            rounds.append(Round(fault, away, back, *held(), memory()))
            assert house.lost.count == 0
            if tell:
                sys.stderr.write(f"{number}/{len(faults)} {rounds[-1]}\n")
    return rounds


def report(rounds: Sequence[Round]) -> str:
    lines = [
        "fault            rounds   away (s)      frames again after (s)",
        "                          median  max   median  max",
    ]
    for fault in FAULTS:
        mine = [one for one in rounds if one.fault == fault]
        if mine:
            away, back = [one.away for one in mine], [one.back for one in mine]
            lines.append(
                f"{fault:16} {len(mine):6}   {statistics.median(away):6.1f} {max(away):5.1f}"
                f"   {statistics.median(back):6.1f} {max(back):4.1f}"
            )
    first, last = rounds[min(WARM, len(rounds)) - 1], rounds[-1]
    lines += [
        "",
        f"threads          {rounds[0].threads} after the first round, {last.threads} after the last",
        f"open files       {rounds[0].files} after the first round, {last.files} after the last",
        f"memory (MB)      {first.memory:.1f} after round {min(WARM, len(rounds))}, {last.memory:.1f} after the last,"
        f" {max(one.memory for one in rounds):.1f} at most",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="of each fault")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        rounds = asyncio.run(campaign(FAULTS * given.rounds, Path(folder), seed=given.seed, tell=True))
    more = rounds[-1].memory - rounds[min(WARM, len(rounds)) - 1].memory
    sys.stdout.write(
        "An RTSP camera (H.264 320x240, 15 frames a second, digest login) on GStreamer's server is killed, frozen,\n"
        "and given another password, in turn, each for a random time. Camera, supervisor and back-off are the\n"
        f"daemon's own; stall_timeout is {STALL:.0f} s. Repeat it with: make rtsp-faults\n\n"
        f"{report(rounds)}\n{len(rounds)} rounds in {(time.monotonic() - began) / 60:.0f} minutes, seed {given.seed}.\n"
    )
    if more > MOST_GROWTH:
        sys.exit(f"memory has grown by {more:.1f} MB")


if __name__ == "__main__":
    main()
