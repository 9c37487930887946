"""Intake: what waits for the store, kept true by the spool's directory and by what happens in between."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from edgecam import aside
from edgecam.events import Bus, ClipLost, ClipSaved, MediaRenamed, SettingChanged
from edgecam.health import SpoolStatus
from edgecam.media import MediaId
from edgecam.offload.waiting.backlog import Backlog, Order, Waiting
from edgecam.offload.waiting.spool import Census, Spool

log = logging.getLogger(__name__)

REMEMBERED = 1000
"""Things that arrived of which late news of their loss is not believed."""
SWITCH = "offload"
"""The live setting of a camera that lets its media go."""


class Intake:
    """Loop thread only, but for `carrying`. `changed` is called when something came or went."""

    def __init__(
        self,
        *,
        order: Order,
        wanted: Callable[[MediaId], bool],
        off: Iterable[str],
        spool: Spool,
        status: SpoolStatus,
        changed: Callable[[], None],
    ) -> None:
        """`wanted`: whether the store takes a thing; `off`: cameras whose SWITCH is off."""
        self._wanted, self._spool, self._status, self._changed = wanted, spool, status, changed
        self.backlog = Backlog(order)
        self.off = set(off)
        self.backlog.hold(self.off)
        self.news = asyncio.Event()
        """Set when there may be something new to do."""
        self.carrying: str | None = None
        """Name of what is on its way to the store now. Any thread may read it."""
        self.stale = False
        """Something may wait of which nobody told."""
        self._doubted = False
        self._arrived: deque[str] = deque(maxlen=REMEMBERED)

    def listen(self, bus: Bus) -> None:
        """For good: what is lost between two lives of the uploader counts as well."""
        bus.on(ClipSaved, self._saved)
        bus.on(ClipLost, self._lost)
        bus.on(MediaRenamed, self._follow)
        bus.on(SettingChanged, self._switched)

    async def look(self) -> None:
        """Compare what is known with the directory, which is the truth. Raises OSError."""
        before = self.backlog.ids
        census = await aside.run(self._spool.census, before)
        wanted = [thing for thing in census.new if self._wanted(thing.id)]
        self.backlog.update(before, census.ids, wanted)
        self._status.bad = census.bad
        await self._release(census)
        self._changed()

    async def _release(self, census: Census) -> None:
        """What the configuration does not send any more would wait, and fill the disk, for ever."""
        unwanted = [thing.id for thing in census.new if not self._wanted(thing.id)]
        for id in unwanted:
            await aside.run(self._spool.release, id)
        if unwanted:
            log.info("offload: %d of the waiting clips are not to be sent any more; they stay here", len(unwanted))

    @contextmanager
    def carried(self, name: str) -> Iterator[None]:
        """While it is on its way. What is lost meanwhile may arrive all the same: it is the one or the other."""
        self.carrying, self._doubted = name, False
        try:
            yield
        finally:
            self.carrying = None
            if self._doubted and name not in self._arrived:
                self._count_lost(name)

    def arrived(self, name: str, *, sent: bool) -> None:
        """The store has it. `sent`: its bytes were sent just now."""
        self.backlog.done(name, sent=sent)
        self._arrived.append(name)

    def _saved(self, event: ClipSaved) -> None:
        id = event.media.media
        if self._wanted(id):
            self.backlog.add(Waiting(id, event.media.size))
            self.news.set()
            self._changed()

    def _follow(self, event: MediaRenamed) -> None:
        """It has another name; whether it waits, the directory knows."""
        for id in (event.old, event.old.picture):
            self.backlog.remove(id.name)
        self.stale = True
        self.news.set()

    def _lost(self, event: ClipLost) -> None:
        name = event.media.media.name
        if name == self.carrying:
            self._doubted = True
        elif name not in self._arrived:
            self._count_lost(name)

    def _count_lost(self, name: str) -> None:
        self.backlog.remove(name)
        self._status.lost += 1
        self._changed()

    def _switched(self, event: SettingChanged) -> None:
        if event.key == SWITCH:
            (self.off.discard if event.value else self.off.add)(event.camera)
            self.backlog.hold(self.off)
            self.news.set()
            self._changed()
