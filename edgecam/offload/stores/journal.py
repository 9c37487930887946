"""What is known of an upload in parts between two attempts: a small file beside the marker of what waits.

It says which upload it is for. One that does not fit, or makes no sense, is as good as none: the upload begins anew.
"""

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ValidationError

from edgecam import durable
from edgecam.offload.stores import Transient, Upload


class Forgotten(Transient):
    """The store does not know the upload, or a part of it, any more."""


class Begun(BaseModel):
    """An upload that has begun, and the parts of it that lie at the store."""

    store: str
    key: str
    size: int
    md5: str
    part: int
    """Bytes of each part but the last."""
    upload: str = ""
    """The store's own name for it, where it gives one."""
    parts: list[str] = []
    """What the store calls each part that it has, from the first one on."""

    def fits(self, other: "Begun") -> bool:
        """Whether both speak of the same bytes, cut alike, on their way to the same place."""
        return self.model_copy(update={"upload": "", "parts": []}) == other


class Journal:
    """The file. Its loss costs time only, so a disk that refuses it is no reason to fail. Blocks on the disk."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self) -> Begun | None:
        """What was noted last; None without a file that makes sense."""
        if self._path is None:
            return None
        try:
            return Begun.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None

    def note(self, begun: Begun) -> None:
        """Durable when this returns."""
        if self._path:
            with contextlib.suppress(OSError):
                durable.write(self._path, begun.model_dump_json().encode())

    def forget(self) -> None:
        if self._path:
            with contextlib.suppress(OSError):
                durable.remove(self._path)


def beginning(store: str, upload: Upload, part: int) -> Begun:
    """The notes of `upload` before anything of it was sent."""
    return Begun(store=store, key=upload.key, size=upload.size, md5=upload.md5, part=part)


def composite(md5s: Iterable[str]) -> str:
    """The ETag that S3 gives to an object of parts with these MD5s (hex): the MD5 of all of them, and their number."""
    parts = [bytes.fromhex(md5) for md5 in md5s]
    return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"
