"""Sweep: one round of removing finished media, and the exact account of what went. Blocking."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from edgecam.media import Sidecar
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
        lost = [library.sidecar(id) or Sidecar.unknown(id, item.size) for id in item.waiting]
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
