"""Between a camera library's threads and ours: every frame that was seen, some of them held, and what was coded.

The library's threads only put and never wait; whatever goes wrong here, nothing is raised into them.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

from edgecam.sources.pi.door import Request

log = logging.getLogger(__name__)

MOST_SEEN = 128
"""Frames that may wait to be counted."""
MOST_PACKETS = 64
"""Coded frames that may wait: two seconds and more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The sensor gave a frame at `at` (nanoseconds since boot); its buffers when somebody wants its picture."""

    at: int
    request: Request | None


@dataclass(frozen=True, slots=True)
class Packet:
    """One coded frame and when the sensor gave it (microseconds since boot)."""

    at: int
    data: bytes
    keyframe: bool


class Sightings:
    """What comes out of the library, in order. `want` is asked on the camera's thread whether this frame's picture is
    needed; one request at most is held at a time, from `saw` until the reader calls `done`.
    """

    def __init__(self, want: Callable[[int], bool]) -> None:
        self._want = want
        self._room = Condition()  # guards everything below
        self._waiting: deque[Seen | Packet] = deque()
        self._packets = 0
        self._held = False
        self._torn = False  # packets are missing up to the next keyframe
        self._newest = 0
        self.closed = False
        self.stale = 0
        self.dropped = 0

    # ---- on the library's threads

    def saw(self, request: Request) -> None:
        """A callback of the camera. A frame that is not newer than the last one is no frame."""
        try:
            at = request.get_metadata().get("SensorTimestamp")
            if not isinstance(at, int):
                return
            with self._room:
                if at <= self._newest:
                    self.stale += 1
                    return
                self._newest = at
                hold = not self._held and not self.closed and self._want(at)
                if hold:
                    request.acquire()
                    self._held = True
                if len(self._waiting) < MOST_SEEN + MOST_PACKETS or hold:
                    self._waiting.append(Seen(at, request if hold else None))
                self._room.notify()
        except Exception:  # raised here it would end the camera's thread for good
            log.exception("a frame could not be taken over")

    def coded(self, data: bytes, keyframe: bool, at: int) -> None:
        """A coded frame; when too many wait, all are lost from here to the next keyframe."""
        with self._room:
            self._torn = self._packets >= MOST_PACKETS or (self._torn and not keyframe)
            if self._torn:
                self.dropped += 1
                return
            self._packets += 1
            self._waiting.append(Packet(at, data, keyframe))
            self._room.notify()

    # ---- on the capture thread

    def take(self, within: float) -> Seen | Packet | None:
        """The next one, None when `within` seconds pass without any or when closed."""
        with self._room:
            self._room.wait_for(lambda: self._waiting or self.closed, within)
            if self.closed or not self._waiting:
                return None
            item = self._waiting.popleft()
            self._packets -= isinstance(item, Packet)
            return item

    def done(self, request: Request) -> None:
        """Give the buffers back to the camera."""
        with self._room:
            self._held = False
        request.release()

    def close(self) -> None:
        """From any thread: nothing is wanted any more, and nobody waits."""
        with self._room:
            self.closed = True
            self._room.notify()

    def drain(self) -> list[Request]:
        """What is still held, for its release."""
        with self._room:
            self.closed = True
            held = [item.request for item in self._waiting if isinstance(item, Seen) and item.request is not None]
            self._waiting.clear()
            return held
