"""Backlog: what waits between a camera and its server, in order, bounded. Loop thread only.

What does not fit is dropped, with all that follow up to the next keyframe: what arrives can be decoded.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

from edgecam.frame import Frame, Sound

LIMIT = 4_000_000
"""Bytes: some ten seconds of a 1080p camera."""

Item = Frame | Sound


class Backlog:
    """Takes nothing until `begin`; from then on it starts with a keyframe."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._items: deque[Item] = deque()
        self._arrived = asyncio.Event()
        self._is_open = self._started = self._skipping = False
        self.bytes = 0

    def begin(self, items: Iterable[Item] = ()) -> None:
        """Forget what waits and take what comes from now on, `items` first."""
        self.end()
        self._is_open, self._started, self._skipping = True, False, False
        self._arrived.clear()
        for item in items:
            self.put(item)

    def end(self) -> None:
        """Forget what waits and take no more: `next` says None."""
        self._items.clear()
        self.bytes = 0
        self._is_open = False
        self._arrived.set()

    def put(self, item: Item) -> bool:
        """False when it had to be dropped."""
        if not self._is_open:
            return True
        if isinstance(item, Frame):
            if not self._started and not item.keyframe:
                return True
            self._started = True
            self._skipping = (self._skipping and not item.keyframe) or not self._fits(item)
            if self._skipping:
                return False
        elif not self._started or not self._fits(item):
            return not self._started
        self._items.append(item)
        self.bytes += len(item.data)
        self._arrived.set()
        return True

    def _fits(self, item: Item) -> bool:
        return self.bytes + len(item.data) <= self._limit

    def back(self, item: Item) -> None:
        """The item that was taken last is the next one again."""
        if self._is_open:
            self._items.appendleft(item)
            self.bytes += len(item.data)

    async def next(self) -> Item | None:
        """The oldest item, waiting for one; None after `end`."""
        while self._is_open and not self._items:
            self._arrived.clear()
            await self._arrived.wait()
        if not self._items:
            return None
        item = self._items.popleft()
        self.bytes -= len(item.data)
        return item
