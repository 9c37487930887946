"""systemd's side: readiness, status text and the watchdog, as plain datagrams (sd_notify(3)). No-op elsewhere."""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from concurrent.futures import Executor

from edgecam.clock import Clock
from edgecam.health import Health

log = logging.getLogger(__name__)


class Notifier:
    """Speaks to the service manager named by `NOTIFY_SOCKET`; silent when there is none."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog = int(usec) / 1e6 if usec.isdigit() and mine else None
        """Seconds within which systemd wants to hear of us; None: it does not."""

    def tell(self, *lines: str) -> None:
        """Send `READY=1`, `STATUS=…` and the like. A manager that is gone, or does not listen, is not our problem."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock:
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.debug("systemd did not take %s: %s", lines, error)


class Watchdog:
    """Feeds systemd only while the house really turns.

    The loop turns, since this runs on it; the pool answers a task within PATIENCE. Whatever does not is named in
    `health.stuck`, which also turns `/healthz` to 503.
    """

    name = "watchdog"
    PATIENCE = 20.0
    INTERVAL = 10.0

    def __init__(self, notifier: Notifier, health: Health, pool: Executor, clock: Clock) -> None:
        self._notifier, self._health, self._pool, self._clock = notifier, health, pool, clock

    async def run(self) -> None:
        """Look every 10 s, or three times in systemd's own period when that is shorter; report, feed."""
        every = min(self.INTERVAL, (self._notifier.watchdog or 60.0) / 3)
        while True:
            asked = self._clock.monotonic()
            answer = asyncio.wrap_future(self._pool.submit(_nothing))
            self._health.stuck = list
            while not answer.done():
                await self._clock.sleep(every)
                waited = self._clock.monotonic() - asked
                if not answer.done() and waited > self.PATIENCE:
                    self._health.stuck = lambda: ["worker pool"]
                    log.error("the worker pool did not answer for %.0f s", waited)
                else:
                    self._feed()
            self._feed()
            await self._clock.sleep(every)

    def _feed(self) -> None:
        problems = self._health.problems()
        online = sum(camera.online for camera in self._health.cameras.values())
        status = f"{online} of {len(self._health.cameras)} cameras online"
        self._notifier.tell("WATCHDOG=1", "STATUS=" + "; ".join([status, *problems])[:500])


def _nothing() -> None:
    """What the pool is asked to do."""
