"""Uploader: the one retry loop between the spool and the store. One thing at a time, patient without end.

A thing leaves the spool only after the store has media and manifest, whole, and the receipt is durable in the sidecar.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config.store import Offload, StoreConfig
from edgecam.events import Bus, ClipLost, ClipSaved, ClipStored
from edgecam.health import CameraStatus, SpoolStatus, StoreState
from edgecam.media import MediaId, Receipt, Sidecar
from edgecam.offload.age import SUFFIX
from edgecam.offload.backlog import Backlog, Waiting
from edgecam.offload.deliver import Damaged, Delivered, Gone, Parcel
from edgecam.offload.ledger import Ledger
from edgecam.offload.patience import Patience
from edgecam.offload.spool import Census, Spool
from edgecam.offload.stores import StoreError
from edgecam.offload.valve import Closed

log = logging.getLogger(__name__)

TICK = 60.0
"""Seconds between two looks at the directory when nobody says that something new waits."""
HELD = 1.0
"""Seconds between two looks at whether anything may go."""


class Carrier(Protocol):
    """Who talks to the store; the worker process. Raises StoreError only."""

    async def deliver(self, store: StoreConfig, parcel: Parcel) -> Delivered: ...
    async def link(self, store: StoreConfig, key: str, expiry: float) -> tuple[str, float] | None: ...
    async def close(self) -> None: ...


class Uploader:
    """Component. Loop thread only; the disk is asked aside, the store by the worker."""

    name = "offload"

    def __init__(
        self,
        *,
        config: Offload,
        wanted: Callable[[MediaId], bool],
        node: str,
        prefix: Callable[[MediaId], str],
        spool: Spool,
        worker: Carrier,
        bus: Bus,
        status: SpoolStatus,
        cameras_status: Mapping[str, CameraStatus],
        clock: Clock,
        ledger: Ledger | None = None,
        patience: Patience | None = None,
        hold: Callable[[], str | None] = lambda: None,
        mend: Callable[[MediaId], object] = lambda _: None,
    ) -> None:
        """`wanted`: whether the store takes a thing; `prefix`: what stands before the node in its key; `hold`: why
        nothing may go now, in words; `mend` makes anew, if the media is sound, what was lost of a thing's facts, and
        blocks.
        """
        self._config, self._wanted, self._node, self._prefix = config, wanted, node, prefix
        self._spool, self._worker, self._bus, self._clock = spool, worker, bus, clock
        self._status, self._cameras_status = status, cameras_status
        self._backlog, self._patience, self._hold = Backlog(config.order), patience or Patience(), hold
        self._mend, self._stale = mend, False
        self._news, self._hurry = asyncio.Event(), asyncio.Event()
        self._ledger = ledger or Ledger(status, clock)
        self._ledger.stands(StoreState.OK, None)
        bus.on(ClipLost, self._ledger.lost)  # for good: what goes while a life has failed is counted, too

    async def run(self) -> None:
        """One life. Raises OSError when our own disk fails."""
        deaf = [self._bus.on(ClipSaved, self._saved), self._bus.on(ClipLost, self._lost)]
        try:
            await self._look()
            while True:
                await self._turn()
        finally:
            for leave in deaf:
                leave()
            await self._worker.close()

    def retry(self) -> None:
        """Somebody mended the store: try it now, however long it is to be left alone."""
        self._hurry.set()

    def look(self) -> None:
        """Something waits that nobody told of."""
        self._stale = True
        self._news.set()

    async def _turn(self) -> None:
        """Bring the next thing to the store, or wait for one."""
        while self._stale:
            self._stale = False
            await self._look()
        if self._hold():
            self._tell()
            await self._wait(HELD)
            return
        thing = self._backlog.probe() if self._patience.open else self._backlog.next()
        if thing is None:
            await self._wait_for_news()
            return
        try:
            await self._bring(thing.id)
        except Gone:
            self._backlog.remove(thing.id.name)
        except Damaged as error:
            await self._set_aside(thing.id, error)
        except Closed as error:
            self._ledger.stands(StoreState.HELD, str(error))
            await self._wait(TICK)  # were our clock to say otherwise, this would be an attempt after the other
        except StoreError as error:
            await self._pause(thing, error)
        self._tell()

    # What waits

    async def _look(self) -> None:
        """Compare what is known with the directory, which is the truth."""
        before = self._backlog.ids
        census = await aside.run(self._spool.census, before)
        wanted = [thing for thing in census.new if self._wanted(thing.id)]
        self._backlog.update(before, census.ids, wanted)
        self._status.bad = census.bad
        await self._release(census)
        self._tell()

    async def _release(self, census: Census) -> None:
        """What the configuration does not send any more would wait, and fill the disk, for ever."""
        unwanted = [thing.id for thing in census.new if not self._wanted(thing.id)]
        for id in unwanted:
            await aside.run(self._spool.release, id)
        if unwanted:
            log.info("offload: %d of the waiting clips are not to be sent any more; they stay here", len(unwanted))

    async def _wait_for_news(self) -> None:
        self._news.clear()
        try:
            await aside.within(self._clock, TICK, self._news.wait())
        except TimeoutError:
            await self._look()

    def _saved(self, event: ClipSaved) -> None:
        id = event.media.media
        if self._wanted(id):
            self._backlog.add(Waiting(id, event.media.size))
            self._news.set()
            self._tell()

    def _lost(self, event: ClipLost) -> None:
        self._backlog.remove(event.media.media.name)
        self._tell()

    def _tell(self) -> None:
        """Health sees what is true now."""
        status, backlog = self._status, self._backlog
        status.files, status.bytes, status.oldest = len(backlog), backlog.bytes, backlog.oldest
        if why := self._hold():
            self._ledger.stands(StoreState.HELD, why)
        else:
            self._ledger.stands(self._patience.state, self._patience.reason)

    # One thing

    async def _bring(self, id: MediaId) -> None:
        sidecar = await self._facts(id)
        receipt = sidecar.receipt  # there, when we were killed between receipt and marker
        if receipt is None:
            parcel = self._spool.parcel(
                sidecar, node=self._node, prefix=self._prefix(id), recipients=self._config.encrypt or ()
            )
            delivered = await self._worker.deliver(self._config.store, parcel)
            self._worked(id, delivered)
            receipt = Receipt(
                store=delivered.where,
                key=delivered.key,
                size=delivered.size,
                etag=delivered.etag,
                at=self._clock.wall(),
            )
        link, ends = await self._link(receipt.key) or (None, None)
        stored = await aside.run(self._spool.done, sidecar, receipt)
        self._backlog.remove(id.name)
        self._announce(stored, link, ends)

    async def _facts(self, id: MediaId) -> Sidecar:
        """What is known of it. Raises Gone, and Damaged when the media cannot tell it either."""
        try:
            return await aside.run(self._spool.sidecar, id)
        except Damaged as error:
            log.warning("offload: %s; it is made anew from the media", error)
            await aside.run(self._mend, id)
            return await aside.run(self._spool.sidecar, id)

    def _announce(self, stored: Sidecar, link: str | None, ends: float | None) -> None:
        now = self._clock.wall()
        self._ledger.stored(stored)
        if stored.camera in self._cameras_status:
            self._cameras_status[stored.camera].last_stored = now
        self._tell()
        level = logging.INFO if stored.is_news else logging.DEBUG
        log.log(level, "%s: stored %s", stored.camera, stored.media.name)
        self._bus.publish(ClipStored(camera=stored.camera, at=now, media=stored, link=link, link_expires=ends))

    async def _link(self, key: str) -> tuple[str, float] | None:
        if self._config.link_expiry is None or self._config.encrypt or key.endswith(SUFFIX):
            return None
        with contextlib.suppress(StoreError):  # the clip is safe; a link is comfort
            return await self._worker.link(self._config.store, key, self._config.link_expiry)
        return None

    def _worked(self, id: MediaId, delivered: Delivered) -> None:
        attempts = self._patience.worked()
        if attempts:
            self._backlog.recovered()
            log.info(
                "offload: the store works again after %d attempts; %s", attempts, _so_many_wait(len(self._backlog))
            )
        if delivered.torn:
            self._status.torn += 1
            log.warning("offload: %s held a torn upload of ours; it was replaced", delivered.key)
        if delivered.conflicts:
            self._status.conflicts += delivered.conflicts
            log.error("offload: another finished object has the key of %s; ours is %s", id, delivered.key)

    # What goes wrong

    async def _set_aside(self, id: MediaId, error: Damaged) -> None:
        await aside.run(self._spool.bad, id, str(error))
        self._backlog.remove(id.name)
        self._status.bad += 1
        log.error("offload: %s; it was not uploaded and lies in spool/bad now%s", error, _cure(error))

    async def _pause(self, thing: Waiting, error: StoreError) -> None:
        self._backlog.failed(thing.id.name, probe=self._patience.open)
        pause = self._patience.failed(error)
        self._ledger.failed(pause.seconds)
        self._tell()
        if pause.news:
            blocked = self._patience.state is not StoreState.RETRYING
            log.log(
                logging.ERROR if blocked else logging.WARNING,
                "offload: %s; %s, nothing is lost%s; %s in %.0f s",
                error,
                _so_many_wait(len(self._backlog)),
                _cure(error),
                "next probe" if blocked else "trying again",
                pause.seconds,
            )
        await self._wait(pause.seconds)

    async def _wait(self, seconds: float) -> None:
        """Or until somebody asks for a retry."""
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            await aside.within(self._clock, seconds, self._hurry.wait())


def _so_many_wait(count: int) -> str:
    return "1 clip waits" if count == 1 else f"{count} clips wait"


def _cure(error: StoreError) -> str:
    return f"; {error.hint}" if error.hint else ""
