"""Backlog: what waits for the store, in memory, and what goes next. Pure; the truth is the spool's directory."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edgecam.media import MediaId, MediaKind
from edgecam.offload.waiting.blame import Blame, Court
from edgecam.offload.waiting.ranking import Ranking

Order = Literal["events-first", "oldest-first", "newest-first"]
SHARE = 4
"""Of so many clips of events one is the oldest that waits, when events go first, and the others are the newest."""
STUBBORN = 2
"""Failures, each while the store worked for others, after which a thing lets the others go first."""
TURN, RAREST = 16, 16
"""Other things that arrive before what failed so gets a turn all the same, however many wait. It comes as many times
more seldom as it failed in vain, up to RAREST.
"""
PROBES = 3
"""Failures as a probe after which another thing is the probe: the fault may be the thing's own."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits, and its size in bytes."""

    id: MediaId
    size: int


class Backlog:
    """Things that wait, by their names. Loop thread only; asking for the next one is quick however many there are."""

    def __init__(self, order: Order) -> None:
        self._order: Order = order
        self._things: dict[str, Waiting] = {}
        self._suspect: Counter[str] = Counter()
        self._probed: Counter[str] = Counter()
        self._court = Court()
        self._held = frozenset[str]()
        self._bytes = 0
        self._turn = 0
        self._urgent, self._cheap, self._aged = Ranking(), Ranking(), Ranking()
        self._stubborn, self._since = Ranking(), 0
        """What failed again and again, what did so least first; things that arrived since one of them was tried."""
        self._clips = Ranking()
        """Of events that go newest first, the oldest first."""

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
        name = self._aged.first()
        return None if name is None else self._things[name].id.start

    def add(self, thing: Waiting) -> None:
        name = thing.id.name
        if name in self._things:
            self.remove(name)
        self._things[name] = thing
        self._bytes += thing.size
        if not thing.id.unsynced:
            self._aged.put(name, (thing.id.start,))
        self._rank(thing)

    def remove(self, id: str) -> None:
        """It does not wait any more, or never did."""
        gone = self._things.pop(id, None)
        del self._suspect[id], self._probed[id]
        self._court.forget(id)
        self._bytes -= gone.size if gone else 0
        for ranking in (self._urgent, self._cheap, self._aged, self._clips, self._stubborn):
            ranking.drop(id)

    def update(self, before: frozenset[str], now: frozenset[str], new: Iterable[Waiting]) -> None:
        """Take over what the directory said: what waited `before` it was read and is not in it `now` is gone."""
        for id in before - now:
            self.remove(id)
        for thing in new:
            self.add(thing)

    def hold(self, cameras: Iterable[str]) -> None:
        """Nothing of these cameras is to go; it waits."""
        self._held = frozenset(cameras)
        for thing in self._things.values():
            self._rank(thing)

    # How it went

    def done(self, id: str, *, sent: bool) -> None:
        """It arrived. `sent`: its bytes were, and are whole there."""
        self._turn += id in self._clips
        self._since += id in self._things
        if sent and id in self._things:
            self._court.passed(self._things[id].size)
        self.remove(id)

    def failed(self, id: str, *, probe: bool) -> None:
        """It did not arrive: as a `probe` of a store that does not work, or while the store worked for others."""
        if id in self._things:
            (self._probed if probe else self._suspect)[id] += 1
            self._tried(id)
            self._rank(self._things[id])

    def spoiled(self, id: str) -> Blame:
        """Its bytes did not arrive as they were sent: the others go first, until it is known whose fault that is."""
        if id not in self._things:
            return Blame.UNKNOWN
        self._suspect[id] = max(STUBBORN, self._suspect[id] + 1)
        self._probed[id] += 1
        self._tried(id)
        blame = self._court.spoiled(id, self._things[id].size)
        for name in {id, *self._court.lately}:
            if blame is Blame.LINE:
                del self._suspect[name]
            self._rank(self._things[name])
        return blame

    def _tried(self, id: str) -> None:
        if self._suspect[id] >= STUBBORN:
            self._since = 0

    def recovered(self) -> None:
        """The store works again: what failed as a probe is not to blame."""
        probed = list(self._probed)
        self._probed.clear()
        for id in probed:
            self._rank(self._things[id])

    # What goes next

    def next(self) -> Waiting | None:
        """The most urgent thing."""
        name, stubborn = self._urgent.first(), self._stubborn.first()
        if stubborn and self._since >= TURN * min(self._suspect[stubborn] - STUBBORN + 1, RAREST):
            name = stubborn
        elif name in self._clips and self._turn % SHARE == SHARE - 1:
            name = self._clips.first()
        return self._things.get(name or "")

    def probe(self) -> Waiting | None:
        """The thing that costs least when the store is only to be tried."""
        return self._things.get(self._cheap.first() or "")

    def _rank(self, thing: Waiting) -> None:
        name, suspect = thing.id.name, self._suspect[thing.id.name]
        stubborn = suspect >= STUBBORN
        if thing.id.camera in self._held:
            for ranking in (self._urgent, self._cheap, self._clips, self._stubborn):
                ranking.drop(name)
            return
        self._urgent.put(name, (stubborn, *urgency(thing.id, self._order)))
        if stubborn:
            self._stubborn.put(name, (suspect, *urgency(thing.id, self._order)))
        else:
            self._stubborn.drop(name)
        self._cheap.put(name, (suspect, self._probed[name] // PROBES, thing.size))
        if self._order == "events-first" and thing.id.kind in _EVENTS and not thing.id.still and not stubborn:
            self._clips.put(name, (thing.id.start,))
        else:
            self._clips.drop(name)


_EVENTS = (MediaKind.EVENT, MediaKind.MANUAL)


def urgency(id: MediaId, order: Order) -> tuple[int, float, bool]:
    """Sorts what goes first to the front; an event's picture goes before its clip.

    Events (and what people asked for) newest first, their pictures before all clips; the rest oldest first. What is
    said of the SHARE of the oldest clips is not in it.
    """
    if order == "newest-first":
        return 0, -id.start, not id.still
    if order == "oldest-first":
        return 0, id.start, not id.still
    if id.kind in _EVENTS:
        return (0 if id.beside else 1), -id.start, not id.still
    return (3 if id.kind is MediaKind.CONTINUOUS else 2), id.start, not id.still
