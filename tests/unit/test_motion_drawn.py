"""What motion sees, drawn for those who watch."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import simplejpeg

from edgecam.config import model
from edgecam.events import (
    MotionEnded,
    MotionStarted,
)
from edgecam.frame import Frame
from edgecam.hub import Want
from edgecam.motion.detector import HOT
from edgecam.motion.sight import Outcome, Sight
from fakes import AtOnce, settle
from motionhouse import COOLDOWN, COOLDOWN_LOOKS, House, P, T, living


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with living(House(tmp_path)) as house:
        yield house


@contextmanager
def watched(house: House) -> Iterator[list[Frame]]:
    """Somebody watches what motion sees: the pictures that are shown."""
    shown = list[Frame]()
    with house.hub.want(Want.DEBUG), house.hub.tap_debug(shown.append):
        yield shown


async def test_what_motion_sees_is_drawn_for_each_look_while_somebody_watches(house: House) -> None:
    await house.quiet(2)
    looks, done = house.status.looks, house.pool.done
    with watched(house) as shown:
        await house.quiet(2)
        seen = house.status.looks - looks
        assert 9 <= seen <= 11, "motion.fps is 5"
        assert house.status.drawn == len(shown) == seen
        assert house.pool.done - done == 2 * seen
    looks, done = house.status.looks, house.pool.done
    await house.quiet(2)
    assert house.pool.done - done == house.status.looks - looks, "nothing is drawn any more"
    assert house.status.drawn == len(shown)
    originals = {frame.number: frame for frame in house.shown}
    for picture in shown:
        looked_at = originals[picture.number]
        assert (picture.mono, picture.wall) == (looked_at.mono, looked_at.wall)
        assert simplejpeg.decode_jpeg_header(picture.data)[:2] == (picture.height, picture.width)
        assert picture.width == 640


async def test_what_is_drawn_tells_motion_that_counts_from_motion_that_is_too_short(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Sight, Outcome]] = []

    def draw(config: model.Motion, sight: Sight, outcome: Outcome) -> tuple[bytes, int, int]:
        told.append((sight, outcome))
        return b"jpeg", 1, 1

    monkeypatch.setattr("edgecam.motion.debug.draw", draw)
    await house.quiet(3)
    house.settings.set("yard", "sensitivity", 60)
    with watched(house):
        await house.walk(2)
        await house.quiet(COOLDOWN + 1)
    [started] = house.of(MotionStarted)
    first, second = [outcome for sight, outcome in told if sight.look.moving][:2]
    assert (first.confirmed, first.event) == (False, None)
    assert (second.confirmed, second.event) == (True, started.event_id)
    assert {outcome.sensitivity for _, outcome in told} == {60}
    quiet = [outcome for sight, outcome in told if not sight.look.moving]
    assert not any(outcome.confirmed for outcome in quiet)
    assert (quiet[-COOLDOWN_LOOKS].event, quiet[-1].event) == (started.event_id, None)
    assert any(sight.heat is not None and sight.heat.max() >= HOT for sight, _ in told)
    assert all(sight.luma.shape == (90, 160) for sight, _ in told)


async def test_no_drawing_is_shown_after_detection_was_switched_off_or_privacy_came(tmp_path: Path) -> None:
    waiting: list[Future[tuple[bytes, int, int]]] = []

    class Late(AtOnce):
        """Looks at once and draws when the test says so."""

        def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
            done = super().submit(call, *args, **kwargs)
            if not (done.exception() is None and isinstance(done.result(), tuple)):
                return done
            late: Future[T] = Future()
            waiting.append(late)  # type: ignore[arg-type]
            return late

    house = House(tmp_path, pool=Late())
    life = asyncio.create_task(house.live())
    with watched(house) as shown:
        for key in ("motion_detection", "privacy"):
            await house.quiet(1)
            assert len(waiting) == 1, "one is drawn at a time, and no look waits for it"
            looks = house.status.looks
            await house.quiet(1)
            assert house.status.looks >= looks + 4
            house.settings.set("yard", key, key == "privacy")
            await settle()
            waiting.pop().set_result((b"jpeg", 1, 1))
            await settle()
            assert shown == []
            assert house.status.drawn == 0
            house.settings.set("yard", key, key != "privacy")
            await settle()
        await house.quiet(1)
        waiting.pop().set_result((b"jpeg", 1, 1))
        await settle()
        assert [picture.data for picture in shown] == [b"jpeg"]
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)


async def test_a_look_that_cannot_be_drawn_costs_the_drawing_alone(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("edgecam.motion.debug.draw", broken)
    with watched(house) as shown:
        await house.quiet(3)
        await house.walk(2)
        await house.quiet(COOLDOWN + 1)
    assert len(house.of(MotionStarted)) == len(house.of(MotionEnded)) == 1
    assert shown == []
    assert "what was seen cannot be drawn" in caplog.text
