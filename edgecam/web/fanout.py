"""Fan-out: one frame to all viewers of one picture. Loop thread only.

The part is built once; the frame loop itself writes it to every connection that took the last one. A viewer whose
link is slower skips to the newest frame, so nothing queues: no task, lock or queue per viewer.
"""

import asyncio
import math
import socket
from dataclasses import dataclass

from edgecam.frame import Frame, Kind
from edgecam.web import part, tcp

FEW = 16
"""Up to so many viewers each gets a send buffer that holds whole frames; for more the kernel's own size is as good."""

JITTER = 0.03
"""Seconds by which the frames of a good camera stray from their pace."""


@dataclass(slots=True)
class Sent:
    """What viewers got and missed."""

    frames: int = 0
    skipped: int = 0
    """Frames that were due but found the connection still busy with an earlier one."""
    bytes: int = 0

    def add(self, other: "Sent") -> None:
        self.frames += other.frames
        self.skipped += other.skipped
        self.bytes += other.bytes


class Viewer:
    """One connection that watches. `fps` limits what it gets; None: every frame."""

    __slots__ = ("_due", "_period", "_sock", "_transport", "address", "behind", "gone", "sent", "since")

    def __init__(self, transport: asyncio.Transport, *, address: str, since: float, fps: float | None = None) -> None:
        self._transport = transport
        self._sock: socket.socket = transport.get_extra_info("socket")
        self._period = 1 / fps if fps else 0.0
        self._due = -math.inf
        self.address, self.since = address, since
        self.sent = Sent()
        self.behind = False
        """The newest frame is still owed."""
        self.gone = asyncio.get_running_loop().create_future()

    @property
    def waiting(self) -> int:
        """Bytes that we still hold for it; never two frames."""
        return self._transport.get_write_buffer_size()

    def is_due(self, mono: float) -> bool:
        """Whether a frame of that time is wanted; one a little early still counts."""
        return mono >= self._due - min(JITTER, self._period / 4)

    def is_free(self, size: int) -> bool:
        """Whether the last part is through, but for half a part's worth that keeps a narrow link busy."""
        return not self.waiting and tcp.unsent(self._sock) <= size // 2

    def offer(self, data: bytes, mono: float) -> None:
        """Write one whole part, or leave it when the last one is not through yet."""
        transport = self._transport
        if transport.is_closing():
            self.leave()
        elif not self.is_due(mono):
            pass
        elif not self.is_free(len(data)):
            self.sent.skipped += 1
            self.behind = True
        else:
            transport.write(data)
            kept = mono - self._due < self._period  # a little late: the pace is kept, so that the average is right
            self._due = (self._due if kept else mono) + self._period
            self.behind = False
            self.sent.frames += 1
            self.sent.bytes += len(data)

    def check(self) -> None:
        """Notice a peer that closed, or that left without a word."""
        if self._transport.is_closing():
            self.leave()
        elif tcp.is_gone(self._sock):
            self._transport.abort()
            self.leave()

    def leave(self) -> None:
        """End this viewer's stream; what it has not taken yet is dropped."""
        if self.waiting:
            self._transport.abort()
        if not self.gone.done():
            self.gone.set_result(None)

    def widen(self) -> None:
        tcp.widen(self._sock)


class Fanout:
    """All viewers of one picture: a camera's own JPEG, or one variant of it."""

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self.built = 0
        """Parts made so far: one for each frame that had viewers, however many."""
        self._past = Sent()
        self._newest: tuple[bytes, float] | None = None

    def deliver(self, frame: Frame) -> None:
        """A new frame, as a hub's tap calls it: returns at once, never raises."""
        if not self.viewers:
            self._newest = None
        elif frame.kind is Kind.JPEG:
            self.send(self._build(frame), frame.mono)

    def send(self, data: bytes, mono: float) -> None:
        self._newest = data, mono
        for viewer in self.viewers:
            viewer.offer(data, mono)

    def is_due(self, mono: float) -> bool:
        """Whether anybody wants a frame of that time: a variant that nobody waits for is not encoded."""
        return any(viewer.is_due(mono) for viewer in self.viewers)

    def catch_up(self) -> None:
        """Give the newest frame to those who missed it and are free now. Matters where frames are seldom."""
        if self._newest is not None:
            data, mono = self._newest
            for viewer in self.viewers:
                if viewer.behind and viewer.is_free(len(data)):
                    viewer.offer(data, mono)

    def forget(self) -> None:
        """Nobody is owed the newest frame any more."""
        self._newest = None

    def check(self) -> None:
        for viewer in self.viewers:
            viewer.check()

    async def watch(self, viewer: Viewer, newest: Frame | None) -> None:
        """Show everything from `newest` on to `viewer` until it is gone."""
        if len(self.viewers) < FEW:
            viewer.widen()
        self.viewers.add(viewer)
        try:
            if newest is not None and newest.kind is Kind.JPEG:
                if self._newest is None or self._newest[1] < newest.mono:
                    self._newest = self._build(newest), newest.mono
                viewer.offer(*self._newest)
            await viewer.gone
        finally:
            self.viewers.discard(viewer)
            self._past.add(viewer.sent)

    @property
    def sent(self) -> Sent:
        """The sum over all viewers there ever were."""
        total = Sent()
        for sent in (self._past, *(viewer.sent for viewer in self.viewers)):
            total.add(sent)
        return total

    def close(self) -> None:
        """End all streams."""
        for viewer in self.viewers:
            viewer.leave()

    def _build(self, frame: Frame) -> bytes:
        self.built += 1
        return part.build(frame)
