"""Camera: one life after another of a source, its frames into the hub, and the truth about whether they come.

Two components: `Camera` captures, `Liveness` watches it, also while no life is on. A picture is never shown as if it
were of now when frames are missing.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from enum import Enum

from edgecam.clock import Clock
from edgecam.events import Bus, CameraLost, CameraOnline, SettingChanged
from edgecam.frame import Frame, Sound, Use
from edgecam.health import CameraState, CameraStatus
from edgecam.hub import FrameHub
from edgecam.settings import Switches
from edgecam.sources import Broken, Finished, LostThreads, Source
from edgecam.supervisor import Fatal, Trouble, Vitals, reason, recovered

log = logging.getLogger(__name__)

LONGEST_WAIT = 8.0
"""The supervisor's longest back-off for a camera (s): frames come within 10 s of its return."""
MOST_LOST_THREADS = 2
"""Capture threads that may hang in their libraries; one more and only a new process helps."""
TICK = 1.0
"""Seconds between two looks of the watch at most."""
FPS_WINDOW = 5.0


class Rate:
    """Frames per second over the last few seconds, those counted in that were not made because nobody wanted them.

    Pure: the caller brings each frame's number and monotonic time, in order.
    """

    def __init__(self) -> None:
        self._beats: deque[tuple[int, float]] = deque()

    def beat(self, number: int, at: float) -> None:
        self._beats.append((number, at))
        while len(self._beats) > 2 and at - self._beats[0][1] > FPS_WINDOW:
            self._beats.popleft()

    def fps(self, now: float) -> float:
        """Falls from the moment on at which a frame is overdue."""
        if len(self._beats) < 2:
            return 0.0
        (begin, first), (_, before), (end, last) = self._beats[0], self._beats[-2], self._beats[-1]
        usual = max(last - before, (last - first) / (len(self._beats) - 1))
        until = last if now - last <= 2 * usual else now
        return (end - begin) / (until - first) if until > first else 0.0

    def clear(self) -> None:
        self._beats.clear()


class Stalled(Trouble):
    """A life was cut because no frame came for too long."""


class Cut(Enum):
    """Why a life that works, or should, is ended from outside."""

    STALL = "stall"
    PRIVACY = "privacy"
    IDLE = "idle"
    RESTART = "restart"


class Camera:
    """Publishes the frames of one source; owns the fields of `status` that are marked [camera].

    `source` makes the source of each life, not yet open. `patience` is how long (s) frames may be missing: a shorter
    break is logged and no more, a longer one takes the camera offline. Frames of the first `warmup` seconds are shown
    to nobody. With `idle_after` the source is closed that long after its last consumer, and opened for the next one.
    While the setting `privacy` is on it is closed and everything that it saw is forgotten.
    """

    def __init__(
        self,
        *,
        id: str,
        source: Callable[[], Source],
        patience: float,
        hub: FrameHub,
        settings: Switches,
        status: CameraStatus,
        bus: Bus,
        clock: Clock,
        vitals: Vitals,
        lost: LostThreads,
        warmup: float = 0.0,
        idle_after: float | None = None,
    ) -> None:
        self.name = id
        self._open, self._patience, self._hub, self._settings = source, patience, hub, settings
        self._status, self._bus, self._clock, self._vitals, self._lost = status, bus, clock, vitals, lost
        self._warmup, self._idle_after = warmup, idle_after
        self._rate = Rate()
        self._number = 0  # of the newest frame
        self._newest: Frame | None = None
        self._seen = self._used = clock.monotonic()  # the last sign of life, and of anybody who wants one
        self._warm: float | None = None  # when the frames of this life begin to count
        self._life: asyncio.Timeout | None = None  # what cuts the life that is on
        self._cut = Cut.STALL  # why it was cut
        self._life_began = 0.0
        self._where = "the camera"
        self._last_words: tuple[CameraState, str] | None = None  # why the last life ended, until frames come again
        self._finished: str | None = None  # why there is no next life
        self._idled = False  # it has been closed for want of consumers before
        self._opened = asyncio.Event()
        bus.on(SettingChanged, self._setting_changed)
        self._obey_privacy()

    async def run(self) -> None:
        """One life: opens the source and publishes until it breaks or stalls. Returns when the source is finished.

        Raises what ended it, and Fatal when too many capture threads hang in their libraries.
        """
        try:
            while True:
                await self._until_wanted()
                await self._capture()
        except Finished as end:
            self._finished = str(end)
            self._last_words = CameraState.STALLED, self._finished
            self._offline(*self._last_words)
        except Exception as error:
            self._last_words = CameraState.STALLED if isinstance(error, Stalled) else CameraState.ERROR, reason(error)
            if self._lost.hopeless > MOST_LOST_THREADS:
                raise Fatal(
                    f"{self.name}: {self._lost.hopeless} capture threads hang in their libraries and cannot be freed"
                ) from error
            raise

    async def _until_wanted(self) -> None:
        """Return when privacy is off and, where the camera may idle, somebody wants frames."""
        while not self._opened.is_set() or (self._idle_after is not None and not self._hub.wanted):
            if not self._opened.is_set():
                await self._opened.wait()
            else:
                if self._status.state is not CameraState.IDLE:
                    self._close(CameraState.IDLE, Cut.IDLE)
                await self._hub.wanting.wait()
        self._used = self._clock.monotonic()
        if self._is_closed:
            self._seen = self._used
            self._status.state = CameraState.STARTING

    @property
    def _is_closed(self) -> bool:
        """Whether no frames are expected."""
        return self._status.state in (CameraState.PRIVACY, CameraState.IDLE)

    async def _capture(self) -> None:
        """Publish until the source ends or is cut; raises what ended it, unless that was nobody's fault."""
        source = self._open()
        self._where, self._life_began, self._warm = source.describe(), self._clock.monotonic(), None
        try:
            async with asyncio.timeout(None) as life, aclosing(source.frames()) as frames:
                self._life = life
                async for frame in frames:
                    self._arrive(frame)
            raise Broken(f"{self._where} ended the stream")
        except TimeoutError:
            if not life.expired():
                raise
            if self._cut is Cut.STALL:
                raise Stalled(self._silence()) from None
            if self._cut is Cut.RESTART and self._status.online and not self._is_closed:
                self._status.state = CameraState.STARTING
        finally:
            self._life = None
            await source.close()

    def _arrive(self, frame: Frame | Sound) -> None:
        if self._is_closed:
            return  # still on its way when the camera was closed
        if isinstance(frame, Sound):
            self._hub.hear(frame)
            return
        now = self._clock.monotonic()
        away, self._seen = now - self._seen, now
        if frame is self._newest:
            return
        self._newest = frame
        if self._warm is None:
            self._warm = frame.mono + self._warmup
        if frame.mono < self._warm:
            return
        status = self._status
        first, told = not status.frames, status.online
        if frame.number > self._number:
            status.frames += 1
            self._number = frame.number
            self._rate.beat(frame.number, frame.mono)
        if frame.use is not Use.MOTION:
            status.width, status.height = frame.width, frame.height
        if self._last_words or status.state is not CameraState.RUNNING:
            self._recover(first, away)
        self._hub.publish(frame)
        if first or not told:
            self._bus.publish(CameraOnline(camera=self.name, at=frame.wall, after=None if first else away))

    def _recover(self, first: bool, away: float) -> None:
        attempts = recovered(self._vitals)
        status = self._status
        broke = not first and self._last_words is not None  # not privacy or idleness
        status.reconnects += broke
        status.state, status.online, status.trouble, self._last_words = CameraState.RUNNING, True, None, None
        again = "frames come" if first else "frames again"
        after = f" after {attempts} attempt{'s' if attempts > 1 else ''} ({away:.0f} s)" if attempts else ""
        woken = self._idled and not broke
        log.log(logging.DEBUG if woken else logging.INFO, "%s: %s%s from %s", self.name, again, after, self._where)

    def restart(self) -> None:
        """Somebody wants the source closed and opened anew; one that is to be tried again later is tried now.

        Its patience goes on: it counts as lost only where no frame comes within that. Raises Trouble when its source
        is finished.
        """
        if self._finished:
            raise Trouble(self._finished)
        log.info("%s: is restarted: somebody asked for it", self.name)
        self._vitals.hurry.set()
        self._end_life(Cut.RESTART)

    def watch(self) -> float:
        """Cut a life that has stalled or that nobody needs, declare a camera offline that is; returns when to look
        again (s).
        """
        now, status = self._clock.monotonic(), self._status
        status.fps, status.buffer_seconds = self._rate.fps(now), self._hub.ring.span
        if self._is_closed:
            return TICK
        if self._hub.wanted:
            self._used = now
        elif self._idle_after is not None and self._life is not None and now - self._used >= self._idle_after:
            self._close(CameraState.IDLE, Cut.IDLE)
            self._hub.lose()
            level = logging.DEBUG if self._idled else logging.INFO  # once is news, each time is noise
            self._idled = True
            log.log(level, "%s: nobody wants frames, the camera is closed until somebody does", self.name)
            return TICK
        overdue = now - self._seen - self._patience
        stalled = now - max(self._seen, self._life_began) - self._patience
        if stalled >= 0:
            self._end_life(Cut.STALL)
        if overdue >= 0:
            self._offline(*(self._last_words or (CameraState.STALLED, self._silence())))
        return min([TICK, *(-left for left in (overdue, stalled) if left < 0)])

    def _end_life(self, why: Cut) -> None:
        if self._life is not None:
            life, self._life, self._cut = self._life, None, why
            life.reschedule(asyncio.get_running_loop().time())

    def _close(self, state: CameraState, why: Cut) -> None:
        """From now on no frames are expected, and that is as it should be."""
        status, told = self._status, self._status.online
        status.state, status.online, status.trouble, status.fps = state, True, None, 0.0
        self._last_words = None
        self._rate.clear()
        self._end_life(why)
        if not told:
            self._bus.publish(CameraOnline(camera=self.name, at=self._clock.wall()))

    def _setting_changed(self, change: SettingChanged) -> None:
        if (change.camera, change.key) == (self.name, "privacy"):
            self._obey_privacy()

    def _obey_privacy(self) -> None:
        private = self._settings.on(self.name, "privacy")
        if not private:
            self._opened.set()
            if self._status.state is CameraState.PRIVACY and self._idle_after is not None and not self._hub.wanted:
                self._close(CameraState.IDLE, Cut.IDLE)  # it may wait for somebody already, and not look up for this
        elif self._status.state is not CameraState.PRIVACY:
            self._opened.clear()
            self._close(CameraState.PRIVACY, Cut.PRIVACY)
            self._hub.clear()
            log.info("%s: privacy is on, the camera is closed", self.name)

    def _silence(self) -> str:
        return f"no frame for {self._clock.monotonic() - max(self._seen, self._life_began):.1f} s from {self._where}"

    def _offline(self, state: CameraState, why: str) -> None:
        """Tell it once, keep the reason current, and show no old picture from now on."""
        status, told = self._status, not self._status.online
        status.state, status.online, status.trouble, status.fps = state, False, why, 0.0
        if told:
            return
        self._rate.clear()
        self._hub.lose()
        log.warning("%s: offline: %s", self.name, why)
        self._bus.publish(CameraLost(camera=self.name, at=self._clock.wall(), reason=why))


class Liveness:
    """Watches a camera on the clock: once a second, and when its patience ends. No timer or task per frame."""

    def __init__(self, camera: Camera, clock: Clock) -> None:
        self.name = f"{camera.name} watch"
        self._camera, self._clock = camera, clock

    async def run(self) -> None:
        while True:
            await self._clock.sleep(self._camera.watch())
