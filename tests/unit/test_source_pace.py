"""Pace and Sieve: what paced and foreign sources have in common."""

import asyncio
import logging

import pytest

from edgecam.sources import Broken
from edgecam.sources.pace import Pace
from edgecam.sources.sieve import MOST_IN_A_ROW, Sieve
from fakes import FakeClock
from pictures import claims, jpeg, truncated


async def play(clock: FakeClock, pace: Pace, times: list[float]) -> list[float]:
    """When each of `times` came, in seconds from now."""
    began = clock.monotonic()
    came: list[float] = []

    async def run() -> None:
        for at in times:
            await pace.until(at)
            came.append(clock.monotonic() - began)

    task = asyncio.create_task(run())
    await clock.advance(100.0)
    await task
    return came


async def test_each_picture_comes_at_its_own_time_without_drift() -> None:
    clock = FakeClock()
    assert await play(clock, Pace(clock), [0.0, 0.5, 0.75, 30.0]) == [0.0, 0.5, 0.75, 30.0]


async def test_a_slow_start_does_not_make_the_first_pictures_race() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    clock.tick(3.0)
    assert await play(clock, pace, [0.0, 0.5, 1.0]) == [0.0, 0.5, 1.0]


async def test_a_hiccup_is_caught_up_and_a_halt_is_not() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    await pace.until(0.0)
    clock.tick(0.8)
    assert await play(clock, pace, [0.2, 0.4, 1.0]) == pytest.approx([0.0, 0.0, 0.2])
    clock = FakeClock()
    pace = Pace(clock)
    await pace.until(0.0)
    clock.tick(3600.0)
    assert await play(clock, pace, [0.2, 0.4, 1.0]) == pytest.approx([0.0, 0.2, 0.8])


async def test_the_clock_in_a_picture_is_that_of_its_own_time() -> None:
    clock = FakeClock(wall=1_800_000_000.0)
    pace = Pace(clock)
    await pace.until(0.0)
    clock.tick(0.3)
    clock.step(60.0)
    assert pace.wall(0.5) == pytest.approx(1_800_000_060.5)


def test_good_pictures_pass_and_bad_ones_are_dropped() -> None:
    sieve = Sieve("birdbox")
    assert sieve.size(jpeg(0, 64, 48)) == (64, 48)
    assert sieve.size(truncated(jpeg())) is None
    assert sieve.size(claims(10_000, 6_000)) is None
    assert sieve.size(b"<html>") is None
    assert sieve.dropped == 3


def test_bad_pictures_are_told_now_and_then_not_each_time(caplog: pytest.LogCaptureFixture) -> None:
    sieve = Sieve("birdbox")
    with caplog.at_level(logging.WARNING):
        for _ in range(250):
            sieve.size(truncated(jpeg()))
            sieve.size(jpeg())
    assert [record.getMessage() for record in caplog.records] == [
        "birdbox: a picture is truncated (no end marker); dropped",
        "birdbox: 10 bad pictures dropped so far; the last one is truncated (no end marker)",
        "birdbox: 100 bad pictures dropped so far; the last one is truncated (no end marker)",
    ]


def test_a_camera_that_sends_nothing_else_is_left() -> None:
    sieve = Sieve("birdbox")
    for _ in range(MOST_IN_A_ROW):
        assert sieve.size(b"<html>") is None
    with pytest.raises(Broken, match="sent 31 bad pictures in a row; the last one does not start like a JPEG"):
        sieve.size(b"<html>")
