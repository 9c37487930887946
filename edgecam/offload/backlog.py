"""Backlog: what waits for the store, in memory, and what goes next. Pure; the truth is the spool's directory."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edgecam.media import MediaId, MediaKind

Order = Literal["events-first", "oldest-first", "newest-first"]
STUBBORN = 2
"""Failures, each while the store worked for others, after which a thing lets the others go first."""
PROBES = 3
"""Failures as a probe after which another thing is the probe: the fault may be the thing's own."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits, and its size in bytes."""

    id: MediaId
    size: int


class Backlog:
    """Things that wait, by their ids. Loop thread only."""

    def __init__(self, order: Order) -> None:
        self._order: Order = order
        self._things: dict[str, Waiting] = {}
        self._suspect: Counter[str] = Counter()
        self._probed: Counter[str] = Counter()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._things)

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._things)

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def oldest(self) -> float | None:
        """Start of the oldest thing of which it is known, unix seconds."""
        return min((thing.id.start for thing in self._things.values() if not thing.id.unsynced), default=None)

    def add(self, thing: Waiting) -> None:
        self.remove(thing.id.name)
        self._things[thing.id.name] = thing
        self._bytes += thing.size

    def remove(self, id: str) -> None:
        """It does not wait any more, or never did."""
        gone = self._things.pop(id, None)
        del self._suspect[id], self._probed[id]
        self._bytes -= gone.size if gone else 0

    def update(self, before: frozenset[str], now: frozenset[str], new: Iterable[Waiting]) -> None:
        """Take over what the directory said: what waited `before` it was read and is not in it `now` is gone."""
        for id in before - now:
            self.remove(id)
        for thing in new:
            self.add(thing)

    def failed(self, id: str, *, probe: bool) -> None:
        """It did not arrive: as a `probe` of a store that does not work, or while the store worked for others."""
        (self._probed if probe else self._suspect)[id] += 1

    def recovered(self) -> None:
        """The store works again: what failed as a probe is not to blame."""
        self._probed.clear()

    def next(self) -> Waiting | None:
        """The most urgent thing."""
        return min(self._things.values(), key=self._urgency, default=None)

    def probe(self) -> Waiting | None:
        """The thing that costs least when the store is only to be tried."""
        return min(self._things.values(), key=self._price, default=None)

    def _price(self, thing: Waiting) -> tuple[int, int, int]:
        id = thing.id.name
        return self._suspect[id], self._probed[id] // PROBES, thing.size

    def _urgency(self, thing: Waiting) -> tuple[bool, int, float, bool]:
        """An event's picture goes before its clip."""
        return self._suspect[thing.id.name] >= STUBBORN, *urgency(thing.id, self._order), not thing.id.still


def urgency(id: MediaId, order: Order) -> tuple[int, float]:
    """Sorts what goes first to the front. Events (and what people asked for) newest first, the rest oldest first."""
    if order == "newest-first":
        return 0, -id.start
    if order == "oldest-first":
        return 0, id.start
    if id.kind in (MediaKind.EVENT, MediaKind.MANUAL):
        return 0, -id.start
    return (2 if id.kind is MediaKind.CONTINUOUS else 1), id.start
