"""A camera without hardware: a garden with a robin that flies by for `move` of every `every` seconds."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

import simplejpeg

from edgecam.config import model
from edgecam.frame import Frame, Kind
from edgecam.sources import Rig
from edgecam.sources.pace import Pace
from edgecam.sources.scene import Scene
from edgecam.sources.threaded import CaptureThread

QUIET_FIRST = 5.0
"""Seconds before the robin comes for the first time: a detector has settled by then."""


def flight(at: float, every: float, move: float) -> float | None:
    """How far the robin has come, 0..1, `at` seconds after the source's start; None while it is away.

    It comes first after QUIET_FIRST seconds (sooner when there is no such pause), then every `every` seconds.
    """
    since = (at - min(QUIET_FIRST, max(0.0, every - move))) % every
    return since / move if since < move and at >= min(QUIET_FIRST, max(0.0, every - move)) else None


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawn JPEG and when it is due, in seconds from the source's start."""

    at: float
    data: bytes
    keyframe: bool = True


class Painter:
    """Reads pictures as a camera library would: draws one after the other, in the capture thread."""

    def __init__(self, config: model.SyntheticSource, rig: Rig, pace: Pace) -> None:
        self._config, self._pace, self._quality = config, pace, rig.quality
        self._first = rig.stamp.next
        self._drawn = 0

    def open(self) -> None:
        self._scene = Scene(self._config.size.width, self._config.size.height)

    def read(self) -> Picture:
        at, schedule = self._drawn / self._config.fps, self._config.schedule
        number = self._first + self._drawn
        self._drawn += 1
        clock = datetime.fromtimestamp(self._pace.wall(at), UTC)
        planes = self._scene.draw(
            f"{clock:%Y-%m-%d %H:%M:%SZ} #{number}", number, flight(at, schedule.every, schedule.move)
        )
        return Picture(at, simplejpeg.encode_jpeg_yuv_planes(*planes, quality=self._quality))

    def close(self) -> None:
        """Nothing is held."""


class Synthetic:
    """The number in the picture, as text and as blocks (`overlay.read_counter`), is the number of its frame."""

    def __init__(self, config: model.SyntheticSource, rig: Rig) -> None:
        self._config, self._rig = config, rig
        self._pace = Pace(rig.clock)
        painter = Painter(config, rig, self._pace)
        self._capture = CaptureThread(painter, rig.stamp.camera, rig.lost, patient=True, ahead=1)

    def describe(self) -> str:
        return "the synthetic camera"

    async def frames(self) -> AsyncGenerator[Frame, None]:
        async with aclosing(self._capture.items()) as pictures:
            async for picture in pictures:
                await self._pace.until(picture.at)
                yield self._rig.stamp(Kind.JPEG, picture.data, *self._config.size)

    async def close(self) -> None:
        await self._capture.close()
