"""Mqtt at a broker that does not let us do everything, or that throws us out for another client."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecam.mqtt import rival
from edgecam.mqtt.wire import client
from edgecam.mqtt.wire.messages import Rank
from fakes import until
from mqttside import HastyClock, Make, Protocol, lost, noise, running, settled, spying
from peers import Mosquitto, program

ACCESS = "user edgecam\ntopic readwrite edgecam/#\nuser spy\ntopic readwrite #\n"
USERS = {"edgecam": "canary", "spy": "canary"}


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker where the user edgecam may write below edgecam/ and nowhere else."""
    access = tmp_path / "access"
    access.write_text(ACCESS)
    access.chmod(0o600)
    with Mosquitto(tmp_path / "strict", users=USERS, lines=[f"acl_file {access}"]) as broker:
        yield broker


def discovers(make: Make, port: int, **keys: object) -> client.Mqtt:
    """A client with two discovery messages and a state."""
    mqtt = make(port, password="canary", **keys)
    topics = ["homeassistant/device/a/config", "homeassistant/device/b/config", "edgecam/pi/door/motion"]
    for topic in topics[:2]:
        mqtt.set(topic, "{}", rank=Rank.DISCOVERY)
    mqtt.set(topics[2], "OFF")
    mqtt.complete(topics)
    return mqtt


async def test_what_the_broker_does_not_let_us_write_is_a_problem_in_words_and_the_rest_goes_on(
    strict: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    mqtt = discovers(make, strict.port)
    async with spying(strict, username="spy", password="canary") as spy, running(mqtt):
        await spy.hears("edgecam/pi/door/motion", b"OFF")
        await until("it is told", lambda: mqtt.status.refused)
        assert mqtt.status.refused == (
            "the broker does not let us write homeassistant/device/a/config and 1 more (not authorized); "
            "allow it there for our user; it is tried again each minute"
        )
        strict.down()
        await lost(mqtt)
        strict.up()
        await settled(mqtt)
    assert caplog.text.count("does not let us write") == 1, "and no second time after a reconnect"


async def test_a_permission_that_is_given_later_needs_no_restart(
    strict: Mosquitto, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "REPEAT", 0.2)
    mqtt = discovers(make, strict.port)
    async with running(mqtt):
        await until("it is told", lambda: mqtt.status.refused)
        (tmp_path / "access").write_text(ACCESS.replace("edgecam/#", "#"))
        strict.reload()
        await until("all is well", lambda: mqtt.status.refused is None)
        await settled(mqtt)
    async with spying(strict, username="spy", password="canary") as spy:
        await spy.hears("homeassistant/device/a/config")
        await spy.hears("homeassistant/device/b/config")


async def test_what_may_not_be_cleared_stays_on_the_list(strict: Mosquitto, make: Make, tmp_path: Path) -> None:
    owned = tmp_path / "state" / "owned.json"
    owned.parent.mkdir()
    owned.write_text(json.dumps(["homeassistant/device/old/config"]))
    mqtt = make(strict.port, password="canary")
    mqtt.complete([])
    async with running(mqtt):
        await settled(mqtt)
        assert "homeassistant/device/old/config" in (mqtt.status.refused or "")
    assert "homeassistant/device/old/config" in json.loads(owned.read_text())


async def test_an_answer_that_may_not_go_where_the_asker_wants_it_is_no_problem_of_ours(
    strict: Mosquitto, make: Make
) -> None:
    mqtt = make(strict.port, password="canary")
    mqtt.complete([])
    async with running(mqtt):
        await settled(mqtt)
        for number in range(3):
            mqtt.send(f"somebody/answers/{number}", "{}")
        mqtt.send("edgecam/pi/response/health", "{}")
        await until("all have landed", lambda: mqtt.under_way == 0)
        mqtt.set("edgecam/pi/door/motion", "OFF")  # what follows is told to health
        await settled(mqtt)
        assert mqtt.status.refused is None


async def test_what_is_too_large_for_the_broker_is_no_problem_where_somebody_else_wants_it(
    make: Make, tmp_path: Path
) -> None:
    with Mosquitto(tmp_path / "narrow", lines=["max_packet_size 2000"]) as narrow:
        mqtt = make(narrow.port)
        mqtt.complete([])
        async with running(mqtt):
            await settled(mqtt)
            mqtt.send("somebody/answers", "x" * 3000)
            assert (mqtt.status.refused, mqtt.dropped) == (None, 1)
            mqtt.send("edgecam/pi/response/config", "x" * 3000)
            assert "takes too little for edgecam/pi/response/config" in (mqtt.status.refused or "")


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker where edgecam may write and not read: mosquitto's ACL file lets everybody subscribe, this does not."""
    folder = tmp_path / "deaf"
    folder.mkdir()
    rights = folder / "rights.json"
    control = [program("mosquitto_ctrl"), "dynsec", "init", str(rights), "admin", "canary"]
    subprocess.run(control, check=True, capture_output=True)
    kept = json.loads(rights.read_text())
    for role in kept["roles"]:
        role["acls"] = [rule for rule in role["acls"] if rule["acltype"] != "subscribePattern"]
    kept["defaultACLAccess"] = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False}
    rights.write_text(json.dumps(kept))
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
    with Mosquitto(folder, lines=[f"plugin {plugin}", f"plugin_opt_config_file {rights}"]) as broker:
        yield broker


async def test_what_the_broker_does_not_let_us_read_is_a_problem_in_words(
    deaf: Mosquitto, make: Make, protocol: Protocol
) -> None:
    mqtt = make(deaf.port, protocol=protocol, username="admin", password="canary")
    mqtt.subscribe("edgecam/pi/+/+/set", lambda message: None)
    mqtt.complete([])
    async with running(mqtt):
        await settled(mqtt)
        await until("it is told", lambda: mqtt.status.refused)
        assert mqtt.status.refused is not None
        assert mqtt.status.refused.startswith("the broker does not let us read edgecam/pi/+/+/set (")


async def test_a_broker_that_keeps_nothing_is_told_so(tmp_path: Path, make: Make) -> None:
    with Mosquitto(tmp_path / "forgetful", lines=["retain_available false"]) as broker:
        mqtt = make(broker.port, protocol="5")
        mqtt.complete([])
        async with running(mqtt):
            await until("trouble is told", lambda: mqtt.status.trouble)
        assert mqtt.status.trouble is not None
        assert mqtt.status.trouble.startswith("the broker keeps no retained messages")


async def test_no_more_is_under_way_than_the_broker_can_bear(make: Make) -> None:
    """A broker that means it would throw us out: receive maximum exceeded."""
    narrow = Narrow(2)
    server = await asyncio.start_server(narrow.serve, "127.0.0.1", 0)
    async with server:
        mqtt = make(server.sockets[0].getsockname()[1], protocol="5")
        topics = [f"edgecam/pi/door/state{number}" for number in range(100)]
        for topic in topics:
            mqtt.set(topic, "OFF")
        mqtt.complete(topics)
        async with running(mqtt):
            await until("all is handed over", lambda: narrow.seen >= 2 and mqtt.under_way > 100)
            narrow.go.set()
            await settled(mqtt)
    assert narrow.seen >= 101
    assert narrow.most == 2


class Narrow:
    """A broker that bears so many messages at a time, and confirms none before `go`. `most` is how many it had to."""

    def __init__(self, most: int) -> None:
        self.go = asyncio.Event()
        self._bears, self._read, self._open = most, b"", list[bytes]()
        self.seen = self.most = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self._read += data
            while packet := self._packet():
                self._take(packet, writer)
            self.most = max(self.most, len(self._open))
            if len(self._open) < self._bears and not self.go.is_set():
                continue
            await self.go.wait()
            for number in self._open:
                writer.write(b"\x40\x02" + number)
            self._open.clear()
        writer.close()

    def _packet(self) -> bytes:
        """The next whole one; none of ours is longer than 127 bytes but CONNECT."""
        size = (self._read[1] & 127 | self._read[2] << 7) + 3 if self._read[1:2] >= b"\x80" else 0
        size = size or (self._read[1] + 2 if len(self._read) > 1 else len(self._read) + 1)
        packet, rest = self._read[:size], self._read[size:]
        if len(packet) < size:
            return b""
        self._read = rest
        return packet

    def _take(self, packet: bytes, writer: asyncio.StreamWriter) -> None:
        kind = packet[0] >> 4
        if kind == 1:
            writer.write(b"\x20\x06\x00\x00\x03\x21" + self._bears.to_bytes(2, "big"))
        elif kind == 3:
            after = 4 + int.from_bytes(packet[2:4], "big")
            self._open.append(packet[after : after + 2])
            self.seen += 1


async def test_two_clients_with_one_id_are_a_problem_and_no_fight(
    broker: Mosquitto, make: Make, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    """As on two boxes whose SD cards are copies. Mosquitto says of neither version why it hangs up."""
    first, second = (make(broker.port, client_id="copy", protocol=protocol) for _ in range(2))
    for each in (first, second):
        each.complete([])
    async with running(first), running(second):
        await until("it is told", lambda: first.status.twin or second.status.twin)
        twin = first.status.twin or second.status.twin
        assert twin == (
            f"the broker threw us out {rival.THROWN_OUT} times soon after we came; does another client use our "
            "client id copy?"
        )
    assert caplog.text.count("threw us out") == 1


async def test_a_picture_that_is_too_old_is_cleared_instead_of_shown(
    broker: Mosquitto, make: Make, protocol: Protocol
) -> None:
    """It was made before the broker went away for long."""
    broker.down()
    mqtt = make(broker.port, protocol=protocol)
    mqtt.picture("edgecam/pi/door/snapshot", noise(16, 16), expiry=0.0)
    mqtt.picture("edgecam/pi/gate/snapshot", noise(16, 16), expiry=3600)
    mqtt.complete(["edgecam/pi/door/snapshot", "edgecam/pi/gate/snapshot"])
    broker.up()
    async with spying(broker) as spy:
        spy.publish("edgecam/pi/door/snapshot", b"of an earlier life", retain=True)
        await spy.hears("edgecam/pi/door/snapshot")
        async with running(mqtt):
            await settled(mqtt)
            await spy.hears("edgecam/pi/gate/snapshot")
            await spy.hears("edgecam/pi/door/snapshot", b"")


async def test_a_picture_in_the_way_of_a_stuck_connection_waits_alone(broker: Mosquitto, make: Make) -> None:
    """However many are made, two of each camera are held: the one that is on its way, and the newest."""
    async with Stuck(broker.port) as stuck:
        mqtt = make(stuck.port, HastyClock(), keepalive=5)
        picture, topics = noise(400, 300), [f"edgecam/pi/cam{number}/snapshot" for number in range(4)]
        mqtt.complete(topics)
        async with running(mqtt):
            await settled(mqtt)
            stuck.stop()
            for _ in range(100):
                for topic in topics:
                    mqtt.picture(topic, picture)
                await asyncio.sleep(0)
            assert mqtt.held <= 4 * len(picture) + 100
            assert mqtt.under_way <= 4
            await until("the keepalive ends it", lambda: not mqtt.status.connected)
            assert mqtt.status.trouble == "the broker does not answer any more"
            stuck.go_on()
            await settled(mqtt)
    async with spying(broker) as spy:
        for topic in topics:
            assert await spy.hears(topic) == picture


class Stuck:
    """A way to the broker that, once stopped, takes nothing more and hangs up on nobody."""

    def __init__(self, behind: int) -> None:
        self._behind, self._free, self._tasks = behind, asyncio.Event(), set[asyncio.Task[None]]()
        self._server: asyncio.Server | None = None
        self._free.set()
        self.port = 0

    def stop(self) -> None:
        self._free.clear()

    def go_on(self) -> None:
        """For those who come now."""
        for task in self._tasks:
            task.cancel()
        self._free.set()

    async def __aenter__(self) -> "Stuck":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.go_on()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        inner, outer = await asyncio.open_connection("127.0.0.1", self._behind)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, outer))
                both.create_task(self._pump(inner, writer))
        except (asyncio.CancelledError, ExceptionGroup):
            pass
        finally:
            outer.close()
            writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(4096):
            await self._free.wait()
            sink.write(data)
            await sink.drain()
        raise ConnectionError("one side is gone")
