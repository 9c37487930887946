"""Azure's uploads in blocks: one at a time, each with its MD5, noted once it is there; the commit makes them a blob.

Blocks that are never committed Azure forgets by itself, a week after the last one. To commit once more is fine: the
blocks are found in the blob then.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from edgecam.offload.stores import BadSettings, Upload
from edgecam.offload.stores.body import Body, Unlike, pieces
from edgecam.offload.stores.journal import Begun, Forgotten, Journal, beginning

T = TypeVar("T", covariant=True)

MOST = 50_000
"""Blocks of one blob, by the rules of Azure."""


class Container(Protocol[T]):
    """What the upload needs of the container. Both raise StoreError, Forgotten where the store has lost a block."""

    def stage(self, upload: Upload, id: str, data: bytes, start: int, progress: Callable[[int], None]) -> None:
        """`data` begins at the byte `start` of the upload; `progress` counts from the start of the upload."""
        ...

    def commit(self, upload: Upload, ids: Sequence[str]) -> T: ...


def put_blocks(container: Container[T], where: str, upload: Upload, size: int, progress: Callable[[int], None]) -> T:
    """Go on with what the journal tells, or begin, in blocks of `size` bytes. Returns the answer to the commit.

    `where` names the container in the journal. Raises StoreError.
    """
    journal, new = Journal(upload.journal), beginning(where, upload, max(size, -(-upload.size // MOST)))
    begun = journal.read()
    if begun and begun.fits(new):
        with suppress(Forgotten):
            return _go_on(container, begun, upload, progress)
    return _go_on(container, new, upload, progress)


def _go_on(container: Container[T], begun: Begun, upload: Upload, progress: Callable[[int], None]) -> T:
    journal, ids = Journal(upload.journal), list[str]()
    try:
        for number, piece in enumerate(pieces(upload, begun.part, progress)):
            ids.append(f"{number:05}-{piece.md5}")  # all of one length, as Azure wants it
            if number >= len(begun.parts):
                with Body(upload, lambda _: None, piece) as body:
                    data = body.read()
                container.stage(upload, ids[-1], data, piece.start, progress)
                begun = begun.model_copy(update={"parts": ids[:]})
                journal.note(begun)
        progress(upload.size)  # also where every block was there already: what is left may take its time
        return container.commit(upload, ids)
    except (Unlike, BadSettings, Forgotten):  # these blocks will never be a blob
        journal.forget()
        raise
