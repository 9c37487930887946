"""Entrance: the way in to the broker, in whichever version of MQTT it lets us in. Loop thread only."""

import logging
from concurrent.futures import Executor
from pathlib import Path

from edgecam.clock import Clock
from edgecam.config import model
from edgecam.mqtt.memory import Version, Versions
from edgecam.mqtt.wire.link import Ears, Grant, Link, Login, Offer, WrongVersion
from edgecam.mqtt.wire.tls import context

log = logging.getLogger(__name__)

MUTE, PATIENT = 3.0, 10.0
"""Seconds to wait for CONNACK: when there is another version to try, and when there is none."""
FAREWELL = 1.0
"""Seconds that an attempt which came to nothing has to end."""


class Entrance:
    """Opens one link at a time. Passwords and certificates are read anew for each."""

    def __init__(
        self,
        config: model.Mqtt,
        *,
        client_id: str,
        will: str | None,
        state: Path,
        clock: Clock,
        pool: Executor | None = None,
    ) -> None:
        """Reads the state folder. What worked is kept there by `pool`; without one it is not."""
        self._config, self._client_id, self._will, self._clock, self._pool = config, client_id, will, clock, pool
        self.broker = f"{config.host}:{config.effective_port}"
        self._versions = Versions(config.protocol, self.broker, state)

    async def open(self, ears: Ears) -> tuple[Link, Grant]:
        """Raises Unreachable when no version of MQTT leads in."""
        versions = self._versions.order()
        for version in versions:
            try:
                opened = await self._open(version, MUTE if len(versions) > 1 else PATIENT, ears)
            except WrongVersion as error:
                if version == versions[-1]:
                    raise
                log.info("mqtt: %s: %s, trying MQTT %s", self.broker, error, versions[-1])
                continue
            if self._versions.worked(version) and self._pool is not None:
                self._pool.submit(self._versions.save)
            return opened
        raise AssertionError("there is always a version")

    async def _open(self, version: Version, patience: float, ears: Ears) -> tuple[Link, Grant]:
        config = self._config
        offer = Offer(
            config.host,
            config.effective_port,
            version,
            self._client_id,
            config.keepalive,
            self._will,
            self._login,
        )
        link = Link(offer, ears)
        try:
            return link, await link.open(self._clock, patience)
        except BaseException:  # cancelled or refused: no thread may stay behind
            await link.close(self._clock, FAREWELL)
            raise

    def _login(self) -> Login:
        """On paho's thread."""
        password = self._config.password
        return Login(self._config.username, password.reveal() if password else None, context(self._config.tls))
