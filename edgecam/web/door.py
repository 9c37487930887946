"""The door: every request is refused unless something here lets it in.

In comes who shows a login; who opens our socket file; without any configured login, who sits at this computer; for
what `http.public` lists and for `/healthz`, everybody; for the one thing that a signed link names, who has that link.
Whoever changes something must be an admin and come from our own page.
"""

import socket
from collections.abc import Callable
from contextvars import ContextVar
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from edgecam.config.model import Http
from edgecam.config.units import is_loopback
from edgecam.links import base
from edgecam.media import MediaId
from edgecam.web.answers import Refused
from edgecam.web.auth import Logins, Visitor
from edgecam.web.signed import Signer, Verdict

_FORWARDED = (
    "Forwarded",
    "Via",
    "X-Ingress-Path",
    "X-Real-IP",
    "CF-Connecting-IP",
    "True-Client-IP",
)
_READING = frozenset({"GET", "HEAD"})
_VISITOR: ContextVar[Visitor] = ContextVar("visitor")  # aiohttp handles each request in a context of its own

ALWAYS_OPEN = "healthz"
SIGNABLE = frozenset({"event", "export", "media", "snapshot", "stream"})
"""Names of the routes that a signed link may open."""

Subject = Callable[[web.Request], str]
"""What a request is for, in the words of `http.public`: `birdbox/snapshot`, `metrics`, `healthz`; "" for the rest."""


def visitor() -> Visitor:
    """Who asks, in the request that is being handled."""
    return _VISITOR.get()


class Door:
    def __init__(self, config: Http, logins: Logins, subject: Subject, signer: Signer) -> None:
        self._logins, self._subject, self._signer = logins, subject, signer
        self._public = frozenset(config.public) | {ALWAYS_OPEN}
        self._open = config.auth == "none" and not logins.exist
        self._external = _netloc(base(config.external_url.reveal())) if config.external_url else ""

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware. Raises Refused: 401, 403, 429."""
        who = await self._admit(request)
        _VISITOR.set(who)
        if request.method not in _READING:
            self._check_origin(request)
            if not who.is_admin:
                raise Refused(403, "not_allowed", "this login may look, but change nothing")
        return await handler(request)

    async def _admit(self, request: web.Request) -> Visitor:
        subject = self._subject(request)
        if subject in self._public and request.method in _READING:
            camera, slash, _ = subject.partition("/")
            return Visitor("everybody", is_admin=False, cameras=frozenset({camera}) if slash else None)
        if _is_at_the_socket(request) and not _is_forwarded(request):
            return Visitor("this computer", is_admin=True)
        if linked := self._admit_link(request):
            return linked
        if self._open:
            return Visitor("everybody", is_admin=True)
        if not self._logins.exist:
            _check_local(request)
            return Visitor("this computer", is_admin=True)
        token = request.query.get("token") if "/" in subject else None
        return await self._logins.check(request.headers.get("Authorization"), token, request.remote or "")

    def _admit_link(self, request: web.Request) -> Visitor | None:
        """Who comes by a signed link; None for who does not, or shows a login as well as a link that is no good.

        Raises Refused: 403. Who tries signatures is counted like who tries passwords; who comes late is not.
        """
        if request.method not in _READING or request.match_info.route.name not in SIGNABLE:
            return None
        verdict = self._signer.judge(request.path.removeprefix("/"), request.query)
        if verdict is Verdict.VALID:
            return Visitor("a signed link", is_admin=False, cameras=frozenset({_camera(request)}))
        if verdict is None or "Authorization" in request.headers:
            return None
        if verdict is Verdict.EXPIRED:
            raise Refused(403, "link_expired", "this link has ended; a newer message has a newer one")
        raise self._logins.forged(request.remote or "")

    def _check_origin(self, request: web.Request) -> None:
        """A page of somebody else, open in a browser that knows our login, must not act through it."""
        origin = request.headers.get("Origin")
        if origin is not None and _netloc(origin) not in {request.headers.get("Host", ""), self._external} - {""}:
            raise Refused(403, "origin", "changes are taken from edgecam's own page only")


def _camera(request: web.Request) -> str:
    """The camera of what a signed link names; "" where it names none."""
    named = request.match_info.get("camera")
    if named is not None:
        return named
    try:
        return MediaId.parse(request.match_info["file"].removesuffix(".mp4")).camera
    except ValueError:
        return ""


def _check_local(request: web.Request) -> None:
    """Without a login only this computer is let in, not what a proxy or a rebound name makes look like it."""
    local = is_loopback(request.remote or "") and is_loopback(_host(request.headers.get("Host", "")))
    if not local or _is_forwarded(request):
        sentence = (
            "no login is configured, so edgecam answers only to a browser on the same computer; to reach it from "
            "elsewhere or through a proxy set http.users or http.tokens (or http.auth: none to let everybody in)"
        )
        raise Refused(403, "no_login_configured", sentence)


def _is_at_the_socket(request: web.Request) -> bool:
    """Whether somebody speaks through our socket file, whose permissions are the login."""
    sock = request.get_extra_info("socket")
    return sock is not None and sock.family == socket.AF_UNIX


def _is_forwarded(request: web.Request) -> bool:
    """Whether a proxy speaks for somebody else."""
    forwarded = any(name.lower().startswith("x-forwarded") for name in request.headers)
    return forwarded or any(name in request.headers for name in _FORWARDED)


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _host(header: str) -> str:
    """The name in a Host header, without its port; "" for nonsense."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
