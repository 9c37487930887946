"""States: how each camera and the node are, looked up on the status boards and published when it is worth a message."""

import math
from collections.abc import Hashable

from edgecam.clock import Clock
from edgecam.health import CameraStatus, Health
from edgecam.mqtt import payloads
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire.messages import Rank
from edgecam.mqtt.wire.outlet import Outlet, compact

CALM = 60.0
"""Seconds between two states in which nothing of note changed."""
LIVELY = 10.0
"""Seconds from a change of what people like to watch until it is told: what waits for a moment only is no news."""


class Pace:
    """Says when a state is worth a message: at once when its facts changed, a while after its figures did, else once
    in CALM seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: tuple[Hashable, Hashable] = (None, None)
        self._at = -math.inf
        self._changed = math.inf
        """When the figures were seen to differ from those that were told."""

    def due(self, facts: Hashable, figures: Hashable = None) -> bool:
        now = self._clock.monotonic()
        self._changed = math.inf if figures == self._told[1] else min(self._changed, now)
        if facts == self._told[0] and now - self._at < CALM and now - self._changed < LIVELY:
            return False
        self._told, self._at, self._changed = (facts, figures), now, math.inf
        return True


class States:
    """Loop thread only. Rates, counts and buffers are no facts: they change always and can wait for the calm."""

    def __init__(self, mqtt: Outlet, topics: Topics, health: Health, clock: Clock) -> None:
        self._mqtt, self._topics, self._health = mqtt, topics, health
        self._paces = {id: Pace(clock) for id in health.cameras}
        self._node = Pace(clock)
        self._online: dict[str, bool] = {}

    def look(self) -> None:
        """At everything."""
        for id in self._health.cameras:
            self.look_at(id)
        health, spool = self._health, self._health.spool
        facts = (tuple(health.problems()), spool.state, spool.reason, health.mqtt.connected)
        if self._node.due(facts, (spool.files, spool.stored, spool.lost, spool.conflicts, spool.bad, spool.rate() > 0)):
            self._mqtt.set(self._topics.health, compact(health.snapshot()))

    def look_at(self, camera: str) -> None:
        """State first, then availability."""
        status, topics = self._health.cameras[camera], self._topics.camera(camera)
        if self._paces[camera].due(_facts(status)):
            self._mqtt.set(topics.state, compact(payloads.camera_state(status)))
        if self._online.get(camera) is not status.online:
            self._online[camera] = status.online
            self._mqtt.set(topics.status, "online" if status.online else "offline", rank=Rank.AVAILABILITY)


def _facts(status: CameraStatus) -> Hashable:
    """`last_motion` grows with every moving frame; that motion ended is the fact. Of `last_stored` the minute is: with
    continuous recording something is stored every few seconds.
    """
    last_motion = None if status.moving else status.last_motion
    size = (status.width, status.height)
    told = (status.last_clip, None if status.last_stored is None else status.last_stored // 60, last_motion)
    blind = status.blind, status.blind_percent, status.blind_until
    return status.state, status.problem, status.recording, status.light, size, *blind, *told
