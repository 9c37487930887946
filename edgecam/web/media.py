"""`/media/<id>.mp4` and `.jpg`: clips and pictures from the library, with byte ranges (RFC 9110, section 14)."""

from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from edgecam.media import MediaId
from edgecam.web.answers import Refused
from edgecam.web.door import visitor

Find = Callable[[str], Path | None]
"""The library's answer to an id: the media's path inside the library, None when there is none."""

_TYPES = {".mp4": "video/mp4", ".jpg": "image/jpeg"}


class Media:
    def __init__(self, find: Find) -> None:
        self._find = find

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Raises Refused (404), the same for what is not there and what this visitor may not see."""
        text, dot, ending = request.match_info["file"].rpartition(".")
        suffix = dot + ending
        path = self._allowed(text) if suffix in _TYPES else None
        if path is not None and path.suffix != suffix:
            path = path.with_suffix(suffix)  # an event's best picture lies beside its clip
        if path is None or not path.is_file():
            raise Refused(404, "not_found", "there is no such clip or picture")
        headers = {"Content-Type": _TYPES[suffix], "Cache-Control": "private, max-age=3600"}
        return web.FileResponse(path, headers=headers)

    def _allowed(self, text: str) -> Path | None:
        try:
            id = MediaId.parse(text)
        except ValueError:
            return None
        return self._find(text) if visitor().may_see(id.camera) else None
