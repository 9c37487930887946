"""Mqtt: keeps the broker's picture of this node true, whenever there is a broker.

What is retained lives in a table that is replayed on every connect; nothing is queued while there is no connection.
Loop thread only. paho is loaded when `run` begins.
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecam.clock import Clock
from edgecam.config import model
from edgecam.health import MqttStatus
from edgecam.mqtt.memory import Owned
from edgecam.mqtt.rival import Twin
from edgecam.mqtt.wire.ceiling import Ceiling
from edgecam.mqtt.wire.denials import Deed, Denials
from edgecam.mqtt.wire.messages import Incoming, Rank, Retained
from edgecam.mqtt.wire.shrink import fit
from edgecam.mqtt.wire.table import Table

if TYPE_CHECKING:
    from edgecam.mqtt.wire.entrance import Entrance
    from edgecam.mqtt.wire.link import Grant, Link

log = logging.getLogger(__name__)

LONGEST_PAUSE = 30.0
HEALTHY = 30.0
"""A connection this long (s) sets the back-off back."""
REPEAT = 60.0
"""The same complaint is said once in so many seconds, and what the broker refused is tried again."""
FAREWELL = 1.0
"""Seconds to get `offline` out when we stop."""
EVENTS_UNDER_WAY = 100
PATIENTLY = 5
"""Attempts that were in vain, from which on pauses are the longest."""
OWED = 8
"""Messages that wait to be heard surely, at most; the oldest give way."""
ENVELOPE = 32
"""Bytes of an MQTT packet beside topic and payload, at most."""


class Mqtt:
    """The one connection of this process. Call `complete` once the table is filled; `run` waits for it."""

    name = "mqtt"

    def __init__(
        self,
        *,
        config: model.Mqtt,
        node: str,
        instance: str,
        state: Path,
        status: MqttStatus,
        clock: Clock,
        pool: Executor,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Reads the state folder. `pool` makes pictures smaller and writes small files."""
        self._config, self.status, self._clock, self._pool, self._jitter = config, status, clock, pool, jitter
        self._client_id = config.client_id or f"edgecam-{node}-{instance}"
        self._broker = f"{config.host}:{config.effective_port}"
        self._status_topic = f"{config.base_topic}/{node}/status"
        self._table, self._ceiling = Table(), Ceiling()
        self._denials, self._twin = Denials(self._broker, status), Twin(self._client_id, status)
        self._owned, self._state = Owned(state), state
        self._entrance: Entrance | None = None
        self._wanted: set[str] = set()
        self._orphans: dict[str, bool] = {}  # unwanted, may be at the broker -> whether it is being cleared
        self._saved: Future[None] | None = None
        self._ready, self._settled = asyncio.Event(), asyncio.Event()
        self._callbacks: dict[str, Callable[[Incoming], None]] = {}
        self._link: Link | None = None
        self._grant: Grant | None = None
        self._events: dict[int, str] = {}
        self._owed: list[tuple[str, bytes]] = []
        """Topic and payload of what must be heard."""
        self._paying: dict[int, tuple[str, bytes]] = {}
        """What of that is under way, by the number of its message."""
        self._shrinking: dict[str, asyncio.Task[None]] = {}
        self._attempts = 0
        self._said: tuple[str, float] | None = None
        self._leaving = False
        self.dropped = 0
        """Events that were not sent since the last connect."""
        status.configured = True

    # what others call ----------------------------------------------------------------------------------------------

    def set(self, topic: str, payload: str, *, rank: Rank = Rank.STATE, qos: int = 1) -> None:
        """The state of `topic` from now on, retained."""
        self._put(topic, Retained(_utf8(payload), rank, qos))

    def picture(self, topic: str, jpeg: bytes, *, width: int | None = None, expiry: float | None = None) -> None:
        """A retained JPEG, made smaller when it is wider than `width`, above `image_limit` or what the broker takes."""
        until = math.inf if expiry is None else self._clock.monotonic() + expiry
        self._put(topic, Retained(jpeg, qos=0, picture=True, width=width, until=until))

    def forget(self, topic: str) -> None:
        """Clear `topic` at the broker, now or when there is one."""
        self._put(topic, Retained(b""))

    def send(self, topic: str, payload: str, *, correlation: bytes | None = None, surely: bool = False) -> None:
        """Something that happens now, not retained; without a connection it is counted and dropped.

        What must `surely` be heard waits for the next connection, and for the broker's word that it is there.
        `correlation` goes with an answer over MQTT 5.
        """
        data = _utf8(payload)
        if surely:
            self._owed = [*self._owed[1 - OWED :], (topic, data)]
            self._pay()
            return
        number = None
        if self._link is not None and len(self._events) < EVENTS_UNDER_WAY and self._passes(topic, data):
            number = self._link.publish(topic, Retained(data), retain=False, correlation=correlation)
        if number is None:
            self.dropped += 1
        else:
            self._events[number] = topic

    def _pay(self) -> None:
        """Send what is owed and not under way."""
        for debt in self._owed:
            if self._link is not None and debt not in self._paying.values() and self._passes(*debt):
                number = self._link.publish(debt[0], Retained(debt[1]), retain=False)
                if number is not None:
                    self._paying[number] = debt

    def subscribe(self, name: str, callback: Callable[[Incoming], None]) -> None:
        """Call `callback` with what arrives for the topic filter `name`. Takes effect with the next connect."""
        self._callbacks[name] = callback

    def complete(self, topics: Iterable[str], *, spare: bool = False) -> None:
        """`topics` are all that this configuration may ever retain, and the table holds what is known of them now.

        What was ours before and is not among them is cleared at the broker; with `spare` not before the next call.
        """
        self._wanted = {*topics, self._status_topic}
        self._orphans = dict.fromkeys(self._owned.orphans(self._wanted), not spare)
        for topic in () if spare else self._orphans:
            self.forget(topic)
        self._save_owned()
        self._ready.set()

    def _save_owned(self) -> None:
        self._saved = self._pool.submit(self._owned.save, {*self._wanted, *self._orphans})

    def announce(self, *, pictures: bool = False) -> None:
        """Send everything again: somebody was born who may have lost it, or the broker has, and then `pictures` too."""
        for topic in self._table.all():
            message = self._table.get(topic)
            if message is not None and (pictures or not message.picture):
                self._put(topic, replace(message))  # a new one: what is under way may come too early for them

    def leave(self) -> None:
        """We are stopping: `offline` at once. The connection stays for the last clips, and ends with `run`."""
        first, self._leaving = not self._leaving, True
        if first and self._link is not None:
            self._put(self._status_topic, Retained(b"offline", Rank.ONLINE))

    async def settled(self) -> None:
        """Returns when the broker has confirmed all that was wanted."""
        await self._settled.wait()

    @property
    def held(self) -> int:
        """Bytes of all payloads that are kept to be restored."""
        return self._table.bytes

    @property
    def under_way(self) -> int:
        """Messages that the connection holds."""
        return self._table.under_way + len(self._events)

    # life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, stay, and again, for ever; whatever the broker does is no reason to end."""
        await self._ready.wait()
        if self._saved is not None:
            await asyncio.wrap_future(self._saved)
        try:
            while True:
                why = await self._life()
                pause = min(LONGEST_PAUSE, 2.0**self._attempts) * (0.5 + self._jitter() / 2)
                self._attempts = min(self._attempts + 1, 16)
                self._complain(why, pause)
                await self._clock.sleep(pause)
        finally:
            await self._farewell()

    async def _life(self) -> str:
        """One connection, or the attempt. Returns why it is over."""
        from edgecam.mqtt.wire.link import Unreachable

        try:
            link = await self._connect()
        except Unreachable as error:
            return str(error)
        why, lived = await self._stay(link)
        self._down()
        now = self._clock.monotonic()
        if self._ceiling.lost(now):
            why += f" twice right after a picture; pictures stay below {self._ceiling.limit} bytes from now on"
        if lived >= HEALTHY:
            self._attempts = 0
        return why

    async def _stay(self, link: "Link") -> tuple[str, float]:
        """Until the connection is over. Returns why, and how long (s) it lasted."""
        from edgecam.mqtt.wire.link import HUNG_UP, within

        began = self._clock.monotonic()
        while True:
            await within(self._clock, REPEAT, link.ended)
            lived = self._clock.monotonic() - began
            if link.ended.done():
                break
            self._twin.lives(lived)
            self._ask_again(link)
        why = link.ended.result()
        self._twin.ended(lived, taken_over=link.taken_over, hung_up=why == HUNG_UP)
        if link.taken_over:
            self._attempts = max(self._attempts, PATIENTLY)
        return why, lived

    async def _connect(self) -> "Link":
        """Raises Unreachable when no version of MQTT leads in."""
        from edgecam.mqtt.wire.entrance import Entrance
        from edgecam.mqtt.wire.link import Ears

        if self._entrance is None:
            self._entrance = Entrance(
                self._config,
                client_id=self._client_id,
                will=self._status_topic,
                state=self._state,
                clock=self._clock,
                pool=self._pool,
            )
        link, grant = await self._entrance.open(Ears(self._heard, self._landed, self._denials.granted))
        self._up(link, grant)
        return link

    def _up(self, link: "Link", grant: "Grant") -> None:
        self._link, self._grant = link, grant
        self.status.connected, self.status.trouble, self.status.protocol = True, None, link.version
        tries = f" after {self._attempts} attempts" if self._attempts else ""
        missed = f"; {self.dropped} events were not sent meanwhile" if self.dropped else ""
        log.info("mqtt: connected to %s with MQTT %s%s%s", self._broker, link.version, tries, missed)
        self._said, self.dropped = None, 0
        self._denials.anew()
        link.subscribe(self._callbacks)
        self._table.put(self._status_topic, Retained(b"offline" if self._leaving else b"online", Rank.ONLINE))
        for topic in self._table.all():
            self._push(topic)
        self._pay()

    def _down(self) -> None:
        self._link = None
        self.status.connected = False
        self._settled.clear()
        self._events.clear()
        self._paying.clear()
        self._table.grounded()

    def _complain(self, why: str, pause: float) -> None:
        self.status.trouble = why
        now = self._clock.monotonic()
        if self._said is None or self._said[0] != why or now - self._said[1] >= REPEAT:
            self._said = (why, now)
            log.warning("mqtt: %s: %s; trying again in %.0f s, and for ever", self._broker, why, pause)

    async def _farewell(self) -> None:
        """`offline`, retained, before we go: the will is only for accidents."""
        for task in self._shrinking.values():
            task.cancel()
        from edgecam.mqtt.wire.link import within

        link = self._link
        if link is None:
            return
        self.leave()
        done = asyncio.ensure_future(self._settled.wait())
        await within(self._clock, FAREWELL, done, link.ended)
        done.cancel()
        self._down()
        await link.close(self._clock, FAREWELL)

    # the table and the wire ----------------------------------------------------------------------------------------

    def _put(self, topic: str, message: Retained) -> None:
        self._settled.clear()
        if self._table.put(topic, message):
            self._push(topic)
        self._look_whether_settled()  # what is too large is not sent

    def _push(self, topic: str) -> None:
        """Hand the newest message of `topic` to the connection, if there is one and the way is free."""
        link, message = self._link, self._table.get(topic)
        if link is None or message is None or topic in self._shrinking:
            return
        if not self._table.free(topic):
            return
        now = self._clock.monotonic()
        if message.until <= now:  # what shows so late what was, would be taken for what is
            message = Retained(b"")
            self._table.put(topic, message)
        if message.picture and (message.width or len(message.payload) > self._room(topic)):
            self._shrinking[topic] = asyncio.create_task(self._shrink(topic, message), name=f"shrink {topic}")
            return
        if not self._passes(topic, message.payload):
            return
        number = self._publish(link, topic, message, now)
        if number is not None:
            self._table.flies(topic, number)
            if message.picture:
                self._ceiling.sent(now, len(message.payload))

    def _publish(self, link: "Link", topic: str, message: Retained, now: float) -> int | None:
        expiry, grant = None if message.until == math.inf else message.until - now, self._grant
        assert grant is not None
        return link.publish(topic, message, max_qos=grant.max_qos, expiry=expiry)

    def _room(self, topic: str) -> int:
        """The largest picture for `topic` that everybody agrees with."""
        limits = [self._config.image_limit, self._ceiling.limit, self._largest(topic)]
        return min(limit for limit in limits if limit is not None)

    def _largest(self, topic: str) -> int | None:
        """The largest payload for `topic` that the broker announced to take."""
        packet = self._grant.max_packet if self._grant else None
        return None if packet is None else packet - len(topic.encode()) - ENVELOPE

    def _passes(self, topic: str, payload: bytes) -> bool:
        """Whether the broker takes it; what it does not take would cost us the connection."""
        largest = self._largest(topic)
        if largest is None or len(payload) <= largest:
            return True
        assert self._grant is not None
        if self._is_ours(topic):
            self._denials.refuse(Deed.SIZE, topic, f"packets of {self._grant.max_packet} bytes")
            self._denials.review()
        return False

    def _is_ours(self, topic: str) -> bool:
        """Not where somebody else wants an answer: what becomes of that is their business."""
        return topic.startswith(self._status_topic.removesuffix("status")) or self._table.get(topic) is not None

    async def _shrink(self, topic: str, message: Retained) -> None:
        limit, why = self._room(topic), "no quality makes it small enough"
        smaller: bytes | None = None
        try:
            smaller = await asyncio.get_running_loop().run_in_executor(
                self._pool, fit, message.payload, limit, message.width
            )
        except ValueError as error:
            why = f"it {error}"
        finally:
            del self._shrinking[topic]
        if self._table.get(topic) is not message:
            self._push(topic)
        elif smaller is not None:
            self._put(topic, replace(message, payload=smaller, width=None))
        else:
            self._table.drop(topic)
            size = len(message.payload)
            log.warning("mqtt: %s: a picture of %d bytes is not sent, the limit is %d: %s", topic, size, limit, why)

    def _landed(self, link: "Link", number: int, why: str | None) -> None:
        """The broker has message `number` of `link`; with a `why` it threw it away."""
        if link is not self._link:
            return
        if (paid := self._paying.pop(number, None)) in self._owed:
            self._owed.remove(paid)
        topic, newer = self._table.landed(number, kept=why is None)
        meant = self._events.pop(number, topic)
        again = self._denials.landed(meant, why) if meant and (why is None or self._is_ours(meant)) else ()
        if topic is not None and newer:
            again = [topic, *again]
        for each in again:
            self._push(each)
        self._look_whether_settled()

    def _look_whether_settled(self) -> None:
        if self._link is not None and self._table.settled and not self._shrinking:
            self._denials.review()
            self._settled.set()
            self._cleared()

    def _ask_again(self, link: "Link") -> None:
        """Somebody may have changed what we are allowed."""
        link.subscribe(self._denials.of(Deed.READ))
        retained = (topic for topic in self._denials.of(Deed.WRITE) if self._table.get(topic))
        if first := next(retained, None):
            self._push(first)

    def _cleared(self) -> None:
        """Strike from the list what the broker has cleared."""
        orphans = {topic: going for topic, going in self._orphans.items() if not going or self._table.get(topic)}
        if orphans != self._orphans:
            self._orphans = orphans
            self._save_owned()

    def _heard(self, name: str, message: Incoming) -> None:
        self._callbacks[name](message)


def _utf8(text: str) -> bytes:
    """Always encodable: names of files, which end up in complaints, may hold bytes that are no text."""
    return text.encode(errors="replace")
