"""The uploader at work, between one camera's spool and a store in memory, on a clock of its own (`disk_at_once`)."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path

from edgecam.config.store import FolderStore, Offload, StoreConfig
from edgecam.events import Bus, ClipSaved, ClipStored
from edgecam.health import CameraStatus, SpoolStatus
from edgecam.media import Layout, MediaId, Sidecar
from edgecam.offload.deliver import Delivered, Parcel, deliver
from edgecam.offload.patience import Patience
from edgecam.offload.probe import Tried, probe
from edgecam.offload.stores import Permanent, StoreError, Transient
from edgecam.offload.stores.memory import Memory
from edgecam.offload.uploader import Uploader
from edgecam.offload.waiting.spool import Spool
from fakes import FakeClock, settle

HOUR = 3600.0
REFUSED = Permanent("the store refused the key (403 SignatureDoesNotMatch)", "check offload.store.secret_key")
BUSY = Transient("the store is busy (503)")


PROBE = "cams/_edgecam/probe-garden-pi"
"""Key of the object with which a store is tried."""


class Carrier:
    """The worker without its process: the real delivery into a store in memory."""

    def __init__(self, store: Memory) -> None:
        self.store = store
        self.tried: list[str] = []
        self.probes = 0
        self.closed = 0
        self.abandoned: list[str] = []

    async def deliver(self, store: StoreConfig, parcel: Parcel) -> Delivered:
        self.tried.append(parcel.file.stem)
        return deliver(self.store, parcel, lambda _: None)

    async def link(self, store: StoreConfig, key: str, expiry: float) -> tuple[str, float] | None:
        return self.store.link(key, expiry)

    async def look(self, store: StoreConfig, key: str) -> None: ...

    async def probe(self, store: StoreConfig, key: str) -> Tried:
        self.probes += 1
        await asyncio.sleep(0)  # others may have news
        return probe(self.store, key)

    async def abandon(self, store: StoreConfig, journal: Path) -> None:
        self.abandoned.append(journal.name)
        self.store.abandon(journal)

    async def close(self) -> None:
        self.closed += 1


class Box:
    """One camera's spool, a store, and the uploader between them."""

    def __init__(
        self,
        root: Path,
        *,
        offload: Offload | None = None,
        wanted: Collection[str] = ("event", "manual"),
        hold: Callable[[], str | None] = lambda: None,
        off: Collection[str] = (),
        mend: Callable[[MediaId], object] = lambda _: None,
    ) -> None:
        self.root, self.layout = root, Layout(root)
        self.store = Memory()
        self.carrier = Carrier(self.store)
        self.bus, self.clock, self.status = Bus(), FakeClock(), SpoolStatus()
        self.camera = CameraStatus("Bird box")
        self.stored: list[ClipStored] = []
        self.bus.on(ClipStored, self.stored.append)
        self.uploader = Uploader(
            config=offload or Offload(store=FolderStore(path=root / "nas", prefix="cams/"), link_expiry=None),
            wanted=lambda id: id.kind in wanted,
            node="garden-pi",
            prefix=lambda id: f"cams/{id.kind}/" if id.kind == "timelapse" else "cams/",
            spool=Spool(self.layout),
            worker=self.carrier,
            bus=self.bus,
            status=self.status,
            cameras_status={"birdbox": self.camera},
            clock=self.clock,
            patience=Patience(lambda: 1.0),
            hold=hold,
            may_go=lambda camera: camera not in off,
            mend=mend,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self.uploader.run())
        await settle()

    async def stop(self) -> BaseException | None:
        assert self._task is not None
        self._task.cancel()
        [ended] = await asyncio.gather(self._task, return_exceptions=True)
        return None if isinstance(ended, asyncio.CancelledError) else ended

    def saves(self, clip: Sidecar) -> None:
        """The recorder says that a clip is complete."""
        self.bus.publish(ClipSaved(camera=clip.camera, at=clip.end, media=clip))

    def waits(self, clip: Sidecar) -> bool:
        return self.layout.marker(MediaId.parse(clip.id)).exists()

    def sidecar(self, clip: Sidecar) -> Sidecar:
        return Spool(self.layout).sidecar(MediaId.parse(clip.id))

    def fails(self, *faults: StoreError | None) -> None:
        self.store.faults.extend(faults)


def key(clip: Sidecar, suffix: str = ".mp4") -> str:
    return f"cams/garden-pi/birdbox/2026/09/21/{clip.id}{suffix}"
