"""What was recorded: `/api/cameras/<id>/recordings`, a local day by the names of its files, and `/api/events`."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, tzinfo

from aiohttp import web

from edgecam.clock import Clock
from edgecam.media import MediaId, MediaKind, Sidecar, iso
from edgecam.web import query
from edgecam.web.answers import Refused, as_json
from edgecam.web.days import LocalDay, is_day, local_date, local_dates, local_day, offsets
from edgecam.web.door import visitor
from edgecam.web.library import Library, asked
from edgecam.web.listing import Entry, Listing, hours, listing
from edgecam.web.live import Live, allowed, find

Json = dict[str, object]

FEW, MOST = 100, 1000
"""Events in an answer: as a rule, and at most."""
OPENED = 5000
"""Sidecars that one question may open."""


class Recordings:
    """Loop thread only; disks are asked beside it. `zone` is where days begin; None: where the box says."""

    def __init__(self, lives: Mapping[str, Live], library: Library, clock: Clock, zone: tzinfo | None = None) -> None:
        self._lives, self._library, self._clock, self._zone = lives, library, clock, zone

    async def day(self, request: web.Request) -> web.Response:
        """One local day of a camera, newest first. Raises Refused: 400, 404, 503."""
        live = find(request, self._lives)
        today = local_date(self._clock.wall(), self._zone)
        day = _day(request.query.get("date"), today, self._zone)
        kinds = _kinds(request.query.get("kind"))
        about: Json = {
            "camera": live.id,
            "name": live.config.name or live.id,
            "may_change": visitor().is_admin,
            "date": str(day.date),
            "begin": iso(day.begin),
            "end": iso(day.end),
            "offsets": [{"from": iso(at), "minutes": minutes} for at, minutes in offsets(day, self._zone)],
        }
        return await asked(self._tell_day, about, day, today, kinds)

    def _tell_day(self, about: Json, day: LocalDay, today: date, kinds: Collection[str]) -> web.Response:
        camera = str(about["camera"])
        self._library.check()
        utc_days = self._library.days(camera)
        files = {utc_day: self._library.files(camera, utc_day) for utc_day in day.utc_days if utc_day in utc_days}
        found = listing(files, camera, day.begin, day.end)
        days = sorted((day for day in local_dates(utc_days, self._zone) if day <= today), reverse=True)
        about["days"] = [str(day) for day in days]
        about["hours"] = [
            {
                "begin": iso(hour.begin),
                "end": iso(hour.end),
                "segments": hour.segments,
                "url": f"api/cameras/{camera}/export.mp4?from={iso(hour.begin)}&to={iso(hour.end)}",
            }
            for hour in hours(found.media, day.begin, day.end)
        ]
        return as_json(about, items=[found.json(entry) for entry in found.media if entry.kind in kinds])

    async def events(self, request: web.Request) -> web.Response:
        """Clips of events that began from `from` up to `to`, newest first. Raises Refused: 400, 404, 503.

        `more` says that there may be older ones: ask again with `to` set to the last one's start.
        """
        camera = request.query.get("camera")
        cameras = [allowed(self._lives, camera).id] if camera else [id for id in self._lives if visitor().may_see(id)]
        begin, end = query.moment(request.query, "from"), query.moment(request.query, "to")
        if begin is not None and end is not None and begin >= end:
            raise Refused(400, "bad_request", "from must be earlier than to")
        limit = min(int(query.number(request.query, "limit") or FEW) or 1, MOST)
        wanted = _Wanted(
            max(begin or 0.0, 0.0),
            min(_LATEST if end is None else max(end, 0.0), _LATEST),
            request.query.get("zone") or None,
        )
        return await asked(self._tell_events, cameras, wanted, limit)

    def _tell_events(self, cameras: Collection[str], wanted: "_Wanted", limit: int) -> web.Response:
        self._library.check()
        told: list[Json] = []
        for opened, (camera, entry, found) in enumerate(self._clips(cameras, wanted)):
            if len(told) == limit or opened == OPENED:
                return as_json({"events": told, "more": True})
            sidecar = self._library.sidecar(MediaId.parse(entry.id))
            if wanted.zone is None or (sidecar is not None and wanted.zone in sidecar.zones):
                told.append({"camera": camera} | json.loads(found.json(entry)) | _facts(sidecar))
        return as_json({"events": told, "more": False})

    def _clips(self, cameras: Collection[str], wanted: "_Wanted") -> Iterator[tuple[str, Entry, Listing]]:
        """Cameras and clips of events, newest first, each with what lies beside it."""
        days = {camera: self._library.days(camera) for camera in cameras}
        for day in sorted({day for known in days.values() for day in known if wanted.touches(day)}, reverse=True):
            found: list[tuple[str, Entry, Listing]] = []
            for camera in cameras:
                names = [name for name in self._library.files(camera, day) if f"-{MediaKind.EVENT}-" in name]
                listed = listing({day: names}, camera, wanted.begin, wanted.end)
                found += ((camera, entry, listed) for entry in listed.media)
            yield from sorted(found, key=lambda one: one[1], reverse=True)


@dataclass(frozen=True, slots=True)
class _Wanted:
    begin: float
    end: float
    zone: str | None

    def touches(self, day: str) -> bool:
        """Whether something that was wanted may have begun on this UTC day; never true for a stranger's folder."""
        return iso(self.begin)[:10] <= day <= iso(self.end)[:10] and is_day(day)


_LATEST = 2.5e11
"""Unix seconds before which everything is recorded."""


def _day(text: str | None, today: date, zone: tzinfo | None) -> LocalDay:
    if text and not is_day(text):
        raise Refused(400, "bad_request", "date must be a day such as 2026-11-21")
    return local_day(date.fromisoformat(text) if text else today, zone)


def _kinds(text: str | None) -> frozenset[str]:
    """Those that are asked for, all without the question."""
    try:
        kinds = [MediaKind(word.strip()) for word in text.split(",")] if text else MediaKind
    except ValueError:
        raise Refused(400, "bad_request", f"kind must be of {', '.join(MediaKind)}") from None
    return frozenset(kind.value for kind in kinds)


def _facts(sidecar: Sidecar | None) -> Json:
    """What its sidecar says of an event's clip; nothing where there is none that can be read."""
    if sidecar is None:
        return {}
    return {
        "event_id": sidecar.event_id,
        "part": sidecar.part,
        "end": iso(sidecar.end),
        "duration": sidecar.duration,
        "score": sidecar.score,
        "zones": sidecar.zones,
        "cause": sidecar.cause,
        "motion": sidecar.motion and sidecar.motion.model_dump(mode="json"),
        "stored": sidecar.receipt is not None,
    }
