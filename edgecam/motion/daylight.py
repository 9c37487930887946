"""Daylight: whether it is day or night before a camera, by how bright its pictures are.

A decision takes more than a passing car: the light has to stay on the other side for some looks in a row, and the two
sides are apart. Grey pictures are as bright as coloured ones, so the answer does not change what it was taken from.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from enum import StrEnum
from typing import TYPE_CHECKING

from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import Bus, LightChanged
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Want

if TYPE_CHECKING:
    from edgecam.frame import Frame

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two looks."""
CONFIRM = 3
"""Looks in a row that make a change."""
WIDTH = 32
"""Pixels across that the mean is taken of."""


class Light(StrEnum):
    DAY = "day"
    NIGHT = "night"


class Twilight:
    """Mean luma in, day or night out. Pure."""

    def __init__(self, grey_below: float, colour_above: float, confirm: int = CONFIRM) -> None:
        self._grey_below, self._colour_above, self._confirm = grey_below, colour_above, confirm
        self._streak = 0
        self.light: Light | None = None
        """None before the first look; that one is believed at once."""

    def look(self, luma: float) -> bool:
        """One look, 0..255; True when it changed the answer."""
        other = self._other(luma)
        self._streak = self._streak + 1 if other else 0
        if other is None or (self.light is not None and self._streak < self._confirm):
            return False
        self.light, self._streak = other, 0
        return True

    def _other(self, luma: float) -> Light | None:
        """The side on which this look lies, if it is not the one we are on."""
        if self.light is None:
            return Light.NIGHT if luma < self._grey_below else Light.DAY
        if self.light is Light.DAY:
            return Light.NIGHT if luma < self._grey_below else None
        return Light.DAY if luma > self._colour_above else None


class Daylight:
    """Component of a camera with `image.day_night`; owns `status.light`.

    `grey` is told whether pictures are to be grey from now on. Loop thread only; pixels are touched in `pool`.
    """

    def __init__(
        self,
        *,
        id: str,
        config: model.DayNight,
        hub: FrameHub,
        bus: Bus,
        status: CameraStatus,
        clock: Clock,
        pool: Executor,
        grey: Callable[[bool], None],
    ) -> None:
        self.name = f"{id} daylight"
        self._id, self._hub, self._bus, self._status = id, hub, bus, status
        self._clock, self._pool, self._grey = clock, pool, grey
        self._twilight = Twilight(config.grey_below, config.colour_above)

    async def run(self) -> None:
        """One life: a look every few seconds, while there are pictures."""
        number = -1
        while True:
            with self._hub.want(Want.LIGHT):
                frame = await self._hub.next_look(number)
            number = frame.number
            luma = await asyncio.wrap_future(self._pool.submit(mean, frame))
            if luma is not None and self._twilight.look(luma):
                self._tell(frame, luma)
            await self._clock.sleep(EVERY)

    def _tell(self, frame: "Frame", luma: float) -> None:
        light = self._twilight.light
        first, self._status.light = self._status.light is None, light
        self._grey(light is Light.NIGHT)
        log.info("%s: it is %s (mean luma %.0f)", self._id, light, luma)
        if not first or light is Light.NIGHT:
            self._bus.publish(LightChanged(camera=self._id, at=frame.wall, night=light is Light.NIGHT))


def mean(frame: "Frame") -> float | None:
    """Mean luma of a picture, None for one that cannot be decoded. Blocks: for the pool."""
    from edgecam.motion import luma

    try:
        picture = frame.image.luma(WIDTH) if frame.image is not None else luma.of_jpeg(frame.data, WIDTH)
    except luma.BadPicture:
        return None
    return float(picture.mean())
