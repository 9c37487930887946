"""Retouched: a source whose pictures are turned, mirrored or grey, in every output, since it stands before all of them.

A picture that needs nothing passes as the object it is. One that does is decoded and coded again on a thread beside
the loop; order, numbers and times stay. A box too slow for that shows fewer pictures, not later ones.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import simplejpeg

from edgecam.config.model import SourceConfig
from edgecam.frame import Frame, Kind, Sound
from edgecam.jpeg import BadJpeg
from edgecam.pixels import Decoded, Planes, Turn, Turned
from edgecam.sources import Broken, Rig, Source
from edgecam.sources.sieve import Sieve

log = logging.getLogger(__name__)

AHEAD = 2
"""Pictures that may wait for the one being made: a network brings them in bursts."""


def turn_of(config: SourceConfig) -> Turn:
    """What `rotate`, `hflip` and `vflip` come to: two mirrors are half a turn."""
    upside_down = config.rotate == 180
    return Turn(left_right=config.hflip is not upside_down, top_bottom=config.vflip is not upside_down)


def retouched(data: bytes, turn: Turn, quality: int, *, grey: bool) -> bytes:
    """A JPEG turned, or turned grey: the same object where nothing is to be done. Takes milliseconds.

    Raises BadJpeg when it cannot be decoded; what was damaged on the way comes out as far as it can be seen.
    """
    try:
        colourless = simplejpeg.decode_jpeg_header(data)[2] == "Gray"
        if colourless and not turn:
            return data
        space = "GRAY" if grey or colourless else "RGBX"
        pixels = simplejpeg.decode_jpeg(data, space, fastdct=True, fastupsample=True, strict=False)
    except ValueError as error:
        raise BadJpeg(f"cannot be decoded ({error})") from None
    shape = pixels.shape
    whole = pixels[:, :, 0] if space == "GRAY" else pixels.view(np.uint32)[:, :, 0]  # numpy copies those at once
    turned = np.ascontiguousarray(turn(whole)).view(np.uint8).reshape(shape)
    sampling = "Gray" if space == "GRAY" else "420"
    return bytes(simplejpeg.encode_jpeg(turned, quality, space, colorsubsampling=sampling, fastdct=True))


class Retouched:
    """`source`, turned as `config` says and grey while `rig.tone` is. One life, as that of the source."""

    def __init__(self, source: Source, config: SourceConfig, rig: Rig) -> None:
        self._source, self._rig, self._turn = source, rig, turn_of(config)
        self._sieve = Sieve(rig.stamp.camera)
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: deque[Frame | Sound] = deque()
        self._arrived = asyncio.Event()
        self._newest: tuple[Frame, Frame | None] | None = None  # what came, and what became of it
        self._seen = 0
        self.dropped = 0
        """Pictures for which the box was too slow."""

    def describe(self) -> str:
        return self._source.describe()

    async def frames(self) -> AsyncGenerator[Frame | Sound, None]:
        """Raises Broken for coded video too: it passes undecoded, so that nothing in it can be changed."""
        filling = asyncio.create_task(self._fill(), name=f"retouch {self._rig.stamp.camera}")
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    item = self._waiting.popleft()
                    done = item if isinstance(item, Sound) else await self._done(item)
                    if done is not None:
                        yield done
                if filling.done():
                    filling.result()
                    return
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)

    async def _fill(self) -> None:
        try:
            async with aclosing(self._source.frames()) as items:
                async for item in items:
                    self._put(item)
        finally:
            self._arrived.set()

    def _put(self, item: Frame | Sound) -> None:
        late = [at for at, other in enumerate(self._waiting) if self._is_work(other)]
        if len(late) >= AHEAD and self._is_work(item):
            del self._waiting[late[0]]
            self._complain()
        self._seen += isinstance(item, Frame)
        self._waiting.append(item)
        self._arrived.set()

    def _complain(self) -> None:
        self.dropped += 1
        if str(self.dropped).strip("0") == "1":
            camera = self._rig.stamp.camera
            log.warning(
                "%s: too slow to turn or grey all pictures; %d of %d left out", camera, self.dropped, self._seen
            )

    def _is_work(self, item: Frame | Sound) -> bool:
        return isinstance(item, Frame) and item.kind is Kind.JPEG and bool(self._turn or self._rig.tone.grey)

    async def _done(self, frame: Frame) -> Frame | None:
        """What becomes of a frame, None when it cannot be decoded; of the same frame again, the same."""
        if self._newest is None or frame is not self._newest[0]:
            self._newest = frame, await self._made(frame)
        return self._newest[1]

    async def _made(self, frame: Frame) -> Frame | None:
        grey = self._rig.tone.grey
        if frame.kind not in (Kind.JPEG, Kind.RAW):
            raise Broken(
                f"{self.describe()} gives video ({frame.kind}), which passes undecoded: source.rotate, hflip, vflip "
                "and image.grey, day_night need a camera that gives JPEG"
            )
        if not (self._turn or grey):
            return frame
        if frame.image is not None:
            if not isinstance(frame.image, Decoded | Planes):
                raise TypeError(f"cannot turn {type(frame.image).__name__}")
            return replace(frame, image=Turned(frame.image, self._turn, grey=grey))
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, f"retouch {frame.camera}")
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: retouched(frame.data, self._turn, self._rig.quality, grey=grey)
        )
        try:
            data = await work
        except BadJpeg as bad:
            self._sieve.drop(bad)
            return None
        self._sieve.keep()
        return frame if data is frame.data else replace(frame, data=data)

    async def close(self) -> None:
        await self._source.close()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
