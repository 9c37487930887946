"""HTTP: live streams, snapshots, the API and the page, on one port with one policy (contract, section 4)."""

import logging
import socket
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import ExitStack
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

from aiohttp import web

from edgecam.clock import Clock
from edgecam.config.model import Camera, Http
from edgecam.control import Clips
from edgecam.events import Bus, SettingChanged
from edgecam.health import Health
from edgecam.hub import FrameHub
from edgecam.settings import Settings
from edgecam.web import aliases, listen
from edgecam.web.api import Api, Asked
from edgecam.web.auth import Logins
from edgecam.web.clips import Cuts
from edgecam.web.door import Door
from edgecam.web.errors import AccessLog, explain, protect, protocol_log
from edgecam.web.library import Library
from edgecam.web.live import Live, allowed, find
from edgecam.web.media import Media
from edgecam.web.page import Page
from edgecam.web.panel import Panel
from edgecam.web.portraits import EVENT_ID, Portraits
from edgecam.web.recordings import Recordings
from edgecam.web.reload import Reload, Reloading
from edgecam.web.signed import Signer
from edgecam.web.snapshot import Stills
from edgecam.web.stream import Streams

log = logging.getLogger(__name__)

GRACE = 0.7
"""Seconds that running answers get at the end, and once more after they were told."""
IDLE = 75.0
"""Seconds that a connection may stay open without a request."""


class Control(Asked, Clips, Reloading, Protocol):
    """What people can ask of the daemon over HTTP."""


class Web:
    """`bind` once before anything starts, `run` last; all on the loop's thread."""

    name = "http"

    def __init__(
        self,
        *,
        config: Http,
        cameras: Mapping[str, Camera],
        hubs: Mapping[str, FrameHub],
        health: Health,
        control: Control,
        settings: Settings,
        library: Library,
        bus: Bus,
        signer: Signer,
        clock: Clock,
        pool: Executor,
        local: Path | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        """`local`: the socket for commands on this box. `zone`: where days begin; None: where the box says."""
        self._config, self._clock, self._sockets = config, clock, list[socket.socket]()
        self._place, self._bus = local, bus
        self._local: listen.Local | None = None
        self.lives = {
            id: Live(
                id=id,
                config=camera,
                hub=hubs[id],
                status=health.cameras[id],
                settings=settings,
                clock=clock,
                pool=pool,
            )
            for id, camera in cameras.items()
        }
        """What viewers see of each camera, in the file's order."""
        self._names = tuple(cameras)
        self._door = Door(config, Logins(config, clock, pool), self._subject, signer)
        self._api = Api(lives=self.lives, health=health, control=control, clock=clock)
        self._panel = Panel(self.lives, settings)
        self._media, self._page = Media(library), Page()
        self._recordings = Recordings(self.lives, library, clock, zone)
        self._reload = Reload(control)
        self._cuts = Cuts(self.lives, control, clock, zone)
        self._portraits = Portraits(self.lives, library, bus, clock)
        self._stills, self._streams = Stills(clock), Streams(config.max_clients, clock)

    async def bind(self) -> str:
        """Open the sockets and return the first one's URL. Raises Fatal that names the address."""
        self._sockets = listen.open_sockets(self._config.listen)
        self._local = listen.open_local(self._place) if self._place else None
        return listen.url(self._sockets[0])

    async def run(self) -> None:
        """Serve until cancelled; then end all streams and close within 2 s."""
        if not self._sockets:
            await self.bind()
        runner = web.AppRunner(
            self.application(),
            access_log=log if self._config.access_log else None,
            access_log_class=AccessLog,
            logger=protocol_log,
            keepalive_timeout=IDLE,
            shutdown_timeout=GRACE,
            handler_cancellation=True,  # who hung up is not worked for
        )
        await runner.setup()
        with ExitStack() as taps:
            taps.callback(self._bus.on(SettingChanged, lambda change: self.lives[change.camera].obey()))
            try:
                for sock in self._sockets:
                    await web.SockSite(runner, sock).start()
                    log.info("http: listening on %s", listen.url(sock))
                if self._local:
                    await web.SockSite(runner, self._local.sock).start()
                for live in self.lives.values():
                    taps.enter_context(live.tap())
                while True:
                    await self._clock.sleep(1)
                    self._cuts.tick()
                    for live in self.lives.values():
                        await live.tick()
            finally:
                await runner.cleanup()
                for sock in self._sockets:
                    sock.close()
                self._sockets = []
                if self._local:
                    self._local.close()

    def application(self) -> web.Application:
        """All routes behind the door."""
        app = web.Application(middlewares=[explain, self._door.guard], client_max_size=64 * 1024)
        app.on_response_prepare.append(protect)
        app.on_shutdown.append(self._end_streams)
        get, post = app.router.add_get, app.router.add_post
        get("/", self._webcam, name="root")
        get("/webcam{place:[0-9]{0,2}}{slash:/?}", self._webcam, name="webcam")
        get("/cameras/{camera}", self._camera_page)
        get("/cameras/{camera}/stream.mjpg", self._stream, name="stream")
        get("/cameras/{camera}/debug.mjpg", self._debug, name="debug")
        get("/cameras/{camera}/snapshot.jpg", self._snapshot, name="snapshot")
        get(f"/cameras/{{camera}}/events/{{event:{EVENT_ID}}}.jpg", self._portraits.serve, name="event")
        get("/static/{file}", self._page.asset)
        get("/cameras/{camera}/recordings", self._recordings_page)
        get("/cameras/{camera}/recordings/{date:[0-9]{4}-[0-9]{2}-[0-9]{2}}", self._recordings_page)
        get("/media/{file}", self._media.serve, name="media")
        get("/api/media/{id}", self._media.facts)
        app.router.add_delete("/api/media/{id}", self._media.delete)
        post("/api/media/{id}/keep", self._media.keep)
        get("/api/events", self._recordings.events)
        get("/api/cameras", self._api.cameras)
        get("/api/cameras/{camera}", self._api.camera)
        get("/api/cameras/{camera}/settings", self._panel.show)
        app.router.add_patch("/api/cameras/{camera}/settings", self._panel.change)
        post("/api/cameras/{camera}/snapshot", self._api.snapshot)
        get("/api/cameras/{camera}/recordings", self._recordings.day)
        get("/api/cameras/{camera}/export.mp4", self._cuts.export, name="export")
        post("/api/cameras/{camera}/clips", self._cuts.save)
        get("/api/reload", self._reload.get)
        post("/api/reload", self._reload.post)
        post("/api/cameras/{camera}/trigger", self._api.trigger)
        post("/api/spool/retry", self._api.retry)
        post("/api/spool/verify", self._api.verify)
        get("/api/health", self._api.health)
        get("/healthz", self._api.healthz, name="healthz")
        get("/metrics", self._api.metrics, name="metrics")
        return app

    def _subject(self, request: web.Request) -> str:
        return aliases.subject(request, self._names, self._config.root)

    async def _webcam(self, request: web.Request) -> web.StreamResponse:
        """The page, or mjpg-streamer's names for a picture of a camera by its place in the file."""
        camera, action = aliases.meant(request, self._names, self._config.root)
        if action == "page":
            return await self._page.overview(request)
        live = allowed(self.lives, camera)
        serve = self._streams.serve if action == "stream" else self._stills.serve
        return await serve(request, live)

    async def _camera_page(self, request: web.Request) -> web.Response:
        find(request, self.lives)
        return await self._page.camera(request)

    async def _recordings_page(self, request: web.Request) -> web.Response:
        find(request, self.lives)
        return await self._page.recordings(request)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.serve(request, find(request, self.lives))

    async def _debug(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.debug(request, find(request, self.lives))

    async def _snapshot(self, request: web.Request) -> web.Response:
        return await self._stills.serve(request, find(request, self.lives))

    async def _end_streams(self, _: web.Application) -> None:
        for live in self.lives.values():
            await live.close()
