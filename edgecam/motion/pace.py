"""Pace: which frames are looked at."""

import math


class Pace:
    """So many times a second, by the frames' own times (s, growing), whatever rate they come at.

    Keeps to its grid: from 25 frames a second ten are taken, not eight or twelve.
    """

    SLACK = 0.1
    """Of an interval: a frame that is early by no more is on time, for cameras jitter."""

    def __init__(self, fps: float) -> None:
        self._interval = 1 / fps
        self._next = -math.inf

    def due(self, at: float) -> bool:
        """Whether to look at the frame taken at `at`. Asked once for each frame."""
        late = at - self._next
        if late < -self.SLACK * self._interval:
            return False
        self._next = (self._next if late < self._interval else at) + self._interval
        return True
