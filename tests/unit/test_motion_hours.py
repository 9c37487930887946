"""When motion is looked for: schedules and duty. The tests begin 20 s after a full minute."""

from pathlib import Path

import pytest

from edgecam.config import model
from edgecam.events import (
    MotionEnded,
    MotionExplained,
    MotionStarted,
    ZoneMoved,
)
from edgecam.hub import Want
from fakes import FakeClock, settle
from motionhouse import COOLDOWN, LEFT, STILL, Held, House, living, picture


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
