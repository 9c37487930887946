"""Patience: how the one store stands, how long to leave it alone after it failed, and when to tell of it. Pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from edgecam.health import StoreState
from edgecam.offload.stores import BadClock, BadCredentials, BadSettings, Permanent, StoreError, StoreFull

BASE, CAP = 2.0, 300.0
"""Of the back-off after something that passes by itself (s); full jitter: anything from 0 to BASE * 2^n."""
PROBE, SLOWEST = 60.0, 900.0
"""Pauses between probes while only a person can mend it (s), doubling."""
LONGEST_RETRY_AFTER = 3600.0
REMINDER = 3600.0
"""Seconds in which the same is told once."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Leave the store alone for `seconds`."""

    seconds: float
    news: bool
    """Nobody was told of this state, or of this reason for being blocked, within the last REMINDER."""
    lasting: float | None
    """Seconds since it worked last, where people know of this already; None when it is new to them."""


@dataclass(frozen=True, slots=True)
class Absence:
    """How long the store did not work, in seconds and failures."""

    seconds: float
    attempts: int


class Patience:
    """A breaker for the whole destination: a dead line costs one attempt per pause, however much waits.

    Never gives up. `jitter` returns 0..1; `pace` stretches or shortens every pause. `now` is monotonic.
    """

    def __init__(self, jitter: Callable[[], float] = random.random, *, pace: float = 1.0) -> None:
        self._jitter, self._pace = jitter, pace
        self._sort: type[StoreError] | None = None
        self._streak = 0
        self._since = 0.0
        self._told: dict[tuple[StoreState, str], float] = {}
        self.state = StoreState.OK
        self.reason: str | None = None
        """What is wrong and the likely cure, for a person."""
        self.attempts = 0
        """Failures since it worked."""

    @property
    def open(self) -> bool:
        """The store does not work, as far as is known: only probe it."""
        return self.state is not StoreState.OK

    def failed(self, error: StoreError, now: float) -> Pause:
        sort = _sort(error)
        self._streak = self._streak + 1 if sort is self._sort else 1
        self._since = self._since if self.attempts else now
        self._sort, self.attempts = sort, self.attempts + 1
        self.state, self.reason = _state(error), f"{error}; {error.hint}" if error.hint else str(error)
        topic = self.state, str(error) if isinstance(error, Permanent) else ""
        told = self._told.get(topic)
        news = told is None or now - told >= REMINDER
        if news:
            self._told[topic] = now
        return Pause(self._seconds(error) * self._pace, news, None if told is None else now - self._since)

    def _seconds(self, error: StoreError) -> float:
        """A clock that is wrong is measured by the very answer that says so: the next attempt may pass already."""
        streak = self._streak - 1
        if isinstance(error, Permanent):
            if isinstance(error, BadClock):
                if streak == 0:
                    return self._jitter() * BASE
                streak -= 1
            return min(SLOWEST, PROBE * 2.0 ** min(streak, 16))
        asked = min(error.retry_after or 0.0, LONGEST_RETRY_AFTER)
        return max(asked, self._jitter() * min(CAP, BASE * 2.0 ** min(streak, 16)))

    def afresh(self) -> None:
        """More depends on it now than before: pauses begin anew, and what is still wrong is news."""
        self._streak, self._sort = 0, None
        self._told.clear()

    def worked(self, now: float) -> Absence | None:
        """It works; returns how long it did not."""
        absence = Absence(now - self._since, self.attempts) if self.attempts else None
        self.attempts = 0
        self.state, self.reason = StoreState.OK, None
        self.afresh()
        return absence


def _sort(error: StoreError) -> type[StoreError]:
    """What has pauses of its own: who mended the key and finds that the bucket is missing need not wait long."""
    sorts = (BadClock, BadCredentials, BadSettings, StoreFull, Permanent)
    return next((sort for sort in sorts if isinstance(error, sort)), StoreError)


def _state(error: StoreError) -> StoreState:
    if isinstance(error, StoreFull):
        return StoreState.FULL
    return StoreState.BLOCKED if isinstance(error, Permanent) else StoreState.RETRYING
