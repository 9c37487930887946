"""Shelf: what lies in the library, by day, and in which order it may go. Reads names and sizes, opens no media."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from edgecam.media import Layout, MediaId, MediaKind

Keeps = Mapping[MediaKind, float]
"""Seconds from the end of each kind of stored media to its removal."""

_STORED = (MediaKind.CONTINUOUS, MediaKind.TIMELAPSE, MediaKind.SNAPSHOT, MediaKind.EVENT)


def worth(kind: MediaKind, waiting: bool) -> int:
    """What goes first when room is needed (contract, storage.when_full): the lower the sooner.

    Stored things by kind, then what still waits for a store in the same order, manual clips last of all.
    """
    if kind is MediaKind.MANUAL:
        return 2 * len(_STORED) + waiting
    return _STORED.index(kind) + len(_STORED) * waiting


BUILT = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""No clock was right before there was an edgecam."""

WORTHS = range(2 * len(_STORED) + 2)


@dataclass(frozen=True, slots=True)
class Item:
    """One finished thing with everything that belongs to it."""

    id: MediaId
    size: int
    """Bytes of the media and its sidecar."""
    waiting: bool
    """A store still wants it."""


class Shelf:
    """Blocking; any thread."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def days(self) -> list[Path]:
        """Every camera's day folders, the oldest day first."""
        found = [day for room in self._layout.rooms for camera in _folders(room) for day in _folders(camera)]
        return sorted(found, key=lambda day: day.name)

    def items(self, day: Path) -> list[Item]:
        """What lies in a day folder, oldest first; a sidecar that lost its media is an item too."""
        sizes: dict[str, int] = {}
        for entry in _entries(day):
            stem = entry.name.partition(".")[0]
            sizes[stem] = sizes.get(stem, 0) + _size(entry)
        still = day.parents[1] == self._layout.rooms[1]
        return [item for stem in sorted(sizes) if (item := self._item(stem, sizes[stem], still))]

    def _item(self, stem: str, size: int, still: bool) -> Item | None:
        try:
            id = replace(MediaId.parse(stem), still=still)
        except ValueError:
            return None
        if self._layout.part(id).exists():
            return None  # about to be finished
        waiting = self._layout.marker(id).exists() or self._layout.marker(id.picture).exists()
        return Item(id, size, waiting)

    def cheapest_first(self) -> Iterator[Item]:
        """Everything, in the order in which it is given up. Things that go meanwhile do no harm."""
        for rank in WORTHS:
            for day in self.days():
                yield from (item for item in self.items(day) if worth(item.id.kind, item.waiting) == rank)

    def older(self, keeps: Callable[[str], Keeps], now: float) -> Iterator[Item]:
        """Stored things that began longer ago than they are kept. `keeps` is asked for each camera.

        What is dated before BUILT was taken with a wrong clock: nobody knows its age, so only the quota removes it.
        """
        for day in self.days():
            keep = keeps(day.parent.name)
            if _began(day) < BUILT or _began(day) + min(keep.values()) > now:
                continue
            for item in self.items(day):
                if not item.waiting and item.id.start + keep[item.id.kind] <= now:
                    yield item

    def beside(self) -> int:
        """Bytes below the root that are no finished media: what is being written, what is bad, the state."""
        apart = {*self._layout.rooms, self._layout.wait}  # markers are empty, and may be many
        found, folders = 0, [self._layout.root]
        while folders:
            for entry in _entries(folders.pop()):
                if entry.is_dir(follow_symlinks=False):
                    folders += {Path(entry.path)} - apart
                else:
                    found += _size(entry)
        return found


def _began(day: Path) -> float:
    """Unix seconds at which a day folder's day begins; long ago for a name that is no day."""
    try:
        return datetime.strptime(day.name, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # gone since
        return 0


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _folders(folder: Path) -> list[Path]:
    return [folder / entry.name for entry in _entries(folder) if entry.is_dir(follow_symlinks=False)]
