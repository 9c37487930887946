"""One camera's motion in a house of its own: frames into a hub, events out of a bus. Time is the tests' own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import simplejpeg

from edgecam.config import model
from edgecam.events import (
    Bus,
    Event,
    MotionEnded,
    MotionExplained,
    MotionPicture,
    MotionStarted,
    MotionUpdated,
    ZoneMoved,
)
from edgecam.frame import Frame, Kind
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring
from edgecam.motion.alarm import Alarm
from edgecam.motion.component import Motion
from edgecam.settings import Settings
from fakes import AtOnce, FakeClock, settle

P = ParamSpec("P")
T = TypeVar("T")
FPS = 10
COOLDOWN = 4.0
COOLDOWN_LOOKS = 10
"""So many looks before the end of a test the cooldown of its event still runs."""


class Counting(AtOnce):
    """Counts what it was given to do."""

    done = 0

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.done += 1
        return super().submit(call, *args, **kwargs)


WALL = np.random.default_rng(2).integers(80, 140, (18, 32), np.uint8).repeat(10, 0).repeat(10, 1)

FAINT = np.repeat(np.array([7, 249], np.uint8), 20)[:, None]
"""Added to what is behind: a little brighter above, darker below."""


def picture(x: int | None, size: int = 40, faint: bool = False) -> bytes:
    """The wall as a JPEG of 320x180, with a block at `x` when there is one: dark, or hardly to be seen."""
    pixels = WALL.copy()
    if x is not None:
        block = np.s_[60 : 60 + size, max(0, x) : x + size]
        pixels[block] = pixels[block] + FAINT[:size] if faint else 20
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels[:, :, None]), 85, colorspace="GRAY"))


class House:
    """One camera's hub, bus, settings and status around the component."""

    def __init__(
        self,
        folder: Path,
        *,
        enabled: bool = True,
        pool: Executor | None = None,
        frames: int = 2,
        zones: dict[str, model.Zone] | None = None,
        schedule: dict[str, tuple[str, ...]] | None = None,
        duty: model.Duty | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.clock, self.bus, self.pool = clock or FakeClock(), Bus(), Counting()
        config = model.Motion(
            cooldown=COOLDOWN,
            settle=1,
            enabled=enabled,
            min_frames=frames,
            zones=zones or {},
            schedule=schedule,
            duty=duty,
        )
        camera = model.Camera.model_validate({"source": "synthetic", "motion": config.model_dump()})
        self.hub = FrameHub("yard", Ring(5.0))
        self.settings = Settings({"yard": camera, "other": camera}, folder / "settings.json", self.bus, self.clock)
        self.status = CameraStatus("Yard")
        self.told: list[Event] = []
        for kind in (MotionStarted, MotionUpdated, MotionEnded, MotionExplained, MotionPicture, ZoneMoved):
            self.bus.on(kind, self.told.append)
        self.alarm = Alarm(
            id="yard",
            config=config,
            hub=self.hub,
            bus=self.bus,
            settings=self.settings,
            status=self.status,
            clock=self.clock,
            pool=self.pool,
        )
        self.motion = Motion(
            id="yard",
            config=config,
            hub=self.hub,
            bus=self.bus,
            settings=self.settings,
            status=self.status,
            alarm=self.alarm,
            clock=self.clock,
            pool=pool or self.pool,
        )
        self._number = 0
        self.shown: list[Frame] = []

    async def show(self, *jpegs: bytes, kind: Kind = Kind.JPEG, size: tuple[int, int] = (320, 180)) -> None:
        """Publish each picture, a tenth of a second apart."""
        for jpeg in jpegs:
            await self.clock.advance(1 / FPS)
            self._number += 1
            frame = Frame("yard", self._number, self.clock.monotonic(), self.clock.wall(), kind, jpeg, *size)
            self.shown.append(frame)
            self.hub.publish(frame)
            await settle()

    async def quiet(self, seconds: float) -> None:
        await self.show(*[STILL] * round(seconds * FPS))

    async def walk(self, seconds: float = 2.0, size: int = 40, faint: bool = False) -> None:
        count = round(seconds * FPS)
        await self.show(*[picture(round(300 * step / count), size, faint) for step in range(count)])

    async def live(self) -> None:
        """Motion, and the alarm that keeps the time for it and goes on when motion has failed."""
        alarm = asyncio.create_task(self.alarm.run())
        try:
            await self.motion.run()
        finally:
            alarm.cancel()
            await asyncio.gather(alarm, return_exceptions=True)

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.told if isinstance(event, kind)]


STILL = picture(None)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


class Held(Executor):
    """A pool whose work is done when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        self.waiting.append(lambda: future.set_result(call(*args, **kwargs)))
        return future


@asynccontextmanager
async def living(house: House) -> AsyncIterator[House]:
    life = asyncio.create_task(house.live())
    await settle()
    try:
        yield house
        assert not life.done()
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
