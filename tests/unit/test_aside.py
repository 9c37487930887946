"""Blocking work beside the loop: it ends when it ends, and the house knows whether it did."""

import asyncio
import gc
import threading

import pytest

from edgecam import aside
from edgecam.clock import SystemClock
from fakes import FakeClock


async def test_the_result_or_the_error_comes_back() -> None:
    assert await aside.run(int, "7") == 7
    with pytest.raises(ValueError, match="invalid literal"):
        await aside.run(int, "seven")


async def test_work_that_takes_too_long_is_left() -> None:
    done = threading.Event()
    with pytest.raises(TimeoutError):
        await aside.within(SystemClock(), 0.0, aside.run(done.wait))
    done.set()


async def test_what_was_left_says_no_more_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    never = asyncio.Event()
    with pytest.raises(TimeoutError):
        await aside.within(SystemClock(), 0.0, asyncio.gather(never.wait(), never.wait()))
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()
    assert not caplog.records


async def test_the_house_is_quiet_when_the_last_thread_has_ended() -> None:
    done = threading.Event()
    work = aside.start(done.wait)
    clock = FakeClock()
    assert not await aside.quiet(clock, 0.0)
    done.set()
    work.result(5)
    assert await aside.quiet(SystemClock(), 5.0)


async def test_what_a_pool_still_does_as_it_is_shut_down_is_waited_for_and_its_idle_threads_are_not() -> None:
    begun, done, pool = threading.Event(), threading.Event(), aside.pool(2)
    pool.submit(int).result(5)

    def write() -> None:
        begun.set()
        done.wait(5)

    work = pool.submit(write)
    begun.wait(5)
    pool.shutdown(wait=False, cancel_futures=True)
    assert not await aside.quiet(FakeClock(), 0.0)
    done.set()
    work.result(5)
    assert await aside.quiet(SystemClock(), 5.0)
