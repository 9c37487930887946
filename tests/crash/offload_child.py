"""Runs the uploader until nothing waits at ROOT, or until it dies by SIGKILL before its STEP-th change on disk.

`offload_child.py ROOT STEP` works on a folder store inside this process, so that the store's own steps count as well;
`offload_child.py ROOT STEP RECIPIENT` seals what it brings, and counts the steps of that only;
`offload_child.py ROOT URL` uses the real worker and the bucket `birdbox` of the S3 server at URL, and just runs.
"""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from edgecam.clock import SystemClock
from edgecam.config.secret import Secret, Url
from edgecam.config.store import FolderStore, Offload, S3Store, StoreConfig
from edgecam.events import Bus, ClipStored
from edgecam.health import SpoolStatus
from edgecam.media import Layout
from edgecam.offload.deliver import Delivered, Parcel, deliver
from edgecam.offload.probe import Tried, probe
from edgecam.offload.stores.folder import Folder
from edgecam.offload.uploader import Carrier, Uploader
from edgecam.offload.waiting.spool import Spool
from edgecam.offload.worker import Worker
from peers import S3

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


def die_at(step: int, place: Path) -> None:
    """SIGKILL before the `step`-th change below `place`, whichever thread makes it."""
    count = itertools.count(1)

    def watch(event: str, details: tuple[object, ...]) -> None:
        if event == "open":
            changes = isinstance(details[2], int) and bool(details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            changes = event in CHANGES
        if changes and str(details[0]).startswith(str(place)) and next(count) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


class InProcess:
    """The worker's work without its process."""

    async def deliver(self, store: StoreConfig, parcel: Parcel) -> Delivered:
        assert isinstance(store, FolderStore)
        return deliver(Folder(store), parcel, lambda _: None)

    async def link(self, store: StoreConfig, key: str, expiry: float) -> tuple[str, float] | None:
        return None

    async def abandon(self, store: StoreConfig, journal: Path) -> None: ...
    async def look(self, store: StoreConfig, key: str) -> None: ...

    async def probe(self, store: StoreConfig, key: str) -> Tried:
        assert isinstance(store, FolderStore)
        return probe(Folder(store), key)

    async def close(self) -> None: ...


async def upload(root: Path, config: StoreConfig, carrier: Carrier, recipients: Sequence[str] = ()) -> None:
    bus, layout = Bus(), Layout(root)
    uploader = Uploader(
        config=Offload(store=config, link_expiry=None, encrypt=tuple(recipients) or None),
        wanted=lambda _: True,
        node="garden-pi",
        prefix=lambda _: config.prefix,
        spool=Spool(layout),
        worker=carrier,
        bus=bus,
        status=SpoolStatus(),
        cameras_status={},
        clock=SystemClock(),
    )
    waiting, done = {path.name for path in layout.wait.iterdir()}, asyncio.Event()

    def tell(event: ClipStored) -> None:
        print(event.media.id, flush=True)  # noqa: T201  the test listens
        waiting.discard(event.media.id)
        if not waiting:
            done.set()

    bus.on(ClipStored, tell)
    life = asyncio.create_task(uploader.run())
    await done.wait()
    life.cancel()
    await asyncio.wait({life})


def main(root: Path, how: str, *recipients: str) -> None:
    if how.isdecimal():
        die_at(int(how), Layout(root).seals if recipients else root)
        asyncio.run(upload(root, FolderStore(path=root / "nas"), InProcess(), recipients))
        return
    config = S3Store(
        bucket="birdbox", endpoint=Url(how), access_key=Secret(S3.access_key), secret_key=Secret(S3.secret_key)
    )
    asyncio.run(upload(root, config, Worker(clock=SystemClock())))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
