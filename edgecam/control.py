"""What people can ask of the running daemon, from wherever they ask: HTTP, MQTT or a button."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from edgecam import aside
from edgecam.clock import Clock
from edgecam.develop import developed
from edgecam.events import Bus, ClipSaved, SnapshotTaken
from edgecam.frame import Frame
from edgecam.health import CameraState, CameraStatus
from edgecam.hub import FrameHub, Want
from edgecam.links import LIFE, Links
from edgecam.media import MediaId, Sidecar
from edgecam.supervisor import Trouble

log = logging.getLogger(__name__)

LONGEST_EXPORT = 6 * 3600.0
"""Seconds of the longest export: its index is made in memory before the first byte."""

T = TypeVar("T")


class Unavailable(Exception):
    """What was asked cannot be had now; the text is the reason, for the one who asked."""


class NothingRecorded(Unavailable):
    """Of that time there is nothing, and never will be."""


class Shelf(Protocol):
    """Where media lies, and pictures that were asked for are kept. Blocking; raises OSError."""

    def save_picture(self, frame: Frame, cause: str) -> Sidecar: ...

    def find(self, text: str) -> Path | None:
        """The file of a `MediaId.name`; None when it is not there."""
        ...

    def sidecar(self, id: MediaId) -> Sidecar | None: ...


@dataclass(frozen=True, slots=True)
class Saved:
    """A clip that is on disk, and finished a little later. Times are unix seconds."""

    id: str
    begin: float
    end: float
    note: str | None
    """What a person should know, such as that less than asked was there."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a clip or picture opens without a login; at least one of both addresses is there."""

    url: str | None
    """At this box; None without `http.external_url`."""
    store: str | None
    """At the store; None where that has nothing of it, or gives no links."""
    expires: float
    """Unix seconds when the first of them ends."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a piece of media, or of what is told of it, that was not as it should be; in words."""

    done: str | None = None
    """None: nothing had to be done, or nothing could be."""
    left: str | None = None
    """Why it stays as it is."""


class Film(Protocol):
    """A virtual MP4 cut out of recordings, in which any byte can be had at once. Times are unix seconds."""

    @property
    def begin(self) -> float:
        """What it really shows, which may begin at a keyframe before what was asked."""
        ...

    @property
    def end(self) -> float: ...

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """From and to, where nothing was recorded in between."""
        ...

    @property
    def size(self) -> int: ...

    @property
    def etag(self) -> str: ...

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to `stop`. Blocking; raises OSError when a recording is gone meanwhile."""
        ...


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What reading the configuration anew changes. Nothing of it is a value of the file."""

    changed: tuple[str, ...]
    """Paths of keys, such as `cameras.gate.motion.fps`."""
    restarted: tuple[str, ...]
    """What begins anew by that: nothing, or everything."""


class Lifetime(Protocol):
    """The process around the daemon. Raises ConfigErrors for a file with which nothing could run."""

    async def reload(self) -> Reloaded:
        """Read the file and, where it says something else, begin anew with it a moment later."""
        ...

    async def compare(self) -> Reloaded:
        """What a reload would do now."""
        ...

    async def restart(self) -> None:
        """Begin anew a moment later, as a fresh program in the same process."""
        ...

    def effective(self) -> dict[str, object]:
        """The configuration in force as plain JSON data, secrets redacted."""
        ...


class Restartable(Protocol):
    """A camera. Raises Trouble where there is nothing to restart."""

    def restart(self) -> None: ...


class Clips(Protocol):
    """Makes clips of what was seen already. Raises Unavailable."""

    async def save_clip(self, camera: str, last: float) -> Saved: ...

    async def export(self, camera: str, begin: float, end: float) -> Film: ...


class Sender(Protocol):
    """Brings media to the store."""

    def retry(self) -> None: ...

    def look(self) -> None:
        """Something waits that nobody told of."""
        ...

    async def link(self, key: str) -> tuple[str, float] | None:
        """A URL of a stored object for anybody, and the unix time when it ends; None where there is none."""
        ...


class Mender(Protocol):
    """Mends what was lost of the disk. Blocking; raises OSError."""

    def mend(self, id: MediaId) -> Mended: ...

    def bring_back(self, name: str) -> Mended:
        """Of `spool/bad`."""
        ...


class Bell(Protocol):
    """Begins events of one camera from outside."""

    def trigger(self, duration: float, cause: str) -> str:
        """An event of so many seconds from now, or the running one prolonged to that; its id. Raises Unavailable."""
        ...


class Control:
    """Loop thread only."""

    PATIENCE = 5.0
    """Seconds to wait for a frame that was captured after the question."""
    LINKING = 20.0
    """Seconds to wait for the store's link: an upload that is under way goes first."""

    def __init__(
        self,
        *,
        hubs: Mapping[str, FrameHub],
        status: Mapping[str, CameraStatus],
        shelf: Shelf,
        clips: Clips,
        bus: Bus,
        clock: Clock,
        pool: Executor,
        quality: Mapping[str, int],
        mender: Mender,
        bells: Mapping[str, Bell],
        links: Links,
        sender: Sender | None = None,
        captures: Mapping[str, Restartable],
        lifetime: Lifetime | None = None,
    ) -> None:
        """`quality`: of JPEGs that have to be coded, by camera. `sender`: None without a store. `captures` may be
        filled later. `lifetime`: None where nobody could begin anew.
        """
        self._captures, self._lifetime = captures, lifetime
        self._hubs, self._status, self._shelf, self._clips = hubs, status, shelf, clips
        self._pool, self._quality = pool, quality
        self._bus, self._clock = bus, clock
        self._mender, self._bells, self._links, self._sender = mender, bells, links, sender

    def retry_offload(self) -> None:
        """Try the store now, however long it is to be left alone. Raises Unavailable without a store."""
        if self._sender is None:
            raise Unavailable("there is no `offload` section: nothing leaves this box")
        self._sender.retry()

    async def mend(self, id: MediaId) -> Mended:
        """See that nothing of a piece of media is missing but what it tells itself. Raises Unavailable."""
        return await self._mended(self._mender.mend, id)

    async def bring_back(self, name: str) -> Mended:
        """Bring media of `spool/bad` back, if it is sound. Raises Unavailable."""
        return await self._mended(self._mender.bring_back, name)

    async def _mended(self, work: Callable[[T], Mended], what: T) -> Mended:
        try:
            mended = await aside.run(work, what)
        except OSError as error:
            raise Unavailable(f"the disk refuses: {error.strerror}") from error
        if mended.done:
            log.warning("library: %s: %s", what, mended.done)
            if self._sender:
                self._sender.look()
        return mended

    async def take_snapshot(self, camera: str) -> SnapshotTaken:
        """A picture captured after the call, kept on disk and told to everybody.

        A disk that refuses it costs the copy, not the picture. Raises Unavailable when no frame comes in time,
        KeyError for an unknown camera.
        """
        if self._status[camera].state is CameraState.PRIVACY:
            raise Unavailable("privacy is on")
        frame = await developed(await self._fresh(camera), self._quality[camera], self._pool)
        if not self._hubs[camera].remembers(frame):
            raise Unavailable("privacy is on")
        media: Sidecar | None = None
        try:
            media = await aside.run(self._shelf.save_picture, frame, "manual")
        except OSError as error:
            log.error("%s: the snapshot is not on disk: %s", camera, error)
        taken = SnapshotTaken(
            camera=camera, at=frame.wall, jpeg=frame.data, width=frame.width, height=frame.height, media=media
        )
        self._bus.publish(taken)
        if media:
            self._bus.publish(ClipSaved(camera=camera, at=media.end, media=media))
        return taken

    async def save_clip(self, camera: str, last: float) -> Saved:
        """Keep the last seconds, up to the newest frame, as a clip of kind manual; `ClipSaved` follows.

        Raises Unavailable, KeyError for an unknown camera.
        """
        if self._status[camera].state is CameraState.PRIVACY:
            raise Unavailable("privacy is on")
        return await self._clips.save_clip(camera, last)

    def trigger(self, camera: str, duration: float, cause: str) -> str:
        """Begin an event of `duration` seconds now, as motion would, or prolong the running one. Returns its id.

        `cause` is told with it, as written here; of a running event the first one stays. Raises Unavailable while
        privacy is on or the camera gives no frames, KeyError for an unknown camera.
        """
        return self._bells[camera].trigger(duration, cause)

    async def export(self, camera: str, begin: float, end: float) -> Film:
        """What was recorded between two moments (unix seconds), as one film. Raises Unavailable."""
        return await self._clips.export(camera, begin, end)

    def restart_camera(self, camera: str) -> None:
        """Close the camera and open it anew. Raises Unavailable, KeyError for an unknown one."""
        if self._status[camera].state is CameraState.PRIVACY:
            raise Unavailable("privacy is on")
        try:
            self._captures[camera].restart()
        except Trouble as trouble:
            raise Unavailable(str(trouble)) from None

    async def reload(self) -> Reloaded:
        """Read the file anew; what changes is in force a moment later. Raises ConfigErrors, Unavailable."""
        return await self._life().reload()

    async def compare(self) -> Reloaded:
        """What a reload would change. Raises ConfigErrors, Unavailable."""
        return await self._life().compare()

    async def restart(self) -> None:
        """The whole program begins anew a moment later, with what is installed by then. Raises as `reload`."""
        await self._life().restart()

    def effective(self) -> dict[str, object]:
        """The configuration in force as plain JSON data, secrets redacted. Raises Unavailable."""
        return self._life().effective()

    def _life(self) -> Lifetime:
        if self._lifetime is None:
            raise Unavailable("this edgecam was started without a configuration file")
        return self._lifetime

    async def link(self, id: str) -> Link:
        """Links to the clip or picture of that id, the local one and the store's. Raises Unavailable."""
        try:
            media = MediaId.parse(id)
            here = await aside.run(self._shelf.find, media.name)
            sidecar = await aside.run(self._shelf.sidecar, media) if here else None
        except ValueError:
            here = None
        except OSError as error:
            raise Unavailable(f"the disk refuses: {error.strerror}") from error
        if here is None:
            raise Unavailable("there is no such clip or picture")
        url = self._links.media(media)
        stored, ends = await self._stored_link(sidecar) or (None, math.inf)
        if url is None and stored is None:
            raise Unavailable("there is no link: http.external_url is not set, and the store gives none of it now")
        return Link(url, stored, min(ends, self._clock.wall() + LIFE) if url else ends)

    async def _stored_link(self, sidecar: Sidecar | None) -> tuple[str, float] | None:
        if self._sender is None or sidecar is None or sidecar.receipt is None:
            return None
        try:
            return await aside.within(self._clock, self.LINKING, self._sender.link(sidecar.receipt.key))
        except TimeoutError:
            return None

    async def _fresh(self, camera: str) -> Frame:
        hub = self._hubs[camera]
        with hub.want(Want.SNAPSHOT):
            try:
                return await aside.within(self._clock, self.PATIENCE, hub.fresh(self._clock.monotonic()))
            except TimeoutError:
                raise Unavailable(self._status[camera].trouble or "the camera gives no picture") from None
