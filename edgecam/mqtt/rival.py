"""Rival: notices another edgecam that lives under our node's name. That is a mistake to report, not a fight to win."""

import json
import logging
import re

from edgecam.clock import Clock
from edgecam.health import MqttStatus
from edgecam.mqtt.messages import Incoming

log = logging.getLogger(__name__)

GONE = 180.0
"""Seconds of silence after which a rival counts as gone; a live node says how it is once a minute."""


class Rival:
    """Listens to our own health topic. Loop thread only."""

    def __init__(self, node: str, instance: str, status: MqttStatus, clock: Clock) -> None:
        self._node, self._instance, self._status, self._clock = node, instance, status, clock
        self._heard = 0.0

    def hear(self, message: Incoming) -> None:
        """A health message: ours, or not. A retained one may be from years ago and proves nobody alive."""
        other = None if message.retain else _instance(message.payload)
        if other is None or other == self._instance:
            return
        self._heard = self._clock.monotonic()
        if self._status.rival is None:
            log.error("mqtt: another edgecam (%s) uses our node name %s; one needs another `node:`", other, self._node)
        self._status.rival = f"another edgecam ({other}) uses our node name {self._node}; one needs another `node:`"

    def look(self) -> None:
        """Withdraw the problem when the rival has fallen silent."""
        if self._status.rival is not None and self._clock.monotonic() - self._heard > GONE:
            self._status.rival = None
            log.info("mqtt: the other edgecam of the node name %s is gone", self._node)


def _instance(payload: bytes) -> str | None:
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    instance = said.get("instance") if isinstance(said, dict) else None
    return instance if isinstance(instance, str) and re.fullmatch("[0-9a-f]{6}", instance) else None
