"""Pace: frames at their own times, without drift."""

from edgecam.clock import Clock


class Pace:
    """Maps the running time of a recording or a generator (s from its start) to the clock.

    After a halt longer than `LAG` (a suspended machine) it goes on from there instead of racing after what was missed.
    `until` on the loop, `wall` and `due` from any thread.
    """

    LAG = 1.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.monotonic()
        self._began = False

    async def until(self, at: float) -> None:
        """Return when `at` is due; the first call is due at once."""
        now = self._clock.monotonic()
        late = now - (self._start + at)
        if late > self.LAG or not self._began:
            self._start += late
            self._began = True
        else:
            await self._clock.sleep(-late)

    def due(self, at: float) -> float:
        """Monotonic time at which `at` is due; where nothing was due before, that is now."""
        if not self._began:
            self._start, self._began = self._clock.monotonic() - at, True
        return self._start + at

    def wall(self, at: float) -> float:
        """Unix seconds at which `at` is due."""
        return self._clock.wall() + self._start + at - self._clock.monotonic()
