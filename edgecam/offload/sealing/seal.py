"""Seal: media encrypted once before its first byte leaves, so that every attempt sends the very same bytes.

age gives other bytes each time. So the sealed file lies in `spool/sealed` with its facts until the marker goes; they
are written last and say that it is whole. Whatever does not fit any more is made anew: the plain media is still there.
"""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

from edgecam import durable
from edgecam.digest import digest
from edgecam.offload.sealing import age
from edgecam.offload.stores import Corrupt, Transient

NEW = ".new"
"""Behind the name of what is not whole yet."""
SYNC = 32 << 20
"""Bytes after which the disk is waited for: at the end there shall not be so much left that it looks like a hang."""


class Seal(BaseModel):
    """That a parcel is to be sealed."""

    model_config = ConfigDict(frozen=True)

    file: Path
    """Where the sealed media lies, or will."""
    facts: Path
    """Where it is told what that is."""
    recipients: tuple[str, ...]


class Facts(BaseModel):
    """What a sealed file is. Hashes in hex."""

    model_config = ConfigDict(frozen=True)

    media: str
    """The SHA-256 of what is sealed in it."""
    recipients: tuple[str, ...]
    size: int
    md5: str
    sha256: str


def made(seal: Seal, sha256: str, pulse: Callable[[], object]) -> Facts | None:
    """What an earlier attempt sealed, if it is whole and for the same recipients; `sha256` is that of the plain media.

    Blocking; never raises.
    """
    try:
        told = Facts.model_validate_json(seal.facts.read_bytes())
        if told.media != sha256 or set(told.recipients) != set(seal.recipients):
            return None
        with seal.file.open("rb") as file:
            return told if digest(file, pulse) == (told.size, told.md5, told.sha256) else None
    except (OSError, ValidationError):
        return None


def make(seal: Seal, media: Path, sha256: str, pulse: Callable[[], object]) -> Facts:
    """Seal `media`, durably. Blocking. Raises Transient, BadSettings, and Corrupt when it is not what was recorded."""
    part = seal.file.with_name(seal.file.name + NEW)
    try:
        durable.make_folder(part.parent)
        with media.open("rb") as source, durable.create(part) as out:
            plain, sealed = _Read(source), _Written(out)
            age.encrypt(plain, sealed, seal.recipients, pulse)
            durable.flush(out)
        if plain.sha256.hexdigest() != sha256:
            raise Corrupt(f"{media.name}: the bytes that were read are not the bytes that were recorded")
        made = Facts(
            media=sha256,
            recipients=seal.recipients,
            size=sealed.size,
            md5=sealed.md5.hexdigest(),
            sha256=sealed.sha256.hexdigest(),
        )
        durable.rename(part, seal.file)
        durable.write(seal.facts, made.model_dump_json().encode())
    except OSError as error:
        where = f"{media.name} cannot be sealed in {part.parent}"
        raise Transient(f"{where}: {error.strerror or error}", "is there room?") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return made


class _Read:
    """A reader that knows the hash of what passed."""

    def __init__(self, reader: age.Reader) -> None:
        self._reader, self.sha256 = reader, hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._reader.read(size)
        self.sha256.update(data)
        return data


class _Written:
    """A new file that knows what passed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.size, self._synced = file, 0, 0
        self.md5, self.sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)
        self.md5.update(data)
        self.sha256.update(data)
        if self.size - self._synced >= SYNC:
            durable.flush(self._file)
            self._synced = self.size
