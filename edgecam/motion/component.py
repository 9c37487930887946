"""The Motion component: takes frames out of a hub, looks at them in the pool, and tells the alarm what it saw.

The look is arithmetic and runs in a thread, one at a time; every decision falls on the loop.
"""

import asyncio
import logging
import time
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from edgecam.config import model
from edgecam.events import Bus, LightChanged, SettingChanged
from edgecam.frame import Frame, Kind, Use
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Want
from edgecam.motion.alarm import Alarm
from edgecam.motion.pace import Pace
from edgecam.motion.sight import Outcome, Sight
from edgecam.settings import Settings

if TYPE_CHECKING:
    from edgecam.motion.eye import Eye

log = logging.getLogger(__name__)

SAME_MOMENT = 0.5
"""Seconds by which a large picture may differ from the small one that motion looked at."""


class Motion:
    """Motion of one camera.

    Follows the live settings `motion_detection` (off: nothing is decoded, and an event that motion keeps open ends at
    once), `sensitivity` and `min_area` (from the next look on, nothing learned is lost).
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
        pool: Executor,
    ) -> None:
        self.name = f"motion {id}"
        self._id, self._config, self._settings = id, config, settings
        self._hub, self._bus, self._status, self._alarm, self._pool = hub, bus, status, alarm, pool
        self._eye: Eye | None = None
        self._tuning = (50, 0.0)
        """Sensitivity and least area, for the eye."""
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
            while True:
                await on.wait()
                await self._until(off)
        finally:
            for leave in ears:
                leave()
            if self._drawing is not None:
                self._drawing.cancel()
            self._alarm.still()

    def _follow(self, on: asyncio.Event, off: asyncio.Event) -> None:
        """Take over the settings as they are now."""
        number = partial(self._settings.number, self._id)
        self._tuning = int(number("sensitivity")), number("min_area")
        if self._is_on:
            off.clear()
            on.set()
        else:
            on.clear()
            off.set()
            self._alarm.still()

    @property
    def _is_on(self) -> bool:
        return self._settings.on(self._id, "motion_detection") and not self._settings.on(self._id, "privacy")

    async def _until(self, off: asyncio.Event) -> None:
        """Watch until detection is switched off; raises what ended the watch otherwise."""
        watch = asyncio.create_task(self._watch(), name=f"{self.name} watch")
        switched = asyncio.create_task(off.wait(), name=f"{self.name} switch")
        try:
            await asyncio.wait({watch, switched}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                watch.result()
        finally:
            watch.cancel()
            switched.cancel()
            await asyncio.gather(watch, switched, return_exceptions=True)

    async def _watch(self) -> None:
        """Look at the newest frame, `motion.fps` times a second by the frames' own times."""
        pace, after = Pace(self._config.fps), -1
        if self._flight is not None:  # of a watch that was cut short: its thread may still be looking
            await asyncio.wait({self._flight})
        if self._eye is not None:
            self._eye.reset()
        with self._hub.want(Want.MOTION), self._views:
            while True:
                frame = await self._hub.next_look(after)
                after = frame.number
                if pace.due(frame.mono):
                    await self._look(frame)

    async def _look(self, frame: Frame) -> None:
        tuning = self._tuning
        self._flight = asyncio.get_running_loop().run_in_executor(self._pool, self._see, frame, *tuning)
        sight = await asyncio.shield(self._flight)
        if sight is None or not self._is_on:  # switched off while it looked
            return
        self._status.looks += 1
        self._alarm.look(sight.look, self._best_view(frame))
        self._want_views(frame.use is Use.MOTION and (sight.look.moving or self._alarm.open))
        if self._hub.demand[Want.DEBUG] and self._drawing is None:  # a look that comes while one is drawn is left out
            confirmed = self._status.last_motion_mono == frame.mono
            outcome = Outcome(frame.wall, confirmed, self._alarm.event, *tuning)
            self._drawing = asyncio.create_task(self._show(frame, sight, outcome), name=f"{self.name} drawing")

    async def _show(self, frame: Frame, sight: Sight, outcome: Outcome) -> None:
        """Draw one look for those who watch what motion sees; no look waits for that."""
        try:
            drawing = self._pool.submit(_draw, self._config, sight, outcome)
            jpeg, width, height = await asyncio.wrap_future(drawing)
            if self._is_on:  # not switched off while it was drawn
                self._status.drawn += 1
                self._hub.show(Frame(self._id, frame.number, frame.mono, frame.wall, Kind.JPEG, jpeg, width, height))
        except Exception:  # a picture that cannot be drawn must not cost an event
            log.exception("%s: what was seen cannot be drawn", self.name)
        finally:
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

    def _see(self, frame: Frame, sensitivity: int, min_area: float) -> Sight | None:
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
        self._eye.tune(sensitivity, min_area)
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
