"""Clips out of what is there already: the last seconds saved, any interval exported."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import NamedTuple

from aiohttp import web

from edgecam.clock import Clock
from edgecam.config import units
from edgecam.control import LONGEST_EXPORT, Clips, Film, NothingRecorded, Unavailable
from edgecam.links import of_media
from edgecam.media import MediaId, iso
from edgecam.web import query
from edgecam.web.answers import Refused, as_json
from edgecam.web.film import is_seek, send
from edgecam.web.live import Live, find

FILMS, KEPT = 2, 60.0
"""Films that are remembered, and for how many seconds: players ask for one again and again."""
SHOWN = 20
"""Gaps that a header names."""


class _Kept(NamedTuple):
    film: Film
    used: float


class Cuts:
    """Loop thread only. `zone` is whose time file names tell; None: the box's."""

    def __init__(self, lives: Mapping[str, Live], clips: Clips, clock: Clock, zone: tzinfo | None = None) -> None:
        self._lives, self._clips, self._clock, self._zone = lives, clips, clock, zone
        self._kept: dict[tuple[str, float, float], _Kept] = {}
        self._cutting = asyncio.Lock()
        """One at a time: a long film takes seconds of work and some memory."""

    async def save(self, request: web.Request) -> web.Response:
        """Save the last seconds. Raises Refused: 400, 404, 503 with the reason."""
        live = find(request, self._lives)
        try:
            last = seconds(query.only(await query.body(request, '{"last": "60s"}'), "last").get("last"))
        except ValueError as error:
            raise Refused(400, "bad_request", f"last {error}") from None
        try:
            saved = await self._clips.save_clip(live.id, last)
        except Unavailable as error:
            raise Refused(503, "no_clip", f"{live.id}: {error}", retry_after=5) from error
        told = {
            "id": saved.id,
            "url": of_media(MediaId.parse(saved.id)),
            "camera": live.id,
            "begin": iso(saved.begin),
            "end": iso(saved.end),
            "duration": round(saved.end - saved.begin, 3),
            "note": saved.note,
        }
        return as_json(told, status=202)

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Any interval as one MP4. Raises Refused: 400, 404 when nothing was recorded then."""
        live = find(request, self._lives)
        begin, end = query.moment(request.query, "from"), query.moment(request.query, "to")
        if begin is None or end is None:
            raise Refused(400, "bad_request", "from and to say what to export, such as from=2026-11-21T07:15:30Z")
        if begin >= end:
            raise Refused(400, "bad_request", "from must be earlier than to")
        if end - begin > LONGEST_EXPORT:
            sentence = f"an export is at most {units.duration_text(LONGEST_EXPORT)} long: ask for it in parts"
            raise Refused(400, "too_long", sentence)
        film = await self._film(request, live.id, begin, end)
        headers = {
            "Content-Disposition": f'attachment; filename="{self._name(live.id, film)}"',
            "Cache-Control": "private, no-cache",
            "X-From": iso(film.begin),
            "X-To": iso(film.end),
            "X-Gaps": _gaps(film),
        }
        return await send(request, film, headers)

    async def _film(self, request: web.Request, camera: str, begin: float, end: float) -> Film:
        """Cut anew where somebody begins, the same again where a player seeks in it. Raises Refused (404)."""
        asked, now = (camera, begin, end), self._clock.monotonic()
        kept = self._kept.pop(asked, None)
        if kept is not None and is_seek(request.headers.get("Range")):
            film = kept.film
        else:
            try:
                async with self._cutting:
                    film = await self._clips.export(camera, begin, end)
            except NothingRecorded as error:
                raise Refused(404, "nothing_recorded", f"{camera}: {error}") from error
            except Unavailable as error:
                raise Refused(503, "no_recordings", f"{camera}: {error}", retry_after=5) from error
        self._kept[asked] = _Kept(film, now)
        while len(self._kept) > FILMS:
            self._kept.pop(next(iter(self._kept)))
        return film

    def tick(self) -> None:
        """Forget films in which nobody seeks any more. Called once a second."""
        old = self._clock.monotonic() - KEPT
        self._kept = {asked: kept for asked, kept in self._kept.items() if kept.used > old}

    def _name(self, camera: str, film: Film) -> str:
        """A file name that every file system takes, in local time."""
        begin, end = (datetime.fromtimestamp(at, self._zone) for at in (film.begin, film.end))
        return f"{camera}_{begin:%Y-%m-%d_%H-%M-%S}_to_{end:%H-%M-%S}.mp4"


def _gaps(film: Film) -> str:
    """`2026-11-21T07:15:30.000Z/2026-11-21T07:15:40.000Z, …`; empty without any."""
    shown = [f"{iso(begin)}/{iso(end)}" for begin, end in film.gaps[:SHOWN]]
    rest = len(film.gaps) - len(shown)
    return ", ".join([*shown, f"and {rest} more"] if rest else shown)


def seconds(last: object) -> float:
    """How far back, as JSON says it: `"60s"` or a number of seconds. Raises ValueError whose text follows a name."""
    if isinstance(last, str):
        return units.last(last)
    if isinstance(last, int | float) and not isinstance(last, bool):
        return units.within_a_day(last)
    raise ValueError('must be a duration such as "60s" or a number of seconds')
