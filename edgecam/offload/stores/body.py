"""The bytes of an upload, read once from the start to the end while somebody watches."""

import hashlib
import io
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Protocol, Self, runtime_checkable

from edgecam.offload.stores import Corrupt, Transient, Upload


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

    Raises Corrupt instead of handing out the last bytes when the whole is not what was hashed. A client may rewind
    and read again (a signature over the body does). Raises Transient when the file cannot be read.
    """

    def __init__(self, upload: Upload, progress: Callable[[int], None]) -> None:
        self._upload, self._progress = upload, progress
        body = upload.body
        self._file: BinaryIO
        try:
            self._file = io.BytesIO(body) if isinstance(body, bytes) else body.open("rb")
        except OSError as error:
            raise self._unreadable(error) from None
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
        return self._upload.size

    def read(self, size: int | None = -1) -> bytes:
        at = self._file.tell()
        try:
            data = self._file.read(portion(self._progress, size) if self.leaving else -1 if size is None else size)
        except OSError as error:
            raise self._unreadable(error) from None
        if at == 0:
            self._hash, self._hashed = hashlib.md5(usedforsecurity=False), 0
        if at == self._hashed:
            self._hash.update(data)
            self._hashed += len(data)
            self._check()
        if self.leaving and isinstance(self._progress, Gate):
            self._progress.let(len(data))
        self._progress(at + len(data) if self.leaving else 0)
        return data

    def _check(self) -> None:
        if self._hashed >= self._upload.size and (
            self._hashed > self._upload.size or self._hash.hexdigest() != self._upload.md5
        ):
            raise Corrupt(f"{self._upload.key}: the bytes that were read are not the bytes that were recorded")

    def _unreadable(self, error: OSError) -> Transient:
        return Transient(f"{self._upload.body!s} cannot be read: {error.strerror or error}")

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
