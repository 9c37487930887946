"""The real HTTP server on a real loopback socket, with hubs that the test feeds and a clock that it moves."""

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

import aiohttp
import numpy as np

from edgecam.config.model import Config
from edgecam.control import Mended, NothingRecorded, Reloaded, Saved, Unavailable
from edgecam.events import Bus, SnapshotTaken
from edgecam.frame import Frame, Kind, Stamp
from edgecam.health import CameraState, CameraStatus, Health
from edgecam.hub import FrameHub, Ring
from edgecam.media import Layout, MediaId, MediaKind, Sidecar
from edgecam.pixels import Planes
from edgecam.record.disk.library import Library
from edgecam.record.disk.mender import Mender
from edgecam.settings import Settings
from edgecam.web import Web
from edgecam.web.signed import Signer
from fakes import FakeClock, settle, until
from pictures import jpeg
from waiting import NOON


class Reel:
    """A film of given bytes, in pieces of 1000; it counts those that were made, and may tear at a byte."""

    begin, end, etag = NOON, NOON + 60, "c0ffee"

    def __init__(self, data: bytes, gaps: tuple[tuple[float, float], ...] = (), torn: int | None = None) -> None:
        self.data, self.gaps, self.torn = data, gaps, torn
        self.made, self.closed = 0, threading.Event()

    @property
    def size(self) -> int:
        return len(self.data)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        try:
            for at in range(start, stop, 1000):
                if self.torn is not None and at >= self.torn:
                    raise FileNotFoundError(2, "No such file or directory")
                self.made += 1
                yield self.data[at : min(at + 1000, stop)]
        finally:
            self.closed.set()


class Shutter:
    """Does at once what the daemon's control does: pictures are a hub's newest, films are what a test puts here."""

    def __init__(self, hubs: Mapping[str, FrameHub]) -> None:
        self._hubs = hubs
        self.taken: list[str] = []
        self.saved: list[tuple[str, float]] = []
        self.triggered: list[tuple[str, float, str]] = []
        self.exported: list[tuple[str, float, float]] = []
        self.film: Reel | None = None
        self.note: str | None = None
        self.trouble: str | None = None
        """Why nothing can be saved now."""
        self.clip: str | None = None
        """The id of what is saved next."""
        self.shelf: Library | None = None
        """Where pictures are kept."""
        self.retried = 0
        self.has_store = True
        self.mender: Mender | None = None
        """Mends what was lost; None: the disk refuses."""
        self.reloads = 0
        self.file: Reloaded | Exception = Reloaded((), ())
        """What the configuration file has become."""

    async def reload(self) -> Reloaded:
        self.reloads += 1
        return await self.compare()

    async def compare(self) -> Reloaded:
        if isinstance(self.file, Exception):
            raise self.file
        return self.file

    def retry_offload(self) -> None:
        if not self.has_store:
            raise Unavailable("there is no `offload` section: nothing leaves this box")
        self.retried += 1

    async def mend(self, id: MediaId) -> Mended:
        if self.mender is None:
            raise Unavailable("the disk refuses: Input/output error")
        return self.mender.mend(id)

    async def bring_back(self, name: str) -> Mended:
        if self.mender is None:
            raise Unavailable("the disk refuses: Input/output error")
        return self.mender.bring_back(name)

    async def save_clip(self, camera: str, last: float) -> Saved:
        if self.trouble:
            raise Unavailable(self.trouble)
        self.saved.append((camera, last))
        id = self.clip or MediaId.new(NOON - last, camera, MediaKind.MANUAL).text
        return Saved(id, NOON - last, NOON, self.note)

    async def export(self, camera: str, begin: float, end: float) -> Reel:
        self.exported.append((camera, begin, end))
        if self.trouble:
            raise Unavailable(self.trouble)
        if self.film is None:
            raise NothingRecorded("nothing was recorded then")
        return self.film

    def trigger(self, camera: str, duration: float, cause: str) -> str:
        if self.trouble:
            raise Unavailable(self.trouble)
        self.triggered.append((camera, duration, cause))
        return "20261121T071530123Z-k3x7qa"

    async def take_snapshot(self, camera: str) -> SnapshotTaken:
        frame = self._hubs[camera].newest
        if frame is None:
            raise Unavailable("the camera gives no picture")
        self.taken.append(camera)
        media = (
            self.shelf.save_picture(frame, "manual")
            if self.shelf
            else Sidecar(
                id=MediaId.new(frame.wall, camera, MediaKind.SNAPSHOT).text,
                camera=camera,
                kind=MediaKind.SNAPSHOT,
                start=frame.wall,
                end=frame.wall,
                duration=0,
                codec="jpeg",
                width=frame.width,
                height=frame.height,
                size=len(frame.data),
                sha256="",
                md5="",
                cause="manual",
            )
        )
        return SnapshotTaken(
            camera=camera, at=frame.wall, jpeg=frame.data, width=frame.width, height=frame.height, media=media
        )


class House:
    """`birdbox` and `garden`, no login, unless told otherwise; both run and have no frame yet."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        *,
        http: Mapping[str, object] | None = None,
        camera: Mapping[str, object] | None = None,
        library: Library | None = None,
        zone: tzinfo | None = None,
        local: Path | None = None,
        state: Path = Path("/nowhere"),
    ) -> None:
        """`state`: where changed settings are kept."""
        cameras = {name: {"source": "synthetic", **(camera or {})} for name in ("birdbox", "garden")}
        config = Config.model_validate({"http": {"listen": "127.0.0.1:0", **(http or {})}, "cameras": cameras})
        self.clock, self.bus = FakeClock(), Bus()
        self.settings = Settings(config.cameras, state / "settings.json", self.bus, self.clock)
        self.library = library or Library(Layout(Path("/nowhere")), wanted=lambda _: False)
        self.signer = Signer(bytes(32), self.clock)
        self.hubs = {name: FrameHub(name, Ring(1.0)) for name in cameras}
        self.status = {name: CameraStatus(name, state=CameraState.RUNNING) for name in cameras}
        self.health = Health("box", "c0ffee", self.clock, dict(self.status))
        self.shutter = Shutter(self.hubs)
        self._stamps = {name: Stamp(name, self.clock) for name in cameras}
        self.web = Web(
            config=config.http,
            cameras=config.cameras,
            hubs=self.hubs,
            health=self.health,
            control=self.shutter,
            settings=self.settings,
            library=self.library,
            bus=self.bus,
            signer=self.signer,
            clock=self.clock,
            pool=pool,
            zone=zone,
            local=local,
        )
        self.url = ""

    def publish(self, camera: str = "birdbox", data: bytes | None = None, size: tuple[int, int] = (64, 48)) -> Frame:
        """One frame of the camera, captured now; another small picture each time unless `data` is given."""
        stamp = self._stamps[camera]
        hub = self.hubs[camera]
        seed = hub.newest.number if hub.newest else 0
        frame = stamp(Kind.JPEG, data if data is not None else jpeg(seed, *size), *size)
        hub.publish(frame)
        return frame

    def publish_pixels(self, camera: str = "birdbox", size: tuple[int, int] = (64, 48)) -> Frame:
        """A picture of a camera that gives video: pixels, grey ones here, brighter with each frame."""
        stamp, (width, height) = self._stamps[camera], size
        luma = np.full((height, width), 50 + 10 * stamp.next % 200, np.uint8)
        colour = np.full((height // 2, width // 2), 128, np.uint8)
        frame = stamp(Kind.RAW, b"", width, height, image=Planes([luma, colour, colour], full=True))
        self.hubs[camera].publish(frame)
        return frame

    def lose(self, camera: str = "birdbox", why: str = "no frame for 10.0 s") -> None:
        """What the camera's room does when frames stay away."""
        status = self.status[camera]
        status.online, status.state, status.trouble = False, CameraState.STALLED, why
        self.hubs[camera].lose()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for what the server does in answer to a socket; the clock stands still."""
        await until("the server answers to the socket", true, meanwhile=lambda: settle(2))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Serve, and give a client whose requests start at the server's address."""
        self.url = self.health.http = await self.web.bind()
        serving = asyncio.create_task(self.web.run(), name="web")
        try:
            async with aiohttp.ClientSession(self.url, timeout=aiohttp.ClientTimeout(10)) as client:
                yield client
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


@dataclass(frozen=True)
class Part:
    """One part of a stream as a strict client reads it."""

    headers: Mapping[str, str]
    body: bytes


class Watcher:
    """A viewer that speaks raw HTTP, so that a test decides when the socket is read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.boundary = b""

    async def head(self) -> None:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        found = re.search(r"boundary=(\S+)", self.headers.get("Content-Type", ""))
        self.boundary = found[1].encode() if found else b""

    async def part(self) -> Part:
        """The next part: delimiter, headers, exactly Content-Length bytes."""
        async with asyncio.timeout(5):
            line = await self._reader.readline()
            while line == b"\r\n":
                line = await self._reader.readline()
            assert line == b"--" + self.boundary + b"\r\n", line
            text = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(entry.split(": ", 1) for entry in text.split("\r\n") if entry)
            return Part(headers, await self._reader.readexactly(int(headers["Content-Length"])))

    async def ended(self) -> bool:
        async with asyncio.timeout(5):
            try:
                await self._reader.read()
            except ConnectionError:
                return True
            return self._reader.at_eof()


@asynccontextmanager
async def watching(
    house: House, path: str = "/cameras/birdbox/stream.mjpg", *, buffer: int = 2**16, head: str = ""
) -> AsyncIterator[Watcher]:
    """A viewer with so much of a reader's buffer; closes its connection at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port, limit=buffer)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\n{head}\r\n".encode())
        watcher = Watcher(reader, writer)
        async with asyncio.timeout(5):
            await watcher.head()
        yield watcher
    finally:
        writer.transport.abort()


@asynccontextmanager
async def not_reading(house: House, path: str = "/cameras/birdbox/stream.mjpg") -> AsyncIterator[asyncio.StreamReader]:
    """A viewer on a narrow link that takes nothing until the test reads."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", house.port))
    reader, writer = await asyncio.open_connection(sock=narrow, limit=4096)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        yield reader
    finally:
        writer.transport.abort()
