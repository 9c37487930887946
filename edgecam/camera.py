"""Camera: one life after another of a source, its frames into the hub, and the truth about whether they come.

Two components: `Camera` captures, `Liveness` watches it, also while no life is on. A picture is never shown as if it
were of now when frames are missing.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import aclosing

from edgecam.clock import Clock
from edgecam.events import Bus, CameraLost, CameraOnline
from edgecam.frame import Frame
from edgecam.health import CameraState, CameraStatus
from edgecam.hub import FrameHub
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
    """Frames per second over the last few seconds. Pure: the caller brings the monotonic times, in order."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def beat(self, at: float) -> None:
        self._times.append(at)
        while len(self._times) > 2 and at - self._times[0] > FPS_WINDOW:
            self._times.popleft()

    def fps(self, now: float) -> float:
        """Falls from the moment on at which a frame is overdue."""
        if len(self._times) < 2:
            return 0.0
        first, last, intervals = self._times[0], self._times[-1], len(self._times) - 1
        usual = (last - first) / intervals
        end = last if now - last <= 2 * usual else now
        return intervals / (end - first) if end > first else 0.0

    def clear(self) -> None:
        self._times.clear()


class Stalled(Trouble):
    """A life was cut because no frame came for too long."""


class Camera:
    """Publishes the frames of one source; owns the fields of `status` that are marked [camera].

    `source` makes the source of each life, not yet open. `patience` is how long (s) frames may be missing: a shorter
    break is logged and no more, a longer one takes the camera offline. Until cameras can idle, their frames are
    always wanted.
    """

    def __init__(
        self,
        *,
        id: str,
        source: Callable[[], Source],
        patience: float,
        hub: FrameHub,
        status: CameraStatus,
        bus: Bus,
        clock: Clock,
        vitals: Vitals,
        lost: LostThreads,
    ) -> None:
        self.name = id
        self._open, self._patience, self._hub = source, patience, hub
        self._status, self._bus, self._clock, self._vitals, self._lost = status, bus, clock, vitals, lost
        self._rate = Rate()
        self._newest: Frame | None = None
        self._seen = clock.monotonic()  # the last sign of life; before the first one, the start
        self._life: asyncio.Timeout | None = None  # what cuts the life that is on
        self._life_began = 0.0
        self._where = "the camera"
        self._last_words: tuple[CameraState, str] | None = None  # why the last life ended, until frames come again

    async def run(self) -> None:
        """One life: opens the source and publishes until it breaks or stalls. Returns when the source is finished.

        Raises what ended it, and Fatal when too many capture threads hang in their libraries.
        """
        try:
            await self._capture()
        except Finished as end:
            self._last_words = CameraState.STALLED, str(end)
            self._offline(*self._last_words)
        except Exception as error:
            self._last_words = CameraState.STALLED if isinstance(error, Stalled) else CameraState.ERROR, reason(error)
            if self._lost.count > MOST_LOST_THREADS:
                raise Fatal(
                    f"{self.name}: {self._lost.count} capture threads hang in their libraries and cannot be freed"
                ) from error
            raise

    async def _capture(self) -> None:
        source = self._open()
        self._where, self._life_began = source.describe(), self._clock.monotonic()
        try:
            async with asyncio.timeout(None) as life, aclosing(source.frames()) as frames:
                self._life = life
                async for frame in frames:
                    self._arrive(frame)
            raise Broken(f"{self._where} ended the stream")
        except TimeoutError:
            if life.expired():
                raise Stalled(self._silence()) from None
            raise
        finally:
            self._life = None
            await source.close()

    def _arrive(self, frame: Frame) -> None:
        now = self._clock.monotonic()
        away, self._seen = now - self._seen, now
        if frame is self._newest:
            return
        self._newest = frame
        status = self._status
        first, told = not status.frames, status.online
        status.frames += 1
        status.width, status.height = frame.width, frame.height
        self._rate.beat(frame.mono)
        if self._last_words or status.state is not CameraState.RUNNING:
            self._recover(first, away)
        self._hub.publish(frame)
        if first or not told:
            self._bus.publish(CameraOnline(camera=self.name, at=frame.wall, after=None if first else away))

    def _recover(self, first: bool, away: float) -> None:
        attempts = recovered(self._vitals)
        status = self._status
        status.reconnects += not first
        status.state, status.online, status.trouble, self._last_words = CameraState.RUNNING, True, None, None
        again = "frames come" if first else "frames again"
        after = f" after {attempts} attempt{'s' if attempts > 1 else ''} ({away:.0f} s)" if attempts else ""
        log.info("%s: %s%s from %s", self.name, again, after, self._where)

    def watch(self) -> float:
        """Cut a life that has stalled, declare a camera offline that is; returns when to look again (s)."""
        now, status = self._clock.monotonic(), self._status
        status.fps, status.buffer_seconds = self._rate.fps(now), self._hub.ring.span
        overdue = now - self._seen - self._patience
        stalled = now - max(self._seen, self._life_began) - self._patience
        if self._life is not None and stalled >= 0:
            life, self._life = self._life, None
            life.reschedule(asyncio.get_running_loop().time())
        if overdue >= 0:
            self._offline(*(self._last_words or (CameraState.STALLED, self._silence())))
        return min([TICK, *(-left for left in (overdue, stalled) if left < 0)])

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
