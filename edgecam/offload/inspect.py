"""Inspect: what waits for the store, what was set aside and why, and whether all is still what was recorded.

Reads the disk as it is, while a daemon works there or without one, and changes nothing. Blocking; raises OSError.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from edgecam.digest import digest
from edgecam.media import Layout, MediaId, Picture, Sidecar
from edgecam.offload.backlog import Order, Waiting, urgency
from edgecam.offload.deliver import Damaged, Gone
from edgecam.offload.spool import Spool

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

    file: Path
    told_by: Path
    """The sidecar, or the marker of an event's picture."""
    size: int
    sha256: str
    waits: bool


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that is not what it should be."""

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


def pieces(layout: Layout) -> Iterator[Piece | Wrong]:
    """All media that waits, then what lies in the library with its sidecar, the oldest day first."""
    spool, names = Spool(layout), _names(layout.wait)
    for name in sorted(names):
        with contextlib.suppress(ValueError, Gone):
            id = MediaId.parse(name)
            try:
                facts = spool.sidecar(id)
            except Damaged as error:
                yield Wrong(layout.media(id), str(error), waits=True)
            else:
                yield Piece(layout.media(id), layout.sidecar(id), facts.size, facts.sha256, waits=True)
    for day in _days(layout):
        for path in sorted(day.glob("*.json")):
            yield from _described(layout, path, names)


def count(layout: Layout) -> int:
    """How many files the library has, which are about as many as there are pieces."""
    return sum(name.endswith(MEDIA) for day in _days(layout) for name in _names(day))


def _described(layout: Layout, path: Path, waiting: frozenset[str]) -> Iterator[Piece | Wrong]:
    """What a sidecar of the library tells of, but for what waits."""
    try:
        facts = Sidecar.model_validate_json(path.read_bytes())
        id = facts.media
    except FileNotFoundError:  # deleted since it was listed
        return
    except ValueError:
        if path.stem not in waiting:
            yield Wrong(path, f"the sidecar of {path.stem} is unreadable, so its hash is not known", waits=False)
        return
    told: list[tuple[MediaId, Sidecar | Picture]] = [(id, facts)]
    if facts.picture is not None:
        told.append((id.picture, facts.picture))
    for one, known in told:
        if one.name not in waiting:
            yield Piece(layout.media(one), path, known.size, known.sha256, waits=False)


def examine(piece: Piece, now: float | None = None) -> str | None:
    """Read it whole; returns what is wrong with it. What is being deleted or finished meanwhile is fine."""
    try:
        with piece.file.open("rb") as file:
            found = digest(file)
    except FileNotFoundError:
        return _missing(piece, time.time() if now is None else now)
    except OSError as error:
        return f"cannot be read: {error.strerror} (a dying SD card?)"
    if found.size != piece.size:
        return f"holds {found.size} of {piece.size} bytes"
    return None if found.sha256 == piece.sha256 else "is not what was recorded: its hash differs"


def _missing(piece: Piece, now: float) -> str | None:
    with contextlib.suppress(FileNotFoundError):
        if now - piece.told_by.stat().st_mtime > YOUNG and not piece.file.exists():
            return f"is not there, only {piece.told_by.name} that tells of it"
    return None


def _days(layout: Layout) -> list[Path]:
    return sorted((day for room in layout.rooms for day in room.glob("*/*") if day.is_dir()), key=lambda day: day.name)


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208  ten thousand names, not ten thousand Paths
    except FileNotFoundError:
        return frozenset()
