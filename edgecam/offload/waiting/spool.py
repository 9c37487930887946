"""Spool: what waits for the store, as a directory of markers (architecture, Disk). No database can disagree with it.

A marker goes only after the receipt is durable in the sidecar, so after any crash the directory alone says what is left
to do. Everything here blocks on the disk and raises OSError.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edgecam import durable
from edgecam.media import JOURNAL, Layout, MediaId, Receipt, Sidecar
from edgecam.offload.deliver import PASSING, Damaged, Gone, Parcel
from edgecam.offload.sealing.seal import Seal
from edgecam.offload.waiting.backlog import Waiting

_TYPES = {".mp4": "video/mp4", ".jpg": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Census:
    """What one look at the directory found."""

    ids: frozenset[str]
    """Of all that waits."""
    new: tuple[Waiting, ...]
    """What was not known before and has its media in place."""
    bad: int
    """Pieces of media in spool/bad."""


class Spool:
    """The waiting room below one storage path. Any thread, one call at a time for the same id."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def census(self, known: Collection[str] = ()) -> Census:
        """Look at all markers, and at the media of those that are not `known`.

        A marker whose media is not there is left alone: the library is just finishing it, or removes it at start.
        """
        ids, new = set[str](), list[Waiting]()
        for name in _names(self._layout.wait):
            try:
                id = MediaId.parse(name)
            except ValueError:
                continue
            ids.add(name)
            if name not in known and (size := _size(self._layout.media(id))) is not None:
                new.append(Waiting(id, size))
        bad = sum(Path(name).suffix in _TYPES for name in _names(self._layout.bad))
        return Census(frozenset(ids), tuple(new), bad)

    def sidecar(self, id: MediaId) -> Sidecar:
        """What is known of a waiting thing. Raises Gone when it does not wait any more, Damaged when nobody knows."""
        try:
            return Sidecar.model_validate_json(self._layout.sidecar(id).read_bytes())
        except FileNotFoundError:
            if self._layout.media(id).exists():
                raise Damaged(f"{id} has lost its sidecar, so its hash is not known") from None
            raise Gone(f"{id} is not there any more") from None
        except ValidationError:
            raise Damaged(f"the sidecar of {id} is unreadable, so its hash is not known") from None
        except OSError as error:
            if error.errno in PASSING:
                raise
            raise Damaged(f"the sidecar of {id} cannot be read ({error.strerror}), so its hash is not known") from None

    def parcel(self, sidecar: Sidecar, *, node: str, prefix: str, recipients: Sequence[str] = ()) -> Parcel:
        """The thing as it travels. The manifest is the sidecar without a receipt; an event's picture has none.

        `recipients`: for whom it is sealed; nobody: it goes as it is.
        """
        id = sidecar.media
        told = sidecar.model_dump(mode="json", include={"id", "camera", "kind", "start", "duration", "clock"})
        return Parcel(
            file=self._layout.media(id),
            stem=id.key(prefix, node),
            suffix=id.suffix,
            size=sidecar.size,
            md5=sidecar.md5,
            sha256=sidecar.sha256,
            content_type=_TYPES[id.suffix],
            metadata={name: str(value) for name, value in told.items()} | {"sha256": sidecar.sha256},
            manifest="" if id.beside else sidecar.model_copy(update={"receipt": None, "wanted": None}).dump().decode(),
            journal=self._layout.journal(id),
            seal=self._seal(id, recipients) if recipients else None,
        )

    def _seal(self, id: MediaId, recipients: Sequence[str]) -> Seal:
        return Seal(file=self._layout.sealed(id), facts=self._layout.seal(id), recipients=tuple(recipients))

    def done(self, sidecar: Sidecar, receipt: Receipt) -> Sidecar:
        """The store has it: first the receipt, durable, then the marker goes. Returns the sidecar with its receipt.

        What was dropped in the meantime stays dropped.
        """
        id = sidecar.media
        stored = sidecar.model_copy(update={"receipt": receipt})
        if self._layout.media(id).exists() and not id.beside:
            durable.write(self._layout.sidecar(id), stored.dump())
        durable.remove(self._layout.journal(id))
        self.release(id)
        return stored

    def release(self, id: MediaId) -> None:
        """It waits no longer; the media stays where it is."""
        for path in (self._layout.seal(id), self._layout.sealed(id)):
            durable.remove(path)
        durable.remove(self._layout.marker(id))

    def orphans(self) -> list[Path]:
        """Journals of uploads that nobody will complete: what they were for waits no longer, and did not arrive."""
        names = set(_names(self._layout.wait))
        found = sorted(name for name in names if name.endswith(JOURNAL) and name.removesuffix(JOURNAL) not in names)
        return [self._layout.wait / name for name in found]

    def bad(self, id: MediaId, why: str) -> None:
        """Set it aside in spool/bad, with the reason in its sidecar, for a person to look at. Deletes nothing."""
        durable.make_folder(self._layout.bad)
        media, old = self._layout.media(id), self._layout.sidecar(id)
        new = self._layout.bad / (media.name + ".json" if id.beside else old.name)
        try:
            noted = self.sidecar(id).model_copy(update={"note": why})
            durable.write(new, noted.dump())
        except (Damaged, Gone):
            if old.exists():
                durable.rename(old, new)
        if media.exists():
            durable.rename(media, self._layout.bad / media.name)
        durable.remove(old)
        self.release(id)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  ten thousand names, not ten thousand Paths
    except FileNotFoundError:
        return []


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
