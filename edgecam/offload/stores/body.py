"""The bytes of an upload, or of one piece of it, read once from the start to the end while somebody watches."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol, Self, runtime_checkable

from edgecam.offload.stores import Corrupt, Transient, Upload

BLOCK = 1 << 20
"""Bytes read at once while hashing."""


class Unlike(Corrupt):
    """What lies here is not what was hashed: sending it again does not help."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an upload, in bytes, and its MD5 in hex."""

    start: int
    size: int
    md5: str


@runtime_checkable
class Gate(Protocol):
    """A `progress` that also decides how fast bytes leave."""

    def __call__(self, sent: int) -> None: ...

    def most(self) -> int | None:
        """Bytes that should leave in one piece at most."""
        ...

    def let(self, count: int) -> None:
        """Return when `count` more bytes may leave, or raise a StoreError."""
        ...


def portion(progress: Callable[[int], None], size: int | None) -> int:
    """How many bytes to read for somebody who asked for `size` (None or less than 0: all)."""
    most = progress.most() if isinstance(progress, Gate) else None
    if size is None or size < 0:
        return -1 if most is None else most
    return size if most is None else min(size, most)


class Body:
    """What HTTP clients read from: tells `progress` how far it has got and checks the MD5 on the way.

    Raises Unlike instead of handing out the last bytes when the whole is not what was hashed. A client may rewind
    and read again (a signature over the body does). Raises Transient when the file cannot be read.
    """

    def __init__(self, upload: Upload, progress: Callable[[int], None], piece: Piece | None = None) -> None:
        """All of `upload`, or the `piece` of it; `progress` counts from the start of the upload either way."""
        self._upload, self._progress = upload, progress
        self._piece = piece or Piece(0, upload.size, upload.md5)
        self._ends = self._piece.start + self._piece.size if piece else None
        self._file = opened(upload)
        self._file.seek(self._piece.start)
        self._hash = hashlib.md5(usedforsecurity=False)
        self._hashed = 0
        self.leaving = True
        """Whether what is read leaves the box. A client that reads only to sign says so."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._piece.size

    def read(self, size: int | None = -1) -> bytes:
        at = self.tell()
        most = portion(self._progress, size) if self.leaving else size
        data = _read(self._file, self._wanted(most), self._upload)
        if at == 0:
            self._hash, self._hashed = hashlib.md5(usedforsecurity=False), 0
        if at == self._hashed:
            self._hash.update(data)
            self._hashed += len(data)
            self._check()
        if self.leaving and isinstance(self._progress, Gate):
            self._progress.let(len(data))
        self._progress(self._piece.start + at + len(data) if self.leaving else 0)
        return data

    def _wanted(self, size: int | None) -> int:
        """Bytes to read; a piece ends where the next one begins."""
        asked = -1 if size is None else size
        if self._ends is None:
            return asked
        left = max(0, self._ends - self._file.tell())
        return left if asked < 0 else min(asked, left)

    def _check(self) -> None:
        piece = self._piece
        if self._hashed >= piece.size and (self._hashed > piece.size or self._hash.hexdigest() != piece.md5):
            raise _unlike(self._upload)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            offset += self._piece.start
        elif whence == io.SEEK_END and self._ends is not None:
            offset, whence = offset + self._ends, io.SEEK_SET
        return self._file.seek(offset, whence) - self._piece.start

    def tell(self) -> int:
        return self._file.tell() - self._piece.start


def pieces(upload: Upload, size: int, progress: Callable[[int], None]) -> Iterator[Piece]:
    """Cut `upload` into pieces of `size` bytes (the last may be smaller), each hashed when its turn comes.

    In one pass: whoever takes the last piece knows that the whole is what was recorded. `progress` is told where the
    piece begins while it is read. Raises Unlike, and Transient when the file cannot be read.
    """
    whole, start = hashlib.md5(usedforsecurity=False), 0
    with opened(upload) as file:
        while start < upload.size:
            piece, end = hashlib.md5(usedforsecurity=False), min(start + size, upload.size)
            while (left := end - file.tell()) > 0 and (data := _read(file, min(left, BLOCK), upload)):
                whole.update(data)
                piece.update(data)
                progress(start)
            torn = end == upload.size and (_read(file, 1, upload) or whole.hexdigest() != upload.md5)
            if torn or left > 0:
                raise _unlike(upload)
            yield Piece(start, end - start, piece.hexdigest())
            start = end


def opened(upload: Upload) -> BinaryIO:
    """The bytes, from their start. Raises Transient when they cannot be read."""
    body = upload.body
    try:
        return io.BytesIO(body) if isinstance(body, bytes) else body.open("rb")
    except OSError as error:
        raise _unreadable(upload, error) from None


def _read(file: BinaryIO, size: int, upload: Upload) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise _unreadable(upload, error) from None


def _unlike(upload: Upload) -> Unlike:
    return Unlike(f"{upload.key}: the bytes that were read are not the bytes that were recorded")


def _unreadable(upload: Upload, error: OSError) -> Transient:
    return Transient(f"{upload.body!s} cannot be read: {error.strerror or error}")
