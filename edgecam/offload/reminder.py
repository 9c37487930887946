"""Reminder: says in time, in health and once a day in the log, that the store's credentials are about to end."""

import logging

from edgecam.clock import Clock
from edgecam.config.store import StoreConfig
from edgecam.offload.expiry import DAY, lasts

log = logging.getLogger(__name__)

LOOK = 3600.0
"""Seconds between two looks."""


class Reminder:
    """Component. Loop thread only. The credentials are read anew each time: a token that was renewed is believed."""

    name = "credentials"

    def __init__(self, store: StoreConfig, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._said: float | None = None

    def warning(self) -> str | None:
        """What a person should know now, in words."""
        return lasts(self._store).warning(self._clock.wall())

    async def run(self) -> None:
        while True:
            self._remind()
            await self._clock.sleep(LOOK)

    def _remind(self) -> None:
        warning, now = self.warning(), self._clock.monotonic()
        if warning and (self._said is None or now - self._said >= DAY):
            log.warning("offload: %s; make a new one: offload.store.sas_token or connection_string", warning)
            self._said = now
        elif not warning:
            self._said = None
