"""Valve: lets bytes out of the box as fast as `offload.bandwidth` says at that time of day.

A bucket of tokens, in the child, where the bytes leave; the daemon asks `Hours` before it begins something. Both ask
the clock on the wall each time, so a long upload changes its speed when another span begins, and is stopped when
nothing may leave any more: whoever writes `0` pays for every byte, and a request that crawls for hours breaks anyway.
"""

import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from edgecam.clock import Clock
from edgecam.config.timetable import Timetable
from edgecam.offload.stores import StoreError

BURST = 0.25
"""Seconds' worth of bytes that may leave at once: after a pause, and in one piece."""
BREATH = 1.0
"""Longest sleep (s); in between, whoever watches hears that we live."""
LEAST = 1024
"""Bytes that are worth a packet."""


class Closed(StoreError):
    """Nothing may leave now. Neither the store nor the file is to blame."""


class Valve:
    """The worker's thread only; `let` blocks. One serves job after job, so many small files obey as well."""

    def __init__(self, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock, self._sleep = clock, sleep
        self._hours = Hours({}, clock)
        self._credit = 0.0
        """Bytes that may leave at once; below 0 they must wait."""
        self._at = clock.monotonic()

    def turn(self, plan: Mapping[str, float]) -> None:
        """From now on `plan` holds (see Timetable)."""
        self._hours = Hours(plan, self._clock)

    def most(self) -> int | None:
        """Bytes that should leave in one piece at most; None where nothing limits them."""
        rate = self._hours.rate()
        return None if math.isinf(rate) else max(LEAST, int(rate * BURST))

    def let(self, count: int, breathe: Callable[[], None]) -> None:
        """Return when `count` more bytes may leave; `breathe` is called every second until then. Raises Closed."""
        self._earn()
        self._credit -= count
        while (rate := self._earn()) < math.inf and self._credit <= -1:  # less than a byte is no debt
            self._sleep(min(-self._credit / rate, BREATH))
            breathe()

    def _earn(self) -> float:
        """Count what the time since the last look is worth, at the rate that holds now."""
        if why := self._hours():
            raise Closed(why)
        rate, now = self._hours.rate(), self._clock.monotonic()
        passed, self._at = now - self._at, now
        self._credit = 0.0 if math.isinf(rate) else min(rate * BURST, self._credit + rate * passed)
        return rate


class Hours:
    """Says whether anything may leave now."""

    def __init__(self, plan: Mapping[str, float], clock: Clock) -> None:
        self._timetable, self._clock = Timetable(plan), clock
        self._known = (math.inf, -math.inf)
        """From when until when `_why` holds."""
        self._why: str | None = None

    def rate(self) -> float:
        """Bytes per second, infinity where nothing limits them."""
        return self._timetable.rate(self._clock.wall())

    def __call__(self) -> str | None:
        """Why nothing may leave now, in words."""
        now = self._clock.wall()
        begin, end = self._known
        if not begin <= now < end:
            end = self._timetable.until(now)
            self._known, self._why = (now, end), self._words(end) if self.rate() == 0 else None
        return self._why

    def _words(self, end: float) -> str:
        if math.isinf(end):
            return "offload.bandwidth lets nothing leave at any time"
        return f"the window of offload.bandwidth opens at {datetime.fromtimestamp(end):%H:%M}"
