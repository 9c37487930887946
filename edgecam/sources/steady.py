"""Steady: when sound was heard, from when it was read. Sound cards have clocks of their own, and readers are late."""

WINDOW = 2.0
"""Seconds of sound after which the least late reading is believed."""


class Steady:
    """Tells the monotonic time of each block of samples, within milliseconds of the truth over any number of hours.

    Pure. A block is read after it was heard, never before: the time that counts is one that no reading contradicts. So
    a reading that is early moves it at once, and one that is late only when all readings of a WINDOW are.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._next: float | None = None  # when the next block begins
        self._late = float("inf")  # by how much every reading of this window was late
        self._seen = 0  # samples of this window

    def block(self, read: float, samples: int) -> float:
        """When a block of `samples` began that was complete at `read` (seconds)."""
        begin = read - samples / self._rate
        if self._next is None:
            self._next = begin
        self._late = min(self._late, begin - self._next)
        self._seen += samples
        if self._late < 0 or self._seen >= WINDOW * self._rate:
            self._next += self._late
            self._late, self._seen = float("inf"), 0
        begin, self._next = self._next, self._next + samples / self._rate
        return begin
