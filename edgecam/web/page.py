"""The page: a few static files, read once at start, no build step, nothing from other hosts."""

import hashlib
from dataclasses import dataclass
from importlib import resources

from aiohttp import web

from edgecam.web.answers import Refused

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
)
_BASE = '<base href="./">'


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    type: str
    etag: str

    @classmethod
    def of(cls, body: bytes, type: str) -> "Asset":
        return cls(body, type, hashlib.sha256(body).hexdigest()[:16])


class Page:
    def __init__(self) -> None:
        folder = resources.files("edgecam.web") / "static"
        self._assets: dict[str, Asset] = {}
        for file in folder.iterdir():
            type = _TYPES.get(file.name.rpartition(".")[2])
            if type is not None:
                self._assets[file.name] = Asset.of(file.read_bytes(), type)
        index, recordings = self._assets.pop("index.html"), self._assets.pop("recordings.html")
        self._overview, self._camera = index, _below(index, 1)
        self._recordings, self._day = _below(recordings, 2), _below(recordings, 3)

    async def overview(self, request: web.Request) -> web.Response:
        return _answer(request, self._overview)

    async def camera(self, request: web.Request) -> web.Response:
        """The same page, one folder further down; its links are relative to the base."""
        return _answer(request, self._camera)

    async def recordings(self, request: web.Request) -> web.Response:
        """What a camera recorded, today or on the day that the address names."""
        return _answer(request, self._day if "date" in request.match_info else self._recordings)

    async def asset(self, request: web.Request) -> web.Response:
        """Raises Refused (404)."""
        asset = self._assets.get(request.match_info["file"])
        if asset is None:
            raise Refused(404, "not_found", "there is no such file")
        return _answer(request, asset)


def _below(asset: Asset, folders: int) -> Asset:
    """The page as it is served so many folders further down."""
    base = f'<base href="{"../" * folders}">'
    return Asset.of(asset.body.replace(_BASE.encode(), base.encode()), asset.type)


def _answer(request: web.Request, asset: Asset) -> web.Response:
    headers = {
        "ETag": f'"{asset.etag}"',
        "Cache-Control": "no-cache",
        "Content-Security-Policy": POLICY,
    }
    if any(known.value == asset.etag for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=asset.body, headers=headers | {"Content-Type": asset.type})
