"""The Motion component: frames into a hub, events out of a bus. Time is the tests' own; the pool works at once."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import simplejpeg

from edgecam.config import model
from edgecam.events import (
    LightChanged,
    MotionEnded,
    MotionPicture,
    MotionStarted,
    MotionUpdated,
    ZoneMoved,
)
from edgecam.frame import Frame, Kind, Use
from edgecam.hub import Want
from edgecam.pixels import Planes
from fakes import settle
from motionhouse import COOLDOWN, FPS, LEFT, STILL, WALL, Held, House, picture


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
