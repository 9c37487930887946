"""`edgecam demo`: camera, MQTT broker, object store and page in one process, and the story as it happens."""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgecam import log
from edgecam.app import Daemon
from edgecam.clock import SystemClock
from edgecam.config.load import ConfigErrors, load
from edgecam.config.model import Config
from edgecam.config.units import is_loopback
from edgecam.events import (
    MOTION,
    Bus,
    CameraLost,
    CameraOnline,
    ClipSaved,
    ClipStored,
    Event,
    MotionEnded,
    MotionStarted,
    RecordingStarted,
    SnapshotTaken,
)
from edgecam.media import MediaKind
from edgecam.process import signals
from edgecam.supervisor import Fatal

if TYPE_CHECKING:
    from rich.console import Console

CONFIG = """
node: demo
mqtt: {{host: 127.0.0.1, port: {mqtt}, protocol: 3.1.1}}
http: {{listen: "{listen}"{access}}}
storage: {{path: {folder}/library, limit: 500MB, reserve: 50MB}}
offload: {{store: {{type: folder, path: {folder}/store}}}}
cameras:
  meadow:
    name: Meadow
    source: {{type: synthetic, size: 1280x720, fps: 15}}
    snapshot: {{every: 10s}}
    motion: {{cooldown: 4s}}
    record: {{event: {{pre: 3s, post: 2s}}}}
"""


def main(listen: str, duration: float | None) -> int:
    """Run until `duration` (s) is over or somebody stops it. Exit code as `edgecam run`."""
    from rich.console import Console

    console = Console(highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="edgecam-demo-"))
    alone = is_loopback(listen.rpartition(":")[0].strip("[]"))
    user, password = (None, None) if alone else ("demo", secrets.token_urlsafe(9))
    port = _free_port()
    access = f", users: {{demo: {{password: {json.dumps(password)}, role: admin}}}}" if password else ""
    file = folder / "config.yaml"
    file.touch(mode=0o600)
    file.write_text(CONFIG.format(mqtt=port, listen=listen, access=access, folder=folder))
    try:
        loaded = load(file, environ={}, overrides=[])
    except ConfigErrors as errors:
        console.print(str(errors), markup=False)
        return 2
    log.setup("warning", "text", environ=os.environ)
    console.print("[bold]edgecam demo[/]: nothing is installed, nothing leaves this machine. Ctrl-C ends it.")
    if user:
        console.print(f"Log in as [bold]{user}[/] with the one-time password [bold]{password}[/]")
    try:
        asyncio.run(_play(console, loaded.config, port, duration))
    except Fatal as error:
        console.print(f"[red]{error}[/]")
        return 1
    console.print(f"Clips and stored objects stay in {folder} until you remove it.")
    return 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


async def _play(console: "Console", config: Config, port: int, duration: float | None) -> None:
    stop = asyncio.Event()
    with signals(stop):
        async with _broker(port):
            daemon = Daemon(config, SystemClock(), os.environ)
            story = Story(console)
            with story.of(daemon.bus), _listener(story, port):
                running = asyncio.create_task(daemon.run(stop, ready=lambda: story.open(daemon.health.http)))
                if duration is not None:
                    asyncio.get_running_loop().call_later(duration, stop.set)
                await running


@contextlib.asynccontextmanager
async def _broker(port: int) -> AsyncIterator[None]:
    """An MQTT broker of our own on loopback (amqtt speaks 3.1.1)."""
    try:
        from amqtt.broker import Broker
    except ImportError:
        raise Fatal("edgecam demo needs the package amqtt: pip install 'edgecam[demo]'") from None
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    try:
        yield
    finally:
        await broker.shutdown()


@contextlib.contextmanager
def _listener(story: "Story", port: int) -> Iterator[None]:
    """What an MQTT client such as Home Assistant sees, told to `story` on the loop."""
    from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    loop = asyncio.get_running_loop()
    client = Client(CallbackAPIVersion.VERSION2, client_id="edgecam-demo-listener")

    def connected(_: Client, __: object, ___: ConnectFlags, ____: ReasonCode, _____: Properties | None) -> None:
        client.subscribe("#", 0)

    def message(_: Client, __: object, heard: MQTTMessage) -> None:
        loop.call_soon_threadsafe(story.heard, heard.topic, bytes(heard.payload))

    client.on_connect, client.on_message = connected, message
    client.connect_async("127.0.0.1", port)
    client.loop_start()
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()


class Story:
    """Tells events and MQTT messages as a person would want to read them. Loop thread only."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._topics: set[str] = set()

    @contextlib.contextmanager
    def of(self, bus: Bus) -> Iterator[None]:
        leave = bus.on(Event, self._event)
        try:
            yield
        finally:
            leave()

    def open(self, url: str | None) -> None:
        self._say("green", "ready", f"the live picture is at [bold]{url}[/]")

    def heard(self, topic: str, payload: bytes) -> None:
        """One MQTT message: the first of each topic, and every state and event after that."""
        if topic in self._topics and topic.endswith(("/snapshot", "/attributes", "/state", "/health", "/config")):
            return
        self._topics.add(topic)
        text = f"JPEG, {len(payload)} bytes" if payload[:2] == b"\xff\xd8" else payload.decode("utf-8", "replace")
        self._console.print(f"          mqtt  {topic}  ", style="dim", end="")
        self._console.print(text if len(text) <= 60 else f"{text[:57]}…", style="dim", markup=False)

    def _event(self, event: Event) -> None:
        match event:
            case CameraOnline():
                self._say("green", "camera", f"{event.camera} is online")
            case CameraLost():
                self._say("red", "camera", f"{event.camera} is offline: {event.reason}")
            case MotionStarted() if event.cause != MOTION:
                self._say("yellow", "event", f"triggered: {event.cause}, event {event.event_id}")
            case MotionStarted():
                self._say("yellow", "motion", f"started, {event.area:.1f} % of the picture, event {event.event_id}")
            case MotionEnded():
                self._say("yellow", "motion", f"ended after {event.duration:.1f} s")
            case RecordingStarted():
                self._say("blue", "clip", "recording, with the seconds before the motion")
            case ClipSaved() if event.media.media.beside:
                self._say("blue", "clip", f"its best picture: {event.media.id}.jpg, {event.media.size / 1e3:.0f} kB")
            case ClipSaved() if event.media.kind is not MediaKind.SNAPSHOT:
                clip = event.media
                self._say(
                    "blue", "clip", f"saved: {clip.id}, {clip.duration:.1f} s {clip.codec}, {clip.size / 1e6:.1f} MB"
                )
            case ClipStored() if event.media.receipt:
                self._say("magenta", "store", f"stored and verified: {event.media.receipt.key}")
            case SnapshotTaken():
                self._say("cyan", "picture", f"{event.width}x{event.height}, as asked")

    def _say(self, colour: str, what: str, text: str) -> None:
        self._console.print(f"[{colour}]{what:>8}[/]  {text}")
