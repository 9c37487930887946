"""Keeper: sees that the storage is there, and keeps what lies in it within `keep`, `keep_size`, `limit` and `reserve`.

Nothing that waits for a store goes by age or by the size of its kind. When room is needed it may go, as late as
possible, and each such loss is logged and published. The library is not read at start: sizes are counted day by day in
the background, until then the reserve alone holds.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from edgecam import aside
from edgecam.almanac import BUILT
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import Bus, ClipLost, ClipSaved, ClipStored, MediaRenamed
from edgecam.health import DiskStatus
from edgecam.media import MediaId, MediaKind, Sidecar
from edgecam.record.disk.dating import Dating
from edgecam.record.disk.keeps import DEFAULT_AGES, ages, sizes
from edgecam.record.disk.library import Away, Library
from edgecam.record.disk.recovery import Recovered, enter, tidy
from edgecam.record.disk.shelf import SPARE, Item, Keeps, Shelf, began
from edgecam.record.disk.sweep import Sweep, sweep
from edgecam.supervisor import Fatal, reason

log = logging.getLogger(__name__)

WATCH = 2.0
"""Seconds between two looks at the free space."""

EXPIRE = 600.0
"""Seconds between two looks for what is older than its `keep`."""

STEP = 3600.0
"""Seconds by which the clock has to be set to be doubted."""

AWAY = 2 * 86400.0
"""Seconds since the day of the newest media after which the clock is doubted at start: perhaps the box was off."""

TRUST = 3600.0
"""Seconds for which it is doubted then: one that was set to the wrong year, and back, costs no recording."""

SLACK = 64_000_000
"""Bytes kept free beyond the limits, for what is written between two looks; less on small storage, and up to
four times as much where the free space shrank fast between two looks lately."""

CALM = 0.98
"""What is left of that after a look."""

DAYS_AT_ONCE = 4
"""Day folders that are counted in one look, and counted again every EXPIRE."""


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of a file system."""

    total: int
    free: int
    """What we may still use, without root's share."""


def space(path: Path) -> Space:
    found = os.statvfs(path)
    return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


@dataclass(frozen=True, slots=True)
class _Measured:
    """Bytes, as one look at the disk found them."""

    space: Space
    beside: int
    """Of what is no finished media."""
    days: Mapping[Path, Counter[MediaKind]]
    """Of finished media in the day folders that were counted."""
    fresh: list[Item]
    """What was saved lately."""


class Keeper:
    """Component; the board `status` is its own. All state is the loop's; what blocks runs beside it, one at a time.

    `back` is given what is found in a storage that comes (back) while the daemon runs.
    """

    name = "keeper"

    def __init__(
        self,
        *,
        config: model.Storage,
        cameras: Mapping[str, model.Camera],
        library: Library,
        bus: Bus,
        clock: Clock,
        status: DiskStatus,
        back: Callable[[Recovered], None],
        space: Callable[[Path], Space] = space,
        dating: Dating | None = None,
        carrying: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`carrying`: name of what is just on its way to the store; that one is not removed, any thread may ask."""
        self._config, self._library, self._bus, self._clock = config, library, bus, clock
        self._status, self._back, self._dating = status, back, dating
        self._carrying = carrying
        self._ages = {id: ages(camera.record, camera.snapshot) for id, camera in cameras.items()}
        self._sizes = {
            (id, kind): size for id, camera in cameras.items() for kind, size in sizes(camera.record, camera.snapshot)
        }
        self._shelf = Shelf(library.layout)
        self._space = space
        self.slack = min(SLACK, config.limit // 20)
        """Bytes kept free beyond the limits."""
        self.trouble: str | None = None
        """Why the library cannot be looked after, in words."""
        self._forget()

    def _forget(self) -> None:
        """Nothing is known of the library."""
        self._days: dict[Path, Counter[MediaKind]] = {}
        self._uncounted: list[Path] | None = None
        self._saved_lately: list[MediaId] = []
        self._due: list[MediaId] = []
        self._grown: set[tuple[str, MediaKind]] = set(self._sizes)
        self._expires = float("-inf")
        self._pace, self._last_free = 0.0, 0
        self._offset = self._clock.wall() - self._clock.monotonic()

    @property
    def bytes(self) -> int | None:
        """Bytes of all finished media; None until they are counted."""
        return sum(day.total() for day in self._days.values()) if self._uncounted == [] else None

    def keeps(self, camera: str) -> Keeps:
        """How long what is stored of a camera stays."""
        return self._ages.get(camera, DEFAULT_AGES)

    async def run(self) -> None:
        """One life. A disk that refuses does not end it."""
        with ExitStack() as stack:
            stack.callback(self._bus.on(ClipSaved, lambda event: self._saved(event.media)))
            stack.callback(self._bus.on(ClipStored, lambda event: self._stored(event.media)))
            stack.callback(self._bus.on(MediaRenamed, lambda event: self._saved(event.media)))
            try:
                while True:
                    await self._turn()
                    await self._clock.sleep(WATCH)
            finally:
                if self._dating:
                    with suppress(OSError):  # what was finished last: after the next boot nobody could date it
                        await self._dating.turn()

    async def _turn(self) -> None:
        try:
            self._tell_deleted()
            if await self._there():
                refused = await self._date()
                await self._look()
                if self._library.untidy:
                    self._recovered(await aside.run(tidy, self._library))
                if refused:
                    raise refused
            self._troubled(None)
        except OSError as error:
            self._troubled(f"the library cannot be looked after ({error.strerror})")

    def _recovered(self, found: Recovered) -> None:
        """Raises OSError when the disk still refuses something."""
        for done in found.renamed:
            old, _ = done.ids
            self._bus.publish(MediaRenamed(camera=old.camera, at=done.facts.start, old=old, media=done.facts))
        self._back(found)
        if found.refused:
            raise found.refused

    async def _date(self) -> OSError | None:
        """Why names could not be put right. A full disk is no reason to make no room."""
        try:
            if self._dating:
                await self._dating.turn()
        except OSError as error:
            return error
        return None

    def _troubled(self, why: str | None) -> None:
        if why and why != self.trouble:
            log.error("library: %s, trying again every %.0f s", why, WATCH)
        self.trouble = why

    # -- whether the storage is there ---------------------------------------------------------------------------

    async def _there(self) -> bool:
        """See that the place is the one that was opened, or open it anew. While it is away nothing is recorded."""
        try:
            await aside.run(self._library.check)
        except Away:
            return await self._open()
        return True

    async def _open(self) -> bool:
        try:
            recovered = await aside.run(enter, self._library)
        except (Fatal, OSError) as error:
            self._away(reason(error))
            return False
        log.info("library: the storage %s is there", self._library.layout.root)
        self._forget()
        self._library.full = None
        self._recovered(recovered)
        return True

    def _away(self, why: str) -> None:
        if why != self._library.full:
            log.error("library: %s; nothing is recorded until it is there, looking every %.0f s", why, WATCH)
        self._library.full = why
        self._status.total = self._status.free = self._status.media = None

    # -- what is saved ------------------------------------------------------------------------------------------

    def _saved(self, media: Sidecar) -> None:
        if not media.media.beside:  # an event's picture is counted with its clip
            self._saved_lately.append(media.media)
        self._free(media.media)

    def _stored(self, media: Sidecar) -> None:
        self._library.deleted.pop(media.media, None)  # somebody deleted it while it arrived: not lost
        self._free(media.media)

    def _free(self, id: MediaId) -> None:
        """It may be stored by now, or no store wants it: `keep: 0s` ends at once, and its kind may have grown."""
        if self.keeps(id.camera)[id.kind] <= 0:
            self._due.append(id)
        if (id.camera, id.kind) in self._sizes:
            self._grown.add((id.camera, id.kind))

    # -- one look -----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Delete what is due, count a little more, and see that there is room."""
        await self._expire_by_age()
        if self._due:
            due, self._due = self._due, []
            self._report(await aside.run(self._drop, due), "not to be kept (keep: 0s)")
        if self._uncounted is None:
            self._uncounted = await aside.run(self._shelf.days)
        while self._library.touched:
            self._count_again(self._library.touched.pop())
        over = self._over(await self._measure(self._uncounted[-DAYS_AT_ONCE:]))
        await self._expire_by_size()
        if over > 0 and self._config.when_full == "drop-oldest":
            self._report(await aside.run(self._make_room, over), "to make room")
            over = self._over(await self._measure([])) - self.slack
        self._library.full = self._words() if over > 0 else None

    async def _measure(self, days: list[Path]) -> _Measured:
        lately, self._saved_lately = self._saved_lately, []
        return await aside.run(self._read, days, lately)

    def _read(self, days: list[Path], lately: list[MediaId]) -> _Measured:
        """Blocking."""
        counted = {day: self._shelf.count(day) for day in days}
        fresh = [item for id in lately if (item := self._shelf.item(id))]
        beside = self._shelf.beside(self._clock.monotonic())
        return _Measured(self._space(self._library.layout.root), beside, counted, fresh)

    def _over(self, measured: _Measured) -> int:
        """Bytes that have to go, the slack included; not positive when there is room."""
        for item in measured.fresh:
            self._account(item.id, item.size)
        if self._uncounted:
            self._days |= {day: kinds for day, kinds in measured.days.items() if kinds.total()}
            self._uncounted = [day for day in self._uncounted if day not in measured.days]
        space, status, known = measured.space, self._status, self.bytes
        self._pace = max(self._last_free - space.free, self._pace * CALM)
        self._last_free = space.free
        least = min(SLACK, self._config.limit // 20, space.total // 20)
        self.slack = max(least, min(int(2 * self._pace), 4 * least))
        status.total, status.free, status.media = space.total, space.free, known
        over = self._config.reserve + self.slack - space.free
        if known is not None:
            over = max(over, known + measured.beside + self.slack - self._config.limit)
        return over

    def _account(self, id: MediaId, size: int) -> None:
        """So many bytes more, unless the day is still to be counted."""
        day = self._library.layout.folder(id)
        if self._uncounted is None or day in self._uncounted:
            return
        kinds = self._days.setdefault(day, Counter())
        kinds[id.kind] = max(0, kinds[id.kind] + size)
        if not kinds.total():
            del self._days[day]

    def _count_again(self, day: Path) -> None:
        """Somebody may have deleted something there, perhaps by hand."""
        if self._uncounted is not None and self._days.pop(day, None) is not None:
            self._uncounted.append(day)

    def _words(self) -> str:
        limits = f"storage.limit {_mb(self._config.limit)}, storage.reserve {_mb(self._config.reserve)}"
        if self._config.when_full == "stop":
            return f"the storage is full ({limits}; when_full: stop)"
        return f"the storage is full and nothing more can be dropped ({limits})"

    def _make_room(self, need: int) -> Sweep:
        """Remove as little as is needed of what could not be had again, and a little more of the rest. Blocking."""
        done = Sweep()
        for rank, item in self._shelf.cheapest_first():
            if any(id.name == self._carrying() for id in item.waiting):
                continue
            if done.bytes >= need + self.slack * (rank in SPARE) or not done.take(self._library, item):
                break
        return done

    def _drop(self, due: list[MediaId]) -> Sweep:
        """Remove what is stored of these. Blocking."""
        items = [item for id in due if (item := self._shelf.item(id))]
        return sweep(self._library, (item for item in items if not item.waiting and not item.pinned))

    # -- what is kept long enough -------------------------------------------------------------------------------

    async def _expire_by_age(self) -> None:
        """Now and then, and not while the clock is in doubt."""
        if self._dating and self._dating.doubt:
            return
        now, offset = self._clock.monotonic(), self._clock.wall() - self._clock.monotonic()
        if self._expires == float("-inf") and await self._was_away():
            self._expires = now + TRUST
            log.info("library: nothing was recorded lately; nothing expires by age for an hour, if the clock is wrong")
        if abs(offset - self._offset) > STEP:
            self._offset, self._expires = offset, now + TRUST
            log.warning("library: the clock was set; nothing expires by age for the next hour")
        if now >= self._expires:
            self._expires = now + EXPIRE
            self._grown |= self._sizes.keys()
            for day in list(self._days)[:DAYS_AT_ONCE]:
                self._count_again(day)
            self._report(await aside.run(self._expire), "older than their keep")

    async def _was_away(self) -> bool:
        newest = max(map(began, await aside.run(self._shelf.days)), default=0.0)
        return newest >= BUILT and self._clock.wall() - newest > AWAY

    def _expire(self) -> Sweep:
        """Blocking."""
        return sweep(self._library, self._aged(self._clock.wall()))

    def _aged(self, now: float) -> Iterator[Item]:
        for item in self._shelf.older(self.keeps, now):
            sidecar = self._library.sidecar(item.id)
            end = sidecar.end if sidecar else item.id.start
            if end + self.keeps(item.id.camera)[item.id.kind] <= now:
                yield item
        for item, written in self._shelf.undated():
            sidecar = self._library.sidecar(item.id)
            known = sidecar.receipt.at if sidecar and sidecar.receipt else written
            if BUILT <= known <= now - self.keeps(item.id.camera)[item.id.kind]:
                yield item

    async def _expire_by_size(self) -> None:
        """Once all is counted: of kinds that have grown, what is beyond their `keep_size`."""
        if self.bytes is None:
            return
        grown, self._grown = self._grown, set()
        for camera, kind in sorted(grown):
            over = sum(day[kind] for path, day in self._days.items() if path.parent.name == camera)
            over -= self._sizes[camera, kind]
            if over > 0:
                self._report(await aside.run(self._shrink, camera, kind, over), f"beyond the keep_size of {kind}")

    def _shrink(self, camera: str, kind: MediaKind, over: int) -> Sweep:
        """Remove the oldest stored things of a kind. Blocking."""
        done = Sweep()
        for item in self._shelf.of(camera, kind):
            if done.bytes >= over or not done.take(self._library, item):
                break
        return done

    # -- what went ----------------------------------------------------------------------------------------------

    def _report(self, done: Sweep, why: str) -> None:
        """Account for what is gone, and tell of each loss; raises what ended the sweep."""
        if done.items:
            log.info("library: removed %d (%s), %s", len(done.items), _mb(done.bytes), why)
        for item in done.items:
            self._account(item.id, -item.size)
        self._status.removed += len(done.items)
        self._status.lost += len(done.lost)
        if done.lost:
            first = done.lost[0].media.name
            more = f" and {len(done.lost) - 1} more were" if len(done.lost) > 1 else " was"
            log.error("library: %s%s never stored and had to go: the disk is full", first, more)
        for sidecar in done.lost:
            self._tell_lost(sidecar, "the disk is full")
        if done.trouble:
            raise done.trouble

    def _tell_deleted(self) -> None:
        """Of what a person deleted before a store had it; what is just on its way may arrive all the same."""
        deleted, carrying = self._library.deleted, self._carrying()
        for id in list(deleted):
            if id.name != carrying:
                self._tell_lost(deleted.pop(id) or Sidecar.unknown(id), "somebody deleted it")

    def _tell_lost(self, sidecar: Sidecar, why: str) -> None:
        self._bus.publish(ClipLost(camera=sidecar.camera, at=self._clock.wall(), media=sidecar, why=why))


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
