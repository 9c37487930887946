"""Delivery: the one procedure that brings a piece of media into a store, for the first time or once more.

Media first, then its manifest: an object without one is not yet finished (contract, section 6). May be killed at any
moment and run again: what is there already is recognised, what is torn is replaced, what is another's is left alone.
"""

import errno
import io
import itertools
import tempfile
from collections.abc import Callable, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import NewType

from pydantic import BaseModel, ConfigDict, ValidationError

from edgecam.digest import digest
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
    """The object key without its suffix, which is that of `file`."""
    size: int
    md5: str
    sha256: str
    content_type: str
    metadata: Mapping[str, str]
    manifest: str
    """What goes to `<stem>.json`, after the media; empty where another thing's manifest speaks of it."""
    journal: Path | None = None
    """Where what is known of a multipart upload may be kept between attempts; goes with the marker."""


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


class _Naming(BaseModel):
    """The part of a manifest that says whose it is."""

    sha256: str


def deliver(store: Store, parcel: Parcel, progress: Callable[[int], None]) -> Delivered:
    """Bring `parcel` into `store`. `progress` is called with the bytes sent so far, and with 0 while reading.

    Blocking. Raises StoreError: Damaged and Gone speak of the file here, the others of the store.
    """
    check(parcel, progress)
    for number in itertools.count(1):
        stem = Stem(parcel.stem if number == 1 else f"{parcel.stem}-{number}")
        found, there = look(store, parcel, stem, progress)
        if found is not Found.FOREIGN:
            break
    media = _media(parcel, stem)
    if found is Found.OURS and there:
        stored, finished = there, not parcel.manifest or _named(store, stem) == parcel.sha256
    else:
        stored, finished = store.put(media, progress), False
    if parcel.manifest and not finished:
        store.put(_manifest(parcel, stem), progress)
    return Delivered(
        where=store.describe(),
        key=media.key,
        size=stored.size,
        etag=stored.etag,
        sent=found is not Found.OURS,
        torn=found is Found.TORN,
        conflicts=number - 1,
    )


PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN})
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
    store: Store, parcel: Parcel, stem: Stem, progress: Callable[[int], None] = lambda _: None
) -> tuple[Found, Stored | None]:
    """What is at our key. Where asking is refused (put-only keys) the PUT's own answer decides."""
    key = stem + parcel.file.suffix
    try:
        there = store.stat(key)
    except Permanent:
        return Found.UNKNOWN, None
    if there is None:
        return Found.NOTHING, None
    same = _same(there, parcel, progress)
    if same:
        return Found.OURS, there
    named = _named(store, stem) if parcel.manifest else None
    if named is not None and named != parcel.sha256:
        return Found.FOREIGN, there
    return (Found.OURS if named and same is None else Found.TORN), there


def _same(there: Stored, parcel: Parcel, progress: Callable[[int], None]) -> bool | None:
    """Whether the object is ours, byte for byte; None where the store tells no hash and the size agrees."""
    if there.size != parcel.size:
        return False
    if there.md5 is not None:
        return there.md5 == parcel.md5
    if there.sha256 is not None:
        return there.sha256 == parcel.sha256
    return True if there.part and _in_parts(parcel, there.part, progress) == there.etag else None


def _in_parts(parcel: Parcel, part: int, progress: Callable[[int], None]) -> str:
    """The ETag of `parcel` where it was put in parts of that many bytes; by others' parts it would be another."""
    cut = pieces(_media(parcel, Stem(parcel.stem)), part, lambda _: progress(0))
    return composite(piece.md5 for piece in cut)


def _named(store: Store, stem: Stem) -> str | None:
    """The SHA-256 that the manifest names; None without a manifest or with one that makes no sense."""
    with tempfile.TemporaryDirectory(prefix="edgecam-") as folder:
        file = Path(folder) / "manifest"
        if store.get(f"{stem}.json", file) is None:
            return None
        try:
            return _Naming.model_validate_json(file.read_bytes()).sha256
        except ValidationError:
            return None


def _media(parcel: Parcel, stem: Stem) -> Upload:
    return Upload(
        body=parcel.file,
        key=stem + parcel.file.suffix,
        size=parcel.size,
        md5=parcel.md5,
        sha256=parcel.sha256,
        content_type=parcel.content_type,
        metadata=parcel.metadata,
        journal=parcel.journal,
    )


def _manifest(parcel: Parcel, stem: Stem) -> Upload:
    data = parcel.manifest.encode()
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
