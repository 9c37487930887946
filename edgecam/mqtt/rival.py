"""Rival and Twin: notice another edgecam that lives under our node's name, and another client with our client id.

Both are mistakes to report, not fights to win.
"""

import json
import logging
import re

from edgecam.clock import Clock
from edgecam.health import MqttStatus
from edgecam.mqtt.wire.messages import Incoming

log = logging.getLogger(__name__)

GONE = 180.0
"""Seconds of silence after which a rival counts as gone; a live node says how it is once a minute."""


WIPED = 2.0
"""Seconds that clearing a node's topics may take, or coming back after a farewell."""
LIVED = 30.0
"""A connection this long (s) was not thrown out by one that cannot wait."""
THROWN_OUT = 3
"""So many short connections in a row are no accident."""


class Rival:
    """Listens to our own health and status topics. Loop thread only."""

    def __init__(self, node: str, instance: str, status: MqttStatus, clock: Clock) -> None:
        self._node, self._instance, self._status, self._clock = node, instance, status, clock
        self._heard = 0.0
        self._wiped: float | None = None
        self._left: float | None = None

    def leave(self, message: Incoming) -> None:
        """A status message. A rival that stops says `offline` for both: Home Assistant must not believe that of us."""
        if message.payload == b"offline" and not message.retain and self._status.rival is not None:
            self._left = self._clock.monotonic()

    def hear(self, message: Incoming) -> None:
        """A health message: ours, or not. A retained one may be from years ago and proves nobody alive.

        An empty one clears it, and probably all that is ours: that does a box which had our name before it got another.
        """
        if not message.payload and not message.retain:
            self._wiped = self._clock.monotonic()
        other = None if message.retain else _instance(message.payload)
        if other is None or other == self._instance:
            return
        self._heard = self._clock.monotonic()
        if self._status.rival is None:
            log.error("mqtt: another edgecam (%s) uses our node name %s; one needs another `node:`", other, self._node)
        self._status.rival = f"another edgecam ({other}) uses our node name {self._node}; one needs another `node:`"

    def look(self) -> bool:
        """Withdraw the problem when the rival has fallen silent. True when somebody else's states lie on our topics."""
        now, wiped = self._clock.monotonic(), self._wiped
        if wiped is not None and now - wiped >= WIPED:
            self._wiped = None
            log.warning("mqtt: somebody cleared what we retain; everything is sent again")
            return True
        if self._left is not None and now - self._left >= WIPED:
            self._left = None
            return True
        if self._status.rival is None or now - self._heard <= GONE:
            return False
        self._status.rival = None
        log.info("mqtt: the other edgecam of the node name %s is gone", self._node)
        return True


class Twin:
    """Notices another client with our client id: for each that comes, a broker throws out the one that is there.

    MQTT 5 says that it is so; of 3.1.1 we only see that we are thrown out again and again. Loop thread only.
    """

    def __init__(self, client_id: str, status: MqttStatus) -> None:
        self._client_id, self._status, self._times = client_id, status, 0

    def ended(self, lived: float, *, taken_over: bool, hung_up: bool) -> None:
        """A connection that lasted `lived` seconds is over."""
        self._times = self._times + 1 if hung_up and lived < LIVED else 0
        if taken_over:
            why = (
                f"another client uses our client id {self._client_id} and throws us out; is this box a copy of another"
            )
            self._say(f"{why}? delete identity.json in its state folder, or give each its own mqtt.client_id")
        elif self._times >= THROWN_OUT:
            why = (
                f"the broker threw us out {THROWN_OUT} times soon after we came; does another client use our client id"
            )
            self._say(f"{why} {self._client_id}?")

    def lives(self, seconds: float) -> None:
        """The connection has lasted so long."""
        if self._status.twin is not None and seconds > GONE:
            self._status.twin, self._times = None, 0
            log.info("mqtt: nobody throws us out any more")

    def _say(self, why: str) -> None:
        if self._status.twin is None:
            log.error("mqtt: %s", why)
        self._status.twin = why


def _instance(payload: bytes) -> str | None:
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    instance = said.get("instance") if isinstance(said, dict) else None
    return instance if isinstance(instance, str) and re.fullmatch("[0-9a-f]{6}", instance) else None
