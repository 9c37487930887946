"""Sweep: one round of removing finished media, and the exact account of what went. Blocking."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from edgecam.media import MediaId, Sidecar
from edgecam.record.disk.library import Library
from edgecam.record.disk.shelf import Item


@dataclass(slots=True)
class Sweep:
    """What one round removed; what went before the disk refused is in it."""

    items: list[Item] = field(default_factory=list)
    lost: list[Sidecar] = field(default_factory=list)
    """What a store still wanted of it."""
    bytes: int = 0
    trouble: OSError | None = None
    """Why it ended early."""

    def take(self, library: Library, item: Item) -> bool:
        """Remove one thing; False when the disk refuses."""
        lost = [library.sidecar(id) or unknown(id, item.size) for id in item.waiting]
        try:
            library.drop(item.id)
        except OSError as error:
            self.trouble = error
            return False
        self.items.append(item)
        self.lost += lost
        self.bytes += item.size
        return True


def sweep(library: Library, items: Iterable[Item]) -> Sweep:
    """Remove `items` for as long as the disk lets us."""
    done = Sweep()
    for item in items:
        if not done.take(library, item):
            break
    return done


def unknown(id: MediaId, size: int) -> Sidecar:
    """The sidecar of something whose own cannot be read: what its name says."""
    return Sidecar(
        id=id.text,
        camera=id.camera,
        kind=id.kind,
        start=id.start,
        end=id.start,
        clock="unsynced" if id.unsynced else "synced",
        boot=id.boot,
        boottime=id.start if id.boot else None,
        duration=0.0,
        codec="jpeg" if id.still else "unknown",
        width=0,
        height=0,
        size=size,
        sha256="",
        md5="",
        cause="unknown",
    )
