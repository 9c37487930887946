"""Mqtt beside a real broker, for tests: how it is made and run, and somebody else who listens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
import paho.mqtt.client as paho
import simplejpeg
from paho.mqtt.enums import CallbackAPIVersion

from edgecam.clock import Clock, SystemClock
from edgecam.config import model
from edgecam.health import MqttStatus
from edgecam.mqtt.wire.client import Mqtt
from fakes import until
from peers import Mosquitto

Protocol = Literal["5", "3.1.1"]
Make = Callable[..., Mqtt]
STATUS = "edgecam/pi/status"
PATIENCE = 20.0
"""Seconds after which something that should have happened has not."""


def maker(state: Path, pool: Executor) -> Make:
    """`make(port, clock, protocol=..., other keys of the mqtt section)`."""

    def build(port: int, clock: Clock | None = None, **keys: object) -> Mqtt:
        config = model.Mqtt.model_validate({"host": "127.0.0.1", "port": port, **keys})
        return Mqtt(
            config=config,
            node="pi",
            instance="a1b2c3",
            state=state,
            status=MqttStatus(),
            clock=clock or SystemClock(),
            pool=pool,
            jitter=lambda: -0.9,  # pauses of a twentieth
        )

    return build


class HastyClock(SystemClock):
    """The real clock, with sleeps that take a sixth: for waiting that has to be waited out."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 6)


class Spy:
    """Another client of the broker that sees everything. `heard` holds topic, payload and retain flag, in order."""

    def __init__(self, port: int, **login: str) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        if login:
            self._client.username_pw_set(login["username"], login["password"])
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_message = lambda _client, _data, message: self._tell(
            message.topic, bytes(message.payload), message.retain
        )
        self._client.on_subscribe = lambda *_: self._tell("", b"subscribed", False)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _tell(self, topic: str, payload: bytes, retain: bool) -> None:
        self._loop.call_soon_threadsafe(self._hear, topic, payload, retain)

    def _hear(self, topic: str, payload: bytes, retain: bool) -> None:
        self.heard.append((topic, payload, retain))
        self._news.set()

    async def until(self, seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not seen():
                self._news.clear()
                await self._news.wait()

    async def hears(self, topic: str, payload: bytes | None = None) -> bytes:
        """Wait for `topic` (with that payload) and return the newest payload of it."""
        await self.until(lambda: any(t == topic and payload in (None, p) for t, p, _ in self.heard))
        return next(p for t, p, _ in reversed(self.heard) if t == topic and payload in (None, p))

    def newest(self) -> dict[str, bytes]:
        return {topic: payload for topic, payload, _ in self.heard if topic}

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@asynccontextmanager
async def spying(broker: Mosquitto, **login: str) -> AsyncIterator[Spy]:
    spy = Spy(broker.port, **login)
    try:
        await spy.hears("")
        yield spy
    finally:
        spy.close()


@asynccontextmanager
async def running(mqtt: Mqtt) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(mqtt.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def settled(mqtt: Mqtt) -> None:
    async with asyncio.timeout(PATIENCE):
        await mqtt.settled()


async def lost(mqtt: Mqtt) -> None:
    await until("the connection is lost", lambda: not mqtt.status.connected)


def noise(width: int, height: int, quality: int = 95) -> bytes:
    """A JPEG that hardly compresses."""
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    made: bytes = simplejpeg.encode_jpeg(pixels, quality)
    return made
