"""Budget: whether decoding every frame costs more of a board than pictures are worth. Pure."""

WINDOW = 5.0
"""Seconds over which the cost is measured."""
FOR_MOTION = 0.5
"""Of one core: what pictures may cost that only motion looks at."""
FOR_PEOPLE = 0.85
"""Of one core: the thread that decodes also reads, and a recording must not suffer from being watched."""


class Budget:
    """Lives as long as the camera. Used by one capture thread at a time."""

    def __init__(self, share: float) -> None:
        self._share = share
        self.exceeded = False
        """Stays so: a picture per group of pictures has to do from now on."""
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
        first = not self.exceeded and self._spent > self._share * elapsed
        self.exceeded |= first
        self._began, self._spent = now, 0.0
        return first
