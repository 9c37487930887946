"""Time as an argument: the only way in edgecam to know or to spend it.

Tests bring a clock of their own and never sleep.
"""

import asyncio
import ctypes
import time
from pathlib import Path
from typing import Protocol

_TIMEX = 512
"""Bytes that hold the kernel's `struct timex`, and more."""
_TIME_ERROR = 5
"""What adjtimex(2) returns while nobody keeps the clock right."""


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


def boot_id(place: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """Eight hex digits of this boot of the box; zeros where the kernel does not tell."""
    try:
        found = place.read_text()[:8]
        int(found, 16)
    except (OSError, ValueError):
        return "0" * 8
    return found


def kernel_synced() -> bool | None:
    """Whether something keeps the clock right (NTP), as the kernel knows by adjtimex(2); None where it does not say."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def newest(folder: Path) -> float:
    """When a file in `folder` was last written (unix seconds); long ago where there is none."""
    try:
        return max((entry.stat().st_mtime for entry in folder.iterdir() if entry.is_file()), default=0.0)
    except OSError:
        return 0.0
