"""The Motion component: takes frames out of a hub, looks at them in the pool, and tells the alarm what it saw.

The look is arithmetic and runs in a thread, one at a time; every decision falls on the loop.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Coroutine
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import Bus, LightChanged, MotionExplained, SettingChanged, Suppressed
from edgecam.frame import Frame, Kind, Use
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Want
from edgecam.motion.alarm import Alarm
from edgecam.motion.detector import Look, Reason
from edgecam.motion.hours import Hours
from edgecam.motion.pace import Pace
from edgecam.motion.sight import Outcome, Sight
from edgecam.settings import Settings

if TYPE_CHECKING:
    from edgecam.motion.eye import Eye

log = logging.getLogger(__name__)

SAME_MOMENT = 0.5
"""Seconds by which a large picture may differ from the small one that motion looked at."""

MINUTE = 60.0
"""Schedules open and close with the minutes of the clock on the wall."""
NOD = 1.0
"""Longest piece of a pause (s): a trigger may begin an event meanwhile."""


class Motion:
    """Motion of one camera. The `[motion]` fields of the camera's status are its own.

    Follows the live settings `motion_detection` (off: nothing is decoded, and an event that motion keeps open ends at
    once), `sensitivity` and `min_area` (from the next look on, nothing learned is lost). Outside its schedule it is as
    if detection were off. With `motion.duty` it pauses while nothing moves and no event goes on.
    """

    def __init__(
        self,
        *,
        id: str,
        config: model.Motion,
        hub: FrameHub,
        bus: Bus,
        settings: Settings,
        status: CameraStatus,
        alarm: Alarm,
        clock: Clock,
        pool: Executor,
    ) -> None:
        self.name = f"motion {id}"
        self._id, self._config, self._settings = id, config, settings
        self._hub, self._bus, self._status, self._alarm, self._pool = hub, bus, status, alarm, pool
        self._clock, self._hours = clock, Hours(config)
        self._eye: Eye | None = None
        self._tuning = (50, 0.0, frozenset[str]())
        """Sensitivity, least area and the zones that do not count, for the eye."""
        self._closed: float | None = None
        """Since when the schedule has been closed and its time not counted, monotonic."""
        self._rested = -inf
        """When the last pause ended: what was taken before is not looked at."""
        self._flight: asyncio.Future[Sight | None] | None = None
        self._drawing: asyncio.Task[None] | None = None
        self._views, self._wants_views = ExitStack(), False
        self._unsettled = False
        """The light has changed: the eye opens anew with the next look."""
        self.bad = 0
        """Frames that could not be decoded, since start."""

    async def run(self) -> None:
        """One life: watch whenever detection is on. Its end keeps no event open."""
        on, off = asyncio.Event(), asyncio.Event()

        def follow(change: SettingChanged) -> None:
            if change.camera == self._id:
                self._follow(on, off)

        def settle(change: LightChanged) -> None:
            self._unsettled = self._unsettled or change.camera == self._id

        self._follow(on, off)
        ears = [self._bus.on(SettingChanged, follow), self._bus.on(LightChanged, settle)]
        try:
            if self._hours:
                await self._first(self._live(on, off), self._keep_hours(on, off))
            else:
                await self._live(on, off)
        finally:
            for leave in ears:
                leave()
            if self._drawing is not None:
                self._drawing.cancel()
                self._drawing = None
            self._alarm.still()

    async def _live(self, on: asyncio.Event, off: asyncio.Event) -> None:
        while True:
            await on.wait()
            await self._first(self._watch(), off.wait())

    async def _keep_hours(self, on: asyncio.Event, off: asyncio.Event) -> None:
        """Look at the clock with each of its minutes, since it may be set at any time."""
        while True:
            await self._clock.sleep(MINUTE - self._clock.wall() % MINUTE)
            self._follow(on, off)

    def _follow(self, on: asyncio.Event, off: asyncio.Event) -> None:
        """Take over the settings and the schedules as they are now."""
        number, shut = partial(self._settings.number, self._id), self._hours.shut(self._clock.wall())
        self._tuning = int(number("sensitivity")), number("min_area"), shut
        self._alarm.shut(shut)
        if self._is_on:
            off.clear()
            on.set()
        else:
            on.clear()
            off.set()
            self._alarm.still()
        self._tell_blindness()

    def _tell_blindness(self) -> None:
        """Steady figures: neither a pause nor an event is a change. That the schedule closes is a reason to be told."""
        status, duty, wall, now = self._status, self._config.duty, self._clock.wall(), self._clock.monotonic()
        opens = self._hours.opens(wall) if self._is_wanted else None
        if self._closed is not None:
            status.blind_seconds += now - self._closed
        self._closed = None if opens is None else now
        if (opens is None) != (status.blind is not Reason.SCHEDULE):
            closed = None if opens is None else Suppressed(Reason.SCHEDULE, wall)
            self._bus.publish(MotionExplained(camera=self._id, at=wall, event_id=None, suppressed=closed, looks=None))
        status.blind_until, status.blind, status.blind_percent = opens, None, 0
        if opens is not None:
            status.blind, status.blind_percent = Reason.SCHEDULE, 100
        elif duty is not None and self._is_wanted:
            status.blind = Reason.DUTY
            status.blind_percent = round(100 * duty.pause / (duty.pause + duty.looks / self._config.fps))

    @property
    def _is_wanted(self) -> bool:
        return self._settings.on(self._id, "motion_detection") and not self._settings.on(self._id, "privacy")

    @property
    def _is_on(self) -> bool:
        return self._is_wanted and self._hours.open(self._clock.wall())

    async def _first(self, *work: Coroutine[Any, Any, object]) -> None:
        """Do all of this until the first is done, and raise what ended it."""
        tasks = [asyncio.create_task(it, name=self.name) for it in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        """Look at the newest frame, `motion.fps` times a second by the frames' own times; with pauses, where there is a
        duty.
        """
        pace, after, duty = Pace(self._config.fps), -1, self._config.duty
        if self._flight is not None:  # of a watch that was cut short: its thread may still be looking
            await asyncio.wait({self._flight})
        if self._eye is not None:
            self._eye.reset()
        while True:
            quiet = 0
            with self._hub.want(Want.MOTION), self._views:
                while duty is None or quiet < duty.looks:
                    frame = await self._hub.next_look(after)
                    after = frame.number
                    if frame.mono >= self._rested and pace.due(frame.mono):
                        look = await self._look(frame)
                        quiet = quiet + 1 if look and self._is_quiet(look) else 0
            await self._rest(duty.pause)

    def _is_quiet(self, look: Look) -> bool:
        """And nobody watches what motion sees."""
        return not (look.moving or look.suppressed is Reason.SETTLING or self._is_watched)

    @property
    def _is_watched(self) -> bool:
        return self._alarm.open or bool(self._hub.demand[Want.DEBUG])

    async def _rest(self, pause: float) -> None:
        """So many seconds without a look, cut short by an event or a viewer. What was learned of the scene stays."""
        life, began = self._hub.life, self._clock.monotonic()
        try:
            while (left := began + pause - self._clock.monotonic()) > 0 and not self._is_watched:
                await self._clock.sleep(min(NOD, left))
        finally:
            self._rested = self._clock.monotonic()
            self._status.blind_seconds += self._rested - began
        if self._eye is not None:
            self._eye.pause(self._rested - began)
        if self._hub.life != life:  # another camera, as far as anybody knows
            self._unsettled = True

    async def _look(self, frame: Frame) -> Look | None:
        """None: it does not count."""
        tuning = self._tuning
        self._flight = asyncio.get_running_loop().run_in_executor(self._pool, self._see, frame, *tuning)
        sight = await asyncio.shield(self._flight)
        if sight is None or not self._is_on:  # switched off while it looked
            return None
        self._status.looks += 1
        confirmed = self._alarm.look(sight.look, self._best_view(frame))
        self._want_views(frame.use is Use.MOTION and (sight.look.moving or self._alarm.open))
        if self._hub.demand[Want.DEBUG] and self._drawing is None:  # a look that comes while one is drawn is left out
            outcome = Outcome(frame.wall, confirmed, self._alarm.event, *tuning)
            self._drawing = asyncio.create_task(self._show(frame, sight, outcome), name=f"{self.name} drawing")
        return sight.look

    async def _show(self, frame: Frame, sight: Sight, outcome: Outcome) -> None:
        """Draw one look for those who watch what motion sees; no look of this camera waits for that."""
        try:
            drawing = self._pool.submit(_draw, self._config, sight, outcome)
            jpeg, width, height = await asyncio.wrap_future(drawing)
            if self._is_on:  # not switched off while it was drawn
                self._status.drawn += 1
                self._hub.show(Frame(self._id, frame.number, frame.mono, frame.wall, Kind.JPEG, jpeg, width, height))
        except Exception:  # a picture that cannot be drawn must not cost an event
            log.exception("%s: what was seen cannot be drawn", self.name)
        finally:
            if self._drawing is asyncio.current_task():
                self._drawing = None

    def _want_views(self, wanted: bool) -> None:
        """Large pictures are decoded while something moves, so that one of them can show it."""
        if not wanted:
            self._views.close()
        elif not self._wants_views:
            self._views.enter_context(self._hub.want(Want.SNAPSHOT))
            self._views.callback(setattr, self, "_wants_views", False)
            self._wants_views = True

    def _best_view(self, frame: Frame) -> Frame:
        """Where motion looks at a small picture of its own, people are shown the large one of the same moment."""
        view = self._hub.newest
        if frame.use is not Use.MOTION or view is None or abs(view.mono - frame.mono) > SAME_MOMENT:
            return frame
        return replace(view, number=frame.number, mono=frame.mono, wall=frame.wall)

    def _see(self, frame: Frame, sensitivity: int, min_area: float, shut: Collection[str]) -> Sight | None:
        """In the pool: decode small, look. None for a frame that cannot be decoded."""
        try:
            from edgecam.motion import luma
            from edgecam.motion.eye import eye
        except ImportError as error:
            package = "opencv-python-headless" if error.name == "cv2" else error.name
            raise RuntimeError(f"to see motion {error.name} is needed: pip install {package}") from error
        self._eye = self._eye or eye(self._config)
        if self._unsettled:
            self._unsettled = False
            self._eye.reset()
        self._eye.tune(sensitivity, min_area, shut)
        began = time.thread_time()
        try:
            if frame.image is not None:
                picture = frame.image.luma(self._config.width)
            else:
                picture = luma.of_jpeg(frame.data, self._config.width)
        except luma.BadPicture as error:
            self._count_bad(str(error))
            return None
        look, cost = self._eye.look(picture, frame.mono), time.thread_time() - began
        return Sight(look, picture, self._eye.heat() if self._hub.demand[Want.DEBUG] else None, cost)

    def _count_bad(self, why: str) -> None:
        self.bad += 1
        if self.bad == 1:
            log.warning(
                "%s: a picture cannot be decoded and is skipped (%s); further ones are only counted", self.name, why
            )


def _draw(config: model.Motion, sight: Sight, outcome: Outcome) -> tuple[bytes, int, int]:
    """In the pool."""
    from edgecam.motion import debug

    return debug.draw(config, sight, outcome)
