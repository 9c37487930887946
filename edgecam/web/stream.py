"""`stream.mjpg`, `debug.mjpg`: endless answers whose bytes the fan-out writes straight to the connection."""

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from edgecam.clock import Clock
from edgecam.web import part, query
from edgecam.web.answers import Refused
from edgecam.web.fanout import Viewer
from edgecam.web.live import Live
from edgecam.web.variant import look

_HEADERS = {
    "Content-Type": part.CONTENT_TYPE,
    "Cache-Control": "no-store, no-cache, must-revalidate",
    "Pragma": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would collect frames instead of passing them on
}


Watch = Callable[[Viewer], Awaitable[None]]
"""Shows something to a viewer until it is gone."""


class Endless(web.StreamResponse):
    """An answer without length and without chunks, ended by closing: most MJPEG clients know no other."""

    _length_check = False  # aiohttp would choose chunks for a body of unknown length; WebSockets turn it off like this


class Streams:
    """Serves the live streams of all cameras, at most `most` at a time."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most, self._clock = most, clock
        self._open = 0

    async def serve(self, request: web.Request, live: Live) -> web.StreamResponse:
        """Answer until the viewer leaves. Raises Refused: 400 bad numbers, 503 switched off or too many."""
        fps = _fps(request, live)
        variant = live.variant(look(request.query))
        return await self._serve(request, live, fps, partial(live.watch, variant=variant))

    async def debug(self, request: web.Request, live: Live) -> web.StreamResponse:
        """What motion sees, on the same terms. Raises Refused (503), too, while it does not look."""
        if live.blind:
            raise Refused(503, "not_looking", f"there is nothing to see of {live.id}: {live.blind}")
        return await self._serve(request, live, _fps(request, live), live.watch_motion)

    async def _serve(self, request: web.Request, live: Live, fps: float | None, watch: Watch) -> web.StreamResponse:
        if not live.streaming:
            sentence = (
                f"streaming is switched off for {live.id} (setting streaming); snapshot.jpg gives single pictures"
            )
            raise Refused(503, "disabled", sentence)
        if self._open >= self._most:
            sentence = f"all {self._most} places for viewers are taken (http.max_clients)"
            raise Refused(503, "too_many_clients", sentence, retry_after=10)
        response = Endless(headers=_HEADERS)
        response.force_close()
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        self._open += 1
        try:
            await response.prepare(request)
            await self._show(request, watch, fps)
        finally:
            self._open -= 1
        return response

    async def _show(self, request: web.Request, watch: Watch, fps: float | None) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            return  # left before the first picture
        transport.write(part.OPENING)
        viewer = Viewer(transport, address=request.remote or "", since=self._clock.wall(), fps=fps)
        await watch(viewer)


def _fps(request: web.Request, live: Live) -> float | None:
    """Frames a second: what is asked for, or the file's limit where that is less. Raises Refused (400)."""
    rates = query.number(request.query, "fps"), live.config.stream.fps
    return min((rate for rate in rates if rate), default=None)
