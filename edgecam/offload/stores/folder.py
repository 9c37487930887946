"""A folder as a store: a NAS that is mounted, a USB disk, or the demo's own.

Copied under a temporary name, synced, renamed: whoever looks sees whole files only.
"""

import errno
import hashlib
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from edgecam import durable
from edgecam.config.store import FolderStore
from edgecam.digest import digest
from edgecam.offload.stores import BadCredentials, BadSettings, Permanent, Stored, StoreFull, Transient, Upload
from edgecam.offload.stores.body import Body

CHUNK = 1 << 20
LEAVES = 1 << 16
"""Bytes that are copied at once to the store: what paces them looks in between."""
PART = ".part"

_FOR_A_PERSON: Mapping[int, tuple[type[Permanent], str]] = {
    errno.EACCES: (BadCredentials, "let edgecam's user write there"),
    errno.EPERM: (BadCredentials, "let edgecam's user write there"),
    errno.EROFS: (BadSettings, "it is mounted read-only"),
    errno.ENOSPC: (StoreFull, "make room there"),
    errno.EDQUOT: (StoreFull, "make room there, or raise the quota"),
    errno.EEXIST: (BadSettings, "something that is not a folder is in the way"),
    errno.ENOTDIR: (BadSettings, "something that is not a folder is in the way"),
    errno.EISDIR: (BadSettings, "a folder is in the way"),
}


class Folder:
    """See the Store protocol. Made when missing. Every hash is made from the bytes that lie there.

    What a crash leaves half done has a name of this box's own, which the next attempt takes again.
    """

    ahead: float | None = None
    """A folder has no clock of its own."""

    def __init__(self, config: FolderStore) -> None:
        self._root, self._must_be_mounted = config.path, config.require_mount

    def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        with Body(upload, progress) as body, self._speaking():
            target = self._path(upload.key)
            durable.make_folder(target.parent)
            part = target.with_name(f"{target.name}.{_writer()}{PART}")
            try:
                _copy(body, part)
                if part.stat().st_size != upload.size:
                    raise Transient(f"{self._root} took only a part of {upload.key}")
                durable.rename(part, target)
            except BaseException:
                with suppress(OSError):
                    part.unlink()
                raise
        return Stored(upload.key, upload.size, None, upload.md5, upload.sha256)

    def stat(self, key: str, pulse: Callable[[], object] = lambda: None) -> Stored | None:
        with self._speaking():
            path = self._path(key)
            try:
                with path.open("rb") as file:
                    return _hashed(key, file, pulse)
            except FileNotFoundError:
                return None

    def get(self, key: str, file: Path) -> Stored | None:
        with self._speaking():
            try:
                source = self._path(key).open("rb")
            except FileNotFoundError:
                return None
        part = file.with_name(file.name + PART)
        size, md5, sha256 = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256()
        with source, part.open("wb") as out:  # what our own disk says is not the store's
            while block := self._read(source):
                size += out.write(block)
                md5.update(block)
                sha256.update(block)
            durable.flush(out)
        part.replace(file)
        return Stored(key, size, None, md5.hexdigest(), sha256.hexdigest())

    def _read(self, source: BinaryIO) -> bytes:
        with self._speaking():
            return source.read(CHUNK)

    def list(self, prefix: str) -> Iterator[Stored]:
        with self._speaking():
            folder = self._path(prefix.rpartition("/")[0])
            names = sorted(
                path.relative_to(self._root).as_posix()
                for path in folder.rglob("*")
                if path.is_file() and path.suffix != PART
            )
            for name in names:
                if name.startswith(prefix):
                    yield Stored(name, (self._root / name).stat().st_size)

    def delete(self, key: str) -> None:
        with self._speaking():
            durable.remove(self._path(key))

    def abandon(self, journal: Path) -> None:
        """Nothing was noted."""
        journal.unlink(missing_ok=True)

    def make(self) -> None:
        with self._speaking():
            durable.make_folder(self._path(""))

    def link(self, key: str, expiry: float) -> tuple[str, float] | None:
        return None

    def describe(self) -> str:
        return f"folder {self._root}"

    def _path(self, key: str) -> Path:
        """Where `key` lies. A store that is not mounted is not made up on the card that it should relieve."""
        if self._must_be_mounted and not _mounted(self._root):
            raise Transient(f"nothing is mounted at {self._root}", "mount it; edgecam goes on by itself")
        if ".." in Path(key).parts or key.startswith("/"):
            raise BadSettings(f"{key} is not a name inside {self._root}", "check offload.store.prefix")
        return self._root / key

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """The disk's own errors, as verdicts."""
        try:
            yield
        except OSError as error:
            text = f"{self._root}: {error.strerror or error}"
            sort, hint = _FOR_A_PERSON.get(error.errno or 0, (Transient, None))
            raise sort(text, hint) from None


@cache
def _writer() -> str:
    """What tells this box's half files from another's: two that write one key must not write into one file."""
    try:
        text = Path("/etc/machine-id").read_text()
    except OSError:
        text = socket.gethostname()
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _mounted(path: Path) -> bool:
    """Whether `path` lies on a mount other than the root file system."""
    return any(place.is_mount() for place in (path, *path.parents)[:-1])


def _copy(body: Body, part: Path) -> None:
    with durable.create(part) as out:
        while chunk := body.read(LEAVES):
            out.write(chunk)
        durable.flush(out)


def _hashed(key: str, file: BinaryIO, pulse: Callable[[], object] = lambda: None) -> Stored:
    size, md5, sha256 = digest(file, pulse)
    return Stored(key, size, None, md5, sha256)
