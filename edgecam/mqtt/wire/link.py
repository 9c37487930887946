"""Link: one connection to the broker, from its CONNECT to its end, on paho's own thread.

Each connection gets a client of its own, so nothing of the last one (queued messages, password, version) leaks into it.
Everything here is for the loop thread; paho's thread only reports into it.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edgecam.clock import Clock
from edgecam.mqtt.memory import Version
from edgecam.mqtt.wire import tls
from edgecam.mqtt.wire.messages import Incoming, Retained
from edgecam.supervisor import reason

T = TypeVar("T")


_PAHO = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}

MAX_INCOMING = 16 << 20
"""Bytes of the largest packet that we let an MQTT 5 broker send us."""

HUNG_UP = "the broker closed the connection"

UNSUPPORTED_VERSION, BAD_LOGIN, NOT_AUTHORISED, TAKEN_OVER, NO_RETAIN = 132, 134, 135, 142, 154


class Unreachable(OSError):
    """No connection; the text says why and, where we know it, what to do."""


class WrongVersion(Unreachable):
    """The broker does not speak this version of MQTT, or behaves as if it did not."""


@dataclass(frozen=True, slots=True)
class Login:
    """What is read anew for each connection, on paho's thread: it may be in files."""

    username: str | None
    password: str | None
    tls: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What we ask of the broker."""

    host: str
    port: int
    version: Version
    client_id: str
    keepalive: float
    will: str | None
    """Topic that gets a retained `offline` when we vanish; None: nobody needs to know."""
    login: Callable[[], Login]
    """Blocking; raises OSError or ValueError with words for the log."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the broker allows. MQTT 3.1.1 says nothing."""

    max_packet: int | None = None
    max_qos: int = 1


@dataclass(frozen=True, slots=True)
class Ears:
    """Who hears what of a link, on the loop."""

    heard: Callable[[str, Incoming], None]
    """A filter and what arrived for it."""
    sent: Callable[["Link", int, str | None], None]
    """The number of a message that the broker has; with words, it was thrown away there."""
    granted: Callable[[str, str | None], None] = lambda name, why: None
    """A filter that was subscribed; with words, it was refused."""


class _Client(paho.Client):
    """paho whose thread also connects (names, TCP, TLS and files may block) and whose end is never silent."""

    def __init__(
        self, version: Version, client_id: str, begin: Callable[[], None], over: Callable[[str], None]
    ) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id, protocol=_PAHO[version], reconnect_on_failure=False)
        self._begin, self._over = begin, over
        self.last_words = HUNG_UP
        self.taken_over = self.distrusted = False

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        """What paho's thread runs."""
        try:
            self._begin()
            return super().loop_forever(timeout)
        except Exception as error:  # whatever it is, the thread ends and the loop must hear of it
            self.last_words = _words(error)
            return MQTTErrorCode.MQTT_ERR_UNKNOWN
        finally:
            self._over(self.last_words)

    def bear(self, most: int | None) -> None:
        """Have no more than `most` messages under way, from within `on_connect`: nothing is under way yet."""
        if most is not None:
            self._max_inflight_messages = min(self._max_inflight_messages, most)

    def _sock_recv(self, bufsize: int) -> bytes:
        """What a broker thinks of our certificate comes when the handshake is over, and paho would swallow it."""
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as error:
            self.last_words, self.distrusted = tls.words(error), True
            raise


class Link:
    """One connection. Make it on the loop, `open` it once, use it until `ended`, `close` it in any case."""

    def __init__(self, offer: Offer, ears: Ears) -> None:
        self._offer, self._ears = offer, ears
        self._loop = asyncio.get_running_loop()
        self._reached: asyncio.Future[None] = self._loop.create_future()
        self._granted: asyncio.Future[tuple[int, str, Grant]] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        """Resolves to the reason, in words, when the connection is over and paho's thread with it."""
        self.taken_over = False
        """When it has ended: because another client came with our client id. MQTT 3.1.1 does not say."""
        self._distrusted = self._abandoned = False
        self._filters: tuple[str, ...] = ()
        self._asked: dict[int, str] = {}
        """Filters that the broker has not answered, by the number of the request."""
        self._client: _Client | None = self._make_client()

    @property
    def version(self) -> Version:
        return self._offer.version

    def _make_client(self) -> _Client:
        client = _Client(self._offer.version, self._offer.client_id, self._begin, self._over)
        if self._offer.will is not None:
            client.will_set(self._offer.will, b"offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = lambda _client, _data, mid, code, _given: self._tell(self._sent, mid, code)
        client.on_subscribe = lambda _client, _data, mid, codes, _given: self._tell(self._answered, mid, codes)
        client.on_message = self._on_message
        return client

    # paho's thread -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        offer, client = self._offer, self._client
        if client is None:  # closed before the thread came to life
            return
        login = offer.login()
        if login.username is not None:
            client.username_pw_set(login.username, login.password)
        if login.tls is not None:
            client.tls_set_context(login.tls)
        properties = None
        if offer.version == "5":
            properties = _properties(PacketTypes.CONNECT, MaximumPacketSize=MAX_INCOMING)
        client.connect(offer.host, offer.port, max(1, round(offer.keepalive)), properties=properties)
        if self._abandoned:
            client.disconnect()
        self._tell(_resolve, self._reached, None)

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: object, code: ReasonCode, given: Properties | None
    ) -> None:
        if self._client is not None:  # paho leaves it to us
            self._client.bear(getattr(given, "ReceiveMaximum", None))
        grant = Grant(getattr(given, "MaximumPacketSize", None), getattr(given, "MaximumQoS", 1))
        self._tell(_resolve, self._granted, (code.value, str(code), grant))

    def _on_disconnect(
        self, client: paho.Client, _data: object, flags: paho.DisconnectFlags, code: ReasonCode, _given: object
    ) -> None:
        if isinstance(client, _Client):
            client.taken_over = code.value == TAKEN_OVER and flags.is_disconnect_packet_from_server
            if flags.is_disconnect_packet_from_server:
                client.last_words = f"the broker closed the connection: {str(code).lower()}"
            elif code.getName() == "Keep alive timeout":
                client.last_words = "the broker does not answer any more"

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # no broker should let it pass, and it cannot be meant for us
            return
        given = message.properties  # without those of MQTT 5 it has no such attributes
        response, correlation = (getattr(given, name, None) for name in ("ResponseTopic", "CorrelationData"))
        heard = Incoming(topic, bytes(message.payload), message.retain, response, correlation)
        for name in self._filters:
            if paho.topic_matches_sub(name, topic):
                self._tell(self._ears.heard, name, heard)

    def _over(self, why: str) -> None:
        self._tell(self._finish, why)

    def _tell(self, call: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(call, *arguments)

    # the loop ------------------------------------------------------------------------------------------------------

    def _finish(self, why: str) -> None:
        if self._client is not None:
            self.taken_over, self._distrusted = self._client.taken_over, self._client.distrusted
        self._client = None  # frees paho's sockets at once
        _resolve(self.ended, why)

    async def open(self, clock: Clock, patience: float) -> Grant:
        """Connect and log in. Without a word `patience` seconds after our CONNECT the broker counts as mute.

        Raises WrongVersion or Unreachable.
        """
        assert self._client is not None
        self._client.loop_start()
        either: set[asyncio.Future[Any]] = {self._reached, self.ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._reached.done():
            raise Unreachable(self.ended.result())
        await within(clock, patience, self._granted, self.ended)
        if not self._granted.done():
            if self._distrusted:
                raise Unreachable(self.ended.result())
            words = "closed the connection" if self.ended.done() else f"said nothing for {patience:g} s"
            raise WrongVersion(f"the broker {words} when asked for MQTT {self.version}")
        code, text, grant = self._granted.result()
        if code == UNSUPPORTED_VERSION:
            raise WrongVersion(f"the broker does not speak MQTT {self.version}")
        if code in (BAD_LOGIN, NOT_AUTHORISED):
            raise Unreachable(f"the broker refused the login ({text.lower()}); check mqtt.username and mqtt.password")
        if code == NO_RETAIN:
            raise Unreachable("the broker keeps no retained messages; without them Home Assistant would forget us")
        if code:
            raise Unreachable(f"the broker refused us ({text.lower()})")
        return grant

    def subscribe(self, filters: Iterable[str], *, own: bool = False) -> None:
        """QoS 1. MQTT 5 spares us what we publish ourselves, unless we want our `own`."""
        for name in filters:
            if self._client is None:
                return
            self._filters = tuple({*self._filters, name})
            if self.version == "5":
                _, number = self._client.subscribe(name, options=SubscribeOptions(qos=1, noLocal=not own))
            else:
                _, number = self._client.subscribe(name, qos=1)
            if number is not None:
                self._asked[number] = name

    def _sent(self, number: int, code: ReasonCode) -> None:
        self._ears.sent(self, number, _refusal(code))

    def _answered(self, number: int, codes: list[ReasonCode]) -> None:
        name = self._asked.pop(number, None)
        if name is not None:
            self._ears.granted(name, _refusal(codes[0]) if codes else None)

    def publish(
        self,
        topic: str,
        message: Retained,
        *,
        retain: bool = True,
        max_qos: int = 1,
        expiry: float | None = None,
        correlation: bytes | None = None,
    ) -> int | None:
        """Hand one message to paho; its number comes back through `sent`. None when the connection is already over.

        An MQTT 5 broker forgets it after `expiry` seconds.
        """
        if self._client is None:
            return None
        properties = None
        if expiry is not None and self.version == "5" and message.payload:
            properties = _properties(PacketTypes.PUBLISH, MessageExpiryInterval=max(1, round(expiry)))
        elif correlation is not None and self.version == "5":
            properties = _properties(PacketTypes.PUBLISH, CorrelationData=correlation)
        qos = min(message.qos, max_qos)
        return self._client.publish(topic, message.payload, qos, retain, properties).mid

    async def close(self, clock: Clock, patience: float) -> None:
        """Say goodbye and wait for paho's thread, at most `patience` seconds; then it is left to die by itself."""
        self._abandoned = True
        if self._client is None:
            return
        self._client.disconnect()
        await within(clock, patience, self.ended)


def _properties(packet: int, **values: int | bytes) -> Properties:
    made = Properties(packet)  # type: ignore[no-untyped-call]  # paho does not annotate it
    for name, value in values.items():
        setattr(made, name, value)
    return made


async def within(clock: Clock, seconds: float, *futures: asyncio.Future[Any]) -> None:
    """Wait for the first of `futures`, at most `seconds`. They are left as they are."""
    late = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({late, *futures}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        late.cancel()


def _refusal(code: ReasonCode) -> str | None:
    """MQTT 5 says why; 3.1.1 only that a filter is refused."""
    return str(code).lower() if code.is_failure else None


def _resolve(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _words(error: Exception) -> str:
    """The error for a person: the system's sentence without its number."""
    if isinstance(error, ssl.SSLError):
        return tls.words(error)
    return (isinstance(error, OSError) and error.strerror) or reason(error)
