"""The Motion component: frames into a hub, events out of a bus. Time is the tests' own; the pool works at once."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import pytest
import pytest_asyncio
import simplejpeg

from edgecam.config import model
from edgecam.events import (
    Bus,
    Event,
    LightChanged,
    MotionEnded,
    MotionExplained,
    MotionPicture,
    MotionStarted,
    MotionUpdated,
    ZoneMoved,
)
from edgecam.frame import Frame, Kind, Use
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring, Want
from edgecam.motion.alarm import Alarm
from edgecam.motion.component import Motion
from edgecam.motion.detector import HOT
from edgecam.motion.sight import Outcome, Sight
from edgecam.pixels import Planes
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


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    task = asyncio.create_task(house.live())
    await settle()
    yield house
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_somebody_walks_by_and_it_is_one_event_from_first_to_last_movement(house: House) -> None:
    await house.quiet(3)
    begin = house.clock.monotonic()
    await house.walk(2)
    assert house.status.moving
    end = house.clock.monotonic()
    await house.quiet(COOLDOWN + 2)
    [started], [ended] = house.of(MotionStarted), house.of(MotionEnded)
    assert begin < started.mono <= begin + 0.4
    assert end - 0.4 <= ended.mono <= end + 0.4
    assert ended.event_id == started.event_id
    assert ended.since == started.at
    assert ended.duration == pytest.approx(ended.mono - started.mono)
    assert not house.status.moving
    assert house.status.last_motion == ended.at
    assert house.status.last_motion_mono == ended.mono


LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
SKY = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.3), (0.0, 0.3))


async def test_a_walk_through_a_zone_switches_its_sensor_and_names_it(tmp_path: Path) -> None:
    house = House(tmp_path, zones={"sky": model.Zone(polygon=SKY), "left": model.Zone(polygon=LEFT, cooldown=1)})
    life = asyncio.create_task(house.live())
    await house.quiet(3)
    await house.walk(2)
    assert house.status.moving
    assert house.status.zones <= {"left"}
    await house.quiet(COOLDOWN + 2)
    assert [(it.zone, it.moving) for it in house.of(ZoneMoved)] == [("left", True), ("left", False)]
    on, off = house.of(ZoneMoved)
    [ended] = house.of(MotionEnded)
    assert ended.zones == ("left",)
    assert ended.since <= on.at < off.at < ended.at  # it went on to the right
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)


async def test_a_trigger_works_while_nobody_looks_for_motion_and_costs_no_look(tmp_path: Path) -> None:
    house = House(tmp_path, enabled=False)
    life = asyncio.create_task(house.live())
    await house.quiet(1)
    id = house.alarm.trigger(3, "pir")
    await house.quiet(5)
    assert [it.event_id for it in house.of(MotionEnded)] == [id]
    assert house.of(MotionPicture)[-1].jpeg == STILL
    assert (house.pool.done, house.status.looks) == (0, 0)
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)


async def test_a_trigger_works_after_the_watch_for_motion_has_failed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(config: model.Motion) -> None:
        raise MemoryError

    monkeypatch.setattr("edgecam.motion.eye.eye", fail)
    await house.quiet(1)
    alarm = asyncio.create_task(house.alarm.run())
    await settle()
    house.alarm.trigger(3, "pir")
    await house.quiet(5)
    assert len(house.of(MotionEnded)) == 1
    alarm.cancel()
    await asyncio.gather(alarm, return_exceptions=True)


async def test_a_pause_shorter_than_the_cooldown_is_one_event(house: House) -> None:
    await house.quiet(3)
    await house.walk(1)
    await house.quiet(COOLDOWN - 1)
    await house.walk(1)
    await house.quiet(COOLDOWN + 1)
    [ended] = house.of(MotionEnded)
    assert len(house.of(MotionStarted)) == 1
    assert ended.duration == pytest.approx(COOLDOWN + 1, abs=0.6)


async def test_times_are_those_of_the_frames(house: House) -> None:
    await house.quiet(3)
    await house.walk(2)
    await house.quiet(COOLDOWN + 1)
    times = {frame.mono: frame.wall for frame in house.shown}
    for event in (*house.of(MotionStarted), *house.of(MotionEnded)):
        assert times[event.mono] == event.at


async def test_the_event_says_how_much_where_and_has_a_sortable_id(house: House) -> None:
    await house.quiet(3)
    await house.walk(2)
    [started] = house.of(MotionStarted)
    assert started.score > 0
    assert started.area > 0.3
    assert 0 <= started.box[0] < started.box[2] <= 1
    stamp, token = started.event_id.split("-")
    assert stamp.startswith("20")
    assert stamp.endswith("Z")
    assert len(token) == 6


async def test_only_as_many_frames_are_decoded_as_looks_are_asked_for(house: House) -> None:
    await house.quiet(4)
    assert house.pool.done == house.status.looks
    assert house.status.looks == pytest.approx(4 * 5, abs=1)


async def test_the_picture_comes_with_the_start_and_the_best_one_after_the_end(house: House) -> None:
    await house.quiet(3)
    await house.walk(2)
    await house.quiet(COOLDOWN + 1)
    first, *_, last = house.of(MotionPicture)
    assert not first.final
    assert last.final
    assert house.told.index(first) == house.told.index(house.of(MotionStarted)[0]) + 1
    assert house.told[-1] is last
    assert last.jpeg in [frame.data for frame in house.shown]  # the camera's own bytes
    assert (last.width, last.height) == (320, 180)
    assert {picture.event_id for picture in (first, last)} == {house.of(MotionStarted)[0].event_id}


async def test_a_long_event_is_updated_at_most_every_five_seconds_and_only_on_change(house: House) -> None:
    await house.quiet(3)
    for size in (30, 40, 50, 60, 70, 70, 70, 70, 70, 70):
        await house.walk(2, size)
    updates = house.of(MotionUpdated)
    assert 1 <= len(updates) <= 4
    assert all(later.mono - earlier.mono >= 5 for earlier, later in pairwise(updates))
    told = [(update.score, update.area, update.box) for update in updates]
    assert len(set(told)) == len(told)
    assert {update.since for update in updates} == {house.of(MotionStarted)[0].at}
    pictures = house.of(MotionPicture)
    assert len(pictures) <= 5
    await house.quiet(COOLDOWN + 1)
    assert house.of(MotionPicture)[-1].final


async def test_nothing_is_told_of_a_still_scene(house: House) -> None:
    await house.quiet(10)
    assert house.told == []
    assert not house.status.moving


async def test_what_moves_right_after_the_start_is_not_believed(house: House) -> None:
    await house.walk(0.8)
    assert house.told == []


async def test_switching_detection_off_ends_the_event_at_once_and_decodes_nothing_more(house: House) -> None:
    await house.quiet(3)
    await house.walk(1)
    assert house.status.moving
    house.settings.set("yard", "motion_detection", False)
    assert len(house.of(MotionEnded)) == 1
    assert not house.status.moving
    await settle()
    assert house.hub.demand[Want.MOTION] == 0
    done = house.pool.done
    await house.walk(3)
    assert house.pool.done == done
    assert len(house.of(MotionStarted)) == 1


async def test_switched_on_again_it_settles_first_and_then_sees(house: House) -> None:
    await house.quiet(3)
    house.settings.set("yard", "motion_detection", False)
    house.settings.set("yard", "motion_detection", True)
    await settle()
    assert house.hub.demand[Want.MOTION] == 1
    await house.walk(0.8)
    assert house.told == []
    await house.quiet(10)
    house.told.clear()
    await house.walk(2)
    assert len(house.of(MotionStarted)) == 1


async def test_detection_off_in_the_file_looks_at_nothing(tmp_path: Path) -> None:
    house = House(tmp_path, enabled=False)
    task = asyncio.create_task(house.live())
    await house.walk(2)
    assert house.pool.done == 0
    assert house.hub.demand[Want.MOTION] == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_switch_of_another_camera_changes_nothing_here(house: House) -> None:
    await house.quiet(3)
    await house.walk(1)
    house.settings.set("other", "motion_detection", False)
    assert house.status.moving


async def test_sensitivity_acts_at_once_without_settling_again(house: House) -> None:
    house.settings.set("yard", "sensitivity", 1)
    await house.quiet(3)
    await house.walk(2, faint=True)
    assert house.told == []
    await house.quiet(2)
    house.settings.set("yard", "sensitivity", 90)
    await house.walk(1, faint=True)
    assert len(house.of(MotionStarted)) == 1


async def test_the_least_area_acts_at_once_without_settling_again(house: House) -> None:
    house.settings.set("yard", "min_area", 30)
    await house.quiet(3)
    await house.walk(2)
    assert house.told == []
    await house.quiet(2)
    house.settings.set("yard", "min_area", 0.3)
    await house.walk(1)
    assert house.of(MotionStarted)


async def test_a_running_event_obeys_the_new_cooldown(house: House) -> None:
    await house.quiet(3)
    await house.walk(2)
    house.settings.set("yard", "cooldown", COOLDOWN + 5)
    await house.quiet(COOLDOWN + 2)
    assert house.status.moving
    house.settings.set("yard", "cooldown", 1)
    await house.quiet(1)
    assert not house.status.moving
    assert len(house.of(MotionEnded)) == 1


async def test_a_lost_camera_does_not_hold_motion_on(house: House) -> None:
    await house.quiet(3)
    await house.walk(1)
    last = house.status.last_motion_mono
    await house.clock.advance(COOLDOWN + 2)
    [ended] = house.of(MotionEnded)
    assert ended.mono == last
    assert not house.status.moving


async def test_after_a_gap_in_the_frames_the_new_scene_is_learned_first(house: House) -> None:
    await house.quiet(3)
    await house.clock.advance(30)
    moved = picture(100)  # something stands there now
    await house.show(*[moved] * 40)
    assert house.told == []


async def test_another_resolution_is_learned_first(house: House) -> None:
    await house.quiet(3)
    wide = np.ascontiguousarray(WALL[:90, :, None])
    jpeg = bytes(simplejpeg.encode_jpeg(wide, 85, colorspace="GRAY"))
    await house.show(*[jpeg] * 30, size=(320, 90))
    assert house.told == []


async def test_broken_pictures_are_skipped_counted_and_said_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "edgecam.motion")
    await house.quiet(3)
    broken = STILL[:200] + STILL[-2:]
    await house.show(*[broken] * 20)
    assert house.motion.bad == pytest.approx(10, abs=1)
    assert len(caplog.records) == 1
    assert "skipped" in caplog.text
    await house.walk(2)
    assert len(house.of(MotionStarted)) == 1


async def test_coded_video_is_not_looked_at(house: House) -> None:
    await house.show(*[b"\0\0\1"] * 4, kind=Kind.H264)
    assert (house.status.looks, house.motion.bad) == (0, 0)


async def test_a_stop_in_the_middle_of_an_event_ends_it(tmp_path: Path) -> None:
    house = House(tmp_path)
    task = asyncio.create_task(house.live())
    await house.quiet(3)
    await house.walk(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(house.of(MotionEnded)) == 1
    assert house.of(MotionPicture)[-1].final
    assert house.hub.demand[Want.MOTION] == 0


async def test_what_fails_in_the_pool_ends_this_life_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("edgecam.motion.luma.of_jpeg", lambda data, width: 1 / 0)
        life = asyncio.create_task(house.live())
        await house.quiet(1)
        assert life.done()
        with pytest.raises(ZeroDivisionError):
            await life
    life = asyncio.create_task(house.live())
    await house.quiet(4)
    await house.walk(2)
    assert len(house.of(MotionStarted)) == 1
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)


class Held(Executor):
    """A pool whose work is done when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        self.waiting.append(lambda: future.set_result(call(*args, **kwargs)))
        return future


async def test_a_slow_look_is_never_joined_by_a_second_one(tmp_path: Path) -> None:
    pool = Held()
    house = House(tmp_path, pool=pool)
    life = asyncio.create_task(house.live())
    await house.quiet(2)
    assert len(pool.waiting) == 1
    house.settings.set("yard", "motion_detection", False)
    await settle()
    house.settings.set("yard", "motion_detection", True)
    await house.quiet(2)
    assert len(pool.waiting) == 1
    pool.waiting.pop()()
    await settle()
    await house.quiet(0.4)
    assert len(pool.waiting) == 1
    assert house.status.looks == 0  # the answer of the look that was switched off in flight does not count
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)


async def test_a_look_that_ends_as_privacy_begins_starts_no_event(tmp_path: Path) -> None:
    pool = Held()
    house = House(tmp_path, pool=pool, frames=1)
    life = asyncio.create_task(house.live())
    for jpeg in (*[STILL] * 40, picture(100)):
        await house.show(jpeg)
        if jpeg is STILL:
            for done in pool.waiting:
                done()
            pool.waiting.clear()
            await settle()
    pool.waiting.pop()()
    house.settings.set("yard", "privacy", True)
    await settle()
    assert (house.told, house.status.moving) == ([], False)
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)


async def test_a_missing_library_is_one_sentence_that_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.delitem(sys.modules, "edgecam.motion.luma", raising=False)
    monkeypatch.delattr("edgecam.motion.luma", raising=False)
    life = asyncio.create_task(house.live())
    await house.quiet(1)
    assert life.done()
    with pytest.raises(RuntimeError, match="pip install opencv-python-headless"):
        await life


async def test_privacy_ends_a_running_event_at_once(house: House) -> None:
    await house.quiet(3)
    await house.walk(1)
    assert house.status.moving
    house.settings.set("yard", "privacy", True)
    assert not house.status.moving
    assert len(house.of(MotionEnded)) == 1
    await settle()
    assert house.hub.demand[Want.MOTION] == 0
    house.settings.set("yard", "privacy", False)
    await settle()
    assert house.hub.demand[Want.MOTION] == 1


async def test_day_and_night_changing_is_no_motion(house: House) -> None:
    await house.quiet(3)
    house.bus.publish(LightChanged(camera="other", at=0.0, night=True))
    await house.walk(0.5)
    assert house.status.moving
    await house.quiet(COOLDOWN + 2)
    house.bus.publish(LightChanged(camera="yard", at=0.0, night=True))
    await house.walk(0.8)
    assert not house.status.moving  # blind for `settle`, as after a start
    assert len(house.of(MotionStarted)) == 1


def pixels(x: int | None) -> Planes:
    """`picture` as a camera that gives video decodes it."""
    luma = simplejpeg.decode_jpeg(picture(x), "GRAY")[:, :, 0]
    grey = np.full((90, 160), 128, np.uint8)
    return Planes([luma, grey, grey], full=True)


async def video(house: House, positions: Iterable[int | None], use: Use = Use.ALL) -> None:
    for x in positions:
        await house.clock.advance(1 / FPS)
        house._number += 1
        now, wall = house.clock.monotonic(), house.clock.wall()
        coded = Frame("yard", house._number, now, wall, Kind.H264, b"video", 320, 180)
        house.hub.publish(coded)
        if use is Use.MOTION:  # the large picture is red
            large = Planes([np.full((180, 320), 76, np.uint8), RED[0], RED[1]], full=True)
            house.hub.publish(replace(coded, kind=Kind.RAW, image=large, use=Use.PEOPLE))
        house.hub.publish(replace(coded, kind=Kind.RAW, data=b"", image=pixels(x), use=use))
        await settle()


RED = np.full((90, 160), 85, np.uint8), np.full((90, 160), 255, np.uint8)


@pytest.mark.parametrize("use", [Use.ALL, Use.MOTION])
async def test_a_camera_that_gives_video_is_looked_at_and_its_best_picture_is_coded(house: House, use: Use) -> None:
    await video(house, [None] * 30, use)
    await video(house, range(0, 300, 15), use)
    await video(house, [None] * (round(COOLDOWN * FPS) + 10), use)
    assert len(house.of(MotionStarted)) == len(house.of(MotionEnded)) == 1
    first, *_, last = house.of(MotionPicture)
    assert (first.final, last.final, house.told[-1] is last) == (False, True, True)
    red, green, _ = simplejpeg.decode_jpeg(last.jpeg).reshape(-1, 3).mean(axis=0)
    assert bool(red > green + 100) is (use is Use.MOTION)  # people get the large picture of that moment


async def test_large_pictures_are_wanted_only_while_something_moves_in_the_small_ones(house: House) -> None:
    await video(house, [None] * 30, Use.MOTION)
    assert not house.hub.demand.people
    await video(house, range(0, 150, 15), Use.MOTION)
    assert house.hub.demand.people
    await video(house, [None] * (round(COOLDOWN * FPS) + 10), Use.MOTION)
    assert not house.hub.demand.people
    await video(house, range(0, 150, 15), Use.MOTION)
    house.settings.set("yard", "motion_detection", False)
    await settle()
    assert not house.hub.wanted


async def test_a_picture_that_cannot_be_coded_costs_the_picture_alone(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Planes, quality: int, **_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Planes, "jpeg", broken)
    await video(house, [None] * 30)
    await video(house, range(0, 300, 15))
    await video(house, [None] * (round(COOLDOWN * FPS) + 10))
    assert len(house.of(MotionStarted)) == len(house.of(MotionEnded)) == 1
    assert house.of(MotionPicture) == []
    assert "the event's picture cannot be coded" in caplog.text


# Schedules. The tests begin 20 s after a full minute.


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


def daily(begin: float, end: float) -> dict[str, tuple[str, ...]]:
    """Open each day, from so many seconds after the tests' begin to so many."""
    return {"daily": (FakeClock().span(begin, end),)}


async def test_motion_is_looked_for_when_its_schedule_opens_and_no_longer_when_it_closes(tmp_path: Path) -> None:
    async with living(House(tmp_path, schedule=daily(60, 180))) as house:
        await house.walk(3)
        assert (house.pool.done, house.hub.demand[Want.MOTION], house.of(MotionStarted)) == (0, 0, [])
        await house.clock.advance(40 - 3)
        assert house.hub.demand[Want.MOTION] == 1
        await house.quiet(3)
        await house.walk(2)
        assert len(house.of(MotionStarted)) == 1
        await house.clock.advance(110)
        await house.quiet(3)
        await house.walk(2.5)  # in the midst of it the schedule closes
        assert (len(house.of(MotionStarted)), len(house.of(MotionEnded)), house.status.moving) == (2, 2, False)
        done = house.pool.done
        await house.walk(2)
        assert (house.pool.done, house.hub.demand[Want.MOTION]) == (done, 0)


async def test_that_the_schedule_closes_is_told_as_the_reason_after_the_event_that_it_ends(tmp_path: Path) -> None:
    async with living(House(tmp_path, schedule=daily(60, 180))) as house:
        await house.clock.advance(150)
        await house.quiet(3)
        await house.walk(10)
        await house.clock.advance(10)
        told = [one for one in house.told if isinstance(one, MotionEnded | MotionExplained)]
        reasons = [it.suppressed.reason if it.suppressed else None for it in told if isinstance(it, MotionExplained)]
        assert (reasons[0], reasons[1], reasons[-1]) == ("schedule", None, "schedule")
        assert isinstance(told[-1], MotionExplained)
        assert len(house.of(MotionEnded)) == 1


async def test_a_trigger_makes_an_event_outside_of_the_schedule(tmp_path: Path) -> None:
    async with living(House(tmp_path, schedule=daily(3600, 7200))) as house:
        await house.quiet(1)
        id = house.alarm.trigger(100, "pir")
        await house.quiet(90)
        assert house.status.moving
        await house.quiet(12)
        assert [it.event_id for it in house.of(MotionEnded)] == [id]
        assert house.pool.done == 0


async def test_both_the_switch_and_the_schedule_must_be_on(tmp_path: Path) -> None:
    async with living(House(tmp_path, schedule=daily(60, 180), enabled=False)) as house:
        await house.clock.advance(60)
        assert (house.hub.demand[Want.MOTION], house.status.blind) == (0, None)
        house.settings.set("yard", "motion_detection", True)
        await settle()
        assert (house.hub.demand[Want.MOTION], house.status.blind) == (1, None)
        await house.clock.advance(120)
        assert (house.hub.demand[Want.MOTION], house.status.blind) == (0, "schedule")
        house.settings.set("yard", "motion_detection", False)
        house.settings.set("yard", "motion_detection", True)
        await settle()
        assert house.hub.demand[Want.MOTION] == 0


@pytest.mark.parametrize("step", [7200.0, -12 * 3600.0])
async def test_a_clock_that_is_set_is_obeyed_within_a_minute(tmp_path: Path, step: float) -> None:
    async with living(House(tmp_path, schedule=daily(step - 600, step + 600))) as house:
        await house.clock.advance(300)
        assert house.hub.demand[Want.MOTION] == 0
        house.clock.step(step - 300)
        await house.clock.advance(60)
        assert house.hub.demand[Want.MOTION] == 1
        house.clock.step(-step)
        await house.clock.advance(60)
        assert house.hub.demand[Want.MOTION] == 0
        assert house.status.blind_until == pytest.approx(FakeClock().wall() + step % 86400 - 600, abs=60)


async def test_the_time_outside_of_the_schedule_is_told_and_counted(tmp_path: Path) -> None:
    async with living(House(tmp_path, schedule=daily(120, 180))) as house:
        status, begin = house.status, house.clock.wall()
        assert (status.blind, status.blind_percent, status.blind_until) == ("schedule", 100, begin + 100)
        await house.clock.advance(60)
        assert status.blind_seconds == pytest.approx(40)  # up to the minute
        house.settings.set("yard", "motion_detection", False)  # from now on nobody wants to know
        await house.clock.advance(20)
        house.settings.set("yard", "motion_detection", True)
        await house.clock.advance(30)
        assert (status.blind, status.blind_percent, status.blind_until) == (None, 0, None)
        assert status.blind_seconds == pytest.approx(80)
        await house.clock.advance(120)
        assert (status.blind, status.blind_until) == ("schedule", begin + 100 + 86400)
        assert status.blind_seconds == pytest.approx(80 + 60)


async def test_a_zone_that_closes_switches_its_sensor_off_and_sees_nothing_more(tmp_path: Path) -> None:
    zones = {
        "left": model.Zone(polygon=LEFT, schedule=daily(-60, 60), cooldown=60),
        "keen": model.Zone(polygon=LEFT, schedule=daily(-60, 60), cooldown=60, sensitivity=90),
    }
    async with living(House(tmp_path, zones=zones)) as house:
        house.settings.set("yard", "sensitivity", 1)
        await house.quiet(3)
        await house.walk(2, faint=True)
        assert house.status.zones == {"keen"}  # which sees what the picture does not
        await house.quiet(20)
        house.settings.set("yard", "sensitivity", 50)
        await house.walk(2)
        assert house.status.zones == {"left", "keen"}
        await house.quiet(12.5)
        assert house.status.zones == {"left", "keen"}
        await house.quiet(1)
        assert house.status.zones == set()
        assert [(it.zone, it.moving) for it in house.of(ZoneMoved)][-2:] == [("left", False), ("keen", False)]
        await house.walk(2)
        assert (len(house.of(ZoneMoved)), house.of(MotionStarted)[-1].zones) == (4, ())
        await house.quiet(10)
        house.settings.set("yard", "sensitivity", 1)
        house.told.clear()
        await house.walk(2, faint=True)
        assert house.told == []
        house.clock.step(-90)
        await house.quiet(60)
        await house.walk(2, faint=True)
        assert house.status.zones == {"keen"}


async def test_a_look_that_is_under_way_when_a_zone_closes_does_not_switch_it_on(tmp_path: Path) -> None:
    pool = Held()
    zones = {"left": model.Zone(polygon=LEFT, schedule=daily(-60, 60))}
    async with living(House(tmp_path, zones=zones, pool=pool, frames=1)) as house:
        for _ in range(40):
            await house.show(STILL)
            while pool.waiting:
                pool.waiting.pop()()
            await settle()
        while not pool.waiting:
            await house.show(picture(20))
        house.clock.step(7200)
        await house.clock.advance(60)
        pool.waiting.pop()()
        await settle()
        assert house.status.moving
        assert house.of(ZoneMoved) == []


# Duty: looks are five a second.

DUTY = model.Duty(looks=10, pause=6)


async def test_after_enough_quiet_looks_there_is_a_pause_in_which_nothing_is_decoded(tmp_path: Path) -> None:
    async with living(House(tmp_path, duty=DUTY)) as house:
        await house.quiet(3.2)  # one second settles, two make ten looks
        done = house.pool.done
        assert (done, house.hub.demand[Want.MOTION]) == (15, 0)
        await house.quiet(5.5)
        assert (house.pool.done, house.hub.demand[Want.MOTION]) == (done, 0)
        await house.quiet(0.3)
        assert house.hub.demand[Want.MOTION] == 1
        await house.quiet(1.9)
        assert house.pool.done == pytest.approx(done + 10, abs=1)
        assert house.status.blind_seconds == pytest.approx(6)
        await house.quiet(8 * 5)
        assert house.pool.done == pytest.approx(done + 6 * 10, abs=2)  # the scene was not learned anew
        assert house.status.blind_seconds == pytest.approx(6 * 6)


async def test_what_walks_by_after_a_pause_is_seen_at_once_and_there_is_no_pause_until_it_is_over(
    tmp_path: Path,
) -> None:
    async with living(House(tmp_path, duty=DUTY)) as house:
        await house.quiet(9.2)
        assert house.hub.demand[Want.MOTION] == 1
        assert house.status.blind_seconds == pytest.approx(6)
        begin = house.clock.monotonic()
        await house.walk(1)
        [started] = house.of(MotionStarted)
        assert begin < started.mono <= begin + 0.4
        done = house.pool.done
        await house.quiet(COOLDOWN - 0.5)
        assert house.status.moving
        assert house.pool.done == pytest.approx(done + 5 * (COOLDOWN - 0.5), abs=1)
        await house.quiet(2)
        assert not house.status.moving
        assert house.hub.demand[Want.MOTION] == 1
        await house.quiet(1.5)
        assert house.hub.demand[Want.MOTION] == 0


async def test_looks_that_move_without_being_an_event_put_the_pause_off(tmp_path: Path) -> None:
    async with living(House(tmp_path, duty=DUTY, frames=8)) as house:
        await house.quiet(2)
        await house.walk(1)
        await house.quiet(1.7)
        assert (house.told, house.hub.demand[Want.MOTION]) == ([], 1)


async def test_a_trigger_ends_the_pause(tmp_path: Path) -> None:
    async with living(House(tmp_path, duty=DUTY)) as house:
        await house.quiet(3.5)
        assert house.hub.demand[Want.MOTION] == 0
        house.alarm.trigger(30, "pir")
        await house.quiet(1)
        assert house.hub.demand[Want.MOTION] == 1
        assert house.status.blind_seconds == pytest.approx(1.5, abs=0.5)
        await house.quiet(20)
        assert house.status.blind_seconds == pytest.approx(1.5, abs=0.5)


async def test_detection_switched_off_in_a_pause_stays_off_and_the_pause_is_counted(tmp_path: Path) -> None:
    async with living(House(tmp_path, duty=DUTY)) as house:
        await house.quiet(4.2)
        house.settings.set("yard", "motion_detection", False)
        await house.quiet(10)
        assert house.pool.done == 15
        assert house.status.blind_seconds == pytest.approx(1.2, abs=0.2)
        assert house.status.blind is None


async def test_a_camera_that_was_away_in_a_pause_is_a_new_scene(tmp_path: Path) -> None:
    async with living(House(tmp_path, duty=DUTY)) as house:
        await house.quiet(5)
        house.hub.lose()
        await house.quiet(4.2)
        assert house.hub.demand[Want.MOTION] == 1
        await house.walk(0.8)
        assert house.told == []


async def test_a_gap_after_a_pause_is_a_gap(tmp_path: Path) -> None:
    async with living(House(tmp_path, duty=DUTY)) as house:
        await house.quiet(5)
        await house.clock.advance(4 + 5)
        assert house.pool.done == 15  # what was taken in the pause is not looked at after it
        await house.show(*[picture(100)] * 20)
        assert house.told == []


async def test_the_duty_is_told_as_one_steady_figure(tmp_path: Path) -> None:
    async with living(House(tmp_path, duty=DUTY)) as house:
        told = set()
        for _ in range(200):
            await house.quiet(0.1)
            told.add((house.status.blind, house.status.blind_percent, house.status.blind_until))
        assert told == {("duty", 75, None)}


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
