"""Honest stand-ins shared by the tests."""

import asyncio
import heapq
import itertools
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Executor, Future
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from edgecam.clock import Clock
from edgecam.events import Bus, SettingChanged
from edgecam.frame import Frame
from edgecam.sources import LostThreads, Source
from edgecam.sources.threaded import CaptureThread

P = ParamSpec("P")
T = TypeVar("T")


SLEPT = 500.0
"""Seconds for which the box of a FakeClock was asleep: so far its age is ahead of monotonic time."""


class FakeClock:
    """A clock that moves only when told. `advance` lets everything that became due run, in order of time."""

    def __init__(self, wall: float = 1_790_000_000.0, monotonic: float = 1000.0) -> None:
        self._mono = monotonic
        self._offset = wall - monotonic
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def wall(self) -> float:
        return self._mono + self._offset

    def monotonic(self) -> float:
        return self._mono

    def boottime(self) -> float:
        return self._mono + SLEPT

    def step(self, seconds: float) -> None:
        """The wall clock jumps; monotonic time does not."""
        self._offset += seconds

    def span(self, begin: float, end: float) -> str:
        """The span of this box's day from `begin` to `end` seconds from now."""
        now = datetime.fromtimestamp(self.wall())
        return "-".join(f"{now + timedelta(seconds=at):%H:%M}" for at in (begin, end))

    def tick(self, seconds: float) -> None:
        """Time passes without anybody waking: for code that has no loop."""
        self._mono += seconds

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._mono + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, waking each sleeper at its own time."""
        end = self._mono + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self._mono = max(self._mono, due)
            future.set_result(None)
            await settle()
        self._mono = end
        await settle()


class RestingClock(FakeClock):
    """Says when somebody sleeps on it: who has only one task has nothing more to do by then."""

    def __init__(self) -> None:
        super().__init__()
        self.rested = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.rested.set()
        await super().sleep(seconds)
        self.rested.clear()


class AtOnce(Executor):
    """A pool that does everything on the spot."""

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Switchboard:
    """Switches that are off until a test turns them on, told to the bus as Settings does."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._on: set[tuple[str, str]] = set()

    def on(self, camera: str, key: str) -> bool:
        return (camera, key) in self._on

    def set(self, camera: str, key: str, value: bool) -> None:
        (self._on.add if value else self._on.discard)((camera, key))
        self._bus.publish(SettingChanged(camera=camera, at=self._clock.wall(), key=key, value=value))


class HungLibrary:
    """A camera library whose read never returns until it is freed."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def open(self) -> None: ...

    def read(self) -> None:
        self.free.wait()

    def close(self) -> None: ...


class Hung:
    """A source over such a library."""

    def __init__(self, library: HungLibrary, lost: LostThreads) -> None:
        self._capture = CaptureThread[Frame](library, "birdbox", lost, grace=0.001)

    def frames(self) -> AsyncGenerator[Frame, None]:
        return self._capture.items()

    async def close(self) -> None:
        await self._capture.close()

    def describe(self) -> str:
        return "camera 0"


async def frames_of(source: Source) -> AsyncGenerator[Frame, None]:
    """What a source without sound yields."""
    async with aclosing(source.frames()) as items:
        async for item in items:
            assert isinstance(item, Frame)
            yield item


async def settle(turns: int = 20) -> None:
    """Let the loop run what is ready, and what that makes ready."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(
    what: str,
    true: Callable[[], object],
    *,
    within: float = 20.0,
    meanwhile: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Wait for what threads, children and sockets do in their own time, and keep `meanwhile` going (a clock, a hub).

    Raises AssertionError that says what did not come true.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not true():
        assert loop.time() < deadline, f"waited {within:.0f} s in vain: {what}"
        if meanwhile is not None:
            await meanwhile()
        await asyncio.sleep(0.001)
