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
from edgecam.mqtt.messages import Incoming, Retained
from edgecam.supervisor import reason

T = TypeVar("T")


_PAHO = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}

MAX_INCOMING = 16 << 20
"""Bytes of the largest packet that we let an MQTT 5 broker send us."""

UNSUPPORTED_VERSION, BAD_LOGIN, NOT_AUTHORISED = 132, 134, 135


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


class _Client(paho.Client):
    """paho whose thread also connects (names, TCP, TLS and files may block) and whose end is never silent."""

    def __init__(
        self, version: Version, client_id: str, begin: Callable[[], None], over: Callable[[str], None]
    ) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id, protocol=_PAHO[version], reconnect_on_failure=False)
        self._begin, self._over = begin, over
        self.last_words = "the broker closed the connection"

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


class Link:
    """One connection. Make it on the loop, `open` it once, use it until `ended`, `close` it in any case."""

    def __init__(self, offer: Offer, heard: Callable[[str, Incoming], None], sent: Callable[[int], None]) -> None:
        """`heard` gets each filter with what arrived for it, `sent` the number of each message that the broker has."""
        self._offer, self._heard, self._sent = offer, heard, sent
        self._loop = asyncio.get_running_loop()
        self._reached: asyncio.Future[None] = self._loop.create_future()
        self._granted: asyncio.Future[tuple[int, str, Grant]] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        """Resolves to the reason, in words, when the connection is over and paho's thread with it."""
        self._abandoned = False
        self._filters: tuple[str, ...] = ()
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
        client.on_publish = lambda _client, _data, mid, _code, _properties: self._tell(self._sent, mid)
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
        grant = Grant(getattr(given, "MaximumPacketSize", None), getattr(given, "MaximumQoS", 1))
        self._tell(_resolve, self._granted, (code.value, str(code), grant))

    def _on_disconnect(
        self, client: paho.Client, _data: object, flags: paho.DisconnectFlags, code: ReasonCode, _given: object
    ) -> None:
        if isinstance(client, _Client):
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
                self._tell(self._heard, name, heard)

    def _over(self, why: str) -> None:
        self._tell(self._finish, why)

    def _tell(self, call: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(call, *arguments)

    # the loop ------------------------------------------------------------------------------------------------------

    def _finish(self, why: str) -> None:
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
            words = "closed the connection" if self.ended.done() else f"said nothing for {patience:g} s"
            raise WrongVersion(f"the broker {words} when asked for MQTT {self.version}")
        code, text, grant = self._granted.result()
        if code == UNSUPPORTED_VERSION:
            raise WrongVersion(f"the broker does not speak MQTT {self.version}")
        if code in (BAD_LOGIN, NOT_AUTHORISED):
            raise Unreachable(f"the broker refused the login ({text.lower()}); check mqtt.username and mqtt.password")
        if code:
            raise Unreachable(f"the broker refused us ({text.lower()})")
        return grant

    def subscribe(self, filters: Iterable[str]) -> None:
        """QoS 1. MQTT 5 spares us what we publish ourselves."""
        self._filters = tuple(filters)
        for name in self._filters:
            if self._client is not None and self.version == "5":
                self._client.subscribe(name, options=SubscribeOptions(qos=1, noLocal=True))
            elif self._client is not None:
                self._client.subscribe(name, qos=1)

    def publish(
        self,
        topic: str,
        message: Retained,
        *,
        retain: bool = True,
        max_qos: int = 1,
        correlation: bytes | None = None,
    ) -> int | None:
        """Hand one message to paho; its number comes back through `sent`. None when the connection is already over."""
        if self._client is None:
            return None
        properties = None
        if message.expiry is not None and self.version == "5" and message.payload:
            properties = _properties(PacketTypes.PUBLISH, MessageExpiryInterval=max(1, round(message.expiry)))
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


def _resolve(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _words(error: Exception) -> str:
    """The error for a person: the system's sentence without its number."""
    return (isinstance(error, OSError) and error.strerror) or reason(error)
