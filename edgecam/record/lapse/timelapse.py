"""Timelapse: a still of a camera at each moment of its grid. `daily.py` makes films of them."""

import logging
from concurrent.futures import Executor

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.develop import developed
from edgecam.events import Bus, ClipSaved
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Want
from edgecam.media import MediaKind, Sidecar
from edgecam.record.disk.library import Library
from edgecam.record.lapse.grid import At, Every, Ticker
from edgecam.settings import Switches

log = logging.getLogger(__name__)

TICK = 5.0
"""Seconds between two looks at the clock on the wall, which may be set at any time."""

CAUSE = "timelapse"


class Missed(Exception):
    """There is no still of this moment; the text is the reason."""


async def moment(ticker: Ticker, clock: Clock) -> None:
    """Return when a moment of the grid has come."""
    while not ticker.came(clock.wall()):
        await clock.sleep(min(TICK, ticker.due - clock.wall()))


class Timelapse:
    """Component of a camera with `record.timelapse`; owns `stills` and `stills_missed` of `status`. Loop thread only.

    A moment without a picture is missed and counted: nothing is made up for, and no moment has two stills, over
    restarts neither, because only what comes after the start counts. A camera that is idle is opened for a still.
    `patience` is how long (s) its picture may take.
    """

    def __init__(
        self,
        *,
        id: str,
        config: model.Timelapse,
        hub: FrameHub,
        settings: Switches,
        status: CameraStatus,
        library: Library,
        bus: Bus,
        clock: Clock,
        pool: Executor,
        quality: int,
        patience: float,
    ) -> None:
        self.name = f"{id} timelapse"
        self._id, self._hub, self._settings, self._status = id, hub, settings, status
        self._library, self._bus, self._clock = library, bus, clock
        self._pool, self._quality, self._patience = pool, quality, patience
        grid = At(config.at) if config.every is None else Every(config.every)
        self._ticker = Ticker(grid, clock.wall())
        self._missed = 0
        """Moments in a row."""

    async def run(self) -> None:
        """One life."""
        while True:
            await moment(self._ticker, self._clock)
            try:
                self._kept(await self._take())
            except Missed as why:
                self._miss(why)

    async def _take(self) -> Sidecar:
        """A picture captured from now on, on disk. Raises Missed."""
        if not self._settings.on(self._id, "recording"):
            raise Missed("recording is off")
        if self._settings.on(self._id, "privacy"):
            raise Missed("privacy is on")
        if self._library.full:
            raise Missed(self._library.full)
        with self._hub.want(Want.SNAPSHOT):
            try:
                frame = await aside.within(self._clock, self._patience, self._hub.fresh(self._clock.monotonic()))
            except TimeoutError:
                raise Missed(self._status.trouble or "the camera gives no picture") from None
        frame = await developed(frame, self._quality, self._pool)
        if not self._hub.remembers(frame):
            raise Missed("privacy is on")
        try:
            return await aside.run(self._library.save_picture, frame, CAUSE, MediaKind.TIMELAPSE)
        except OSError as error:
            raise Missed(f"it cannot be written: {error.strerror}") from error

    def _kept(self, still: Sidecar) -> None:
        if self._missed:
            log.info("%s: timelapse stills again, %d missed", self._id, self._missed)
        self._missed = 0
        self._status.stills += 1
        self._bus.publish(ClipSaved(camera=self._id, at=still.end, media=still))

    def _miss(self, why: Missed) -> None:
        if not self._missed:
            log.info("%s: no timelapse still: %s; the next ones are tried in their time", self._id, why)
        self._missed += 1
        self._status.stills_missed += 1
