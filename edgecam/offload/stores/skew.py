"""Skew: what time it is at the store, by the `Date` of its answers; requests are signed with that where ours is wrong.

A store refuses what is signed a quarter of an hour too early or too late. What it told is tied to the age of the boot,
so that setting this box's clock makes it neither wrong nor old.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from edgecam.clock import Clock
from edgecam.offload.stores.verdict import moment

CLOSE = 60.0
"""Seconds by which our clock may differ and is used all the same: a proxy's `Date` may be a little old."""


class Skew:
    """Of one store. Before it answered once our own clock is believed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._booted: float | None = None

    @property
    def ahead(self) -> float | None:
        """Seconds that the store's clock is ahead of ours; None while it told nothing."""
        return None if self._booted is None else self._booted + self._clock.boottime() - self._clock.wall()

    @property
    def now(self) -> datetime:
        """What to sign with."""
        ahead = self.ahead or 0.0
        return datetime.fromtimestamp(self._clock.wall() + (ahead if abs(ahead) > CLOSE else 0.0), UTC)

    def hear(self, headers: Mapping[str, str]) -> bool:
        """An answer came; whether it makes what we sign with another time than before, so that a refusal is void."""
        told = moment(headers)
        if told is None:
            return False
        before = self.now
        self._booted = told.timestamp() - self._clock.boottime()
        return abs((self.now - before).total_seconds()) > CLOSE

    @property
    def header(self) -> str:
        """`now` as HTTP writes it."""
        return format_datetime(self.now, usegmt=True)
