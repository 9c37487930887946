"""Announcer: tells Home Assistant which entities there are, and sees to it that none is left behind.

What was announced is remembered before it is published. What is not wanted any more is announced once more and then
taken back (`farewell` says why); as long as no birth message proved that a Home Assistant listened, that is done again
when one is born.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from edgecam import aside
from edgecam.clock import Clock
from edgecam.mqtt.announcing import farewell
from edgecam.mqtt.announcing.discovery import Json, topic
from edgecam.mqtt.memory import Announced
from edgecam.mqtt.wire.messages import Incoming, Rank
from edgecam.mqtt.wire.outlet import Outlet, compact

SETTLE = 5.0
"""Seconds that Home Assistant gets for a message, until the next of the same device: of two at once it drops parts."""

DEAF = 1.0
"""Seconds after which an entity that was taken back listens no more."""


class Announcer:
    """Loop thread only. First `begin`, then `run`.

    `gone` is called whenever nothing of what was taken back is listened to any more.
    """

    def __init__(
        self,
        mqtt: Outlet,
        node: str,
        wanted: Mapping[str, Json],
        memory: Announced,
        clock: Clock,
        pool: Executor,
        gone: Callable[[], None],
    ) -> None:
        self._mqtt, self._node, self._wanted, self._memory = mqtt, node, wanted, memory
        self._clock, self._pool, self._gone = clock, pool, gone
        self._told: dict[str, str] = {}
        """What each topic holds."""
        self._work = asyncio.Event()
        self._born = False
        """What is leaving now is taken back before the eyes of a Home Assistant."""

    @property
    def topics(self) -> list[str]:
        """All that may hold something at the broker."""
        return [*self._wanted, *(gone for gone in self._memory.leaving if gone not in self._wanted)]

    @property
    def busy(self) -> bool:
        """Something is to be taken back, and `gone` will follow."""
        return self._work.is_set()

    @property
    def mourning(self) -> bool:
        """Something was taken back, and the next birth matters for it."""
        return bool(self._memory.leaving or self._memory.buried)

    def search(self, prefix: str) -> None:
        """Without a memory the broker's is asked: for everything that is retained there of our devices."""
        if self._memory.lost:
            self._mqtt.subscribe(topic(prefix, "+"), self._found)
            self._work.set()

    async def begin(self) -> None:
        """Returns when it is remembered what is going to be published, and Mqtt has it."""
        memory, wanted = self._memory, self._wanted
        memory.leaving = farewell.gone(farewell.both(memory.leaving, farewell.gone(memory.alive, wanted)), wanted)
        memory.buried = farewell.gone(memory.buried, wanted)
        memory.alive = dict(wanted)
        await self._revive()
        if memory.leaving:
            self._work.set()

    async def run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await self._bury()

    async def born(self) -> None:
        """A Home Assistant is there, which may remember what we took back while it was not. Returns when it is told."""
        memory = self._memory
        memory.leaving, memory.buried = farewell.both(memory.buried, memory.leaving), {}
        if memory.leaving:
            self._born = True
            await self._revive()
            self._work.set()

    def _found(self, message: Incoming) -> None:
        """What the broker kept of an earlier life: we hear it before it takes what we publish now."""
        old = farewell.ours(message.topic, message.payload, self._node) if message.retain else None
        if lost := farewell.gone({message.topic: old} if old else {}, self._wanted):
            self._memory.leaving = farewell.both(self._memory.leaving, lost)
            self._work.set()

    async def _bury(self) -> None:
        """Announce once more what is leaving, let that be understood, and take it back.

        Whenever more is to go meanwhile this ends early: it is done again, for all.
        """
        memory, leaving = self._memory, self._memory.leaving
        await self._revive()
        await self._pause()
        if self._work.is_set():
            return
        after = {} if self._born else farewell.both(memory.buried, leaving)
        bare, rest = farewell.buried(self._rest(), leaving), farewell.at_rest(self._wanted, after)
        self._tell(bare)
        if bare != rest:
            await self._pause()
            if self._work.is_set():
                return
        memory.leaving, memory.buried, memory.lost, self._born = {}, after, False, False
        self._tell(rest)
        await self._save()
        await self._mqtt.settled()
        try:
            await aside.within(self._clock, DEAF, self._work.wait())
        except TimeoutError:
            self._gone()

    async def _revive(self) -> None:
        await self._save()
        self._tell(farewell.revived(self._rest(), self._memory.leaving))

    async def _pause(self) -> None:
        await self._mqtt.settled()
        await self._clock.sleep(SETTLE)

    def _rest(self) -> dict[str, Json]:
        """The messages as they stay; what was buried is not dug up."""
        return farewell.at_rest(self._wanted, self._memory.buried)

    def _tell(self, messages: Mapping[str, Json]) -> None:
        """Publish what differs; a topic that is told no more is cleared."""
        said = {place: compact(message) for place, message in messages.items()}
        for place, payload in said.items():
            if self._told.get(place) != payload:
                self._mqtt.set(place, payload, rank=Rank.DISCOVERY)
        for place in self._told.keys() - said.keys():
            self._mqtt.forget(place)
        self._told = said

    async def _save(self) -> None:
        await asyncio.wrap_future(self._pool.submit(self._memory.save, self._memory.content()))
