"""Gate: turns single looks into events. A look is evidence; an event is a decision.

A *run* is `confirm` or more moving looks in a row. An *event* is one run or several, each nearer than the
cooldown to the one before. So a lone flash neither begins an event nor keeps one alive.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """An event began, with its first run. `at` is the first look of that run, earlier than its confirmation."""

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
class Ended:
    """The event is over. `at` is its last confirmed moving look, `since` its start."""

    at: float
    since: float

    @property
    def duration(self) -> float:
        return self.at - self.since


Fact = Started | Resumed | Moved | Ended


class Gate:
    """Opens after `confirm` moving looks in a row, closes after `cooldown` quiet seconds.

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
        self._last_motion = 0.0

    def tune(self, cooldown: float) -> None:
        """Another cooldown, from the next look or tick on; a running event obeys it, too."""
        if cooldown < 0:
            raise ValueError("cooldown must not be negative")
        self._cooldown = cooldown

    @property
    def open(self) -> bool:
        """An event is going on."""
        return self._since is not None

    def look(self, at: float, moving: bool) -> list[Fact]:
        """What this look decides, in order; mostly nothing."""
        if not moving:
            self._streak = 0
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
        self._last_motion = at
        facts.append(Moved(at))
        return facts

    def tick(self, now: float) -> list[Fact]:
        """Time passed without a look: ends an event that has been quiet for the cooldown."""
        if self._since is None or now - self._last_motion < self._cooldown:
            return []
        return self.close()

    def close(self) -> list[Fact]:
        """End a running event now; forget moving looks that were not confirmed yet."""
        self._streak = 0
        if self._since is None:
            return []
        since, self._since = self._since, None
        return [Ended(self._last_motion, since)]
