"""Mqtt at a real broker, in both versions of the protocol, and at brokers that misbehave."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import simplejpeg
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgecam.config.secret import FromFile
from edgecam.mqtt.wire import entrance
from edgecam.mqtt.wire.client import OWED
from edgecam.mqtt.wire.messages import Incoming, Rank
from fakes import until
from mqttside import PATIENCE, STATUS, HastyClock, Make, Protocol, lost, noise, running, settled, spying
from peers import Mosquitto


async def test_states_come_before_online_and_discovery_before_all(
    broker: Mosquitto, make: Make, protocol: Protocol
) -> None:
    mqtt = make(broker.port, protocol=protocol)
    async with spying(broker) as spy:
        mqtt.set("edgecam/pi/door/status", "online", rank=Rank.AVAILABILITY)
        mqtt.set("edgecam/pi/door/motion", "OFF")
        mqtt.set("homeassistant/device/x/config", "{}", rank=Rank.DISCOVERY)
        mqtt.complete(["edgecam/pi/door/status", "edgecam/pi/door/motion", "homeassistant/device/x/config"])
        async with running(mqtt):
            await spy.hears(STATUS, b"online")
            told = [topic for topic, _, _ in spy.heard if topic]
            assert told == [
                "homeassistant/device/x/config",
                "edgecam/pi/door/motion",
                "edgecam/pi/door/status",
                STATUS,
            ]


async def test_nothing_is_said_before_the_table_is_complete(broker: Mosquitto, make: Make) -> None:
    mqtt = make(broker.port)
    async with spying(broker) as spy, running(mqtt):
        mqtt.set("edgecam/pi/door/motion", "ON")
        for _ in range(5):
            await asyncio.sleep(0)
        assert not [thread for thread in threading.enumerate() if "edgecam-pi" in thread.name]
        mqtt.set("edgecam/pi/door/motion", "OFF")
        mqtt.complete(["edgecam/pi/door/motion"])
        await spy.hears(STATUS, b"online")
        assert [payload for topic, payload, _ in spy.heard if topic.endswith("motion")] == [b"OFF"]


async def test_stopping_says_offline_for_good(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    mqtt = make(broker.port, protocol=protocol)
    mqtt.complete([])
    async with running(mqtt):
        await settled(mqtt)
    async with spying(broker) as late:
        await late.hears(STATUS, b"offline")
        assert (STATUS, b"offline", True) in late.heard


CHILD = """
import asyncio, sys, pathlib
from concurrent.futures import ThreadPoolExecutor
from edgecam.clock import SystemClock
from edgecam.clock import Clock, SystemClock
from edgecam.config import model
from edgecam.health import MqttStatus
from edgecam.mqtt.wire.client import Mqtt
port, protocol, state = sys.argv[1:]
config = model.Mqtt(host="127.0.0.1", port=int(port), protocol=protocol)
async def main():
    mqtt = Mqtt(config=config, node="pi", instance="a1b2c3", state=pathlib.Path(state), status=MqttStatus(),
                clock=SystemClock(), pool=ThreadPoolExecutor(1))
    mqtt.complete([])
    await mqtt.run()
asyncio.run(main())
"""


async def test_kill_9_leaves_offline_at_the_broker(broker: Mosquitto, protocol: Protocol, tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(broker.port), protocol, str(tmp_path)])
    try:
        async with spying(broker) as spy:
            await spy.hears(STATUS, b"online")
            child.kill()
            await spy.hears(STATUS, b"offline")
    finally:
        child.kill()
        child.wait()


async def test_a_broker_that_lost_everything_gets_everything_again(
    broker: Mosquitto, make: Make, protocol: Protocol
) -> None:
    mqtt = make(broker.port, protocol=protocol)
    picture = noise(32, 32)
    mqtt.set("edgecam/pi/door/motion", "OFF")
    mqtt.picture("edgecam/pi/door/snapshot", picture, expiry=3600)
    mqtt.complete(["edgecam/pi/door/motion", "edgecam/pi/door/snapshot"])
    async with running(mqtt):
        await settled(mqtt)
        broker.down(kill=True)
        await lost(mqtt)
        broker.up()
        async with spying(broker) as spy:
            await spy.hears(STATUS, b"online")
            await spy.hears("edgecam/pi/door/snapshot")
            assert spy.newest() == {
                "edgecam/pi/door/motion": b"OFF",
                "edgecam/pi/door/snapshot": picture,
                STATUS: b"online",
            }


async def test_only_the_newest_state_survives_an_outage_and_events_are_not_late(
    broker: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broker.down()
    mqtt = make(broker.port)
    mqtt.complete(["edgecam/pi/door/motion"])
    async with running(mqtt):
        for number in range(5000):
            mqtt.set(f"edgecam/pi/door/state{number % 7}", str(number))
            mqtt.picture("edgecam/pi/door/snapshot", bytes(1000))
            mqtt.send("edgecam/pi/door/event", "{}")
        assert mqtt.dropped == 5000
        assert mqtt.held < 2000
        broker.up()
        await settled(mqtt)
        async with spying(broker) as spy:
            await spy.hears("edgecam/pi/door/state1", b"4999")
            assert "edgecam/pi/door/event" not in spy.newest()
    assert "5000 events were not sent meanwhile" in caplog.text


async def test_a_broker_that_stops_reading_costs_no_memory(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    mqtt = make(broker.port, protocol=protocol)
    mqtt.complete(["edgecam/pi/door/snapshot"])
    async with running(mqtt):
        await settled(mqtt)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            for number in range(1000):
                mqtt.set("edgecam/pi/door/motion", f"{number}")
                mqtt.send("edgecam/pi/door/event", "{}")
                await asyncio.sleep(0)
            assert mqtt.dropped == 900
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        await settled(mqtt)
        async with spying(broker) as spy:
            await spy.hears("edgecam/pi/door/motion", b"999")


async def test_a_picture_the_broker_would_not_take_arrives_smaller(
    tmp_path: Path, make: Make, protocol: Protocol
) -> None:
    with Mosquitto(tmp_path / "small", lines=["max_packet_size 2000000"]) as broker:
        mqtt = make(broker.port, protocol=protocol, image_limit=50_000_000)
        huge = noise(2048, 1536, 100)
        assert len(huge) > 4_000_000
        mqtt.picture("edgecam/pi/door/snapshot", huge)
        mqtt.complete(["edgecam/pi/door/snapshot"])
        async with running(mqtt), spying(broker) as spy:
            small = await spy.hears("edgecam/pi/door/snapshot")
            assert len(small) < 2_000_000
            assert simplejpeg.decode_jpeg_header(small)[:2] in [(1536, 2048), (768, 1024)]
            await settled(mqtt)
        assert broker.log.count("oversize") == (0 if protocol == "5" else 2)


async def test_pictures_stay_below_the_configured_limit(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    mqtt = make(broker.port, protocol=protocol, image_limit=20_000)
    mqtt.complete(["edgecam/pi/door/snapshot"])
    async with spying(broker) as spy, running(mqtt):
        await settled(mqtt)
        mqtt.picture("edgecam/pi/door/snapshot", noise(320, 240))
        assert len(await spy.hears("edgecam/pi/door/snapshot")) <= 20_000


async def test_what_is_no_picture_is_dropped_with_a_word(
    broker: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    mqtt = make(broker.port, image_limit=20_000)
    mqtt.picture("edgecam/pi/door/snapshot", bytes(30_000))
    mqtt.complete(["edgecam/pi/door/snapshot"])
    async with running(mqtt), spying(broker) as spy:
        await spy.hears(STATUS, b"online")
        mqtt.set("edgecam/pi/door/motion", "OFF")
        await settled(mqtt)
        assert "edgecam/pi/door/snapshot" not in spy.newest()
    assert "edgecam/pi/door/snapshot: a picture of 30000 bytes is not sent" in caplog.text


async def test_a_text_the_broker_would_not_take_stays_here(
    tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path / "small", lines=["max_packet_size 1000"]) as broker:
        mqtt = make(broker.port, protocol="5")
        mqtt.set("edgecam/pi/health", "x" * 2000)
        mqtt.complete(["edgecam/pi/health"])
        async with running(mqtt):
            await settled(mqtt)
            mqtt.send("edgecam/pi/event", "x" * 2000)
            assert mqtt.dropped == 1
            mqtt.set("edgecam/pi/health", "y" * 2000)
            told = (
                "the broker takes too little for edgecam/pi/event and 1 more (packets of 1000 bytes); raise its limit"
            )
            assert mqtt.status.refused == told
            mqtt.set("edgecam/pi/health", "small")
            await settled(mqtt)
            assert "health" not in mqtt.status.refused
        assert "oversize" not in broker.log
    assert caplog.text.count("takes too little") == 1


async def test_a_wrong_password_is_said_once_and_the_right_one_is_found_without_a_restart(
    tmp_path: Path, make: Make, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "password"
    secret.write_text("canary-wrong\n")
    with Mosquitto(tmp_path / "locked", users={"edgecam": "canary-right"}) as broker:
        mqtt = make(broker.port, protocol=protocol, password=FromFile("canary-wrong", secret))
        mqtt.complete([])
        async with running(mqtt):
            refusals = ("not authorised", "bad user name or password")
            await until("four logins are refused", lambda: sum(map(broker.log.count, refusals)) >= 4)
            assert mqtt.status.trouble is not None
            assert "check mqtt.username and mqtt.password" in mqtt.status.trouble
            secret.write_text("canary-right\n")
            await settled(mqtt)
            assert mqtt.status.connected
            assert mqtt.status.trouble is None
    assert caplog.text.count("the broker refused the login") == 1
    assert "canary" not in caplog.text


async def test_commands_arrive_and_replays_are_marked(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    mqtt = make(broker.port, protocol=protocol)
    got: list[Incoming] = []
    heard = asyncio.Event()

    def hear(message: Incoming) -> None:
        got.append(message)
        heard.set()

    mqtt.subscribe("edgecam/pi/+/+/set", hear)
    mqtt.complete([])
    async with spying(broker) as spy:
        spy.publish("edgecam/pi/door/recording/set", b"OFF", retain=True)
        await spy.hears("edgecam/pi/door/recording/set")
        async with running(mqtt), asyncio.timeout(PATIENCE):
            await heard.wait()
            heard.clear()
            spy.publish("edgecam/pi/door/recording/set", b"x" * 5_000_000)
            await heard.wait()
    assert [(message.retain, len(message.payload)) for message in got] == [(True, 3), (False, 5_000_000)]


class Asker:
    """A client of MQTT 5 that asks with a response topic, and hears the answers with what they carry."""

    def __init__(self, port: int, answers: str) -> None:
        self._loop, subscribed = asyncio.get_running_loop(), asyncio.Event()
        self.subscribed, self.heard = subscribed, asyncio.Queue[tuple[bytes, bytes | None]]()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(answers, 1)
        self._client.on_subscribe = lambda *_: self._tell(subscribed.set)
        self._client.on_message = lambda _client, _data, message: self._tell(
            self.heard.put_nowait, (bytes(message.payload), getattr(message.properties, "CorrelationData", None))
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _tell(self, call: Callable[..., None], *given: object) -> None:
        self._loop.call_soon_threadsafe(call, *given)

    def ask(self, topic: str, answer: str, correlation: bytes) -> None:
        given = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        given.ResponseTopic, given.CorrelationData = answer, correlation
        self._client.publish(topic, b"{}", 1, properties=given)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


async def test_a_request_of_mqtt_5_brings_its_response_topic_and_the_answer_takes_its_correlation_along(
    broker: Mosquitto, make: Make, protocol: Protocol
) -> None:
    mqtt, heard = make(broker.port, protocol=protocol), asyncio.Queue[Incoming]()
    mqtt.subscribe("edgecam/pi/request/+", heard.put_nowait)
    mqtt.complete([])
    asker = Asker(broker.port, "house/answers")
    try:
        async with running(mqtt), asyncio.timeout(PATIENCE):
            await asker.subscribed.wait()
            await mqtt.settled()
            asker.ask("edgecam/pi/request/health", "house/answers", b"\x00\xff")
            asked = await heard.get()
            given = ("house/answers", b"\x00\xff") if protocol == "5" else (None, None)
            assert (asked.response_topic, asked.correlation) == given
            mqtt.send("house/answers", "here", correlation=asked.correlation)
            assert await asker.heard.get() == (b"here", asked.correlation)
    finally:
        asker.close()


async def test_what_must_be_heard_waits_for_the_connection_and_comes_once(
    broker: Mosquitto, make: Make, protocol: Protocol
) -> None:
    mqtt = make(broker.port, protocol=protocol)
    for number in range(OWED + 2):
        mqtt.send("edgecam/pi/event", f"{number}", surely=True)
    mqtt.send("edgecam/pi/event", "lost")
    mqtt.set("edgecam/pi/birdbox/motion", "OFF")
    mqtt.complete([])
    async with spying(broker) as spy, running(mqtt):
        await spy.hears(STATUS, b"online")
        await mqtt.settled()
        mqtt.send("edgecam/pi/event", "now", surely=True)
        await spy.hears("edgecam/pi/event", b"now")
        told = [payload for topic, payload, _ in spy.heard if topic == "edgecam/pi/event"]
        assert told == [b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9", b"now"]  # the newest, each once


async def test_topics_of_a_removed_camera_are_cleared(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    before = make(broker.port, protocol=protocol)
    for topic in ("edgecam/pi/old/motion", "edgecam/pi/door/motion"):
        before.set(topic, "OFF")
    before.complete(["edgecam/pi/old/motion", "edgecam/pi/door/motion"])
    async with running(before):
        await settled(before)
    after = make(broker.port, protocol=protocol)
    after.complete(["edgecam/pi/door/motion"])
    async with running(after):
        await settled(after)
    async with spying(broker) as spy:
        await spy.hears(STATUS)
        assert set(spy.newest()) == {STATUS, "edgecam/pi/door/motion"}


async def test_topics_that_are_spared_are_remembered_and_cleared_later(broker: Mosquitto, make: Make) -> None:
    """Also by another life: whoever kept them may be killed before."""
    before = make(broker.port)
    before.set("edgecam/pi/old/motion", "OFF")
    before.complete(["edgecam/pi/old/motion"])
    async with running(before):
        await settled(before)
    for last in (False, True):
        after = make(broker.port)
        after.complete([], spare=True)
        async with running(after), spying(broker) as spy:
            await settled(after)
            await spy.hears("edgecam/pi/old/motion", b"OFF")
            if last:
                after.complete([])
                await spy.hears("edgecam/pi/old/motion", b"")


async def test_what_was_cleared_is_struck_from_the_list(broker: Mosquitto, make: Make, tmp_path: Path) -> None:
    owned = tmp_path / "state" / "owned.json"
    owned.parent.mkdir()
    owned.write_text(json.dumps(["edgecam/pi/old/motion"]))
    mqtt = make(broker.port)
    mqtt.complete([])
    async with running(mqtt):
        await settled(mqtt)
    await until("the list is short", lambda: json.loads(owned.read_text()) == [STATUS])


async def test_announcing_sends_states_again_but_no_picture(broker: Mosquitto, make: Make) -> None:
    mqtt = make(broker.port)
    mqtt.set("edgecam/pi/door/motion", "OFF")
    mqtt.picture("edgecam/pi/door/snapshot", noise(16, 16))
    mqtt.complete([])
    async with running(mqtt):
        await settled(mqtt)
        async with spying(broker) as spy:
            await spy.hears(STATUS)
            mqtt.announce()
            await spy.until(lambda: [t for t, _, retain in spy.heard if t and not retain][-1:] == [STATUS])
            assert [t for t, _, retain in spy.heard if t and not retain] == ["edgecam/pi/door/motion", STATUS]


async def test_what_somebody_cleared_at_the_broker_is_there_again_and_so_is_the_picture(
    broker: Mosquitto, make: Make
) -> None:
    mqtt, card = make(broker.port), noise(16, 16)
    mqtt.picture("edgecam/pi/door/snapshot", card)
    mqtt.complete([])
    async with running(mqtt):
        await settled(mqtt)
        async with spying(broker) as spy:
            spy.publish("edgecam/pi/door/snapshot", b"", retain=True)
            await spy.hears("edgecam/pi/door/snapshot", b"")
            mqtt.announce(pictures=True)
            await spy.until(lambda: spy.newest()["edgecam/pi/door/snapshot"] == card)


class Doorman:
    """A broker of its own kind in front of a real one: decides by the version in the CONNECT packet."""

    def __init__(self, broker: Mosquitto, behaviour: str) -> None:
        self._broker, self._behaviour = broker, behaviour
        self.versions: list[int] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            first = await reader.read(4096)
            version = first[first.index(b"MQTT") + 4]
            self.versions.append(version)
            if version == 5:
                await self._answer_five(reader, writer)
            else:
                await self._pass(first, reader, writer)
        finally:
            writer.close()

    async def _answer_five(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._behaviour == "mute":
            await reader.read(-1)
        elif self._behaviour == "refuses":
            writer.write(b"\x20\x02\x00\x01")
            await reader.read(-1)
        elif self._behaviour == "throws out":
            writer.write(b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8e\x00")
            await reader.read(-1)
        elif self._behaviour == "babbles":
            writer.write(b"\x20\x7fgarbage" + bytes(range(256)))
            await reader.read(-1)

    async def _pass(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", self._broker.port)
        outer.write(first)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, outer), pump(inner, writer))


@pytest.mark.parametrize("behaviour", ["mute", "refuses", "hangs up", "babbles"])
async def test_a_broker_that_cannot_speak_5_is_spoken_to_in_3(
    broker: Mosquitto, make: Make, behaviour: str, tmp_path: Path
) -> None:
    doorman = Doorman(broker, behaviour)
    async with doorman as port:
        first = make(port, HastyClock())
        first.complete([])
        async with running(first):
            await settled(first)
            assert first.status.protocol == "3.1.1"
        assert doorman.versions == [5, 4]
        await until("the version is remembered", (tmp_path / "state" / "mqtt-version.json").exists)
        second = make(port)
        second.complete([])
        async with running(second):
            await settled(second)
        assert doorman.versions == [5, 4, 4]


async def test_a_fixed_version_is_never_changed(
    broker: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    doorman = Doorman(broker, "refuses")
    async with doorman as port:
        mqtt = make(port, protocol="5")
        mqtt.complete([])
        async with running(mqtt):
            await until("three attempts", lambda: len(doorman.versions) >= 3)
    assert set(doorman.versions) == {5}
    assert "the broker does not speak MQTT 5" in caplog.text


async def test_a_broker_that_is_not_there_is_waited_for(
    broker: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    broker.down()
    mqtt = make(broker.port)
    mqtt.complete([])
    async with running(mqtt):
        await until("trouble is told", lambda: mqtt.status.trouble)
        assert mqtt.status.trouble == "Connection refused"
        broker.up()
        await settled(mqtt)
    assert "Connection refused; trying again in" in caplog.text


async def test_the_brokers_own_reason_for_hanging_up_is_told(
    broker: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A copied SD card has the same client id: brokers of MQTT 5 throw the older connection out and say so."""
    async with Doorman(broker, "throws out") as port:
        mqtt = make(port, protocol="5")
        mqtt.complete([])
        async with running(mqtt):
            await until("trouble is told", lambda: mqtt.status.trouble)
    assert "the broker closed the connection: session taken over; trying again" in caplog.text
    assert mqtt.status.twin is not None
    assert "another client uses our client id edgecam-pi-a1b2c3 and throws us out" in mqtt.status.twin
    assert "delete identity.json in its state folder" in mqtt.status.twin


async def test_words_that_are_no_text_do_not_harm(broker: Mosquitto, make: Make) -> None:
    mqtt = make(broker.port)
    mqtt.set("edgecam/pi/health", "cannot open \udcff.mp4")
    mqtt.complete([])
    async with running(mqtt):
        await settled(mqtt)


async def test_stopping_while_the_broker_is_mute_is_quick(broker: Mosquitto, make: Make) -> None:
    doorman = Doorman(broker, "mute")
    async with doorman as port:
        mqtt = make(port, protocol="5")
        mqtt.complete([])
        async with running(mqtt) as task:
            await until("the broker is asked", lambda: doorman.versions)
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=entrance.PATIENT / 2)
            assert done, "stopping waits for the broker's answer"


async def test_connections_leave_no_socket_behind(broker: Mosquitto, make: Make, sockets: Callable[[], int]) -> None:
    before = sockets()
    mqtt = make(broker.port)
    mqtt.complete([])
    async with running(mqtt):
        for _ in range(3):
            await settled(mqtt)
            broker.down()
            await lost(mqtt)
            broker.up()
        await settled(mqtt)
    await until("every socket is closed", lambda: sockets() <= before)
