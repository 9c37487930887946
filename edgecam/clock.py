"""Time as an argument: the only way in edgecam to know or to spend it.

Tests bring a clock of their own and never sleep.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What every component is given instead of the `time` module."""

    def wall(self) -> float:
        """Unix seconds, UTC. May step; never used for pacing, ordering or time-outs."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow."""
        ...

    def boottime(self) -> float:
        """Seconds since the box was switched on, with those that it slept."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of monotonic time; at once when not positive."""
        ...


class SystemClock:
    """The real clock."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
