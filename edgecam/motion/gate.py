"""Gate: turns single looks into events. A look is evidence; an event is a decision.

A *run* is `confirm` or more moving looks in a row, of what may be the same thing. An *event* is one run or several,
each nearer than the cooldown to the one before. So a lone flash neither begins an event nor keeps one alive. A trigger
from outside is another reason: it begins an event at once, or keeps the running one open, until its time is over.
"""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Started:
    """An event began, with its first run or with a trigger. `at` is the first look of that run, earlier than its
    confirmation.
    """

    at: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """Another run of the same event began at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class Moved:
    """A confirmed moving look: the run and the event reach to here. Follows Started and Resumed at once."""

    at: float


@dataclass(frozen=True, slots=True)
class Held:
    """A trigger has kept the event open until `at`, whatever moved."""

    at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The event is over. `at` is its last confirmed moving look or the end of its trigger, `since` its start."""

    at: float
    since: float

    @property
    def duration(self) -> float:
        return self.at - self.since


Fact = Started | Resumed | Moved | Held | Ended


class Gate:
    """Opens after `confirm` moving looks in a row, closes after `cooldown` quiet seconds; a trigger holds it open.

    Pure: the caller brings the monotonic time of each look, in order. Not thread-safe.
    """

    def __init__(self, confirm: int, cooldown: float) -> None:
        if confirm < 1:
            raise ValueError("confirm must be at least 1")
        self._confirm = confirm
        self.tune(cooldown)
        self._streak = 0
        self._streak_began = 0.0
        self._since: float | None = None  # None: closed
        self._moved = self._until = self._reach = -inf  # last confirmed look, end of the trigger, the later one so far

    def tune(self, cooldown: float) -> None:
        """Another cooldown, from the next look or tick on; a running event obeys it, too."""
        if cooldown < 0:
            raise ValueError("cooldown must not be negative")
        self._cooldown = cooldown

    @property
    def open(self) -> bool:
        """An event is going on."""
        return self._since is not None

    def look(self, at: float, moving: bool, follows: bool = True) -> list[Fact]:
        """What this look decides, in order; mostly nothing. Unless it `follows`, it is the first of another thing."""
        if not (moving and follows):
            self._streak = 0
        if not moving:
            return self.tick(at)
        facts = [] if self._streak else self.tick(at)
        if not self._streak:
            self._streak_began = at
        self._streak += 1
        if self._streak < self._confirm:
            return facts
        if self._since is None:
            self._since = self._streak_began
            facts.append(Started(self._streak_began))
        elif self._streak == self._confirm:
            facts.append(Resumed(self._streak_began))
        self._moved = at
        self._reach = max(self._reach, at)
        facts.append(Moved(at))
        return facts

    def hold(self, now: float, until: float) -> list[Fact]:
        """A trigger at `now`: the event goes on until `until` at least; where there is none, one begins."""
        facts = self.tick(now)
        if self._since is None:
            self._since = self._reach = now
            facts.append(Started(now))
        self._until = max(self._until, until)
        return facts

    def tick(self, now: float) -> list[Fact]:
        """Time passed without a look: ends an event that no trigger holds and that was quiet for the cooldown."""
        if self._since is None:
            return []
        facts: list[Fact] = []
        if (held := min(now, self._until)) > self._reach:
            self._reach = held
            facts.append(Held(held))
        if now < self._until or now - self._moved < self._cooldown:
            return facts
        return facts + self.close()

    def still(self) -> list[Fact]:
        """Nobody looks any more: from now on only a trigger that still holds keeps the event open."""
        self._streak, self._moved = 0, -inf
        return [] if self._until > self._reach else self.close()

    def close(self) -> list[Fact]:
        """End a running event now, whatever holds it; forget moving looks that were not confirmed yet."""
        self._streak = 0
        if self._since is None:
            return []
        ended = Ended(self._reach, self._since)
        self._since = None
        self._moved = self._until = self._reach = -inf
        return [ended]
