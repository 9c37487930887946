"""Digest: what a piece of media is known by, from the moment it is finished to the store's receipt."""

import hashlib
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

BLOCK = 1 << 20
"""Bytes read at once."""


class Digest(NamedTuple):
    """Size in bytes, hashes in hex."""

    size: int
    md5: str
    sha256: str


def digest(file: BinaryIO, pulse: Callable[[], object] = lambda: None) -> Digest:
    """Of all that is in `file`, in one pass from its start to its end. `pulse` is called with each block.

    Blocking; raises OSError.
    """
    size, md5, sha256 = file.seek(0), hashlib.md5(usedforsecurity=False), hashlib.sha256()
    while block := file.read(BLOCK):
        size += len(block)
        md5.update(block)
        sha256.update(block)
        pulse()
    return Digest(size, md5.hexdigest(), sha256.hexdigest())
