"""Delivery: the one procedure that brings a piece of media into a store, for the first time or once more.

Media first, then its manifest: an object without one is not yet finished (contract, section 6). May be killed at any
moment and run again: what is there already is recognised, what is torn is replaced, what is another's is left alone.
Media that is to be encrypted is so once the store has answered; its manifest says what lies there.
"""

import errno
import io
import itertools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import NewType

from pydantic import BaseModel, ConfigDict, ValidationError

from edgecam.digest import digest
from edgecam.media import Sealed, Sidecar
from edgecam.offload.sealing import seal
from edgecam.offload.sealing.age import SUFFIX
from edgecam.offload.sealing.seal import Seal
from edgecam.offload.stores import Permanent, Store, Stored, StoreError, Transient, Upload
from edgecam.offload.stores.body import pieces
from edgecam.offload.stores.journal import composite

Stem = NewType("Stem", str)
"""A key without its suffix; media and manifest differ in the suffix only."""


class Damaged(StoreError):
    """The file here is not what was recorded: no store can help, and it must not be uploaded."""


class Gone(StoreError):
    """The file is not here any more."""


class Parcel(BaseModel):
    """A piece of media on its way: where it lies, where it shall go, what it must be on arrival (hashes in hex)."""

    model_config = ConfigDict(frozen=True)

    file: Path
    stem: str
    """The object key without its suffix."""
    suffix: str
    """Of the media; `.age` follows it where it is sealed."""
    size: int
    md5: str
    sha256: str
    content_type: str
    metadata: Mapping[str, str]
    manifest: str
    """What goes to `<stem>.json`, after the media; empty where another thing's manifest speaks of it."""
    journal: Path | None = None
    """Where what is known of a multipart upload may be kept between attempts; goes with the marker."""
    seal: Seal | None = None
    """Encrypt the media before it leaves."""


class Delivered(BaseModel):
    """Media and manifest are in the store, whole and verified."""

    model_config = ConfigDict(frozen=True)

    where: str
    key: str
    size: int
    etag: str | None = None
    sent: bool = True
    """False when the very same object was there already."""
    torn: bool = False
    """Other bytes without a manifest were at our key, our own torn put, and were replaced."""
    conflicts: int = 0
    """Keys that hold somebody else's finished object; ours went to `<stem>-2` or beyond."""


class Found(Enum):
    """What is at a key."""

    NOTHING = auto()
    OURS = auto()
    TORN = auto()
    FOREIGN = auto()
    UNKNOWN = auto()
    """The key may not ask."""


@dataclass(frozen=True, slots=True)
class Form:
    """The bytes that travel for a parcel: the media as it is, or sealed. Hashes in hex."""

    body: Path
    suffix: str
    size: int
    md5: str
    sha256: str
    content_type: str
    sealed: Sealed | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at the store found."""

    found: Found
    there: Stored | None = None
    finished: bool = False
    """Its manifest is there as well, and says so."""


class _Naming(BaseModel):
    """The part of a manifest that says whose it is, and what the object was made of it."""

    sha256: str
    sealed: Sealed | None = None


def deliver(store: Store, parcel: Parcel, progress: Callable[[int], None]) -> Delivered:
    """Bring `parcel` into `store`. `progress` is called with the bytes sent so far, and with 0 while reading.

    Blocking. Raises StoreError: Damaged and Gone speak of the file here, the others of the store.
    """
    check(parcel, progress)
    form = _known(parcel, progress)
    for number in itertools.count(1):
        stem = Stem(parcel.stem if number == 1 else f"{parcel.stem}-{number}")
        sight = look(store, parcel, stem, form, progress)
        if sight.found is not Found.FOREIGN:
            break
    stored = sight.there
    if sight.found is not Found.OURS or stored is None:
        form = form or _sealed_now(parcel, progress)
        stored = store.put(_media(parcel, form, stem), progress)
    if parcel.manifest and not sight.finished:
        assert form is not None
        store.put(_manifest(parcel, form, stem), progress)
    return Delivered(
        where=store.describe(),
        key=stored.key,
        size=stored.size,
        etag=stored.etag,
        sent=sight.found is not Found.OURS,
        torn=sight.found is Found.TORN,
        conflicts=number - 1,
    )


PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN})
PASSING |= {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""What our own system says when it is short of something, and not of the file."""


def check(parcel: Parcel, progress: Callable[[int], None]) -> None:
    """Compare the file with what was recorded, before a byte of it leaves. Raises Damaged and Gone."""
    try:
        with parcel.file.open("rb") as file:
            found = digest(file, lambda: progress(0))
    except FileNotFoundError:
        raise Gone(f"{parcel.file} is not there any more") from None
    except OSError as error:
        if error.errno in PASSING:
            raise Transient(f"{parcel.file.name} cannot be read now: {error.strerror}") from None
        raise Damaged(f"{parcel.file.name} cannot be read: {error.strerror}", "a dying SD card?") from None
    if found != (parcel.size, parcel.md5, parcel.sha256):
        raise Damaged(f"{parcel.file.name} is not what was recorded: its hash differs", "a dying SD card?")


def look(
    store: Store, parcel: Parcel, stem: Stem, form: Form | None, progress: Callable[[int], None] = lambda _: None
) -> Sight:
    """What is at our key. Where asking is refused (put-only keys) the PUT's own answer decides.

    `form` is None while it is not sealed. age gives other bytes each time: what another sealing of the same media left,
    and what was stored before somebody switched encryption on, is ours when the manifest names our media and what lies
    there is what it tells.
    """
    key = stem + (parcel.suffix + SUFFIX if parcel.seal else parcel.suffix)
    try:
        there = store.stat(key, lambda: progress(0))
    except Permanent:
        return Sight(Found.UNKNOWN)
    same = _same(there, form, progress) if there and form else None
    if there is None and (parcel.seal is None or not parcel.manifest or store.stat(f"{stem}.json") is None):
        return Sight(Found.NOTHING)
    named = _named(store, stem) if parcel.manifest else None
    if same and form:
        told = named is not None and (named.sha256, named.sealed) == (parcel.sha256, form.sealed)
        return Sight(Found.OURS, there, finished=told or not parcel.manifest)
    if named and named.sha256 != parcel.sha256:
        return Sight(Found.FOREIGN, there)
    if named and (whole := _told(store, parcel, stem, named, there)):
        return Sight(Found.OURS, whole, finished=True)
    return Sight(Found.TORN if there else Found.NOTHING, there)


def _told(store: Store, parcel: Parcel, stem: Stem, named: _Naming, there: Stored | None) -> Stored | None:
    """The object that our manifest tells of, if it is as told."""
    form: Form | Sealed = named.sealed or _plain(parcel)
    if parcel.seal and not named.sealed:
        there = store.stat(stem + parcel.suffix)
    return there if there and _same(there, form) is not False else None


def _same(there: Stored, form: Form | Sealed, progress: Callable[[int], None] = lambda _: None) -> bool | None:
    """Whether the object is that, byte for byte; None where the store tells no hash and the size agrees."""
    if there.size != form.size:
        return False
    if there.md5 is not None:
        return there.md5 == form.md5
    if there.sha256 is not None:
        return there.sha256 == form.sha256
    return (
        True if isinstance(form, Form) and there.part and _in_parts(form, there.part, progress) == there.etag else None
    )


def _in_parts(form: Form, part: int, progress: Callable[[int], None]) -> str:
    """The ETag of `form` where it was put in parts of that many bytes; by others' parts it would be another."""
    upload = Upload(form.body, form.body.name, form.size, form.md5, form.sha256, form.content_type, {})
    return composite(piece.md5 for piece in pieces(upload, part, lambda _: progress(0)))


def _named(store: Store, stem: Stem) -> _Naming | None:
    """What the manifest names; None without a manifest or with one that makes no sense.

    A key that may not list is refused what is missing. Where a manifest is there and refused, it is another's.
    """
    with tempfile.TemporaryDirectory(prefix="edgecam-") as folder:
        file = Path(folder) / "manifest"
        try:
            if store.get(f"{stem}.json", file) is None:
                return None
        except Permanent:
            return _Naming(sha256="") if _seen(store, f"{stem}.json") else None
        try:
            return _Naming.model_validate_json(file.read_bytes())
        except ValidationError:
            return None


def _seen(store: Store, key: str) -> bool:
    try:
        return store.stat(key) is not None
    except Permanent:
        return False


def _plain(parcel: Parcel) -> Form:
    return Form(parcel.file, parcel.suffix, parcel.size, parcel.md5, parcel.sha256, parcel.content_type)


def _known(parcel: Parcel, progress: Callable[[int], None]) -> Form | None:
    """What is to travel, unless it is still to be sealed."""
    if parcel.seal is None:
        return _plain(parcel)
    facts = seal.made(parcel.seal, parcel.sha256, lambda: progress(0))
    return _sealed(parcel, parcel.seal, facts) if facts else None


def _sealed_now(parcel: Parcel, progress: Callable[[int], None]) -> Form:
    assert parcel.seal is not None
    return _sealed(parcel, parcel.seal, seal.make(parcel.seal, parcel.file, parcel.sha256, lambda: progress(0)))


def _sealed(parcel: Parcel, told: Seal, facts: seal.Facts) -> Form:
    sealed = Sealed(size=facts.size, sha256=facts.sha256, md5=facts.md5, recipients=len(facts.recipients))
    suffix, sort = parcel.suffix + SUFFIX, "application/octet-stream"
    return Form(told.file, suffix, facts.size, facts.md5, facts.sha256, sort, sealed)


def _media(parcel: Parcel, form: Form, stem: Stem) -> Upload:
    return Upload(
        body=form.body,
        key=stem + form.suffix,
        size=form.size,
        md5=form.md5,
        sha256=form.sha256,
        content_type=form.content_type,
        metadata={**parcel.metadata, "sha256": form.sha256} if form.sealed else parcel.metadata,
        journal=parcel.journal,
    )


def _manifest(parcel: Parcel, form: Form, stem: Stem) -> Upload:
    data = parcel.manifest.encode()
    if form.sealed:
        data = Sidecar.model_validate_json(data).model_copy(update={"sealed": form.sealed}).dump()
    size, md5, sha256 = digest(io.BytesIO(data))
    return Upload(
        body=data,
        key=f"{stem}.json",
        size=size,
        md5=md5,
        sha256=sha256,
        content_type="application/json",
        metadata={},
    )
