"""FrameHub: where a camera's frames arrive once and everybody else finds them.

Loop thread only: capture threads hand frames over with `call_soon_threadsafe`. No locks, no queues per consumer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from edgecam.frame import Frame

log = logging.getLogger(__name__)

Tap = Callable[[Frame], None]


class Want(StrEnum):
    """Why somebody wants this camera's frames; the counts will let an idle camera close."""

    VIEWER = "viewer"
    SNAPSHOT = "snapshot"
    MOTION = "motion"
    RECORD = "record"


class Ring:
    """The newest frames, oldest first, starting at a keyframe.

    Holds at least `seconds` before the newest frame. What lies beyond (up to `reach` seconds) is kept only
    while everything together fits into `memory` bytes, so the limit never cuts the pre-roll.
    """

    def __init__(self, seconds: float, reach: float = 0.0, memory: int = 0) -> None:
        self._seconds, self._reach, self._memory = seconds, max(seconds, reach), memory
        self._groups: deque[list[Frame]] = deque()  # each begins with a keyframe
        self._sizes: deque[int] = deque()
        self.bytes = 0

    def add(self, frame: Frame) -> None:
        if frame.keyframe:
            self._groups.append([frame])
            self._sizes.append(len(frame.data))
        elif self._groups:
            self._groups[-1].append(frame)
            self._sizes[-1] += len(frame.data)
        else:
            return  # nothing can be decoded before the first keyframe
        self.bytes += len(frame.data)
        self._trim(frame.mono)

    def _trim(self, now: float) -> None:
        while len(self._groups) > 1:
            second = now - self._groups[1][0].mono  # how far back the ring still reaches without the first group
            if second < self._seconds or (second < self._reach and self.bytes <= self._memory):
                return
            self._groups.popleft()
            self.bytes -= self._sizes.popleft()

    def since(self, mono: float) -> list[Frame]:
        """Frames from the last keyframe at or before `mono` on; all of them when the ring begins later."""
        groups: list[list[Frame]] = []
        for group in reversed(self._groups):
            groups.append(group)
            if group[0].mono <= mono:
                break
        return [frame for group in reversed(groups) for frame in group]

    @property
    def span(self) -> float:
        """Seconds from the oldest frame to the newest."""
        return self._groups[-1][-1].mono - self._groups[0][0].mono if self._groups else 0.0

    def clear(self) -> None:
        self._groups.clear()
        self._sizes.clear()
        self.bytes = 0


class FrameHub:
    """Newest slot, ring, taps and demand of one camera."""

    def __init__(self, camera: str, ring: Ring) -> None:
        self.camera = camera
        self.ring = ring
        self.newest: Frame | None = None
        self.demand = dict.fromkeys(Want, 0)
        self._taps: list[Tap] = []
        self._next: asyncio.Future[Frame] | None = None

    def publish(self, frame: Frame) -> None:
        """A new frame: newest slot, ring, every tap in turn, then whoever awaits `next`."""
        if self.newest is None:
            self.ring.clear()  # no clip may begin before an outage and go on after it
        self.newest = frame
        self.ring.add(frame)
        for tap in tuple(self._taps):
            try:
                tap(frame)
            except Exception:  # one broken consumer must not end the capture, nor keep the frame from the others
                log.exception("%s: a consumer failed on frame %d", self.camera, frame.number)
        if self._next is not None:
            self._next.set_result(frame)
            self._next = None

    async def next(self, after: int = -1) -> Frame:
        """The newest frame whose number is above `after`, waiting for it when there is none yet."""
        while self.newest is None or self.newest.number <= after:
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._next)
        return self.newest

    @contextmanager
    def tap(self, call: Tap) -> Iterator[None]:
        """Call `call` with each frame, on the loop; it must return at once; what it raises is logged."""
        self._taps.append(call)
        try:
            yield
        finally:
            self._taps.remove(call)

    @contextmanager
    def want(self, why: Want) -> Iterator[None]:
        """Count one consumer for as long as the context lasts."""
        self.demand[why] += 1
        try:
            yield
        finally:
            self.demand[why] -= 1

    @property
    def wanted(self) -> bool:
        return any(self.demand.values())

    def lose(self) -> None:
        """The camera is gone: its newest picture is no longer true. What it saw before stays in the ring
        until it is back.
        """
        self.newest = None

    def clear(self) -> None:
        """Forget all pictures: privacy."""
        self.newest = None
        self.ring.clear()
