"""The supervisor: one life after another, patient, and loud only when it matters."""

import asyncio
import errno
import itertools
import logging
from collections.abc import Awaitable, Callable

import pytest

from edgecam.supervisor import Fatal, Trouble, Vitals, keep, reason, recovered, serve
from fakes import FakeClock, settle


class Cat:
    """A component whose lives are given by a list of functions."""

    name = "cat"

    def __init__(self, *lives: Callable[[], Awaitable[None]]) -> None:
        self._lives = list(lives)
        self.began: list[float] = []

    async def run(self) -> None:
        await self._lives.pop(0)()


async def _dies() -> None:
    raise OSError("no route to host")


async def _forever() -> None:
    await asyncio.Event().wait()


async def test_a_component_that_fails_is_tried_again_with_growing_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, vitals, began = FakeClock(), Vitals("cat"), list[float]()

    async def dies() -> None:
        began.append(clock.monotonic())
        raise OSError("no route to host")

    task = asyncio.create_task(keep(Cat(*[dies] * 8, _forever), clock, vitals, jitter=lambda: 1.0))
    await clock.advance(300)
    assert [later - sooner for sooner, later in itertools.pairwise(began)] == [
        1,
        2,
        4,
        8,
        16,
        32,
        60,
    ]
    assert vitals.attempts == 8
    assert vitals.error == "no route to host"
    assert "cat: no route to host, trying again in 8 s (attempt 4)" in caplog.text
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_asks_for_a_pause_gets_it_and_the_back_off_where_that_is_longer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, began = FakeClock(), list[float]()

    async def dies() -> None:
        began.append(clock.monotonic())
        raise Trouble("locked out", pause=3.0)

    task = asyncio.create_task(keep(Cat(*[dies] * 4, _forever), clock, Vitals("cat"), jitter=lambda: 1.0))
    await clock.advance(300)
    assert [later - sooner for sooner, later in itertools.pairwise(began)] == [3, 3, 4]
    assert "cat: locked out, trying again in 3 s" in caplog.text
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_minute_of_health_makes_the_next_retry_quick_again() -> None:
    clock, vitals, began = FakeClock(), Vitals("cat"), list[float]()

    async def dies() -> None:
        began.append(clock.monotonic())
        raise OSError("gone")

    async def lives_a_minute() -> None:
        await clock.sleep(60)
        raise OSError("gone")

    task = asyncio.create_task(
        keep(Cat(*[dies] * 4, lives_a_minute, dies, _forever), clock, vitals, jitter=lambda: 1.0)
    )
    await clock.advance(200)
    assert began[4] - began[3] == pytest.approx(8 + 60 + 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_bug_is_logged_with_its_traceback_and_a_known_fault_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def bug() -> None:
        raise KeyError("oops")

    clock = FakeClock()
    task = asyncio.create_task(keep(Cat(_dies, bug, _forever), clock, Vitals("cat")))
    await clock.advance(10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [bool(record.exc_info) for record in caplog.records] == [False, True]


async def test_a_fault_that_lasts_is_told_at_ever_longer_intervals_and_a_new_reason_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refused() -> None:
        raise OSError("401 Unauthorized")

    clock, vitals = FakeClock(), Vitals("cat")
    task = asyncio.create_task(keep(Cat(*[_dies] * 4, refused, *[_dies] * 4, _forever), clock, vitals))
    await clock.advance(600)
    told = [record.getMessage().split(", ")[0] for record in caplog.records]
    assert told == ["cat: no route to host"] * 3 + ["cat: 401 Unauthorized", "cat: no route to host"]
    assert caplog.records[-1].getMessage().endswith("(attempt 8)")
    assert recovered(vitals) == 9
    assert not vitals.told
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_component_that_keeps_failing_is_a_trouble_until_it_lived_for_a_minute() -> None:
    clock, vitals = FakeClock(), Vitals("cat")
    task = asyncio.create_task(keep(Cat(_dies, _dies, _forever), clock, vitals, jitter=lambda: 1.0))
    await settle()
    assert vitals.trouble(clock.monotonic()) is None, "once is no pattern"
    await clock.advance(1)
    assert vitals.trouble(clock.monotonic()) == "no route to host"
    await clock.advance(2)
    assert vitals.trouble(clock.monotonic()) == "no route to host", "alive, but for how long"
    await clock.advance(60)
    assert vitals.trouble(clock.monotonic()) is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_finished_component_is_left_alone() -> None:
    async def done() -> None:
        return None

    vitals = Vitals("cat")
    await keep(Cat(done), FakeClock(), vitals)
    assert vitals.lives == 1
    assert vitals.born.is_set()


async def test_recovery_is_told_once() -> None:
    vitals = Vitals("cat", attempts=3, error="gone")
    assert recovered(vitals) == 3
    assert recovered(vitals) == 0
    assert vitals.error is None


async def test_stop_cancels_all_in_reverse_order() -> None:
    ended: list[str] = []

    class Room:
        def __init__(self, name: str) -> None:
            self.name = name

        async def run(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(self.name)

    stop = asyncio.Event()
    rooms = [(Room(name), Vitals(name), 60.0) for name in ("web", "store", "camera")]
    task = asyncio.create_task(serve(rooms, FakeClock(), stop))
    await settle()
    stop.set()
    await task
    assert ended == ["camera", "store", "web"]


async def test_fatal_ends_everything(caplog: pytest.LogCaptureFixture) -> None:
    async def doomed() -> None:
        raise Fatal("the storage is locked by process 1")

    class Sleeper(Cat):
        name = "sleeper"

    with pytest.raises(Fatal, match="locked"):
        await serve(
            [(Sleeper(_forever), Vitals("sleeper"), 60.0), (Cat(doomed), Vitals("cat"), 60.0)],
            FakeClock(),
            asyncio.Event(),
        )
    assert not caplog.records


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("gone"), "gone"),
        (OSError(errno.EROFS, "Read-only file system", "/data/clip.json"), "/data/clip.json: Read-only file system"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_is_told_in_words_or_named_by_its_type(error: Exception, text: str) -> None:
    assert reason(error) == text


def test_log_level_is_warning_for_a_failed_life(caplog: pytest.LogCaptureFixture) -> None:
    async def once() -> None:
        clock = FakeClock()
        task = asyncio.create_task(keep(Cat(_dies, _forever), clock, Vitals("cat")))
        await settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(once())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_component_that_will_not_stop_is_left_behind_and_the_others_still_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop, free, ended = asyncio.Event(), asyncio.Event(), list[str]()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await free.wait()

    async def polite() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("polite")

    rooms = [(Cat(polite), Vitals("polite"), 60.0), (Cat(stubborn), Vitals("cat"), 60.0)]
    task = asyncio.create_task(serve(rooms, FakeClock(), stop, patience=0.0))
    await settle()
    stop.set()
    await task
    assert "cat did not stop in time" in caplog.text
    free.set()
    await settle()
    assert ended == ["polite"]


async def test_who_is_in_a_hurry_has_the_next_life_at_once_and_only_that_one() -> None:
    clock, vitals, began = FakeClock(), Vitals("cat"), list[float]()

    async def dies() -> None:
        began.append(clock.monotonic())
        raise OSError("no route to host")

    task = asyncio.create_task(keep(Cat(*[dies] * 8, _forever), clock, vitals, jitter=lambda: 1.0))
    await clock.advance(8.0)  # lives at 0, 1, 3, 7 s
    vitals.hurry.set()
    await settle()
    assert [at - began[0] for at in began] == [0, 1, 3, 7, 8]
    await clock.advance(15.9)
    assert len(began) == 5
    await clock.advance(0.1)
    assert len(began) == 6
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
