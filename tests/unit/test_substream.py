"""The smaller stream that motion looks at: wanted while somebody looks, and never the reason why nobody sees."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from edgecam.frame import Frame, Kind, Sound, Stamp, Use
from edgecam.hub import FrameHub, Ring, Want
from edgecam.sources import Rig
from edgecam.sources.substream import BLIND, UNUSED, SubStream
from edgecam.sources.threaded import CaptureThread
from edgecam.sources.tracks import Role
from fakes import FakeClock, settle


class Feed:
    """A capture whose pictures the test sends; counts how often it was opened and closed."""

    opened = closed = 0

    def __init__(self) -> None:
        Feed.opened += 1
        self._coming: asyncio.Queue[Frame] = asyncio.Queue()

    async def items(self) -> AsyncGenerator[Frame | Sound, None]:
        while True:
            yield await self._coming.get()

    def send(self, frame: Frame) -> None:
        self._coming.put_nowait(frame)

    async def close(self) -> None:
        Feed.closed += 1


class World:
    def __init__(self) -> None:
        Feed.opened = Feed.closed = 0
        self.clock, self.hub, self.role = FakeClock(), FrameHub("yard", Ring(1.0)), Role()
        self.stamp, self.feeds = Stamp("yard", self.clock), list[Feed]()
        rig = Rig(self.stamp, self.clock, demand=self.hub.demand)
        self.sub = SubStream(self.find, self.capture, self.role, rig, "rtsp://yard/sub")

    def use(self) -> Use:
        return self.role.use

    async def find(self) -> None: ...

    def capture(self) -> CaptureThread[Frame | Sound]:
        self.feeds.append(Feed())
        return self.feeds[-1]  # type: ignore[return-value]  # the part of a CaptureThread that is used

    async def second(self, *, picture: bool = False) -> Frame | None:
        """A second of the main stream, with or without a picture of the smaller one."""
        await self.clock.advance(1.0)
        main = self.stamp(Kind.H264, b"main", 1920, 1080)
        if picture and self.feeds:
            self.feeds[-1].send(replace(main, kind=Kind.RAW, data=b"", use=Use.MOTION, number=7))
            await settle()
        look = self.sub.look(main)
        await settle()
        assert look is None or look.number == main.number
        return look


@asynccontextmanager
async def world() -> AsyncGenerator[World, None]:
    made = World()
    try:
        yield made
    finally:
        await made.sub.close()
        assert Feed.opened == Feed.closed


async def test_it_is_open_while_somebody_wants_to_look_and_a_little_longer() -> None:
    async with world() as yard:
        for _ in range(5):
            assert await yard.second() is None
        assert Feed.opened == 0
        with yard.hub.want(Want.MOTION):
            await yard.second()
            assert await yard.second(picture=True) is not None
            assert yard.use() == Use.PEOPLE
        for _ in range(int(UNUSED)):
            await yard.second(picture=True)
        assert Feed.closed == 0
        for _ in range(3):
            await yard.second()
        assert (Feed.opened, Feed.closed, yard.use()) == (1, 1, Use.ALL)
        with yard.hub.want(Want.MOTION):
            await yard.second()
            await yard.second()
        assert Feed.opened == 2


async def test_when_its_pictures_cease_the_main_stream_has_to_do_and_it_is_tried_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world() as yard:
        with yard.hub.want(Want.MOTION), caplog.at_level(logging.WARNING):
            await yard.second()
            await yard.second(picture=True)
            for _ in range(int(BLIND)):
                await yard.second()
            assert yard.use() == Use.PEOPLE
            await yard.second()
            assert yard.use() == Use.ALL
            assert (
                "rtsp://yard/sub has given no picture for 10 s; motion looks at the main stream meanwhile"
                in caplog.text
            )
            await yard.second()
            assert Feed.opened == 2
            await yard.second(picture=True)
            assert yard.use() == Use.PEOPLE
