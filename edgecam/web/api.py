"""`/api/…` and `/metrics`: what is known, as data, and what can be asked for."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from aiohttp import web

from edgecam import trigger
from edgecam.clock import Clock
from edgecam.control import Mended, Unavailable
from edgecam.events import SnapshotTaken
from edgecam.health import Health, StoreState, camera_json
from edgecam.media import MediaId, iso
from edgecam.web import metrics, query
from edgecam.web.answers import Refused, as_json
from edgecam.web.door import visitor
from edgecam.web.live import Live, find

T = TypeVar("T")


class Shutter(Protocol):
    """What takes pictures."""

    async def take_snapshot(self, camera: str) -> SnapshotTaken:
        """A picture of now, kept on disk. Raises Unavailable."""
        ...


class Asked(Shutter, Protocol):
    """What can be asked of the daemon here."""

    def trigger(self, camera: str, duration: float, cause: str) -> str:
        """Begin or prolong an event; its id. Raises Unavailable."""
        ...

    def retry_offload(self) -> None:
        """Try the store now. Raises Unavailable."""
        ...

    async def mend(self, id: MediaId) -> Mended:
        """Make anew what was lost of it. Raises Unavailable."""
        ...

    async def bring_back(self, name: str) -> Mended:
        """Bring media of `spool/bad` back. Raises Unavailable."""
        ...


class Api:
    def __init__(self, *, lives: Mapping[str, Live], health: Health, control: Asked, clock: Clock) -> None:
        self._lives, self._health, self._control, self._clock = lives, health, control, clock

    async def cameras(self, request: web.Request) -> web.Response:
        """The cameras that this visitor may see, in the file's order."""
        return as_json([self._describe(live) for id, live in self._lives.items() if visitor().may_see(id)])

    async def camera(self, request: web.Request) -> web.Response:
        """One camera; an admin also sees who watches."""
        live = find(request, self._lives)
        found = self._describe(live)
        if visitor().is_admin:
            found["viewers"] = [
                {
                    "address": viewer.address,
                    "since": iso(viewer.since),
                    "frames": viewer.sent.frames,
                    "skipped": viewer.sent.skipped,
                    "bytes": viewer.sent.bytes,
                }
                for viewer in sorted(live.viewers, key=lambda viewer: viewer.since)
            ]
        return as_json(found)

    async def snapshot(self, request: web.Request) -> web.Response:
        """Take a picture now and keep it. Raises Refused (503) when the camera gives none."""
        live = find(request, self._lives)
        try:
            taken = await self._control.take_snapshot(live.id)
        except Unavailable as error:
            raise Refused(503, "no_picture", f"{live.id}: {error}", retry_after=5) from error
        media = taken.media
        return as_json(
            {
                "id": media.id if media else None,
                "url": f"media/{media.id}.jpg" if media else None,
                "camera": live.id,
                "time": iso(taken.at),
                "width": taken.width,
                "height": taken.height,
                "size": len(taken.jpeg),
                "sha256": media.sha256 if media else None,
            }
        )

    async def trigger(self, request: web.Request) -> web.Response:
        """Begin an event now, or prolong the running one. Raises Refused: 400, 503 with the reason."""
        live = find(request, self._lives)
        sent = query.only(await query.body(request, _TRIGGER), "duration", "cause") if request.can_read_body else {}
        duration = _understood("duration", trigger.duration, sent.get("duration", trigger.DURATION))
        cause = _understood("cause", trigger.cause, sent.get("cause", "http"))
        try:
            event_id = self._control.trigger(live.id, duration, cause)
        except Unavailable as error:
            raise Refused(503, "no_event", f"{live.id}: {error}", retry_after=5) from error
        until = iso(self._clock.wall() + duration)
        return as_json({"event_id": event_id, "camera": live.id, "duration": duration, "until": until})

    async def retry(self, request: web.Request) -> web.Response:
        """Have the store tried at once, or one thing that was set aside brought back. Raises Refused: 409, 503."""
        _whole()
        sent = await query.body(request, _FILE) if request.can_read_body else {}
        if "file" in sent:
            return await _mended(self._control.bring_back(str(sent["file"])))
        try:
            self._control.retry_offload()
        except Unavailable as error:
            raise Refused(409, "no_store", str(error)) from error
        spool = self._health.spool
        held = spool.reason if spool.state is StoreState.HELD else None
        return as_json({"files": spool.files, "held": held}, status=202)

    async def verify(self, request: web.Request) -> web.Response:
        """Make anew what was lost of one thing's facts, or of its marker. Raises Refused: 400, 503."""
        _whole()
        try:
            id = MediaId.parse(str((await query.body(request, _ID)).get("id")))
        except ValueError:
            raise Refused(400, "bad_request", f"id must be that of a thing, such as in {_ID}") from None
        return await _mended(self._control.mend(id))

    async def health(self, request: web.Request) -> web.Response:
        """The whole box, for those who may see all of it."""
        _whole()
        return as_json(self._health.snapshot())

    async def healthz(self, request: web.Request) -> web.Response:
        """Whether the daemon should live on: no login, so no details."""
        stuck = bool(self._health.stuck())
        return as_json({"status": "stuck" if stuck else "ok"}, status=503 if stuck else 200)

    async def metrics(self, request: web.Request) -> web.Response:
        _whole()
        sent = {id: live.sent for id, live in self._lives.items()}
        text = metrics.render(self._health, sent)
        return web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})

    def _describe(self, live: Live) -> dict[str, object]:
        newest = live.hub.newest
        age = None if newest is None else round(max(0.0, self._clock.monotonic() - newest.mono), 3)
        return camera_json(live.status) | {
            "id": live.id,
            "name": live.config.name or live.id,
            "age": age,
            "stream": live.streaming,
            "stream_url": f"cameras/{live.id}/stream.mjpg",
            "debug_url": f"cameras/{live.id}/debug.mjpg",
            "not_looking": live.blind,
            "snapshot_url": f"cameras/{live.id}/snapshot.jpg",
        }


_ID = '{"id": "20261121T071530123Z-birdbox-event-k3x5qa"}'
_TRIGGER = '{"duration": "30s", "cause": "pir"}'
_FILE = '{"file": "20261121T071530123Z-birdbox-event-k3x5qa.mp4"}'


def _understood(name: str, read: Callable[[object], T], said: object) -> T:
    try:
        return read(said)
    except ValueError as error:
        raise Refused(400, "bad_request", f"{name} {error}") from None


async def _mended(work: Awaitable[Mended]) -> web.Response:
    try:
        mended = await work
    except Unavailable as error:
        raise Refused(503, "no_disk", str(error), retry_after=5) from error
    return as_json({"done": mended.done, "left": mended.left})


def _whole() -> None:
    if visitor().cameras is not None:
        raise Refused(403, "not_allowed", "this login sees its cameras only, not the whole box")
