"""Budget: whether decoding every frame only so that motion can look costs more than it is worth. Pure."""

WINDOW = 5.0
"""Seconds over which the cost is measured."""
SHARE = 0.5
"""Of one core."""


class Budget:
    """Lives as long as the camera. Used by one capture thread at a time."""

    def __init__(self) -> None:
        self.exceeded = False
        """Stays so: a picture per group of pictures is what motion gets from now on."""
        self._began: float | None = None
        self._spent = 0.0

    def spend(self, cpu: float, now: float) -> bool:
        """Count `cpu` seconds of work, done at `now` (monotonic). True when this is what exceeds the budget."""
        if self._began is None or now - self._began > 2 * WINDOW:  # nobody looked in between
            self._began, self._spent = now, 0.0
        self._spent += cpu
        elapsed = now - self._began
        if elapsed < WINDOW:
            return False
        first = not self.exceeded and self._spent > SHARE * elapsed
        self.exceeded |= first
        self._began, self._spent = now, 0.0
        return first
