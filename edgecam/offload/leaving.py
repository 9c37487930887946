"""Leaving: whether what an upload handed to the kernel still leaves the box, when the SDK is silent meanwhile.

A send buffer grows to megabytes, which a thin line drains for minutes; a dead line drains none of it.
"""

import fcntl
import os
import struct
import termios
import threading
import time
from collections.abc import Callable

from edgecam.offload.pipe import Answer


class Leaving:
    """Passes on what the child says, and says the last progress again whenever some of the buffers has drained."""

    def __init__(self, say: Callable[[Answer], None], queued: Callable[[], int] | None = None) -> None:
        self._say, self._queued = say, queued or unacknowledged
        self._lock = threading.Lock()
        self._sent: int | None = None
        """The last progress; None between two jobs."""
        self._before = 0

    def say(self, answer: Answer) -> None:
        with self._lock:
            self._sent = answer.sent
            self._say(answer)

    def watch(self, pulse: float) -> None:
        """Look every `pulse` seconds, in a thread of its own, for as long as the process lives."""
        threading.Thread(target=self._watch, args=(pulse,), name="leaving", daemon=True).start()

    def _watch(self, pulse: float) -> None:
        while True:
            time.sleep(pulse)
            self.look()

    def look(self) -> None:
        with self._lock:
            if self._sent is None:
                return
            now, before = self._queued(), self._before
            self._before = now
            if now < before:
                self._say(Answer(sent=self._sent))


def unacknowledged() -> int:
    """Bytes sent by this process that nobody has acknowledged yet, over all sockets (tcp(7), SIOCOUTQ)."""
    total = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  (Path objects for each of them cost more)
        try:
            [size] = struct.unpack("i", fcntl.ioctl(int(name), termios.TIOCOUTQ, bytes(4)))
        except OSError:  # no socket, or closed while we looked
            continue
        total += size
    return total
