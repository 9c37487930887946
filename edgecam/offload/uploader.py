"""Uploader: the one retry loop between the spool and the store. One thing at a time, patient without end.

A thing leaves the spool only after the store has media and manifest, whole, and the receipt is durable in the sidecar.
At the start, when nothing waits, the store is tried with an object of our own, so that a mistake is known at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config.store import Offload, StoreConfig
from edgecam.events import Bus, ClipStored, KeyTaken
from edgecam.health import CameraStatus, SpoolStatus, StoreState
from edgecam.media import MediaId, Receipt, Sidecar
from edgecam.offload import words
from edgecam.offload.deliver import PASSING, Damaged, Delivered, Gone, Parcel
from edgecam.offload.hold import Hold, Reason
from edgecam.offload.ledger import Ledger
from edgecam.offload.patience import Patience
from edgecam.offload.probe import Tried
from edgecam.offload.sealing.age import SUFFIX
from edgecam.offload.stores import Corrupt, Permanent, StoreError
from edgecam.offload.valve import Closed
from edgecam.offload.waiting.backlog import Waiting
from edgecam.offload.waiting.blame import STRIKES, Blame
from edgecam.offload.waiting.intake import Intake
from edgecam.offload.waiting.spool import Spool

log = logging.getLogger(__name__)

TICK = 60.0
"""Seconds between two looks at the directory when nobody says that something new waits."""
LOOK = 600.0
"""The same where something always waits, in seconds."""
HELD = 1.0
"""Seconds between two looks at whether anything may go."""
ASK = 60.0
"""Seconds between two questions to the store while nothing may go: its answers tell the time."""


class Carrier(Protocol):
    """Who talks to the store; the worker process. Raises StoreError only."""

    async def deliver(self, store: StoreConfig, parcel: Parcel) -> Delivered: ...
    async def link(self, store: StoreConfig, key: str, expiry: float) -> tuple[str, float] | None: ...
    async def abandon(self, store: StoreConfig, journal: Path) -> None: ...
    async def look(self, store: StoreConfig, key: str) -> None: ...
    async def probe(self, store: StoreConfig, key: str) -> Tried: ...
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
        hold: Reason = lambda: None,
        shut: Reason = lambda: None,
        may_go: Callable[[str], bool] = lambda camera: True,
        mend: Callable[[MediaId], object] = lambda _: None,
    ) -> None:
        """`wanted`: whether the store takes a thing; `prefix`: what stands before the node in its key; `hold`: why
        nothing may go while the time is not known, and `shut`, why not a byte may leave at this hour, in words;
        `may_go`: whether a camera's switch is on; `mend` makes anew, if the media is sound, what was lost of a
        thing's facts, and blocks.
        """
        self._config, self._node, self._prefix = config, node, prefix
        self._probe = f"{config.store.prefix}_edgecam/probe-{node}"
        self._spool, self._worker, self._bus, self._clock = spool, worker, bus, clock
        self._status, self._cameras_status = status, cameras_status
        self._patience, self._mend = patience or Patience(), mend
        self._hold = Hold(clock, shut=shut, doubt=hold)
        self._ledger = ledger or Ledger(status, clock)
        self._ledger.stands(StoreState.OK, None)
        self._intake = Intake(
            order=config.order,
            wanted=wanted,
            off=[camera for camera in cameras_status if not may_go(camera)],
            spool=spool,
            status=status,
            changed=self._tell,
        )
        self._intake.listen(bus)
        self._backlog, self._news, self._hurry = self._intake.backlog, self._intake.news, asyncio.Event()
        self._proved = False
        """Whether the store worked since the start, or since somebody asked."""
        self._asked, self._greeted = float("-inf"), False
        self._looked = clock.monotonic()

    @property
    def carrying(self) -> str | None:
        """Name of what is on its way now: who makes room had better take something else. Any thread."""
        return self._intake.carrying

    async def run(self) -> None:
        """One life. Raises OSError when our own disk fails."""
        try:
            await self._intake.look()
            while True:
                await self._turn()
        finally:
            await self._worker.close()

    def retry(self) -> None:
        """Somebody mended the store: try it now, however long it is to be left alone."""
        self._proved = False
        self._hurry.set()
        self._news.set()

    def look(self) -> None:
        """Something waits that nobody told of."""
        self._intake.stale = True
        self._news.set()

    async def link(self, key: str) -> tuple[str, float] | None:
        """A URL for anybody of what is stored under `key`, and the unix time when it ends; None where there is none."""
        if self._config.link_expiry is None or self._config.encrypt or key.endswith(SUFFIX):
            return None
        with contextlib.suppress(StoreError):  # the clip is safe; a link is comfort
            return await self._worker.link(self._config.store, key, self._config.link_expiry)
        return None

    async def _turn(self) -> None:
        """Bring the next thing to the store, or try it, or wait for something to bring."""
        while self._intake.stale:
            self._intake.stale = False
            await self._intake.look()
        self._hold.tell(len(self._backlog))
        if self._hold.why():
            self._tell()
            if self._hold.may_ask:
                await self._ask()
            await self._wait(HELD, self._hurry)
            return
        if self._clock.monotonic() - self._looked >= LOOK and not self._patience.open:
            await self._look_around()
        thing = self._backlog.probe() if self._patience.open else self._backlog.next()
        if thing is not None:
            await self._carry(thing)
        elif self._proved and not self._patience.open:
            if not await self._wait(TICK, self._news):
                await self._look_around()
        else:
            await self._prove()
        self._tell()

    async def _wait(self, seconds: float, event: asyncio.Event, *, anew: bool = True) -> bool:
        """Until `event`, for so long at most; whether it came. `anew`: what came before now does not count."""
        if anew:
            event.clear()
        try:
            return await aside.within(self._clock, seconds, event.wait())
        except TimeoutError:
            return False

    async def _look_around(self) -> None:
        self._looked = self._clock.monotonic()
        await self._intake.look()
        await self._sweep()

    async def _sweep(self) -> None:
        """What was dropped, deleted or set aside in the middle of its upload: the store need not keep parts of it."""
        for journal in await aside.run(self._spool.orphans):
            with contextlib.suppress(StoreError):  # later, then
                await self._worker.abandon(self._config.store, journal)

    def _tell(self) -> None:
        """Health sees what is true now."""
        status, backlog = self._status, self._backlog
        status.files, status.bytes, status.oldest = len(backlog), backlog.bytes, backlog.oldest
        state, reason = self._patience.state, self._patience.reason
        if why := self._hold.why():
            state, reason = StoreState.HELD, why
        elif state is StoreState.OK and len(backlog) and backlog.next() is None:
            state, reason = StoreState.HELD, words.switched_off(self._intake.off)
        self._ledger.stands(state, reason)
        if not self._patience.open:
            status.failing = None
        elif status.failing is None:
            status.failing = self._clock.wall()

    # One thing

    async def _carry(self, thing: Waiting) -> None:
        """One attempt, and a pause after one that failed."""
        name = thing.id.name
        self._hurry.clear()
        try:
            await self._greet()
            if self._hold.why():
                return
            with self._intake.carried(name):
                await self._bring(thing.id)
        except Gone:
            self._backlog.remove(name)
        except Damaged as error:
            await self._set_aside(thing.id, str(error))
            log.error("offload: %s; %s%s", error, words.ASIDE, words.cure(error))
        except Corrupt as error:
            await self._spoiled(thing, error)
        except Closed as error:
            self._ledger.stands(StoreState.HELD, str(error))
            await self._wait(TICK, self._hurry)  # if the child's clock says other than ours: no attempt a moment
        except StoreError as error:
            self._backlog.failed(name, probe=self._patience.open)
            await self._pause(error, self._hurry)

    async def _ask(self) -> None:
        """Let the store tell the time, now and then, while nothing else makes it."""
        if self._clock.monotonic() - self._asked >= ASK:
            with contextlib.suppress(StoreError):
                await self._greet(again=True)

    async def _greet(self, *, again: bool = False) -> None:
        """Before anything goes the store has told the time, or a wrong date might be in it for ever."""
        if again or not self._greeted:
            self._asked = self._clock.monotonic()
            with contextlib.suppress(Permanent):  # it may not be asked for; the answer told
                await self._worker.look(self._config.store, self._probe)
            self._greeted = True

    async def _bring(self, id: MediaId) -> None:
        sidecar = await self._facts(id)
        receipt, sent = sidecar.receipt, False  # there, when we were killed between receipt and marker
        if receipt is None:
            parcel = self._spool.parcel(
                sidecar, node=self._node, prefix=self._prefix(id), recipients=self._config.encrypt or ()
            )
            delivered = await self._worker.deliver(self._config.store, parcel)
            self._delivered(sidecar, delivered)
            sent = delivered.sent
            receipt = Receipt(
                store=delivered.where,
                key=delivered.key,
                size=delivered.size,
                etag=delivered.etag,
                at=self._clock.wall(),
            )
        link, ends = await self.link(receipt.key) or (None, None)
        stored = await aside.run(self._spool.done, sidecar, receipt)
        self._intake.arrived(id.name, sent=sent)
        self._announce(stored, link, ends)

    async def _facts(self, id: MediaId) -> Sidecar:
        """What is known of it. Raises Gone, and Damaged when the media cannot tell it either."""
        try:
            return await aside.run(self._spool.sidecar, id)
        except Damaged as error:
            log.warning("offload: %s; it is made anew from the media", error)
            try:
                await aside.run(self._mend, id)
            except OSError as refused:
                if refused.errno in PASSING:  # a sound clip is not set aside because the disk is full
                    raise
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

    def _delivered(self, sidecar: Sidecar, delivered: Delivered) -> None:
        self._worked()
        if delivered.torn:
            self._status.torn += 1
            log.warning("offload: %s held a torn upload of ours; it was replaced", delivered.key)
        if delivered.conflicts:
            self._status.conflicts += delivered.conflicts
            log.error("offload: another finished object has the key of %s; ours is %s", sidecar.id, delivered.key)
            now = self._clock.wall()
            self._bus.publish(KeyTaken(camera=sidecar.camera, at=now, media=sidecar, key=delivered.key))

    def _worked(self) -> None:
        self._proved = True
        if absence := self._patience.worked(self._clock.monotonic()):
            self._backlog.recovered()
            log.info(words.works_again(absence, len(self._backlog)))

    # Nothing waits

    async def _prove(self) -> None:
        """Nobody knows whether the store works: try it, unless something comes that can tell as well."""
        self._news.clear()
        trial = asyncio.create_task(self._worker.probe(self._config.store, self._probe), name="offload tries the store")
        news = asyncio.create_task(self._news.wait(), name="offload news")
        try:
            await asyncio.wait({trial, news}, return_when=asyncio.FIRST_COMPLETED)
            if not trial.done():
                return
            tried = trial.result()
        except StoreError as error:
            if await self._pause(error, self._news):
                self._patience.afresh()
            else:
                await self._intake.look()
        else:
            self._worked()
            log.info(words.works(tried.where, asked=tried.asked, deleted=tried.deleted))
        finally:
            trial.cancel()
            news.cancel()
            await asyncio.gather(trial, news, return_exceptions=True)

    # What goes wrong

    async def _set_aside(self, id: MediaId, why: str) -> None:
        await aside.run(self._spool.bad, id, why)
        self._backlog.remove(id.name)
        self._status.bad += 1

    async def _spoiled(self, thing: Waiting, error: Corrupt) -> None:
        """Its bytes did not arrive as they are here. Another thing goes next, where there is one that may tell why."""
        blame = self._backlog.spoiled(thing.id.name)
        if blame is Blame.THING:
            why = f"the store refused its bytes {STRIKES} times, though the file here is as recorded"
            await self._set_aside(thing.id, why)
            log.error("offload: %s: %s; %s; %s", thing.id.name, why, words.ASIDE, words.TAKE_UP)
        elif blame is Blame.LINE or self._backlog.next() in (thing, None):
            await self._pause(error, self._hurry if blame is Blame.LINE else self._news)
        else:
            log.warning("offload: %s: %s; it goes again after the others", thing.id.name, error)

    async def _pause(self, error: StoreError, unless: asyncio.Event) -> bool:
        """Leave the store alone, and say so when that is news. Returns whether `unless` came."""
        pause = self._patience.failed(error, self._clock.monotonic())
        self._ledger.failed(pause.seconds)
        self._tell()
        state, attempts = self._patience.state, self._patience.attempts
        if pause.news:
            level = logging.WARNING if state is StoreState.RETRYING else logging.ERROR
            log.log(level, words.trouble(error, state, pause, attempts=attempts, waiting=len(self._backlog)))
        return await self._wait(pause.seconds, unless, anew=unless is not self._hurry)  # it came during the attempt?
