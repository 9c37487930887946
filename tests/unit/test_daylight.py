"""Day and night before a camera: decided slowly, told once, followed by everybody it concerns."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import simplejpeg

from edgecam.config import model
from edgecam.events import Bus, LightChanged
from edgecam.frame import Frame, Kind
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring
from edgecam.motion.daylight import EVERY, Daylight, Light, Twilight
from edgecam.pixels import Planes
from fakes import AtOnce, FakeClock, settle


@pytest.mark.parametrize(
    ("looks", "story"),
    [
        ([90, 90], ["day"]),  # the first look is believed at once
        ([30, 30], ["day"]),  # between the two sides, day is the guess that keeps colours
        ([5, 5], ["night"]),
        ([90, 10, 10], ["day"]),  # a hand before the lens
        ([90, 10, 10, 10], ["day", "night"]),
        ([90, 10, 10, 30, 10, 10], ["day"]),  # not in a row
        ([90, 25, 25, 25, 25], ["day"]),  # dusk, but not dark yet
        ([5, 30, 30, 30, 30], ["night"]),  # above the one side, not above the other
        ([5, 200, 5, 200, 200], ["night"]),  # headlights
        ([5, 60, 60, 60, 10, 10, 10], ["night", "day", "night"]),
    ],
)
def test_light(looks: list[float], story: list[str]) -> None:
    twilight, told = Twilight(20, 40), list[str]()
    for luma in looks:
        if twilight.look(luma):
            assert twilight.light is not None
            told.append(twilight.light)
    assert told == story


class Garden:
    """A camera whose light the test sets."""

    def __init__(self) -> None:
        self.clock, self.bus, self.status = FakeClock(), Bus(), CameraStatus("Garden")
        self.hub = FrameHub("garden", Ring(1.0))
        self.grey, self.told = list[bool](), list[bool]()
        self.bus.on(LightChanged, lambda change: self.told.append(change.night))
        self._number = 0

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None, None]:
        daylight = Daylight(
            id="garden",
            config=model.DayNight(),
            hub=self.hub,
            bus=self.bus,
            status=self.status,
            clock=self.clock,
            pool=AtOnce(),
            grey=self.grey.append,
        )
        task = asyncio.create_task(daylight.run())
        await settle()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def shine(self, luma: int, looks: int, *, raw: bool = False) -> None:
        plane = np.full((48, 64), luma, np.uint8)
        for _ in range(looks):
            self._number += 1
            if raw:
                kind, data, image = Kind.RAW, b"", Planes([plane, plane[::2, ::2], plane[::2, ::2]], full=True)
            else:
                kind, image = Kind.JPEG, None
                data = bytes(simplejpeg.encode_jpeg(plane[:, :, None], 90, "GRAY", "Gray"))
            now = self.clock.monotonic()
            self.hub.publish(Frame("garden", self._number, now, 1e9, kind, data, 64, 48, image=image))
            await self.clock.advance(EVERY)


@pytest.mark.parametrize("raw", [False, True])
async def test_dusk_turns_the_picture_grey_and_dawn_gives_the_colours_back(raw: bool) -> None:
    garden = Garden()
    async with garden.watched():
        await garden.shine(100, 2, raw=raw)
        assert (garden.status.light, garden.grey, garden.told) == (Light.DAY, [False], [])
        await garden.shine(8, 3, raw=raw)
        assert (garden.status.light, garden.grey, garden.told) == (Light.NIGHT, [False, True], [True])
        await garden.shine(90, 3, raw=raw)
        assert (garden.status.light, garden.grey, garden.told) == (Light.DAY, [False, True, False], [True, False])


async def test_a_picture_that_cannot_be_decoded_is_no_night() -> None:
    garden = Garden()
    async with garden.watched():
        await garden.shine(100, 1)
        for number in range(100, 110):
            now = garden.clock.monotonic()
            garden.hub.publish(Frame("garden", number, now, 1e9, Kind.JPEG, b"\xff\xd8broken", 64, 48))
            await garden.clock.advance(EVERY)
        assert garden.status.light is Light.DAY


async def test_it_wants_pictures_only_while_it_looks() -> None:
    garden = Garden()
    async with garden.watched():
        assert garden.hub.demand.motion
        await settle()
        await garden.shine(100, 1)
        assert garden.hub.demand.motion  # the next look is due
    garden = Garden()
    async with garden.watched():
        garden.hub.publish(Frame("garden", 1, garden.clock.monotonic(), 1e9, Kind.JPEG, b"\xff\xd8", 64, 48))
        await settle()
        assert not garden.hub.wanted
