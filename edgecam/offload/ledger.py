"""Ledger: what left the box and how it went, counted for health, metrics and Home Assistant.

Lives as long as the daemon, however often the uploader begins anew. Loop thread only.
"""

from collections import deque

from edgecam.clock import Clock
from edgecam.health import SpoolStatus, StoreState
from edgecam.histogram import Histogram
from edgecam.media import Sidecar

SPAN = 60.0
"""Seconds over which the rate is taken."""
DELAYS = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 6 * 3600.0, 86400.0)
"""Edges of the histogram of delays, seconds."""


class Ledger:
    """Writes the figures of `status`; what waits and what was lost are the uploader's own."""

    def __init__(self, status: SpoolStatus, clock: Clock) -> None:
        self._status, self._clock = status, clock
        self._left = deque[tuple[float, int]]()
        """When (monotonic), and how many bytes, within SPAN."""
        status.rate = self.rate

    def left(self, count: int) -> None:
        """So many bytes left the box."""
        if count:
            self._left.append((self._clock.monotonic(), count))
            self._forget()

    def rate(self) -> float:
        """Bytes per second over the last minute, 0 when nothing went."""
        self._forget()
        return sum(count for _, count in self._left) / SPAN

    def _forget(self) -> None:
        while self._left and self._clock.monotonic() - self._left[0][0] >= SPAN:
            self._left.popleft()

    def stands(self, state: StoreState, reason: str | None) -> None:
        """How the store stands now."""
        status = self._status
        if state is not status.state or status.since is None:
            status.since = self._clock.wall()
        if state in (StoreState.OK, StoreState.HELD):
            status.next_try = None
        status.state, status.reason = state, reason

    def failed(self, pause: float) -> None:
        """An attempt; the next one comes after `pause` seconds."""
        self._status.failures += 1
        self._status.next_try = self._clock.wall() + pause

    def stored(self, media: Sidecar) -> None:
        """The store has it, whole, and the receipt is on the disk."""
        status, now = self._status, self._clock.wall()
        status.stored += 1
        status.bytes_stored += media.size
        status.last_stored = now
        if media.clock == "synced":
            status.delay = max(0.0, now - media.end)
            status.delays.setdefault(media.kind, Histogram(DELAYS)).add(status.delay)
