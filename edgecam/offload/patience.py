"""Patience: how the one store stands, and how long to leave it alone after it failed. Pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from edgecam.health import StoreState
from edgecam.offload.stores import Permanent, StoreError, StoreFull

BASE, CAP = 2.0, 300.0
"""Of the back-off after something that passes by itself (s); full jitter: anything from 0 to BASE * 2^n."""
PROBE, SLOWEST = 60.0, 900.0
"""Pauses between probes while only a person can mend it (s), doubling."""
LONGEST_RETRY_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Leave the store alone for `seconds`. `news`: this state, or this reason for being blocked, is a new one."""

    seconds: float
    news: bool


class Patience:
    """A breaker for the whole destination: a dead line costs one attempt per pause, however much waits.

    Never gives up. `jitter` returns 0..1; `pace` stretches or shortens every pause.
    """

    def __init__(self, jitter: Callable[[], float] = random.random, *, pace: float = 1.0) -> None:
        self._jitter, self._pace = jitter, pace
        self._streak = 0
        self.state = StoreState.OK
        self.reason: str | None = None
        self.attempts = 0
        """Failures since it worked."""

    @property
    def open(self) -> bool:
        """The store does not work, as far as is known: only probe it."""
        return self.state is not StoreState.OK

    def failed(self, error: StoreError) -> Pause:
        state, reason = _state(error), str(error)
        news = state is not self.state or (state is not StoreState.RETRYING and reason != self.reason)
        self._streak = self._streak + 1 if state is self.state else 1
        self.state, self.reason, self.attempts = state, reason, self.attempts + 1
        return Pause(self._seconds(error) * self._pace, news)

    def _seconds(self, error: StoreError) -> float:
        doubled = 2.0 ** min(self._streak - 1, 16)
        if isinstance(error, Permanent):
            return min(SLOWEST, PROBE * doubled)
        asked = min(error.retry_after or 0.0, LONGEST_RETRY_AFTER)
        return max(asked, self._jitter() * min(CAP, BASE * doubled))

    def worked(self) -> int:
        """It works; returns after how many failures."""
        attempts, self.attempts, self._streak = self.attempts, 0, 0
        self.state, self.reason = StoreState.OK, None
        return attempts


def _state(error: StoreError) -> StoreState:
    if isinstance(error, StoreFull):
        return StoreState.FULL
    return StoreState.BLOCKED if isinstance(error, Permanent) else StoreState.RETRYING
