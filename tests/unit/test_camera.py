"""The camera tells the truth: online while frames come, offline when they do not, and never an old picture."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from edgecam.camera import LONGEST_WAIT, Camera, Liveness, Rate
from edgecam.events import Bus, CameraLost, CameraOnline, Event
from edgecam.frame import Frame, Kind, Stamp
from edgecam.health import CameraState, CameraStatus
from edgecam.hub import FrameHub, Ring, Want
from edgecam.sources import Broken, Finished, LostThreads, Source
from edgecam.supervisor import Fatal, Trouble, Vitals, keep
from fakes import FakeClock, Hung, HungLibrary, Switchboard, settle, until

PATIENCE = 10.0
Script = Sequence[float | Exception | None]
"""What a life does: a number waits so many seconds and gives a frame, None gives the same frame again."""
REFUSED: Script = [Broken("cannot reach http://cam.local/stream")]


class Scripted:
    """A source that lives by a script and then stays silent."""

    def __init__(self, script: Script, stamp: Stamp, clock: FakeClock) -> None:
        self._script, self._stamp, self._clock = script, stamp, clock
        self.closed = 0

    async def frames(self) -> AsyncGenerator[Frame, None]:
        frame: Frame | None = None
        for step in self._script:
            if isinstance(step, Exception):
                raise step
            if step is not None or frame is None:
                await self._clock.sleep(step or 0.0)
                frame = self._stamp(Kind.JPEG, b"jpeg", 640, 480)
            else:
                await self._clock.sleep(4.0)
            yield frame
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed += 1

    def describe(self) -> str:
        return "http://cam.local/stream"


class World:
    """One camera under its supervisor and its watch, on a clock that the test moves."""

    def __init__(
        self,
        *lives: Script | Callable[[], Script],
        lost: LostThreads | None = None,
        warmup: float = 0.0,
        idle_after: float | None = None,
    ) -> None:
        self.clock, self.bus, self.vitals = FakeClock(), Bus(), Vitals("birdbox")
        self.hub, self.status = FrameHub("birdbox", Ring(5.0)), CameraStatus("Bird box")
        self.sources: list[Scripted] = []
        self.events: list[Event] = []
        self.bus.on(Event, self.events.append)
        self.source: Callable[[], Source] = self._next
        self._lives, self._stamp = list(lives), Stamp("birdbox", self.clock)
        self.lost = lost or LostThreads()
        self.settings = Switchboard(self.bus, self.clock)
        self.camera = Camera(
            id="birdbox",
            source=lambda: self.source(),
            patience=PATIENCE,
            hub=self.hub,
            settings=self.settings,
            status=self.status,
            bus=self.bus,
            clock=self.clock,
            vitals=self.vitals,
            lost=self.lost,
            warmup=warmup,
            idle_after=idle_after,
        )

    def _next(self) -> Scripted:
        life = self._lives.pop(0) if self._lives else REFUSED
        script = life() if callable(life) else life
        self.sources.append(Scripted(script, self._stamp, self.clock))
        return self.sources[-1]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["asyncio.Task[None]", None]:
        keeping = asyncio.create_task(
            keep(self.camera, self.clock, self.vitals, longest=LONGEST_WAIT, jitter=lambda: 1.0)
        )
        watching = asyncio.create_task(Liveness(self.camera, self.clock).run())
        await settle()
        try:
            yield keeping
        finally:
            for task in (keeping, watching):
                task.cancel()
            await asyncio.gather(keeping, watching, return_exceptions=True)

    @property
    def story(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


def steady(seconds: float, fps: float = 10.0) -> Script:
    return [1 / fps] * int(seconds * fps)


async def test_frames_reach_the_hub_and_the_status() -> None:
    world = World(steady(30.0))
    async with world.running():
        assert (world.status.state, world.status.online) == (CameraState.STARTING, True)
        await world.clock.advance(20.05)
        assert (world.status.state, world.status.online, world.status.trouble) == (CameraState.RUNNING, True, None)
        assert (world.status.frames, world.status.width, world.status.height) == (200, 640, 480)
        assert world.status.fps == pytest.approx(10.0, rel=0.05)
        assert world.status.buffer_seconds == pytest.approx(5.0, abs=0.2)
        assert world.hub.newest is not None
        assert world.hub.newest.number == 200
    assert world.story == ["CameraOnline"]
    assert isinstance(world.events[0], CameraOnline)
    assert world.events[0].after is None
    assert world.sources[0].closed == 1


async def test_a_stalled_camera_goes_offline_when_its_patience_ends_and_shows_no_old_picture(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(steady(3.0), steady(0.0))
    async with world.running():
        await world.clock.advance(3.0 + PATIENCE - 0.1)
        assert world.status.online
        assert world.hub.newest is not None
        with caplog.at_level(logging.WARNING):
            await world.clock.advance(0.2)
        assert (world.status.online, world.status.state) == (False, CameraState.STALLED)
        assert world.status.trouble == "no frame for 10.0 s from http://cam.local/stream"
        assert world.status.fps == 0.0
        assert world.hub.newest is None
        assert world.sources[0].closed == 1  # and its life was ended, so that it is tried anew
    assert world.story == ["CameraOnline", "CameraLost"]
    assert "birdbox: no frame for 10.0 s from http://cam.local/stream, trying again in 1 s" in caplog.text


async def test_the_fps_sensor_falls_as_soon_as_frames_are_overdue() -> None:
    world = World(steady(5.0))
    async with world.running():
        await world.clock.advance(5.0)
        before = world.status.fps
        await world.clock.advance(5.0)
        assert world.status.fps < before / 1.5


async def test_a_camera_that_comes_back_says_after_how_long(caplog: pytest.LogCaptureFixture) -> None:
    world = World([*steady(3.0), Broken("hung up")], REFUSED, REFUSED, REFUSED, steady(60.0))
    with caplog.at_level(logging.INFO):
        async with world.running():
            await world.clock.advance(3.0 + 10.05)
            assert (world.status.online, world.status.state) == (False, CameraState.ERROR)
            assert world.status.trouble == "cannot reach http://cam.local/stream"
            await world.clock.advance(5.2)  # 1 + 2 + 4 + 8 s of back-off
            assert (world.status.online, world.status.state) == (True, CameraState.RUNNING)
            assert world.status.problem is None
            assert (world.status.reconnects, world.vitals.attempts) == (1, 0)
            await world.clock.advance(1.0)
    assert world.story == ["CameraOnline", "CameraLost", "CameraOnline"]
    back = world.events[2]
    assert isinstance(back, CameraOnline)
    assert back.after == pytest.approx(15.1)
    assert "birdbox: frames again after 4 attempts (15 s) from http://cam.local/stream" in caplog.text


async def test_a_hiccup_shorter_than_the_patience_is_told_to_nobody() -> None:
    world = World([*steady(3.0), Broken("hung up")], steady(60.0))
    async with world.running():
        await world.clock.advance(3.5)
        assert (world.status.online, world.status.state, world.status.trouble) == (True, CameraState.RUNNING, None)
        await world.clock.advance(10.0)
        assert world.status.reconnects == 1
    assert world.story == ["CameraOnline"]


async def test_a_camera_that_is_absent_at_start_is_starting_then_offline_then_welcome() -> None:
    world = World(REFUSED, REFUSED, REFUSED, REFUSED, steady(60.0))
    async with world.running():
        await world.clock.advance(9.9)
        assert (world.status.online, world.status.state) == (True, CameraState.STARTING)
        await world.clock.advance(0.2)
        assert (world.status.online, world.status.state) == (False, CameraState.ERROR)
        await world.clock.advance(6.0)
        assert (world.status.online, world.status.state, world.status.reconnects) == (True, CameraState.RUNNING, 0)
    assert world.story == ["CameraLost", "CameraOnline"]
    online = world.events[1]
    assert isinstance(online, CameraOnline)
    assert online.after is None


async def test_the_longest_pause_between_attempts_keeps_the_return_within_ten_seconds() -> None:
    world = World()
    async with world.running():
        await world.clock.advance(600.0)
        lives = len(world.sources)
        await world.clock.advance(10.0)
        assert len(world.sources) > lives
    assert world.story == ["CameraLost"]


async def test_an_unchanged_picture_is_a_sign_of_life_but_not_a_frame() -> None:
    world = World([0.5, *[None] * 20])
    async with world.running():
        await world.clock.advance(60.0)
        assert world.status.online
        assert world.status.frames == 1
        assert world.hub.newest is not None
        assert world.clock.monotonic() - world.hub.newest.mono > 59  # its age is true


async def test_each_new_life_gets_its_own_time_for_the_first_frame() -> None:
    world = World([], [PATIENCE - 0.5, *steady(5.0)])
    async with world.running():
        await world.clock.advance(PATIENCE + 1.0 + PATIENCE - 0.45)
        assert (world.status.online, world.status.frames) == (True, 1)


async def test_a_file_that_ended_is_offline_with_that_reason_and_is_not_begun_again() -> None:
    world = World([*steady(3.0), Finished("the file clip.mp4 has ended")])
    async with world.running() as keeping:
        await world.clock.advance(3.1)
        assert (world.status.online, world.status.state) == (False, CameraState.STALLED)
        assert world.status.trouble == "the file clip.mp4 has ended"
        assert world.hub.newest is None
        assert keeping.done()
        await world.clock.advance(60.0)
        assert world.status.trouble == "the file clip.mp4 has ended"
    assert world.story == ["CameraOnline", "CameraLost"]
    assert isinstance(world.events[1], CameraLost)
    assert world.events[1].reason == "the file clip.mp4 has ended"
    assert world.sources[0].closed == 1


async def test_a_live_stream_that_just_ends_is_a_broken_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World([])

    async def ends(self: Scripted) -> AsyncGenerator[Frame, None]:
        return
        yield

    monkeypatch.setattr(Scripted, "frames", ends)
    with pytest.raises(Broken, match=r"http://cam\.local/stream ended the stream"):
        await world.camera.run()
    assert world.sources[0].closed == 1


async def test_a_time_out_of_the_source_itself_is_told_as_such() -> None:
    world = World([TimeoutError("the camera did not answer in 3 s")])
    with pytest.raises(TimeoutError, match="did not answer"):
        await world.camera.run()


async def test_a_source_that_cannot_be_made_is_an_attempt_like_any_other() -> None:
    def missing() -> Script:
        raise Broken("source type file needs av: pip install av")

    world = World(missing, steady(60.0))
    async with world.running():
        await world.clock.advance(2.0)
        assert world.status.state is CameraState.RUNNING


async def test_a_third_capture_thread_that_hangs_ends_the_process_for_systemd_to_begin_anew() -> None:
    lost, free = LostThreads(patience=0.0), threading.Event()
    threads = [threading.Thread(target=free.wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads[:2]:
        lost.add(thread)
    world = World([Broken("hung")], [Broken("hung")], lost=lost)
    try:
        with pytest.raises(Broken):
            await world.camera.run()
        lost.add(threads[2])
        with pytest.raises(Fatal, match="birdbox: 3 capture threads hang"):
            await world.camera.run()
    finally:
        free.set()
    for thread in threads:
        thread.join()
    assert lost.count == 0


async def test_privacy_closes_the_camera_at_once_and_forgets_what_it_saw(caplog: pytest.LogCaptureFixture) -> None:
    world = World(steady(60.0), steady(60.0))
    with caplog.at_level(logging.INFO):
        async with world.running() as keeping:
            await world.clock.advance(5.0)
            world.settings.set("birdbox", "privacy", True)
            assert world.hub.newest is None
            assert world.hub.ring.since(0.0) == []
            assert (world.status.state, world.status.online) == (CameraState.PRIVACY, True)
            await settle()
            assert world.sources[0].closed == 1
            await world.clock.advance(300.0)  # however long: it is not missed, not opened, not tried again
            assert (len(world.sources), world.status.state, world.status.fps) == (1, CameraState.PRIVACY, 0.0)
            assert (world.status.online, world.status.problem) == (True, None)
            world.settings.set("birdbox", "privacy", False)
            await world.clock.advance(2.0)
            assert (len(world.sources), world.status.state) == (2, CameraState.RUNNING)
            assert world.hub.newest is not None
            assert not keeping.done()
    assert world.story == ["CameraOnline", "SettingChanged", "SettingChanged"]
    assert "birdbox: privacy is on, the camera is closed" in caplog.text


async def test_privacy_of_a_camera_that_is_away_takes_its_alarm_back() -> None:
    world = World()
    async with world.running():
        await world.clock.advance(30.0)
        assert (world.status.online, world.status.state) == (False, CameraState.ERROR)
        world.settings.set("birdbox", "privacy", True)
        assert (world.status.online, world.status.state, world.status.problem) == (True, CameraState.PRIVACY, None)
        await world.clock.advance(60.0)
        assert (world.status.online, world.status.state, world.status.problem) == (True, CameraState.PRIVACY, None)
    assert world.story == ["CameraLost", "SettingChanged", "CameraOnline"]


async def test_a_camera_that_starts_with_privacy_is_never_opened() -> None:
    world = World(steady(60.0))
    world.settings.set("birdbox", "privacy", True)
    async with world.running():
        await world.clock.advance(60.0)
        assert (world.sources, world.status.state) == ([], CameraState.PRIVACY)


async def test_an_idle_camera_is_closed_and_opened_for_the_next_who_wants_it(caplog: pytest.LogCaptureFixture) -> None:
    world = World(steady(60.0), steady(60.0), idle_after=20.0)
    with caplog.at_level(logging.INFO):
        async with world.running():
            await world.clock.advance(30.0)
            assert world.sources == []  # nobody wants anything yet
            assert (world.status.online, world.status.state) == (True, CameraState.IDLE)
            with world.hub.want(Want.VIEWER):
                await world.clock.advance(30.0)
                assert world.status.state is CameraState.RUNNING
            await world.clock.advance(19.0)
            assert world.status.state is CameraState.RUNNING
            await world.clock.advance(2.0)
            assert (world.status.state, world.status.online, world.hub.newest) == (CameraState.IDLE, True, None)
            assert world.sources[0].closed == 1
            await world.clock.advance(300.0)
            assert (len(world.sources), world.status.state) == (1, CameraState.IDLE)
            with world.hub.want(Want.SNAPSHOT):
                await world.clock.advance(0.2)
                assert world.hub.newest is not None
                assert world.status.state is CameraState.RUNNING
                assert world.status.reconnects == 0
    assert world.story == ["CameraOnline"]
    assert caplog.text.count("nobody wants frames, the camera is closed until somebody does") == 1
    assert "frames again" not in caplog.text  # as it should be, every time


async def test_privacy_that_came_and_went_over_an_idle_camera_is_off() -> None:
    world = World(steady(60.0), idle_after=20.0)
    async with world.running():
        await world.clock.advance(30.0)
        world.settings.set("birdbox", "privacy", True)
        await settle()
        states = [world.status.state]
        world.settings.set("birdbox", "privacy", False)
        await settle()
        states.append(world.status.state)
        with world.hub.want(Want.SNAPSHOT):
            await world.clock.advance(0.2)
            states.append(world.status.state)
    assert states == [CameraState.PRIVACY, CameraState.IDLE, CameraState.RUNNING]


async def test_a_look_at_the_light_does_not_wake_an_idle_camera() -> None:
    world = World(steady(60.0), idle_after=20.0)
    async with world.running():
        with world.hub.want(Want.LIGHT):
            await world.clock.advance(60.0)
            assert (world.sources, world.status.state) == ([], CameraState.IDLE)
            with world.hub.want(Want.VIEWER):
                await world.clock.advance(1.0)
            await world.clock.advance(21.0)
            assert (len(world.sources), world.status.state) == (1, CameraState.IDLE)


async def test_a_camera_that_does_not_wake_up_is_offline_after_its_patience_not_before() -> None:
    world = World(steady(5.0), [], idle_after=5.0)
    async with world.running():
        with world.hub.want(Want.VIEWER):
            await world.clock.advance(1.0)
        await world.clock.advance(60.0)
        assert world.status.state is CameraState.IDLE
        with world.hub.want(Want.VIEWER):
            await world.clock.advance(PATIENCE - 0.5)
            assert (world.status.online, world.status.state) == (True, CameraState.STARTING)
            await world.clock.advance(1.0)
            assert (world.status.online, world.status.state) == (False, CameraState.STALLED)


async def test_frames_of_a_cold_sensor_are_shown_to_nobody() -> None:
    world = World(steady(60.0), warmup=2.0)
    async with world.running():
        await world.clock.advance(2.0)
        assert (world.hub.newest, world.status.state, world.status.frames) == (None, CameraState.STARTING, 0)
        await world.clock.advance(0.3)
        assert world.hub.newest is not None
        assert world.status.state is CameraState.RUNNING


async def test_threads_that_may_still_come_back_do_not_end_the_process() -> None:
    lost, free = LostThreads(), threading.Event()
    threads = [threading.Thread(target=free.wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
        lost.add(thread)
    try:
        assert (lost.count, lost.hopeless) == (3, 0)
        with pytest.raises(Broken):
            await World([Broken("hung")], lost=lost).camera.run()
    finally:
        free.set()
    for thread in threads:
        thread.join()


async def test_a_library_that_never_returns_costs_its_thread_but_not_the_camera(
    caplog: pytest.LogCaptureFixture,
) -> None:
    library, world = HungLibrary(), World(steady(5.0))
    lives: list[Source] = [Hung(library, world.lost)]
    next_life = world.source
    world.source = lambda: lives.pop() if lives else next_life()
    try:
        async with world.running() as keeping:
            await world.clock.advance(PATIENCE)
            await until("the thread is given up; its grace is real time", lambda: world.vitals.attempts)
            assert world.lost.count == 1
            assert (world.status.online, world.status.state) == (False, CameraState.STALLED)
            await world.clock.advance(3.0)
            assert (world.status.online, world.status.state) == (True, CameraState.RUNNING)
            assert not keeping.done()
    finally:
        library.free.set()
    assert "birdbox: the capture thread hangs in its library and was given up" in caplog.text
    assert "no frame for 10.0 s from camera 0" in caplog.text


@pytest.mark.parametrize(
    ("times", "now", "fps"),
    [
        ([], 5.0, 0.0),
        ([1.0], 5.0, 0.0),
        ([1.0, 1.5, 2.0], 2.0, 2.0),
        ([1.0, 1.5, 2.0], 2.9, 2.0),  # not overdue yet
        ([1.0, 1.5, 2.0], 5.0, 0.5),  # overdue: it falls
        ([0.0, 60.0, 120.0], 130.0, 1 / 60),  # a still a minute
        ([1.0, 1.0], 1.0, 0.0),
        ([0.1 * n for n in range(1000)], 99.9, 10.0),
    ],
)
def test_frames_per_second(times: list[float], now: float, fps: float) -> None:
    rate = Rate()
    for number, at in enumerate(times):
        rate.beat(number, at)
    assert rate.fps(now) == pytest.approx(fps)


def test_frames_that_nobody_wanted_count_for_the_rate() -> None:
    rate = Rate()
    for look in range(10):
        rate.beat(3 * look, look / 5)  # the sensor gives 15 a second, motion looks at 5 of them
    assert rate.fps(1.8) == pytest.approx(15.0)


async def test_a_restart_closes_the_source_and_opens_it_anew_and_nobody_calls_that_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(steady(60.0), [4.0, *steady(60.0)])
    with caplog.at_level(logging.INFO):
        async with world.running():
            await world.clock.advance(5.0)
            newest = world.hub.newest
            world.camera.restart()
            await settle()
            assert [source.closed for source in world.sources] == [1, 0]
            assert (world.status.state, world.status.online) == (CameraState.STARTING, True)
            assert world.hub.newest is newest  # as at any short break: it is shown with its age
            await world.clock.advance(5.0)
            assert (world.status.state, world.status.online, world.status.reconnects) == (CameraState.RUNNING, True, 0)
            assert world.hub.newest is not newest
    assert world.story == ["CameraOnline"]
    assert "birdbox: is restarted: somebody asked for it" in caplog.text
    assert "birdbox: frames again from http://cam.local/stream" in caplog.text


async def test_a_camera_that_does_not_come_back_from_a_restart_is_lost_when_its_patience_ends() -> None:
    world = World(steady(60.0))
    async with world.running():
        await world.clock.advance(5.0)
        world.camera.restart()
        await world.clock.advance(PATIENCE - 1.0)
        assert world.status.online
        await world.clock.advance(1.1)
        assert (world.status.online, world.status.state) == (False, CameraState.ERROR)
    assert world.story == ["CameraOnline", "CameraLost"]


async def test_a_restart_of_a_camera_that_is_away_tries_it_at_once() -> None:
    world = World(*[REFUSED] * 6, steady(60.0))
    async with world.running():
        await world.clock.advance(30.0)
        before = len(world.sources)
        assert (world.status.online, before) == (False, 6)
        world.camera.restart()
        await settle()
        assert (len(world.sources), world.status.online) == (before + 1, False)  # nothing came of it so far
        await world.clock.advance(0.2)
        assert (world.status.online, world.status.state) == (True, CameraState.RUNNING)


async def test_a_restart_does_not_open_what_privacy_closes_in_the_same_moment() -> None:
    world = World(steady(60.0))
    async with world.running():
        await world.clock.advance(5.0)
        world.camera.restart()
        world.settings.set("birdbox", "privacy", True)
        await world.clock.advance(5.0)
        assert (len(world.sources), world.status.state) == (1, CameraState.PRIVACY)


async def test_what_is_finished_cannot_be_restarted() -> None:
    world = World([Finished("clip.mp4 is over")])
    async with world.running():
        with pytest.raises(Trouble, match=r"clip\.mp4 is over"):
            world.camera.restart()


async def test_a_restart_of_a_camera_that_is_silent_does_not_make_it_look_well() -> None:
    world = World(steady(1.0), [], [])
    async with world.running():
        await world.clock.advance(PATIENCE + 3.0)
        assert (world.status.online, world.status.state, len(world.sources)) == (False, CameraState.STALLED, 2)
        world.camera.restart()
        await settle()
        assert (world.status.online, world.status.state, len(world.sources)) == (False, CameraState.STALLED, 3)
