"""The alarm of one camera: what is told of looks and triggers. Time is the tests' own, a look is given as it is."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from edgecam.config import model
from edgecam.control import Unavailable
from edgecam.events import Bus, Event, MotionEnded, MotionPicture, MotionStarted, ZoneMoved
from edgecam.frame import Frame, Kind
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring, Want
from edgecam.motion.alarm import Alarm
from edgecam.motion.detector import Look, Reason
from edgecam.settings import Settings
from fakes import AtOnce, FakeClock, settle

T = TypeVar("T", bound=Event)
COOLDOWN = 4.0


class Yard:
    """One camera's hub, bus, settings and status around its alarm."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.bus = FakeClock(), Bus()
        corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
        zones = {"door": model.Zone(polygon=corners), "tree": model.Zone(polygon=corners, cooldown=60)}
        motion = model.Motion(cooldown=COOLDOWN, zones=zones)
        camera = model.Camera.model_validate({"source": "synthetic", "motion": motion.model_dump()})
        self.hub, self.status = FrameHub("yard", Ring(5.0)), CameraStatus("Yard")
        self.settings = Settings({"yard": camera}, folder / "settings.json", self.bus, self.clock)
        self.told: list[Event] = []
        for kind in (MotionStarted, MotionEnded, MotionPicture, ZoneMoved):
            self.bus.on(kind, self.told.append)
        self.alarm = Alarm(
            id="yard",
            config=motion,
            hub=self.hub,
            bus=self.bus,
            settings=self.settings,
            status=self.status,
            clock=self.clock,
            pool=AtOnce(),
        )
        self._number = 0

    def frame(self) -> Frame:
        self._number += 1
        jpeg = b"jpeg %d" % self._number
        frame = Frame("yard", self._number, self.clock.monotonic(), self.clock.wall(), Kind.JPEG, jpeg, 640, 360)
        self.hub.publish(frame)
        return frame

    async def film(self, seconds: float) -> None:
        """A frame a second, at which nobody looks."""
        for _ in range(round(seconds)):
            await self.clock.advance(1)
            self.frame()
            await settle()

    async def look(self, *zones: str, moving: bool = True, times: int = 1) -> None:
        """So many looks, a fifth of a second apart."""
        for _ in range(times):
            await self.clock.advance(0.2)
            self.alarm.look(
                Look(moving, 50, 2.0, ((0.1, 0.1, 0.2, 0.2),), zones=zones) if moving else Look(), self.frame()
            )

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.told if isinstance(event, kind)]

    def switched(self) -> list[tuple[str, bool]]:
        return [(it.zone, it.moving) for it in self.of(ZoneMoved)]


@pytest_asyncio.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    yard = Yard(tmp_path)
    life = asyncio.create_task(yard.alarm.run())
    await settle()
    yield yard
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)


async def test_a_trigger_makes_an_event_with_a_picture_though_nobody_looks_for_motion(yard: Yard) -> None:
    yard.frame()
    await yard.clock.advance(1)
    began = yard.clock.monotonic()
    id = yard.alarm.trigger(30, "pir")
    assert yard.status.moving
    await settle()
    assert yard.hub.demand[Want.SNAPSHOT] == 1
    await yard.film(29)
    assert yard.hub.demand[Want.SNAPSHOT] == 0
    assert yard.status.moving
    await yard.film(2)
    [started], [ended] = yard.of(MotionStarted), yard.of(MotionEnded)
    assert (started.event_id, started.cause, started.mono) == (id, "pir", began)
    assert (ended.event_id, ended.cause, ended.mono, ended.duration) == (id, "pir", began + 30, 30)
    assert [(it.jpeg, it.event_id, it.final) for it in yard.of(MotionPicture)] == [
        (b"jpeg 2", id, False),  # the first one after the trigger
        (b"jpeg 2", id, True),
    ]
    assert not yard.status.moving


async def test_it_does_not_say_that_something_moved_and_the_recorder_knows_how_far_to_go(yard: Yard) -> None:
    began = yard.clock.monotonic()
    yard.alarm.trigger(30, "pir")
    await yard.film(10)
    assert (yard.status.last_motion, yard.status.last_motion_mono) == (None, None)
    assert yard.status.held_mono == began + 10  # never ahead of the time
    await yard.film(25)
    assert yard.status.held_mono == began + 30


async def test_motion_during_a_triggered_event_prolongs_it_and_its_picture_is_better(yard: Yard) -> None:
    id = yard.alarm.trigger(5, "pir")
    await yard.film(4)
    await yard.look("door", times=8)
    moved = yard.clock.monotonic()
    await yard.film(COOLDOWN + 1)
    [ended] = yard.of(MotionEnded)
    assert (ended.event_id, ended.cause, ended.zones, ended.score) == (id, "pir", ("door",), 50)
    assert ended.mono == yard.status.last_motion_mono == moved
    assert yard.of(MotionPicture)[-1].score == 50


async def test_a_triggered_event_in_which_looks_see_nothing_lasts_as_long_as_it_is_held(yard: Yard) -> None:
    id = yard.alarm.trigger(3, "pir")
    await yard.look(moving=False, times=20)
    [ended] = yard.of(MotionEnded)
    assert (ended.event_id, ended.cause, ended.duration) == (id, "pir", 3)
    assert ended.looks is not None
    assert (ended.looks.moving, ended.looks.best) == (0, None)


async def test_each_look_is_told_why_it_counts_as_nothing(yard: Yard) -> None:
    moving, leaping = Look(True), Look(True, follows=False)
    looks = [Look(), Look(suppressed=Reason.SWAY), moving, leaping, moving, Look(suppressed=Reason.STANDING), moving]
    told = [look.why_not(yard.alarm.look(look, yard.frame())) for look in looks]
    assert told == [None, Reason.SWAY, Reason.TOO_SHORT, Reason.TOO_SHORT, None, Reason.STANDING, Reason.TOO_SHORT]


async def test_a_trigger_during_motion_prolongs_that_event_and_keeps_its_id_and_cause(yard: Yard) -> None:
    await yard.look(times=2)
    [started] = yard.of(MotionStarted)
    triggered = yard.clock.monotonic()
    assert yard.alarm.trigger(20, "pir") == started.event_id
    await yard.film(19)
    assert yard.status.moving
    await yard.film(2)
    [ended] = yard.of(MotionEnded)
    assert (ended.event_id, ended.cause, ended.mono) == (started.event_id, "motion", triggered + 20)


async def test_a_second_trigger_only_prolongs(yard: Yard) -> None:
    began = yard.clock.monotonic()
    id = yard.alarm.trigger(10, "pir")
    await yard.film(5)
    assert yard.alarm.trigger(10, "doorbell") == id
    await yard.film(16)
    assert [(it.cause, it.mono) for it in yard.of(MotionEnded)] == [("pir", began + 15)]
    assert yard.alarm.trigger(10, "doorbell") != id


async def test_switching_detection_off_ends_motion_and_leaves_what_was_triggered(yard: Yard) -> None:
    await yard.look("door", times=2)
    yard.alarm.still()
    assert len(yard.of(MotionEnded)) == 1
    assert yard.switched() == [("door", True), ("door", False)]
    yard.alarm.trigger(10, "pir")
    yard.alarm.still()
    await yard.film(9)
    assert yard.status.moving
    await yard.film(2)
    assert not yard.status.moving
    assert [it.cause for it in yard.of(MotionEnded)] == ["motion", "pir"]


async def test_privacy_ends_whatever_goes_on_and_refuses_triggers(yard: Yard) -> None:
    yard.alarm.trigger(30, "pir")
    await yard.look("door", times=2)
    yard.settings.set("yard", "privacy", True)
    assert (yard.status.moving, yard.status.zones) == (False, set())
    assert len(yard.of(MotionEnded)) == 1
    assert yard.switched()[-1] == ("door", False)
    with pytest.raises(Unavailable, match="privacy is on"):
        yard.alarm.trigger(30, "pir")
    await settle()
    assert not yard.hub.wanted  # nor is a picture waited for any more


async def test_a_trigger_between_a_frame_and_its_look_does_not_end_before_it_began(yard: Yard) -> None:
    await yard.look()
    late = yard.frame()
    await yard.clock.advance(0.2)
    yard.alarm.trigger(30, "pir")
    yard.alarm.look(Look(True, 50, 2.0, ((0.1, 0.1, 0.2, 0.2),)), late)
    yard.settings.set("yard", "privacy", True)
    [started], [ended] = yard.of(MotionStarted), yard.of(MotionEnded)
    assert (ended.mono, ended.duration) == (started.mono, 0)


async def test_a_camera_that_is_away_cannot_be_triggered(yard: Yard) -> None:
    yard.status.online, yard.status.trouble = False, "no frame for 12.0 s from rtsp://cam"
    with pytest.raises(Unavailable, match=r"no frame for 12\.0 s"):
        yard.alarm.trigger(30, "pir")
    assert yard.told == []


async def test_before_and_after_its_life_nothing_is_triggered_and_the_end_closes_the_event(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    with pytest.raises(Unavailable, match="starting or stopping"):
        yard.alarm.trigger(30, "pir")
    life = asyncio.create_task(yard.alarm.run())
    await settle()
    yard.alarm.trigger(30, "pir")
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)
    assert len(yard.of(MotionEnded)) == 1
    with pytest.raises(Unavailable, match="starting or stopping"):
        yard.alarm.trigger(30, "pir")


async def test_a_camera_that_gives_no_picture_costs_the_event_only_that(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "edgecam.motion")
    yard.alarm.trigger(30, "pir")
    await yard.clock.advance(31)
    assert [type(it) for it in yard.told] == [MotionStarted, MotionEnded]
    assert "the camera gave no picture of the triggered event" in caplog.text
    assert not yard.hub.wanted


async def test_each_zone_has_its_own_cooldown_beside_the_cameras(yard: Yard) -> None:
    await yard.look("door", "tree", times=2)
    assert yard.status.zones == {"door", "tree"}
    moved = yard.clock.wall()
    await yard.film(COOLDOWN + 1)
    assert yard.switched() == [("door", True), ("tree", True), ("door", False)]
    assert yard.of(ZoneMoved)[-1].at == pytest.approx(moved)
    assert not yard.status.moving
    await yard.film(60)
    assert yard.switched()[-1] == ("tree", False)


async def test_the_cameras_cooldown_can_be_changed_while_it_runs(yard: Yard) -> None:
    await yard.look("door", times=2)
    yard.settings.set("yard", "cooldown", 1)
    await yard.film(2)
    assert not yard.status.moving
    assert yard.switched() == [("door", True), ("door", False)]
