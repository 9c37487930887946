"""CaptureThread: the one place where a library that may block for ever meets the loop.

A thread of its own for each life, daemonic: it can delay neither other cameras nor the end of the process.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from threading import Condition, Thread
from typing import Generic, Protocol, TypeVar

from edgecam.frame import Frame, Sound, Use
from edgecam.sources import LostThreads

log = logging.getLogger(__name__)

AHEAD = 32
"""Items that wait while the loop is busy: about two seconds of a live camera."""
MOST_SOUND = 96
"""Packets of sound that wait beside them: about two seconds at 48 kHz."""
GRACE = 2.0
"""Seconds a thread gets to come back from its library when its source is closed."""


class Keyed(Protocol):
    """Decodable by itself when `keyframe`, else only after the items since the last one."""

    @property
    def keyframe(self) -> bool: ...


Item = Keyed | Frame | Sound
"""What a reader reads."""

T = TypeVar("T", bound=Item)
T_co = TypeVar("T_co", bound=Item, covariant=True)


class Reader(Protocol[T_co]):
    """A blocking library behind a small door. Everything is called from the capture thread, `close` in any case."""

    def open(self) -> None: ...

    def read(self) -> T_co | None:
        """The next item, None at the end. Blocks until it is there, with the library's own time-out if it has one."""
        ...

    def close(self) -> None: ...


def _is_picture(item: Item) -> bool:
    """Only to look at: the newest is worth as much as all."""
    return isinstance(item, Frame) and not item.is_coded


class CaptureThread(Generic[T]):
    """Runs `reader` in a thread and hands its items to the loop in order.

    A `patient` reader (a file) pauses while `ahead` items wait; another one (a live camera) loses what does not
    fit, from there to the next keyframe, and `dropped` counts it. Of a live camera's pictures (`Kind.RAW`) only the
    newest waits, and sound takes nobody's room. A thread that does not end within `grace` seconds of `close` is given
    up: what it still brings is thrown away, and `lost` counts it.
    """

    def __init__(
        self,
        reader: Reader[T],
        name: str,
        lost: LostThreads,
        *,
        patient: bool = False,
        ahead: int = AHEAD,
        grace: float = GRACE,
    ) -> None:
        self._reader, self._name, self._lost = reader, name, lost
        self._patient, self._ahead, self._grace = patient, ahead, grace
        self._thread = Thread(target=self._run, name=f"capture {name}", daemon=True)
        self._room = Condition()  # guards the buffer and `closed`
        self._buffer: deque[T] = deque()
        self._closed = False
        self._broken = False  # items are missing up to the next keyframe
        self.dropped = 0
        self._arrived, self._ended = asyncio.Event(), asyncio.Event()
        self._error: Exception | None = None

    async def items(self) -> AsyncGenerator[T, None]:
        """Starts the thread and yields what it reads; raises what the reader raised. Called once."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while (item := self._take()) is not None:
                yield item
            if self._ended.is_set():
                break
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """End the thread, or give it up; may be called more than once."""
        with self._room:
            again, self._closed = self._closed, True
            self._buffer.clear()
            self._room.notify()
        if again or self._thread.ident is None:
            return
        try:
            async with asyncio.timeout(self._grace):
                await self._ended.wait()
        except TimeoutError:
            self._lost.add(self._thread)
            log.error("%s: the capture thread hangs in its library and was given up", self._name)
        else:
            self._thread.join(self._grace)  # it has said its last word

    def _take(self) -> T | None:
        with self._room:
            item = self._buffer.popleft() if self._buffer else None
            self._room.notify()
            return item

    # ---- from here on: the capture thread

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._reader.open()
            while (item := self._reader.read()) is not None and self._put(item):
                self._tell(self._arrived)
        except Exception as failure:  # whatever a camera library raises ends this life and is told there
            error = failure
        try:
            self._reader.close()
        except Exception as failure:  # closing what is broken already
            log.debug("%s: closing failed: %s", self._name, failure)
        self._error = error
        self._tell(self._ended, self._arrived)

    def _put(self, item: T) -> bool:
        """False when nobody wants more."""
        with self._room:
            if self._patient:
                self._room.wait_for(lambda: self._closed or len(self._buffer) < self._ahead)
            if not self._closed and (self._patient or self._fits(item)):
                self._buffer.append(item)
            return not self._closed

    def _fits(self, item: T) -> bool:
        """Whether there is room; what finds none is lost."""
        if isinstance(item, Sound):
            return len(self._buffer) < self._ahead + MOST_SOUND
        if isinstance(item, Frame) and _is_picture(item):
            self._forget_picture(item.use)
            return True
        waiting = sum(not isinstance(old, Sound) and not _is_picture(old) for old in self._buffer)
        self._broken = waiting >= self._ahead or (self._broken and not item.keyframe)
        self.dropped += self._broken
        return not self._broken

    def _forget_picture(self, use: Use) -> None:
        """The one of this use that waits, if any."""
        for at, old in enumerate(self._buffer):
            if isinstance(old, Frame) and _is_picture(old) and old.use is use:
                del self._buffer[at]
                return

    def _tell(self, *events: asyncio.Event) -> None:
        for event in events:
            try:
                self._loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # the loop is closed: the process ends
                return
