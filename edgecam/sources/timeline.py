"""Timeline: when a camera's frames were captured, told by its own times and by when they arrived.

A frame arrives some time after it was captured, now more, now less; the camera's own times are even, but they count
from anywhere, drift, and sometimes jump. The frame that was least late ties the one to the other. Pure.
"""

from fractions import Fraction
from typing import Protocol

WINDOW = 5.0
"""Seconds over which the least late frame is looked for."""
MOST_SLEW = 0.01
"""A slow clock of the camera is followed by stretching its times so much at most."""
JUMP = 0.5
"""When all frames of a window are later than this (s), the camera's times have jumped: they are tied anew at once."""
LATE = 10.0
"""A single frame that is later than this (s) has a wrong time."""
EARLY = 1.0
"""Sound is there before the picture of the same moment, which takes longer to code: so much earlier (s) is believed."""
TICK = 0.0001
"""Seconds between two frames whose times would go backward otherwise."""


def seconds(ticks: int | None, unit: Fraction | None) -> float | None:
    """A container's time; None where it says none."""
    return None if ticks is None or unit is None else float(ticks * unit)


class Times(Protocol):
    """What a reader asks for the monotonic time of what it read; `own` is the stream's own time in seconds."""

    def __call__(self, own: float | None, arrival: float) -> float:
        """For the next frame, in coding order: later than the one before."""
        ...

    def beside(self, own: float | None, arrival: float) -> float:
        """For another stream of the same camera, such as its sound."""
        ...


class Timeline:
    """`Times` of a live camera: each after the one before, and none after its arrival as long as arrivals grow. Those
    beside may lie EARLY after theirs.

    Own times may be missing, stand still, jump in either direction and drift by up to MOST_SLEW.
    """

    def __init__(self) -> None:
        self._offset: float | None = None  # what makes own times monotonic ones
        self._apart: float | None = None  # the same for a stream beside, when its times are others
        self._slew = 0.0  # seconds that the offset grows in a second
        self._own = 0.0
        self._newest = float("-inf")
        self._began = 0.0  # the window: its first arrival, and how late its least late frame was
        self._least = LATE

    def __call__(self, own: float | None, arrival: float) -> float:
        mono = arrival if own is None else self._mapped(own, arrival)
        mono = min(max(mono, self._newest + TICK), arrival)
        if mono <= self._newest:  # two arrivals at once
            mono = self._newest + TICK
        self._newest = mono
        return mono

    def beside(self, own: float | None, arrival: float) -> float:
        """In step with the pictures where that can be true, else evenly from when it first came: packets that arrive
        many at once are still one after the other.
        """
        if own is None:
            return arrival
        for offset in (self._offset, self._apart):
            if offset is not None and -EARLY <= arrival - own - offset < LATE:
                return own + offset
        self._apart = arrival - own
        return arrival

    def _mapped(self, own: float, arrival: float) -> float:
        step = own - self._own
        if self._offset is None or step < 0:
            return self._tie(own, arrival)
        if step == 0:
            return arrival
        self._own = own
        self._offset += step * self._slew
        late = arrival - own - self._offset
        if late < 0 or late > LATE:
            return self._tie(own, arrival)
        self._least = min(self._least, late)
        if arrival - self._began >= WINDOW:
            self._close_window(own, arrival)
        return own + self._offset

    def _close_window(self, own: float, arrival: float) -> None:
        """Frames that are all late mean a clock that is slow or has jumped, or a way that has become longer."""
        if self._least > JUMP:
            self._offset = self._least + (self._offset or 0.0)
            self._least = 0.0
        self._slew = min(self._least / WINDOW, MOST_SLEW)
        self._began, self._least = arrival, LATE

    def _tie(self, own: float, arrival: float) -> float:
        if self._offset is None:
            self._began = arrival
        self._own, self._offset, self._least = own, arrival - own, 0.0
        return arrival


class AsTold:
    """`Times` of something that knows when each frame is due and gives that as its arrival."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._newest = float("-inf")

    def __call__(self, own: float | None, arrival: float) -> float:
        if own is not None:
            self._offset = arrival - own
        self._newest = max(arrival, self._newest + TICK)  # a decoder may give two pictures at once
        return self._newest

    def beside(self, own: float | None, arrival: float) -> float:
        return arrival if own is None or self._offset is None else own + self._offset
