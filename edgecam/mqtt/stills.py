"""Stills: a camera's periodic picture for the broker, as often as the setting `snapshot_interval` says."""

import asyncio
import logging
from concurrent.futures import Executor
from contextlib import suppress

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.develop import developed
from edgecam.frame import Frame
from edgecam.hub import FrameHub, Want
from edgecam.mqtt.story import Story
from edgecam.settings import Settings

log = logging.getLogger(__name__)


class Stills:
    """Loop thread only. `renew` tells it that a setting changed: then the picture does not wait for its turn."""

    def __init__(
        self,
        *,
        camera: str,
        config: model.Image,
        hub: FrameHub,
        settings: Settings,
        story: Story,
        clock: Clock,
        pool: Executor,
    ) -> None:
        self._camera, self._quality, self._hub, self._settings = camera, config.quality, hub, settings
        self._story, self._clock, self._pool = story, clock, pool
        self._changed = asyncio.Event()

    def renew(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        """A picture as soon as there is one, then one each interval; none, and none wanted, while that is 0."""
        number = -1
        while True:
            self._changed.clear()
            every = self._settings.number(self._camera, "snapshot_interval")
            if not every:
                await self._changed.wait()
                continue
            frame = await self._next(number)
            if frame is not None:
                number = frame.number
                await self._tell(frame)
                with suppress(TimeoutError):
                    await aside.within(self._clock, every, self._changed.wait())

    async def _next(self, after: int) -> Frame | None:
        """The camera's next picture; None when something changed before it came."""
        coming = asyncio.ensure_future(self._hub.next(after))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            with self._hub.want(Want.SNAPSHOT):
                await asyncio.wait({coming, changed}, return_when=asyncio.FIRST_COMPLETED)
            return None if self._changed.is_set() else coming.result()
        finally:
            coming.cancel()
            changed.cancel()

    async def _tell(self, frame: Frame) -> None:
        try:
            frame = await developed(frame, self._quality, self._pool)
        except Exception:  # it costs this picture, not all that MQTT tells
            log.exception("%s: a picture cannot be coded", self._camera)
        else:
            if not self._changed.is_set():
                self._story.snapshot(self._camera, frame.data, frame.wall, (frame.width, frame.height))
