"""The synthetic camera: when its robin flies, what it writes into the picture, and that it says the truth there."""

import asyncio
from contextlib import aclosing
from functools import partial

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Kind, Stamp
from edgecam.sources import Rig, open_source, overlay
from edgecam.sources.overlay import read_counter
from edgecam.sources.pace import Pace
from edgecam.sources.scene import Scene
from edgecam.sources.synthetic import Painter, Picture, flight
from fakes import FakeClock, frames_of, until

SMALL = model.Size(320, 240)


def luma(jpeg: bytes) -> NDArray[np.uint8]:
    decoded: NDArray[np.uint8] = simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[:, :, 0]
    return decoded


def painter(clock: FakeClock, config: model.SyntheticSource, frames_before: int = 0) -> Painter:
    stamp = Stamp("birdbox", clock)
    for _ in range(frames_before):
        stamp(Kind.JPEG, b"", 1, 1)
    made = Painter(config, Rig(stamp, clock, quality=80), Pace(clock))
    made.open()
    return made


def draw(config: model.SyntheticSource, count: int) -> list[Picture]:
    painting = painter(FakeClock(), config)
    return [painting.read() for _ in range(count)]


@pytest.mark.parametrize(
    ("every", "move", "seconds", "flying"),
    [
        (20.0, 3.0, 48, [5, 6, 7, 25, 26, 27, 45, 46, 47]),
        (6.0, 3.0, 15, [3, 4, 5, 9, 10, 11]),  # less quiet at first than every - move would be late
        (3.0, 3.0, 7, [0, 1, 2, 3, 4, 5, 6]),
        (2.0, 3.0, 5, [0, 1, 2, 3, 4]),
        (20.0, 0.0, 48, []),
    ],
)
def test_the_robin_flies_so_often_and_so_long(every: float, move: float, seconds: int, flying: list[int]) -> None:
    assert [at for at in range(seconds) if flight(at, every, move) is not None] == flying


def test_it_comes_from_one_edge_and_leaves_over_the_other() -> None:
    assert [flight(at, 20.0, 3.0) for at in (4.99, 5.0, 6.5, 7.999, 8.0)] == [
        None,
        0.0,
        0.5,
        pytest.approx(1.0, abs=0.001),
        None,
    ]


def test_the_picture_moves_when_the_robin_flies_and_only_then() -> None:
    config = model.SyntheticSource(size=SMALL, fps=2, schedule=model.MovingObject(every=10, move=3))
    still = overlay.strip(*SMALL)
    views = [luma(picture.data)[:still].astype(int) for picture in draw(config, 20)]
    changed = [float((np.abs(view - views[0]) > 40).mean() * 100) for view in views]
    assert [n for n, percent in enumerate(changed) if percent > 0.3] == [11, 12, 13, 14, 15]
    assert max(changed[:10] + changed[16:]) < 0.01


def test_the_sensor_is_noisy_but_not_much() -> None:
    one, two = (luma(picture.data).astype(int) for picture in draw(model.SyntheticSource(size=SMALL), 2))
    noise = (one - two)[: overlay.strip(*SMALL)]
    assert 0.5 < noise.std() < 5


def test_the_same_film_is_drawn_each_time() -> None:
    config = model.SyntheticSource(size=SMALL)
    assert [picture.data for picture in draw(config, 5)] == [picture.data for picture in draw(config, 5)]


def test_the_clock_in_the_picture_is_right() -> None:
    clock = FakeClock(wall=1_795_245_330.0)  # 2026-11-21 07:15:30Z
    painting = painter(clock, model.SyntheticSource(size=model.Size(640, 360), fps=2), frames_before=4710)
    for text in ("2026-11-21 07:15:30Z #4711", "2026-11-21 07:15:30Z #4712", "2026-11-21 07:15:31Z #4713"):
        assert written(painting.read(), text)


def written(picture: Picture, text: str) -> bool:
    """Whether this text stands in a picture of 640x360."""
    seen = luma(picture.data)
    expected = np.full_like(seen, overlay.DARK)
    overlay.write_text(expected, text)
    line = slice(overlay.strip(640, 360), overlay.strip(640, 360) + 3 * overlay.block(640))
    middle = (overlay.DARK + overlay.LIGHT) / 2
    return bool(((seen[line] > middle) == (expected[line] > middle)).mean() > 0.999)


def test_the_clock_in_the_picture_follows_a_step_of_the_box_s_clock() -> None:
    clock = FakeClock(wall=0.0)  # a box without a battery, before it has heard the time
    painting = painter(clock, model.SyntheticSource(size=model.Size(640, 360), fps=1))
    assert written(painting.read(), "1970-01-01 00:00:00Z #1")
    clock.step(1_795_245_330.0)
    assert written(painting.read(), "2026-11-21 07:15:31Z #2")


@pytest.mark.parametrize("size", [(64, 48), (160, 120), (320, 240), (641, 363), (1280, 720), (1920, 1080)])
@pytest.mark.parametrize("number", [0, 1, 0xDEADBEEF, 2**32 - 1])
def test_the_number_can_be_read_from_the_decoded_picture(size: tuple[int, int], number: int) -> None:
    planes = Scene(*size).draw("2026-11-21 07:15:30Z", number, 0.5)
    assert read_counter(luma(simplejpeg.encode_jpeg_yuv_planes(*planes, quality=60))) == number


@pytest.mark.parametrize("size", [(33, 21), (16, 16), (161, 121)])
def test_odd_and_tiny_pictures_can_be_drawn_at_every_point_of_the_flight(size: tuple[int, int]) -> None:
    scene = Scene(*size)
    for at in (None, 0.0, 0.01, 0.5, 0.99, 1.0):
        planes = scene.draw("2026-11-21 07:15:30Z #1", 1, at)
        assert simplejpeg.decode_jpeg_header(simplejpeg.encode_jpeg_yuv_planes(*planes))[:2] == size[::-1]


async def test_the_number_in_the_picture_is_that_of_its_frame_in_every_life() -> None:
    stamp, rig_clock = Stamp("birdbox", SystemClock()), SystemClock()
    for first in (1, 4):
        source = open_source(model.SyntheticSource(size=SMALL, fps=100), Rig(stamp, rig_clock))
        async with aclosing(frames_of(source)) as frames:
            found = [await anext(frames) for _ in range(3)]
        await source.close()
        assert [frame.number for frame in found] == [first, first + 1, first + 2]
        assert [read_counter(luma(frame.data)) for frame in found] == [first, first + 1, first + 2]


class CountingClock(FakeClock):
    """Tells that somebody went to sleep."""

    sleeps = 0

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        await super().sleep(seconds)

    def has_slept(self, times: int) -> bool:
        return self.sleeps >= times


async def test_it_keeps_its_rate_by_the_clock() -> None:
    clock = CountingClock()
    source = open_source(model.SyntheticSource(size=SMALL, fps=4), Rig(Stamp("birdbox", clock), clock))
    times: list[float] = []
    async with aclosing(frames_of(source)) as frames:
        times.append((await anext(frames)).mono)
        for number in range(1, 9):
            coming = asyncio.ensure_future(anext(frames))
            await until("the capture thread has drawn", partial(clock.has_slept, number))
            await clock.advance(0.25)
            times.append((await coming).mono)
    await source.close()
    assert times == [1000 + 0.25 * n for n in range(9)]
