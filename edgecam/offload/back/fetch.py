"""Fetch: brings things from a store to a folder, verified, and deletes there what was verified.

The folder is laid out as on the box: `<camera>/<day>/<id>.mp4` with `<id>.json`, which is written last here, too.
What is sealed (`<id>.mp4.age`) is opened: what lies here is the plain media, and is what was recorded.
May be killed at any moment and run again: what is there and whole is not fetched twice.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from edgecam import durable
from edgecam.digest import digest
from edgecam.media import Sealed, Sidecar
from edgecam.offload.back.listing import Thing
from edgecam.offload.sealing import age
from edgecam.offload.sealing.age import SUFFIX, Identities
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
    SEALED = "sealed"
    """It is there, and cannot be opened here."""


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


@dataclass(frozen=True, slots=True)
class _Part:
    """The media of a thing, or its picture, as the manifest tells of it. The hash is hex."""

    suffix: str
    size: int
    sha256: str
    sealed: Sealed | None = None


def fetch(
    store: Store, thing: Thing, folder: Path, begin: float, identities: Identities | None = None
) -> Outcome | None:
    """Bring it into `folder`, or None when it ended before `begin` (unix seconds). `identities` open what is sealed.

    Blocking. Raises StoreError, and OSError of our own disk.
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
    parts = [_Part(media.suffix, sidecar.size, sidecar.sha256, sidecar.sealed)]
    if sidecar.picture:
        parts.append(_Part(media.picture.suffix, sidecar.picture.size, sidecar.picture.sha256))
    states = dict[str, State]()
    for part in parts:
        states[part.suffix] = _bring(store, thing, part, place / f"{thing.name}{part.suffix}", identities)
    for suffix, state in states.items():
        if state not in (State.FETCHED, State.ALREADY):
            return Outcome(thing, state, f"{thing.name}{suffix} {_why(state, identities)}", sidecar)
    durable.write(place / f"{thing.name}.json", raw)
    forms = [form for suffix in reversed(states) for form in (suffix, suffix + SUFFIX)]
    keys = tuple(thing.objects[form].key for form in (*forms, ".json") if form in thing.objects)
    whole = State.FETCHED if State.FETCHED in states.values() else State.ALREADY
    return Outcome(thing, whole, None, sidecar, place / f"{thing.name}{media.suffix}", keys)


def _why(state: State, identities: Identities | None) -> str:
    if state is State.MISSING:
        return "is not in the store"
    if state is State.BAD:
        return "is not what its manifest says: the hash differs"
    return (
        "is sealed with age" if identities is None else "is sealed with age, and no key in the identity file opens it"
    )


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


def _bring(store: Store, thing: Thing, part: _Part, file: Path, identities: Identities | None) -> State:
    if _matches(file, part):
        return State.ALREADY
    sealed = part.sealed or part.suffix not in thing.objects
    there = thing.objects.get(part.suffix + SUFFIX if sealed else part.suffix)
    if there is None:
        return State.MISSING
    if sealed:
        return _open(store, there.key, part, file, identities)
    new = file.with_name(file.name + NEW)
    for _ in range(ATTEMPTS):
        if store.get(there.key, new) is None:
            return State.MISSING
        if _matches(new, part):
            durable.rename(new, file)
            return State.FETCHED
    new.unlink()
    return State.BAD


def _open(store: Store, key: str, part: _Part, file: Path, identities: Identities | None) -> State:
    """The same for what is sealed. What an earlier run has got of it, and did not come to open, is used."""
    if identities is None:
        return State.SEALED
    got = file.with_name(file.name + SUFFIX + NEW)
    for _ in range(ATTEMPTS):
        if not (part.sealed and _matches(got, part.sealed)) and store.get(key, got) is None:
            return State.MISSING
        state = _opened(got, part, file, identities)
        got.unlink()
        if state is not State.BAD:
            return state
    return State.BAD


def _opened(got: Path, part: _Part, file: Path, identities: Identities) -> State:
    new = file.with_name(file.name + NEW)
    try:
        with got.open("rb") as source, durable.create(new) as out:
            age.decrypt(source, out, identities)
            durable.flush(out)
        if _matches(new, part):
            durable.rename(new, file)
            return State.FETCHED
    except age.Closed:
        return State.SEALED
    except age.Broken:
        return State.BAD
    finally:
        new.unlink(missing_ok=True)
    return State.BAD


def _matches(path: Path, expected: _Part | Sealed) -> bool:
    """Size and SHA-256; the size is asked first, as it costs nothing."""
    try:
        if path.stat().st_size != expected.size:
            return False
        with path.open("rb") as file:
            return digest(file).sha256 == expected.sha256
    except FileNotFoundError:
        return False
