"""`/cameras/<id>/events/<event id>.jpg`: the best picture of an event, from its first moment on.

It comes out of memory while the event is young, and gets better until that is over; later from beside its clip.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from edgecam import aside
from edgecam.clock import Clock
from edgecam.events import Bus, MotionPicture, MotionStarted, SettingChanged
from edgecam.media import MediaId, MediaKind
from edgecam.web.days import LocalDay
from edgecam.web.library import Library, absent, asked
from edgecam.web.listing import listing
from edgecam.web.live import Live, find

EVENT_ID = "[12][0-9]{7}T[0-9]{9}Z-[a-z2-7]{6}"
"""How ids of events look: when it began (UTC), and what makes it unique."""
YOUNG = 3
"""Events of a camera whose pictures are in memory: the last one, and those whose clips may still be on their way."""
PATIENCE = 5.0
"""Seconds that an event which has just begun may take for its first picture."""
NEAR = 60.0
"""Seconds by which a clip may begin earlier than its pre-roll says, or later than its event."""


@dataclass(slots=True)
class _Young:
    """An event that is running, or was not long ago."""

    jpeg: bytes | None = None
    pictured: asyncio.Event = field(default_factory=asyncio.Event)


class Portraits:
    """Follows the events of `bus` from the beginning and for good. Loop thread only; the disk is asked beside it."""

    def __init__(self, lives: Mapping[str, Live], library: Library, bus: Bus, clock: Clock) -> None:
        self._lives, self._library, self._clock = lives, library, clock
        self._young: dict[str, dict[str, _Young]] = {camera: {} for camera in lives}
        self._private: set[str] = set()
        bus.on(MotionStarted, self._begun)
        bus.on(MotionPicture, self._pictured)
        bus.on(SettingChanged, self._obey_privacy)

    def _begun(self, event: MotionStarted) -> None:
        self._known(event.camera, event.event_id)

    def _pictured(self, event: MotionPicture) -> None:
        young = self._known(event.camera, event.event_id)
        young.jpeg = event.jpeg
        young.pictured.set()

    def _known(self, camera: str, event_id: str) -> _Young:
        if camera in self._private:
            return _Young()  # what was under way as privacy began is shown to nobody
        young = self._young[camera]
        found = young.setdefault(event_id, _Young())
        if len(young) > YOUNG:
            del young[next(iter(young))]
        return found

    def _obey_privacy(self, change: SettingChanged) -> None:
        if change.key == "privacy" and change.value:
            self._private.add(change.camera)
            self._young[change.camera].clear()
        elif change.key == "privacy":
            self._private.discard(change.camera)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Raises Refused: 404 where there is no such picture, or none that this visitor may see; 503."""
        live, event_id = find(request, self._lives), request.match_info["event"]
        jpeg = await self._remembered(self._young[live.id].get(event_id))
        if jpeg is not None:
            return web.Response(body=jpeg, content_type="image/jpeg", headers={"Cache-Control": "no-cache"})
        path = await asked(self._kept, live, event_id)
        if path is None:
            raise absent()
        headers = {"Content-Type": "image/jpeg", "Cache-Control": "private, max-age=3600"}
        return web.FileResponse(path, headers=headers)

    async def _remembered(self, young: _Young | None) -> bytes | None:
        if young is None:
            return None
        if young.jpeg is None:
            with suppress(TimeoutError):
                await aside.within(self._clock, PATIENCE, young.pictured.wait())
        return young.jpeg

    def _kept(self, live: Live, event_id: str) -> Path | None:
        """The picture beside the first clip of the event that has one. Blocking."""
        try:
            began = datetime.strptime(event_id.partition("Z")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
        except ValueError:
            return None
        self._library.check()
        at = began.timestamp()
        span = LocalDay(began.date(), at - live.config.record.event.pre - NEAR, at + NEAR)
        files = {day: self._library.files(live.id, day) for day in span.utc_days}
        found = listing(files, live.id, span.begin, span.end)
        for entry in reversed(found.media):
            if entry.kind == MediaKind.EVENT and entry.id in found.pictures:
                id = MediaId.parse(entry.id)
                sidecar = self._library.sidecar(id)
                if sidecar is not None and sidecar.event_id == event_id:
                    return self._library.find(id.picture.name)
        return None
