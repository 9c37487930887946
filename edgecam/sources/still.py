"""An HTTP camera that gives one JPEG at a time: asked every few seconds, and only for what has changed."""

from collections.abc import AsyncGenerator

import aiohttp

from edgecam.config import model
from edgecam.frame import Frame, Kind
from edgecam.sources import Broken, Rig
from edgecam.sources.pace import Pace
from edgecam.sources.parts import MAX_PART
from edgecam.sources.sieve import Sieve
from edgecam.sources.web import WebCamera


class Still:
    """A picture that did not change (304, or the same bytes) is yielded as the same frame: a sign of life with
    its true age, not a new picture.
    """

    def __init__(self, config: model.StillSource, rig: Rig) -> None:
        self._rig, self._every = rig, config.every
        self._camera = WebCamera(config, rig.clock)
        self._newest: Frame | None = None
        self._conditions: dict[str, str] = {}

    def describe(self) -> str:
        return self._camera.describe()

    async def frames(self) -> AsyncGenerator[Frame, None]:
        sieve, pace, polls = Sieve(self._rig.stamp.camera), Pace(self._rig.clock), 0
        while True:
            await pace.until(polls * self._every)
            polls += 1
            data = await self._ask()
            if data is not None and (self._newest is None or data != self._newest.data):
                size = sieve.size(data)
                if size is None:
                    self._conditions = {}  # a bad picture is not one to be unchanged from
                    continue
                self._newest = self._rig.stamp(Kind.JPEG, data, *size)
            if self._newest is not None:
                yield self._newest

    async def _ask(self) -> bytes | None:
        """The picture, None when the camera says that it is the last one still."""
        async with self._camera.get(self._conditions) as response:
            if response.status == 304:
                return None
            data = await self._body(response)
            known = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
            self._conditions = {ask: response.headers[told] for told, ask in known if told in response.headers}
            return data

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if response.content_type.startswith("multipart/"):
            raise Broken(f"{self.describe()} gives a stream, not single pictures; use source type mjpeg")
        data = bytearray()
        async for chunk in response.content.iter_any():
            data += chunk
            if len(data) > MAX_PART:
                raise Broken(f"{self.describe()} sends a picture of more than {MAX_PART} bytes")
        self._camera.no_page(data)
        return bytes(data)

    async def close(self) -> None:
        await self._camera.close()
