"""Shelf: what lies in the library, by day, and in which order it may go. Reads names and sizes, opens no media."""

import os
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from edgecam.almanac import BUILT
from edgecam.media import Layout, MediaId, MediaKind

Keeps = Mapping[MediaKind, float]
"""Seconds from the end of each kind of stored media to its removal."""

Names = Mapping[str, Collection[str]]
"""Of one day: each stem with the suffixes that it has there."""

_CHEAP = (MediaKind.CONTINUOUS, MediaKind.TIMELAPSE, MediaKind.SNAPSHOT, MediaKind.EVENT)
_KINDS = {kind.value: kind for kind in MediaKind}
_SUFFIXES = (".mp4", ".jpg", ".json", ".json.tmp", ".keep")

WORTHS = range(2 * len(_CHEAP) + 2)
SPARE = range(len(_CHEAP) + 1)
"""Worth of what is stored, and of waiting segments that show no event: a round of removing them, for which the whole
library is read, makes room for a while."""

LONGEST_EVENT = 3600.0
"""Seconds that a clip of an event is thought to last at most."""

UNDATED_EVENT = 300.0
"""The same of one that began when nobody knew the time: when it was written last says nothing."""

LOOK_AGAIN = 600.0
"""Seconds between two looks into folders that are not ours."""


def worth(kind: MediaKind, waiting: bool, *, pinned: bool = False, seen: bool = False) -> int:
    """What goes first when room is needed (contract, storage.when_full): the lower the sooner.

    Stored things by kind, then what still waits for a store in the same order, manual clips and what is pinned last
    of all. `seen`: a continuous segment that shows an event; while it waits it is worth as much as the event's clip.
    """
    if pinned or kind is MediaKind.MANUAL:
        return 2 * len(_CHEAP) + waiting
    if waiting and seen:
        kind = MediaKind.EVENT
    return _CHEAP.index(kind) + len(_CHEAP) * waiting


def _least(item: "Item") -> int:
    """What a thing is worth at least: it may have been pinned since its names were read."""
    return worth(item.id.kind, False, pinned=item.pinned)


@dataclass(frozen=True, slots=True)
class Item:
    """One finished thing with everything that belongs to it."""

    id: MediaId
    size: int
    """Bytes of all its files."""
    waiting: tuple[MediaId, ...] = ()
    """What of it a store still wants: the media, the picture beside it."""
    pinned: bool = False


class Shelf:
    """Blocking; any thread, one at a time."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._strangers: dict[Path, int] = {}
        self._looked = float("-inf")

    def days(self) -> list[Path]:
        """Every camera's day folders, the oldest day first; last those of 1970: nobody knows when that was, or it is
        now.
        """
        found = [day for room in self._layout.rooms for camera in _folders(room) for day in _folders(camera)]
        return sorted(found, key=lambda day: (began(day) < BUILT, day.name))

    def count(self, day: Path) -> Counter[MediaKind]:
        """Bytes in a day folder, by kind; what is being finished counts already, strangers do not."""
        sizes: Counter[MediaKind] = Counter()
        for entry in _entries(day):
            kind = _kind(entry.name.partition(".")[0])
            if kind is not None:
                sizes[kind] += _size(entry)
        return sizes

    def item(self, id: MediaId) -> Item | None:
        """Something finished with all that belongs to it; None when it is not there or just being finished.

        A sidecar that lost its media is an item too.
        """
        id = replace(id, still=False) if id.beside else id
        if self._layout.part(id).exists():
            return None
        folder = self._layout.folder(id)
        sizes = [size for suffix in _SUFFIXES if (size := _size_of(folder / (id.text + suffix))) is not None]
        if not sizes:
            return None
        names = {id.name: id, id.picture.name: id.picture}
        waiting = tuple(one for one in names.values() if self._layout.marker(one).exists())
        return Item(id, sum(sizes), waiting, self._layout.pin(id).exists())

    def cheapest_first(self) -> Iterator[tuple[int, Item]]:
        """Everything with its worth, in the order in which it is given up: of one worth the oldest first, whichever
        camera's it is.

        Things that go, or are pinned, meanwhile do no harm.
        """
        waiting = self._waiting()
        seen: dict[Path, frozenset[int]] = {}
        days = [list(folders) for _, folders in groupby(self.days(), lambda folder: folder.name)]
        for rank in WORTHS:
            for folders in days:
                found: list[tuple[str, Path]] = []
                for folder in folders:
                    if rank in seen.get(folder, WORTHS):
                        ranked = self._ranked(folder, waiting)
                        seen[folder] = frozenset(ranked.values())
                        found += [(stem, folder) for stem, worth in ranked.items() if worth == rank]
                for stem, folder in sorted(found, key=_written_first if began(folders[0]) < BUILT else None):
                    yield from ((rank, item) for item in self._those(folder, [stem]) if rank >= _least(item))

    def older(self, keeps: Callable[[str], Keeps], now: float) -> Iterator[Item]:
        """Stored things that began longer ago than they are kept. `keeps` is asked for each camera.

        What is dated before BUILT was taken with a wrong clock: nobody knows its age, so only the quota removes it,
        unless it has no date at all (`undated`).
        """
        waiting = self._waiting()
        for day in self.days():
            keep = keeps(day.parent.name)
            if began(day) < BUILT or began(day) + min(keep.values()) > now:
                continue
            last = {kind: _stamp(now - keep[kind]) for kind in MediaKind}
            old = [stem for stem in sorted(_names(day)) if (kind := _kind(stem)) and stem <= last[kind]]
            yield from self._stored(day, old, waiting)

    def undated(self) -> Iterator[tuple[Item, float]]:
        """Stored things that began when nobody knew the time, each with when its media was last written, by whatever
        the clock was then (unix seconds).
        """
        waiting = self._waiting()
        for day in self.days():
            if began(day) < BUILT:
                stems = [stem for stem in sorted(_names(day)) if stem.startswith("unsynced-") and _kind(stem)]
                for item in self._stored(day, stems, waiting):
                    yield item, _written(self._layout.media(item.id), 0.0)

    def of(self, camera: str, kind: MediaKind) -> Iterator[Item]:
        """The stored things of a camera and kind, oldest first."""
        waiting = self._waiting()
        for day in self.days():
            if day.parent.name == camera:
                yield from self._stored(day, [stem for stem in sorted(_names(day)) if _kind(stem) is kind], waiting)

    def _stored(self, day: Path, stems: list[str], waiting: Collection[str]) -> Iterator[Item]:
        """Without what was `waiting`: in a week without a store there may be very many, each of them costs a look."""
        stored = [stem for stem in stems if stem not in waiting and stem + ".jpg" not in waiting]
        yield from (item for item in self._those(day, stored) if not item.waiting and not item.pinned)

    def _those(self, day: Path, stems: list[str]) -> Iterator[Item]:
        still = day.parents[1] == self._layout.rooms[1]
        for stem in stems:
            try:
                item = self.item(replace(MediaId.parse(stem), still=still))
            except ValueError:
                continue
            if item:
                yield item

    def _ranked(self, day: Path, waiting: Collection[str]) -> dict[str, int]:
        """The worth of everything in a day folder, from names alone."""
        names = _names(day)
        kinds = {stem: kind for stem in names if (kind := _kind(stem))}
        wanted = {stem for stem in kinds if stem in waiting or stem + ".jpg" in waiting}
        segments = sorted(stem for stem in wanted if kinds[stem] is MediaKind.CONTINUOUS)
        seen = _seen(day, segments, [stem for stem, kind in kinds.items() if kind is MediaKind.EVENT])
        return {
            stem: worth(kind, stem in wanted, pinned=".keep" in names[stem], seen=stem in seen)
            for stem, kind in kinds.items()
        }

    def _waiting(self) -> frozenset[str]:
        """The names of all markers."""
        try:
            return frozenset(os.listdir(self._layout.wait))  # noqa: PTH208  (many names, no Path of each)
        except FileNotFoundError:
            return frozenset()

    def beside(self, now: float = 0.0) -> int:
        """Bytes below the root that are no finished media: what is being written, bad, sealed, or not ours.

        `now`: monotonic seconds; folders that are not ours are looked into every LOOK_AGAIN.
        """
        root, ours = self._layout.root, {*self._layout.rooms, self._layout.wait.parent}
        found = sum(_size(entry) for entry in _entries(root) if not entry.is_dir(follow_symlinks=False))
        found += sum(map(_weight, (self._layout.open, self._layout.bad, self._layout.seals)))
        if now - self._looked >= LOOK_AGAIN:
            self._looked = now
            self._strangers = {folder: _weight(folder) for folder in _folders(root) if folder not in ours}
        return found + sum(self._strangers.values())


def _seen(day: Path, segments: list[str], events: list[str]) -> set[str]:
    """Of continuous segments, in order, those at whose time an event's clip was taken.

    A clip begins when its name says and lasts until its file was last written; a segment lasts until the next begins.
    """
    found: set[str] = set()
    for event in events if segments else ():
        id = MediaId.parse(event)
        if id.boot:
            last = MediaId.undated(id.boot, id.start + UNDATED_EVENT, id.camera, id.kind).stamp
        else:
            last = _stamp(min(_written(day / f"{event}.mp4", id.start), id.start + LONGEST_EVENT))
        first = bisect_right(segments, id.stamp) - 1
        found.update(segments[max(0, first) : bisect_left(segments, last)])
    return found


def _written_first(one: tuple[str, Path]) -> tuple[float, str]:
    """Sorts things without a date: names of several boots are in no order."""
    stem, folder = one
    return _written(folder / f"{stem}.mp4", _written(folder / f"{stem}.jpg", 0.0)), stem


def _stamp(wall: float) -> str:
    """How the names of what began then begin; sorts like the time."""
    if wall == float("-inf"):
        return ""
    return datetime.fromtimestamp(max(0.0, wall), UTC).strftime("%Y%m%dT%H%M%S%f")[:-3] + "Z"


def _kind(stem: str) -> MediaKind | None:
    """What a name says; None for a stranger. Quick, not strict."""
    return _KINDS.get(stem[:-7].rpartition("-")[2])


def _names(day: Path) -> Names:
    found: dict[str, list[str]] = {}
    try:
        for name in os.listdir(day):  # noqa: PTH208  (many names, no Path of each)
            stem, dot, suffix = name.partition(".")
            found.setdefault(stem, []).append(dot + suffix)
    except (FileNotFoundError, NotADirectoryError):
        pass
    return found


def began(day: Path) -> float:
    """Unix seconds at which a day folder's day begins; long ago for a name that is no day."""
    try:
        return datetime.strptime(day.name, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _weight(folder: Path) -> int:
    """Bytes of all files below a folder."""
    found, folders = 0, [folder]
    while folders:
        for entry in _entries(folders.pop()):
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            else:
                found += _size(entry)
    return found


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # gone since
        return 0


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _written(path: Path, default: float) -> float:
    """When a file was last written; `default` for one that is not there."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return default


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """What lies in a folder; nothing for one that is gone, or that we may not look into (lost+found)."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, PermissionError):
        return []


def _folders(folder: Path) -> list[Path]:
    return [folder / entry.name for entry in _entries(folder) if entry.is_dir(follow_symlinks=False)]
