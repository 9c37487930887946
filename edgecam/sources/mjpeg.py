"""An HTTP camera that streams JPEGs (`multipart/x-mixed-replace`): passed on untouched, never decoded."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from edgecam.config import model
from edgecam.frame import Frame, Kind
from edgecam.sources import Broken, Rig
from edgecam.sources.parts import Parts
from edgecam.sources.sieve import Sieve
from edgecam.sources.web import WebCamera


class Mjpeg:
    """The camera decides on size and rate. Bytes that never make a whole picture are the case of `Liveness`."""

    def __init__(self, config: model.MjpegSource, rig: Rig) -> None:
        self._rig = rig
        self._camera = WebCamera(config, rig.clock)

    def describe(self) -> str:
        return self._camera.describe()

    async def frames(self) -> AsyncGenerator[Frame, None]:
        sieve, stamp = Sieve(self._rig.stamp.camera), self._rig.stamp
        async with aclosing(self._pictures()) as pictures:
            async for picture in pictures:
                if size := sieve.size(picture):
                    yield stamp(Kind.JPEG, picture, *size)

    async def _pictures(self) -> AsyncGenerator[bytes, None]:
        parts, first = Parts(), True
        async with self._camera.get() as response:
            if response.content_type == "image/jpeg":
                raise Broken(f"{self.describe()} gives single pictures, not a stream; use source type still")
            async for chunk in response.content.iter_any():
                if first:
                    self._camera.no_page(chunk)
                    first = False
                for picture in parts.feed(chunk):
                    yield picture
        raise Broken(f"{self.describe()} ended the stream")

    async def close(self) -> None:
        await self._camera.close()
