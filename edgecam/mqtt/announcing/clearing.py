"""Clearing: removes everything that a node retains at its broker, over a connection of its own."""

import asyncio
from collections.abc import Collection

from edgecam.clock import Clock
from edgecam.config import model
from edgecam.mqtt.announcing.discovery import topic
from edgecam.mqtt.announcing.farewell import ours
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire.entrance import Entrance
from edgecam.mqtt.wire.link import Ears, Link, Unreachable, within
from edgecam.mqtt.wire.messages import Incoming, Retained

PATIENCE = 10.0
"""Seconds that the broker may take for one answer."""
QUIET = 1.0
"""Seconds without a message after which the broker has told all that it retains."""


class Alive(Exception):
    """A daemon of this node's name is connected, and would publish everything again."""


class Clearing:
    """One use: `clear`. On the loop."""

    def __init__(self, config: model.Mqtt, node: str, remembered: Collection[str], clock: Clock) -> None:
        """`remembered`: topics that are ours whatever the broker shows, those of an earlier name among them."""
        self._config, self._node, self._clock = config, node, clock
        self._topics = Topics(f"{config.base_topic}/{node}")
        self._remembered = set(remembered)
        self._found = set[str]()
        self._online = False
        self._flying = set[int]()
        self._landed = asyncio.Event()
        self._refusal: str | None = None

    async def clear(self, entrance: Entrance) -> list[str]:
        """The topics that held something, or may have, and hold nothing now. Raises Unreachable and Alive."""
        link, _ = await entrance.open(Ears(self._heard, self._sent))
        try:
            link.subscribe(self._filters())
            seen = -1
            while seen < (seen := len(self._found)):
                await within(self._clock, QUIET, link.ended)
            if self._online:
                raise Alive
            found = sorted(self._found | self._remembered)
            for place in found:
                number = link.publish(place, Retained(b""))
                if number is not None:
                    self._flying.add(number)
            await self._all_landed(link)
            if self._refusal is not None:
                raise Unreachable(f"the broker does not let us clear all of it ({self._refusal})")
            return found
        finally:
            await link.close(self._clock, PATIENCE)

    def _filters(self) -> list[str]:
        filters = [f"{self._topics.base}/#"]
        if self._config.discovery:
            filters.append(topic(self._config.discovery, "+"))
        return filters

    def _heard(self, _filter: str, message: Incoming) -> None:
        mine = message.topic.startswith(f"{self._topics.base}/")
        if message.retain and (mine or ours(message.topic, message.payload, self._node) is not None):
            self._found.add(message.topic)
        if message.topic == self._topics.status:
            self._online = message.payload == b"online"

    def _sent(self, _: Link, number: int, why: str | None) -> None:
        self._refusal = why or self._refusal
        self._flying.discard(number)
        if not self._flying:
            self._landed.set()

    async def _all_landed(self, link: Link) -> None:
        """Raises Unreachable when the broker did not confirm all."""
        if not self._flying:
            return
        landed = asyncio.ensure_future(self._landed.wait())
        await within(self._clock, PATIENCE, landed, link.ended)
        if not landed.done():
            landed.cancel()
            why = link.ended.result() if link.ended.done() else f"no confirmation within {PATIENCE:.0f} s"
            raise Unreachable(f"{why}; some topics may still be there, do it again")
