"""`/media/<id>.mp4` and `.jpg`, with byte ranges (RFC 9110, section 14); `/api/media/<id>`: know, keep, delete one."""

import logging

from aiohttp import web

from edgecam.links import of_media
from edgecam.media import MediaId
from edgecam.web import query
from edgecam.web.answers import Refused, as_json
from edgecam.web.door import visitor
from edgecam.web.library import Library, absent, asked, existing, named

log = logging.getLogger(__name__)

_TYPES = {".mp4": "video/mp4", ".jpg": "image/jpeg"}


class Media:
    """Loop thread only. All raises Refused: 404, the same for what is not there and what may not be seen; 503."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A clip or a picture."""
        file = request.match_info["file"]
        text, dot, ending = file.rpartition(".")
        id = named(file if ending == "jpg" else text)
        if id.suffix != dot + ending:
            raise absent()
        path = await existing(self._library, id)
        headers = {"Content-Type": _TYPES[id.suffix], "Cache-Control": "private, max-age=3600"}
        return web.FileResponse(path, headers=headers)

    async def facts(self, request: web.Request) -> web.Response:
        """All that is known of it."""
        id = named(request.match_info["id"])
        await existing(self._library, id)
        sidecar = await asked(self._library.sidecar, id)
        beside = set(await asked(self._library.files, id.camera, id.day))
        known = sidecar.model_dump(mode="json") if sidecar else {"id": id.text, "camera": id.camera, "kind": id.kind}
        known |= {"url": of_media(id), "pinned": f"{id.text}.keep" in beside}
        if f"{id.picture.name}" in beside and not id.still:
            known["picture_url"] = of_media(id.picture)
        return as_json(known)

    async def keep(self, request: web.Request) -> web.Response:
        """Pin it, or no longer. Raises Refused (400)."""
        id = await self._whole(request)
        on = (await query.body(request, '{"on": true}')).get("on")
        if not isinstance(on, bool):
            raise Refused(400, "bad_request", '"on" must be true or false')
        await asked(self._library.pin, id, on)
        return as_json({"id": id.name, "pinned": on})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete it, kept or not."""
        id = await self._whole(request)
        await asked(self._library.remove, id)
        log.info("%s: %s deleted %s", id.camera, visitor().name, id.name)
        return as_json({"id": id.name, "deleted": True})

    async def _whole(self, request: web.Request) -> MediaId:
        """A thing that stands for itself: an event's picture goes and stays with its clip."""
        id = named(request.match_info["id"])
        if id.beside:
            raise absent()
        await existing(self._library, id)
        return id
