"""`snapshot.jpg`: one JPEG that is true now, or a reason why there is none; never an old picture."""

import asyncio
from email.utils import formatdate

from aiohttp import web

from edgecam.clock import Clock
from edgecam.config.model import StillSource
from edgecam.frame import Frame
from edgecam.health import CameraState
from edgecam.hub import Want
from edgecam.web import query
from edgecam.web.answers import Refused
from edgecam.web.live import Live
from edgecam.web.variant import look

PATIENCE = 5.0
"""Seconds to wait for a picture when there is none that is young enough."""
FRESH_EVERY = 1.0
"""Seconds between two answers to `fresh=1` of one camera; who asks sooner waits and shares the next one."""


class Stills:
    """Snapshots of all cameras. Loop thread only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fresh: dict[str, float] = {}

    async def serve(self, request: web.Request, live: Live) -> web.Response:
        """Raises Refused: 400 bad numbers, 503 with the reason when there is no picture that is true now."""
        wanted = look(request.query, width=live.config.snapshot.width)
        variant = live.variant(wanted)
        max_age = 0.0 if query.switch(request.query, "fresh") else live.config.snapshot.max_age
        frame = await self._frame(live, fresh=query.switch(request.query, "fresh"))
        shown = await live.shown(frame, variant, max_age)
        if shown is None and live.status.state is CameraState.PRIVACY:
            raise _none(live)
        if shown is None:
            raise Refused(503, "damaged", f"{live.id} sent a damaged picture", retry_after=1)
        return self._answer(request, shown)

    def _answer(self, request: web.Request, frame: Frame) -> web.Response:
        etag = f'"{frame.number:x}-{int(frame.wall * 1000):x}-{len(frame.data):x}"'
        headers = {
            "ETag": etag,
            "Last-Modified": formatdate(frame.wall, usegmt=True),
            "Cache-Control": "no-cache",
            "X-Timestamp": f"{frame.wall:.6f}",
            "X-Frame": str(frame.number),
            "X-Frame-Age": f"{max(0.0, self._clock.monotonic() - frame.mono):.3f}",
        }
        if request.if_none_match and any(known.value in (etag.strip('"'), "*") for known in request.if_none_match):
            return web.Response(status=304, headers=headers)
        return web.Response(body=frame.data, content_type="image/jpeg", headers=headers)

    async def _frame(self, live: Live, *, fresh: bool) -> Frame:
        newest, now = live.hub.newest, self._clock.monotonic()
        if not fresh and newest is not None and now - newest.mono <= _current(live):
            return newest
        if not live.status.online or live.status.state is CameraState.PRIVACY:
            raise _none(live)
        with live.hub.want(Want.SNAPSHOT):
            after = now
            if fresh:
                after = max(now, self._fresh.get(live.id, -FRESH_EVERY) + FRESH_EVERY)
            frame = await self._next(live, after)
            if fresh:
                self._fresh[live.id] = frame.mono
            return frame

    async def _next(self, live: Live, after: float) -> Frame:
        """The first JPEG captured at `after` (monotonic) or later. Raises Refused when none comes in time."""
        coming: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

        def see(frame: Frame) -> None:
            if frame.is_view and frame.mono >= after and not coming.done():
                coming.set_result(frame)

        late = asyncio.ensure_future(self._clock.sleep(PATIENCE))
        both: set[asyncio.Future[Frame] | asyncio.Future[None]] = {coming, late}
        try:
            with live.hub.tap(see):
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            late.cancel()
        if not coming.done():
            raise _none(live)
        return coming.result()


def _current(live: Live) -> float:
    """Up to which age (s) a picture still is the camera's picture of now: a polled still is, until the next poll."""
    max_age, source = live.config.snapshot.max_age, live.config.source
    return max(max_age, 1.5 * source.every) if max_age and isinstance(source, StillSource) else max_age


_WHY = {
    CameraState.STARTING: "it is starting",
    CameraState.IDLE: "it did not open in time",
    CameraState.PRIVACY: "privacy is on",
}


def _none(live: Live) -> Refused:
    state = live.status.state
    reason = "stalled" if state is CameraState.RUNNING else state.value
    why = live.status.trouble or _WHY.get(state, "no new frame came")
    return Refused(503, reason, f"{live.id} has no picture now: {why}", retry_after=5)
