"""Keeper: keeps the library within `keep`, `storage.limit` and `storage.reserve`.

Nothing that waits for a store is expired by age. When room is needed it may go, as late as possible, and each such
loss is logged and published. The library is not read at start: sizes are counted day by day in the background, until
then the reserve alone holds.
"""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import Bus, ClipLost, ClipSaved, ClipStored
from edgecam.media import MediaId, MediaKind, Sidecar
from edgecam.record.library import Library
from edgecam.record.shelf import Item, Keeps, Shelf

log = logging.getLogger(__name__)

WATCH = 2.0
"""Seconds between two looks at the free space."""

EXPIRE = 600.0
"""Seconds between two looks for what is older than its `keep`."""

STEP = 3600.0
"""Seconds by which the clock has to be set to be doubted."""

TRUST = 3600.0
"""Seconds for which it is doubted then: one that was set to the wrong year, and back, costs no recording."""

SLACK = 64_000_000
"""Bytes kept free beyond the limits, for what is written between two looks; less on small storage."""


DAYS_AT_ONCE = 4
"""Day folders that are counted in one look."""


@dataclass(slots=True)
class _Sweep:
    """What one look removed."""

    items: list[Item] = field(default_factory=list)
    lost: list[Sidecar] = field(default_factory=list)
    """Of those that a store still wanted."""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Measured:
    """Bytes, as one look at the disk found them."""

    free: int
    beside: int
    """Of what is no finished media."""
    days: Mapping[Path, int]
    """Of finished media in the day folders that were counted."""


class Keeper:
    """Component. All state is the loop's; what blocks runs beside it, one thing at a time."""

    name = "keeper"

    def __init__(
        self,
        *,
        config: model.Storage,
        cameras: Mapping[str, model.Camera],
        library: Library,
        bus: Bus,
        clock: Clock,
        free: Callable[[Path], int] | None = None,
    ) -> None:
        self._config, self._library, self._bus, self._clock = config, library, bus, clock
        self._table = {id: _keeps(camera.record, camera.snapshot) for id, camera in cameras.items()}
        self._shelf = Shelf(library.layout)
        self._free = free or _free
        self.slack = min(SLACK, config.limit // 20)
        """Bytes kept free beyond the limits."""
        self._days: dict[Path, int] = {}
        self._uncounted: list[Path] | None = None
        self._due: list[MediaId] = []

    @property
    def bytes(self) -> int | None:
        """Bytes of all finished media; None until they are counted."""
        return sum(self._days.values()) if self._uncounted == [] else None

    async def run(self) -> None:
        """One life."""
        with ExitStack() as stack:
            stack.callback(self._bus.on(ClipSaved, lambda event: self._saved(event.media)))
            stack.callback(self._bus.on(ClipStored, lambda event: self._kept_no_longer(event.media)))
            due, offset = float("-inf"), self._offset()
            while True:
                if abs(self._offset() - offset) > STEP:
                    offset, due = self._offset(), self._clock.monotonic() + TRUST
                    log.warning("library: the clock was set; nothing expires by age for the next hour")
                if self._clock.monotonic() >= due:
                    due = self._clock.monotonic() + EXPIRE
                    self._report(await aside.run(self._expire), "older than their keep")
                await self._look()
                await self._clock.sleep(WATCH)

    def _offset(self) -> float:
        return self._clock.wall() - self._clock.monotonic()

    def _saved(self, media: Sidecar) -> None:
        self._account(media.media, media.size)
        self._kept_no_longer(media)

    def _kept_no_longer(self, media: Sidecar) -> None:
        """It may be stored by now, or no store wants it: `keep: 0s` ends at once."""
        id = media.media
        if self.keeps(id.camera)[id.kind] <= 0:
            self._due.append(id)

    def keeps(self, camera: str) -> Keeps:
        """How long what is stored of a camera stays."""
        return self._table.get(camera, _DEFAULT_KEEPS)

    def _account(self, id: MediaId, size: int) -> None:
        """So many bytes more, unless the day is still to be counted."""
        day = self._library.layout.folder(id)
        if self._uncounted is not None and day not in self._uncounted:
            self._days[day] = max(0, self._days.get(day, 0) + size)

    async def _look(self) -> None:
        """Delete what is due, count a little more, and see that there is room."""
        if self._due:
            due, self._due = self._due, []
            self._report(await aside.run(self._drop_stored, due), "stored and not to be kept")
        if self._uncounted is None:
            self._uncounted = await aside.run(self._shelf.days)
        over = self._over(await aside.run(self._measure, self._uncounted[-DAYS_AT_ONCE:]))
        if over > 0 and self._config.when_full == "drop-oldest":
            self._report(await aside.run(self._make_room, over), "to make room")
            over = self._over(await aside.run(self._measure, [])) - self.slack
        self._library.full = self._words() if over > 0 else None

    def _over(self, measured: _Measured) -> int:
        """Bytes that have to go, the slack included; not positive when there is room."""
        if self._uncounted:
            self._days |= measured.days
            self._uncounted = [day for day in self._uncounted if day not in measured.days]
        over = self._config.reserve + self.slack - measured.free
        if self.bytes is not None:
            over = max(over, self.bytes + measured.beside + self.slack - self._config.limit)
        return over

    def _words(self) -> str:
        limits = f"storage.limit {_mb(self._config.limit)}, storage.reserve {_mb(self._config.reserve)}"
        if self._config.when_full == "stop":
            return f"the storage is full ({limits}; when_full: stop)"
        return f"the storage is full and nothing more can be dropped ({limits})"

    def _report(self, sweep: _Sweep, why: str) -> None:
        if sweep.items:
            log.info("library: removed %d (%s), %s", len(sweep.items), _mb(sweep.bytes), why)
        for item in sweep.items:
            self._account(item.id, -item.size)
        for sidecar in sweep.lost:
            log.error("%s: %s was never stored and had to go: the disk is full", sidecar.camera, sidecar.id)
            self._bus.publish(
                ClipLost(camera=sidecar.camera, at=self._clock.wall(), media=sidecar, why="the disk is full")
            )

    def _measure(self, days: list[Path]) -> _Measured:
        """Blocking, as all that follow."""
        counted = {day: sum(item.size for item in self._shelf.items(day)) for day in days}
        return _Measured(self._free(self._library.layout.root), self._shelf.beside(), counted)

    def _expire(self) -> _Sweep:
        sweep, now = _Sweep(), self._clock.wall()
        for item in self._shelf.older(self.keeps, now):
            sidecar = self._library.sidecar(item.id)
            end = sidecar.end if sidecar else item.id.start
            if end + self.keeps(item.id.camera)[item.id.kind] <= now:
                self._remove(item, sweep)
        return sweep

    def _drop_stored(self, due: list[MediaId]) -> _Sweep:
        sweep = _Sweep()
        for id in due:
            path = self._library.find(id.name)
            if path and not self._library.layout.marker(id).exists():
                self._remove(Item(id, path.stat().st_size, waiting=False), sweep)
        return sweep

    def _make_room(self, need: int) -> _Sweep:
        sweep = _Sweep()
        for item in self._shelf.cheapest_first():
            if sweep.bytes >= need:
                break
            self._remove(item, sweep)
        return sweep

    def _remove(self, item: Item, sweep: _Sweep) -> None:
        if item.waiting:
            sweep.lost.append(self._library.sidecar(item.id) or _unknown(item))
        self._library.remove(item.id)
        sweep.items.append(item)
        sweep.bytes += item.size


def _keeps(record: model.Record, snapshot: model.Snapshot) -> Keeps:
    return {
        MediaKind.EVENT: record.event.keep,
        MediaKind.MANUAL: record.manual.keep,
        MediaKind.CONTINUOUS: record.continuous.keep,
        MediaKind.TIMELAPSE: (record.timelapse or model.Timelapse()).keep,
        MediaKind.SNAPSHOT: snapshot.keep,
    }


_DEFAULT_KEEPS = _keeps(model.Record(), model.Snapshot())
"""For what cameras left behind that are no longer configured."""


def _unknown(item: Item) -> Sidecar:
    """The sidecar of something whose own cannot be read: what its name says."""
    id = item.id
    return Sidecar(
        id=id.text,
        camera=id.camera,
        kind=id.kind,
        start=id.start,
        end=id.start,
        duration=0.0,
        codec="unknown",
        width=0,
        height=0,
        size=item.size,
        sha256="",
        md5="",
        cause="unknown",
    )


def _free(path: Path) -> int:
    """Bytes that we may still use, without root's share."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
