"""Somebody who can be asked for everything, for tests of those who ask: says yes when the test says so, or why not."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from edgecam.control import Reloaded, Saved
from edgecam.events import SnapshotTaken
from edgecam.media import MediaId, MediaKind, Sidecar

ID = "20260921T141320000Z-birdbox-manual-k3x7qa"


def picture(camera: str) -> SnapshotTaken:
    id = MediaId.parse("20260921T141320000Z-birdbox-snapshot-k3x7qa")
    media = Sidecar(
        id=id.text,
        camera=camera,
        kind=MediaKind.SNAPSHOT,
        start=1_790_000_000.0,
        end=1_790_000_000.0,
        duration=0,
        codec="jpeg",
        width=1280,
        height=720,
        size=4,
        sha256="ab" * 32,
        md5="",
        cause="manual",
    )
    return SnapshotTaken(camera=camera, at=1_790_000_000.0, jpeg=b"jpeg", width=1280, height=720, media=media)


@dataclass(frozen=True)
class Short:
    """A film of nothing."""

    begin: float
    end: float
    gaps: tuple[tuple[float, float], ...] = ((1_790_000_002.0, 1_790_000_003.0),)
    size: int = 12345
    etag: str = "x"

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        yield from itertools.repeat(b"\0", stop - start)


@dataclass(frozen=True)
class Pointer:
    url: str | None
    store: str | None
    expires: float


class Desk:
    """`asked` is everything in order; nothing is answered before `answer` has a result, or an error that is raised."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.asked: list[str] = []
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_disk = True
        if at_once:
            self.answer.set_result(None)

    async def take_snapshot(self, camera: str) -> SnapshotTaken:
        await self._asked(camera)
        taken = picture(camera)
        return taken if self.on_disk else SnapshotTaken(camera=camera, at=1.0, jpeg=b"", width=8, height=8, media=None)

    async def save_clip(self, camera: str, last: float) -> Saved:
        await self._asked(f"{camera} {last:g} s")
        return Saved(ID, 1_790_000_000.0 - last, 1_790_000_000.0, "begins 5.0 s later than asked")

    def trigger(self, camera: str, duration: float, cause: str) -> str:
        self._now(f"trigger {camera} {duration:g} s {cause}")
        return "e1"

    async def export(self, camera: str, begin: float, end: float) -> Short:
        await self._asked(f"export {camera} {begin:g} {end:g}")
        return Short(begin, end)

    def restart_camera(self, camera: str) -> None:
        self._now(f"restart {camera}")

    async def reload(self) -> Reloaded:
        await self._asked("reload")
        return Reloaded(("cameras.gate",), ("everything",))

    async def restart(self) -> None:
        await self._asked("restart")

    def effective(self) -> dict[str, object]:
        self._now("config")
        return {"node": "pi"}

    async def link(self, id: str) -> Pointer:
        await self._asked(f"link {id}")
        return Pointer("https://cams.example.org/x", None, 1_790_000_100.0)

    def _now(self, what: str) -> None:
        self.asked.append(what)
        if self.answer.done():
            self.answer.result()

    async def _asked(self, what: str) -> None:
        self.asked.append(what)
        await asyncio.shield(self.answer)


class Signs:
    """Absolute addresses, or none."""

    def __init__(self, base: str | None) -> None:
        self._base = base

    def media(self, id: MediaId) -> str | None:
        return self._base and f"{self._base}media/{id.text}{id.suffix}?signed"

    def export(self, camera: str, begin: float, end: float) -> str | None:
        return self._base and f"{self._base}export/{camera}?signed"
