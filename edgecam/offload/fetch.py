"""Fetch: brings things from a store to a folder, verified, and deletes there what was verified.

The folder is laid out as on the box: `<camera>/<day>/<id>.mp4` with `<id>.json`, which is written last here, too.
May be killed at any moment and run again: what is there and whole is not fetched twice.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from edgecam import durable
from edgecam.digest import digest
from edgecam.media import Sidecar
from edgecam.offload.listing import Thing
from edgecam.offload.stores import Store

NEW = ".new"
"""Behind the name of what is not verified yet."""

ATTEMPTS = 2
"""A bit may flip on the way; one that is wrong twice is wrong in the store."""


class State(StrEnum):
    FETCHED = "fetched"
    ALREADY = "already"
    """It was here, whole."""
    MISSING = "missing"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went with one thing."""

    thing: Thing
    state: State
    reason: str | None = None
    sidecar: Sidecar | None = None
    """What the manifest says; None where it cannot be read."""
    file: Path | None = None
    """The media; None unless it is here, whole."""
    verified: tuple[str, ...] = ()
    """Keys whose bytes are here, their hashes as the manifest says; the manifest's own is the last."""

    @property
    def whole(self) -> bool:
        return self.state in (State.FETCHED, State.ALREADY)


def fetch(store: Store, thing: Thing, folder: Path, begin: float) -> Outcome | None:
    """Bring it into `folder`, or None when it ended before `begin` (unix seconds). Blocking.

    Raises StoreError, and OSError of our own disk.
    """
    place = folder / thing.id.camera / thing.id.day
    raw = _manifest(store, thing, place / f"{thing.name}.json", folder)
    if raw is None:
        return Outcome(thing, State.MISSING, "its manifest is gone")
    try:
        sidecar = Sidecar.model_validate_json(raw)
        media = sidecar.media
    except (ValidationError, ValueError):
        return Outcome(thing, State.BAD, "its manifest makes no sense")
    if sidecar.id != thing.id.text:
        return Outcome(thing, State.BAD, f"its manifest speaks of {sidecar.id}")
    if sidecar.start < begin >= sidecar.end:
        return None
    durable.make_folder(place)
    parts = [(media.suffix, sidecar.size, sidecar.sha256)]
    if sidecar.picture:
        parts.append((media.picture.suffix, sidecar.picture.size, sidecar.picture.sha256))
    states = dict[str, State]()
    for suffix, size, sha256 in parts:
        states[suffix] = _bring(store, thing, suffix, place / f"{thing.name}{suffix}", (size, sha256))
    file = place / f"{thing.name}{media.suffix}"
    for suffix, state in states.items():
        if state in (State.MISSING, State.BAD):
            what = (
                "is not in the store" if state is State.MISSING else "is not what its manifest says: the hash differs"
            )
            return Outcome(thing, state, f"{thing.name}{suffix} {what}", sidecar)
    durable.write(place / f"{thing.name}.json", raw)
    fresh = State.FETCHED in states.values()
    keys = tuple(thing.objects[suffix].key for suffix in (*reversed(states), ".json") if suffix in thing.objects)
    return Outcome(thing, State.FETCHED if fresh else State.ALREADY, None, sidecar, file, keys)


def delete(store: Store, outcome: Outcome) -> None:
    """Delete from the store what was verified. Blocking; raises StoreError.

    The manifest goes last. Were it the first, a crash in between would leave media that look like an upload under way,
    which nothing ever fetches or deletes; a manifest that is left is found by the next run, which sees that the media
    are here, whole, and deletes it.
    """
    assert outcome.whole
    for key in outcome.verified:
        store.delete(key)


def _manifest(store: Store, thing: Thing, here: Path, folder: Path) -> bytes | None:
    """Ours when it is the very same, else the store's."""
    there = thing.objects[".json"]
    if there.md5 and here.exists():
        raw = here.read_bytes()
        if hashlib.md5(raw, usedforsecurity=False).hexdigest() == there.md5:
            return raw
    part = folder / f"{thing.name}.json{NEW}"
    if store.get(there.key, part) is None:
        return None
    raw = part.read_bytes()
    part.unlink()
    return raw


def _bring(store: Store, thing: Thing, suffix: str, file: Path, expected: tuple[int, str]) -> State:
    if _matches(file, expected):
        return State.ALREADY
    if suffix not in thing.objects:
        return State.MISSING
    part = file.with_name(file.name + NEW)
    for _ in range(ATTEMPTS):
        if store.get(thing.objects[suffix].key, part) is None:
            return State.MISSING
        if _matches(part, expected):
            durable.rename(part, file)
            return State.FETCHED
    part.unlink()
    return State.BAD


def _matches(path: Path, expected: tuple[int, str]) -> bool:
    """Size and SHA-256; the size is asked first, as it costs nothing."""
    try:
        if path.stat().st_size != expected[0]:
            return False
        with path.open("rb") as file:
            return digest(file).sha256 == expected[1]
    except FileNotFoundError:
        return False
