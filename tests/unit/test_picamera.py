"""The Pi camera: every frame counted, nothing made that nobody wants, and an end for everything that hangs."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise

import pytest

import picam
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Frame, Kind, Stamp
from edgecam.hub import Want
from edgecam.sources import Rig, open_source
from fakes import frames_of


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> picam.Board:
    return picam.install(monkeypatch)


def config(**keys: object) -> model.Picamera2Source:
    return model.Picamera2Source.model_validate({"type": "picamera2", "size": "640x480", **keys})


def rig(*wants: Want, video: model.Video | None = None) -> Rig:
    made = Rig(Stamp("birdbox", SystemClock()), SystemClock(), video=video or model.Video())
    for want in wants:
        made.demand[want] = 1
    return made


@asynccontextmanager
async def life(config: model.Picamera2Source, rig: Rig) -> AsyncGenerator[AsyncIterator[Frame], None]:
    source = open_source(config, rig)
    try:
        async with aclosing(frames_of(source)) as frames:
            yield frames
    finally:
        await source.close()


async def take(frames: AsyncIterator[Frame], enough: Callable[[list[Frame]], object]) -> list[Frame]:
    found: list[Frame] = []
    async for frame in frames:
        found.append(frame)
        if enough(found):
            break
    return found


def of(kind: Kind, frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.kind is kind]


async def test_a_coded_frame_has_the_number_and_time_of_its_picture(board: picam.Board) -> None:
    async with life(config(), rig(Want.RECORD, Want.VIEWER)) as frames:
        found = await take(frames, lambda frames: len(of(Kind.H264, frames)) > 30)
    pictures = {frame.number: frame for frame in of(Kind.RAW, found)}
    coded = of(Kind.H264, found)
    assert all(one.number + 1 == two.number and one.mono < two.mono for one, two in pairwise(coded))
    both = [(frame, pictures[frame.number]) for frame in coded if frame.number in pictures]
    assert len(both) > 10
    assert all((one.mono, one.wall) == (two.mono, two.wall) for one, two in both)
