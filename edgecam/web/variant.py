"""Variants: a camera's picture in another width, quality or in grey, encoded once for all who ask for the same.

Width is rounded to 160s and quality to 10s, and a camera has at most MOST at a time: that bounds what strangers can
make a small board encode.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace

from edgecam.clock import Clock
from edgecam.frame import Frame, Kind
from edgecam.hub import FrameHub
from edgecam.web import query
from edgecam.web.fanout import Fanout

MOST = 4
KEPT = 10.0
"""Seconds for which a variant without viewers keeps its place."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is wanted; None as it comes."""

    width: int | None = None
    quality: int | None = None
    grey: bool = False

    @property
    def is_plain(self) -> bool:
        return self == Look()


def look(asked: Mapping[str, str], *, width: int | None = None) -> Look:
    """What a query string asks for; `width` holds where it asks for none. Raises Refused (400)."""
    wide, quality = query.number(asked, "width"), query.number(asked, "quality")
    return Look(
        max(160, round(wide / 160) * 160) if wide else width,
        min(100, max(10, round(quality / 10) * 10)) if quality else None,
        query.switch(asked, "grey"),
    )


def encode(frame: Frame, look: Look, quality: int) -> tuple[bytes, int, int]:
    """The picture as a JPEG in another look, with its width and height. Blocks: for the pool.

    Decoding is scaled in the DCT, so a small picture costs little; a width beyond the camera's is the camera's.
    `quality` holds where the look names none. Raises ValueError for a damaged JPEG.
    """
    width = min(look.width or frame.width, frame.width)
    height = max(1, round(frame.height * width / frame.width))
    if frame.image is not None:
        return frame.image.jpeg(look.quality or quality, width=width, grey=look.grey), width, height
    import simplejpeg

    space = "GRAY" if look.grey else "RGB"
    image = simplejpeg.decode_jpeg(frame.data, space, fastdct=True, min_width=width, min_height=height, strict=False)
    if image.shape[1] != width or image.shape[0] != height:
        import cv2

        scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        image = scaled.reshape(height, width, image.shape[2])
    jpeg = simplejpeg.encode_jpeg(
        image, look.quality or quality, space, colorsubsampling="Gray" if look.grey else "420", fastdct=True
    )
    return jpeg, width, height


class Variant:
    """One look of one camera. Loop thread only; pixels are touched in the pool.

    What the hub has forgotten meanwhile is not shown, whenever it was encoded.
    """

    def __init__(
        self, look: Look, *, quality: int, hub: FrameHub, clock: Clock, pool: Executor, fanout: Fanout | None = None
    ) -> None:
        self.fanout, self._hub = fanout or Fanout(), hub
        self._look, self._quality, self._clock, self._pool = look, quality, clock, pool
        self._used = clock.monotonic()
        self._ready: Frame | None = None
        self._number: int | None = None
        self._encoding: asyncio.Task[Frame] | None = None
        self._next: Frame | None = None
        self._feeding: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Nobody watches it, and nobody asked for KEPT seconds: its place may go to another."""
        return not self.fanout.viewers and self._clock.monotonic() - self._used > KEPT

    async def of(self, frame: Frame, max_age: float = 0.0) -> Frame:
        """`frame` in this look, encoded once however many ask; a picture up to `max_age` seconds old is given again.

        Raises ValueError for a damaged JPEG.
        """
        self._used = self._clock.monotonic()
        ready = self._ready
        if ready is not None and self._used - ready.mono <= max_age and self._hub.remembers(ready):
            return ready
        if self._encoding is None or self._number != frame.number:
            self._number = frame.number
            self._encoding = asyncio.create_task(self._encode(frame), name=f"encode {frame.camera}")
        self._ready = await asyncio.shield(self._encoding)
        return self._ready

    async def _encode(self, frame: Frame) -> Frame:
        jpeg, width, height = await asyncio.wrap_future(self._pool.submit(encode, frame, self._look, self._quality))
        return replace(frame, kind=Kind.JPEG, data=jpeg, width=width, height=height, image=None)

    def deliver(self, frame: Frame) -> None:
        """A new frame of the camera: encoded for the stream when somebody is due to get it, the newest one first."""
        if frame.is_view and self.fanout.is_due(frame.mono):
            self._next = frame
            if self._feeding is None:
                self._feeding = asyncio.create_task(self._feed(), name=f"variant of {frame.camera}")

    async def _feed(self) -> None:
        try:
            while (frame := self._next) is not None:
                self._next = None
                with suppress(ValueError):  # one damaged picture: the stream goes on with the next
                    shown = await self.of(frame)
                    if self._hub.remembers(shown):
                        self.fanout.deliver(shown)
        finally:
            self._feeding = None

    async def close(self) -> None:
        """End its streams and its work."""
        self.fanout.close()
        tasks = [task for task in (self._feeding, self._encoding) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
