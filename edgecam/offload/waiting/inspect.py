"""Inspect: what waits for the store, what was set aside and why, and whether all is still what was recorded.

Reads the disk as it is, while a daemon works there or without one, and changes nothing. Blocking; raises OSError.
"""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ValidationError

from edgecam.digest import digest
from edgecam.media import Layout, MediaId, Picture, Sidecar
from edgecam.offload.deliver import Damaged, Gone
from edgecam.offload.waiting.backlog import Order, Waiting, urgency
from edgecam.offload.waiting.spool import Spool

YOUNG = 60.0
"""Seconds in which a daemon that is finishing or deleting something has all its files in place, or gone."""
MEDIA = (".mp4", ".jpg")


@dataclass(frozen=True, slots=True)
class SetAside:
    """Media in spool/bad."""

    file: str
    size: int
    reason: str | None
    """None when nobody wrote it down."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Media, and what it must be."""

    id: MediaId
    file: Path
    told_by: Path
    """The sidecar, or the marker of an event's picture."""
    size: int
    sha256: str
    waits: bool
    unmarked: bool = False
    """A store wants it, nothing says that the store has it, and yet it does not wait."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something of which nobody knows what it should be."""

    id: MediaId
    file: Path
    problem: str
    waits: bool


def waiting(layout: Layout, order: Order) -> list[Waiting]:
    """What waits and has its media in place, the most urgent first."""
    found = Spool(layout).census().new
    return sorted(found, key=lambda thing: urgency(thing.id, order))


def set_aside(layout: Layout) -> list[SetAside]:
    """What lies in spool/bad."""
    with contextlib.suppress(FileNotFoundError):
        files = sorted(path for path in layout.bad.iterdir() if path.suffix in MEDIA)
        return [SetAside(path.name, path.stat().st_size, _reason(path)) for path in files]
    return []


class _Noted(BaseModel):
    note: str | None = None


def _reason(path: Path) -> str | None:
    for facts in (path.with_suffix(".json"), path.with_name(path.name + ".json")):
        with contextlib.suppress(FileNotFoundError, ValidationError):
            return _Noted.model_validate_json(facts.read_bytes()).note
    return None


def pieces(layout: Layout, wanted: Callable[[MediaId], bool]) -> Iterator[Piece | Wrong]:
    """All media that waits, then what lies in the library, the oldest day first. `wanted`: by the store.

    The names of one day are held at once, not those of all.
    """
    spool = Spool(layout)
    for name in _scanned(layout.wait):
        if id := _id(name):
            yield from _waiting(layout, spool, id)
    for day in _days(layout):
        names = _names(day)
        for name in sorted(names):
            if id := _lying(layout, day, name, names):
                yield from _described(layout, id, wanted)


def strangers(layout: Layout) -> Iterator[Path]:
    """What lies in the spool and is not ours: nobody will ever look at it."""
    for folder in (layout.open, layout.wait):
        for name in _scanned(folder):
            if not name.endswith(".tmp") and _id(name.partition(".")[0]) is None:
                yield folder / name


def count(layout: Layout) -> int:
    """How many files the library has, which are about as many as there are pieces."""
    return sum(name.endswith(MEDIA) for day in _days(layout) for name in _names(day))


def _waiting(layout: Layout, spool: Spool, id: MediaId) -> Iterator[Piece | Wrong]:
    """What a marker tells of."""
    try:
        facts = _about(id, spool.sidecar(id))
    except Damaged as error:
        yield Wrong(id, layout.media(id), str(error), waits=True)
    except Gone:
        if _is_old(layout.marker(id), time.time()) and not layout.part(id).exists():
            yield Wrong(id, layout.media(id), "is not there, only its marker", waits=True)
    else:
        yield Piece(id, layout.media(id), layout.sidecar(id), facts.size, facts.sha256, waits=True)


def _described(layout: Layout, id: MediaId, wanted: Callable[[MediaId], bool]) -> Iterator[Piece | Wrong]:
    """What the sidecar of a finished thing tells of, but for what waits."""
    path, waits = layout.sidecar(id), layout.marker(id).exists()
    try:
        facts = _about(id, Sidecar.model_validate_json(path.read_bytes()))
    except FileNotFoundError:
        if layout.media(id).exists() and not waits:
            yield Wrong(id, layout.media(id), f"{id} has lost its sidecar, so its hash is not known", waits=False)
        return
    except (ValidationError, Damaged, OSError):
        if not waits:
            yield Wrong(id, path, f"the sidecar of {id} is unreadable, so its hash is not known", waits=False)
        return
    told: list[tuple[MediaId, Sidecar | Picture]] = [(id, facts)]
    if facts.picture is not None:
        told.append((id.picture, facts.picture))
    for one, known in told:
        if not layout.marker(one).exists():
            unmarked = facts.unsent and wanted(one)
            yield Piece(one, layout.media(one), path, known.size, known.sha256, waits=False, unmarked=unmarked)


def _about(id: MediaId, facts: Sidecar) -> Sidecar:
    """Raises Damaged when it is told of something else."""
    if (facts.id, facts.codec == "jpeg") != (id.text, id.still):
        raise Damaged(f"the sidecar of {id} is that of {facts.id}, so its hash is not known")
    return facts


def _lying(layout: Layout, day: Path, name: str, names: Collection[str]) -> MediaId | None:
    """What a file of the library is, or is told by. None for a sidecar that has its media, for the picture of an event,
    which its clip's sidecar tells of, and for strangers.
    """
    stem, _, suffix = name.rpartition(".")
    id = _id(name if suffix == "jpg" else stem)
    if id is None or id.beside or suffix not in ("mp4", "jpg", "json"):
        return None
    if suffix == "json":
        id = replace(id, still=day.parents[1] == layout.rooms[1])
        if layout.media(id).name in names:
            return None
    return id if layout.folder(id) == day and (suffix == "json" or layout.media(id).name == name) else None


def examine(piece: Piece, now: float | None = None) -> str | None:
    """Read it whole; returns what is wrong with it. What is being deleted or finished meanwhile is fine."""
    try:
        with piece.file.open("rb") as file:
            found = digest(file)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # what others read often shall stay in memory
    except FileNotFoundError:
        return _missing(piece, time.time() if now is None else now)
    except OSError as error:
        return f"cannot be read: {error.strerror} (a dying SD card?)"
    if found.size != piece.size:
        return f"holds {found.size} of {piece.size} bytes"
    return None if found.sha256 == piece.sha256 else "is not what was recorded: its hash differs"


def _missing(piece: Piece, now: float) -> str | None:
    if _is_old(piece.told_by, now) and not piece.file.exists():
        return f"is not there, only {piece.told_by.name} that tells of it"
    return None


def _is_old(path: Path, now: float) -> bool:
    """Whether nobody is just finishing or deleting what `path` tells of."""
    with contextlib.suppress(FileNotFoundError):
        return now - path.stat().st_mtime > YOUNG
    return False


def _days(layout: Layout) -> list[Path]:
    return sorted((day for room in layout.rooms for day in room.glob("*/*") if day.is_dir()), key=lambda day: day.name)


def _names(folder: Path) -> frozenset[str]:
    return frozenset(_scanned(folder))


def _scanned(folder: Path) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from (entry.name for entry in entries)


def _id(text: str) -> MediaId | None:
    with contextlib.suppress(ValueError):
        return MediaId.parse(text)
    return None
