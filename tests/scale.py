"""How it scales: many cameras in one daemon, and many nodes on one broker: `make scale`.

Real: the daemon with its synthetic cameras, mosquitto, and of each of the many nodes the publisher and the MQTT client.
Not real: the cameras of those nodes, which give no pictures, and that many nodes share a process. Prints a table; ends
with 1 when something that was awaited did not come.
"""

import argparse
import asyncio
import itertools
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from outside import Edgecam
from peers import Mosquitto

BIRTH = "homeassistant/status"
PATIENCE = 180.0
"""Seconds after which something that should have happened has not."""
TICKS = os.sysconf("SC_CLK_TCK")
MB = 1_000_000
TOGETHER = 25
"""Nodes in one process."""
CAMERAS_OF_A_NODE = 2


class Census:
    """Another client of the broker, as Home Assistant is: when it heard each topic last, across restarts."""

    def __init__(self, port: int) -> None:
        self._last: dict[str, tuple[float, bytes]] = {}
        """Monotonic seconds, and the payload's first bytes."""
        self._changed = threading.Condition()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 0)
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", port)

    def _message(self, _: paho.Client, __: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            self._last[message.topic] = (time.monotonic(), bytes(message.payload[:16]))
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: str, payload: str) -> None:
        self._client.publish(topic, payload, 1)

    def wait(self, topics: Sequence[str], since: float, payload: bytes = b"") -> list[float]:
        """When each of `topics` was last heard, with a payload that begins so, in seconds since `since`; sorted."""

        def missing() -> list[str]:
            heard = self._last
            return [
                topic
                for topic in topics
                if topic not in heard or heard[topic][0] < since or not heard[topic][1].startswith(payload)
            ]

        with self._changed:
            if not self._changed.wait_for(lambda: not missing(), PATIENCE):
                raise AssertionError(f"not heard within {PATIENCE:.0f} s: {missing()[:5]} and {len(missing())} in all")
            return sorted(self._last[topic][0] - since for topic in topics)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a bystander saw; seconds."""

    count: int
    announced: float
    """From the start until all discovery is retained and everybody online."""
    birth: Sequence[float]
    """From a birth until each node had announced everything again."""
    restart: float
    """From a new start of the broker, with an empty database, until all is there again."""


def watched(census: Census, broker: Mosquitto, nodes: dict[str, list[str]], began: float) -> Seen:
    """One run of everything. `nodes`: discovery topics of each node."""
    topics = [topic for all_of_one in nodes.values() for topic in all_of_one]
    online = [f"edgecam/{node}/status" for node in nodes]
    announced = max(census.wait(topics, began)[-1], census.wait(online, began, b"online")[-1])
    born = time.monotonic()
    census.say(BIRTH, "online")
    birth = sorted(census.wait(all_of_one, born)[-1] for all_of_one in nodes.values())
    broker.down()
    broker.up()
    up = time.monotonic()
    restart = max(census.wait(topics, up)[-1], census.wait(online, up, b"online")[-1])
    return Seen(len(topics), announced, birth, restart)


def discovery(node: str, cameras: Sequence[str]) -> list[str]:
    return [f"homeassistant/device/edgecam_{node}{suffix}/config" for suffix in ("", *(f"_{id}" for id in cameras))]


# many cameras in one daemon ------------------------------------------------------------------------------------------

SCENE = {"type": "synthetic", "size": "320x180", "fps": 2, "schedule": {"every": "1m", "move": "3s"}}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one daemon, over some seconds of quiet life."""

    cpu: float
    """Per cent of one core."""
    memory: int
    """Resident bytes."""
    threads: int


def cameras(folder: Path, count: int, seconds: float) -> tuple[Seen, Cost]:
    """A daemon with so many cameras; it is watched for so many `seconds` after everything was announced."""
    ids = [f"cam{number}" for number in range(count)]
    section = {id: {"source": SCENE, "record": {"enabled": False}} for id in ids}
    with Mosquitto(folder / "mqtt") as broker, Census(broker.port) as census:
        config = {"mqtt": {"host": "127.0.0.1", "port": broker.port}, "cameras": section}
        began = time.monotonic()
        with Edgecam(folder / "box", config) as box:
            seen = watched(census, broker, {"testbox": discovery("testbox", ids)}, began)
            assert box.process is not None
            cost = measured(box.process.pid, seconds)
            states = [f"edgecam/testbox/{id}/status" for id in ids]
            census.wait(states, began, b"online")
            census.wait([f"edgecam/testbox/{id}/snapshot" for id in ids], began, b"\xff\xd8")
            assert box.health()["problems"] == [], box.health()["problems"]
    return seen, cost


def measured(pid: int, seconds: float) -> Cost:
    def ticks() -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before, began = ticks(), time.monotonic()
    time.sleep(seconds)
    cpu = 100 * (ticks() - before) / TICKS / (time.monotonic() - began)
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return Cost(cpu, int(status["VmRSS"].split()[0]) * 1024, int(status["Threads"]))


# many nodes on one broker --------------------------------------------------------------------------------------------


def nodes(folder: Path, count: int) -> Seen:
    """So many nodes, TOGETHER in a process."""
    names = [f"node{number}" for number in range(count)]
    ids = [f"cam{number}" for number in range(CAMERAS_OF_A_NODE)]
    with Mosquitto(folder / "mqtt") as broker, Census(broker.port) as census:
        began = time.monotonic()
        with children(folder, broker.port, names):
            return watched(census, broker, {name: discovery(name, ids) for name in names}, began)


@contextmanager
def children(folder: Path, port: int, names: Sequence[str]) -> Iterator[None]:
    groups = [names[first : first + TOGETHER] for first in range(0, len(names), TOGETHER)]
    started = [
        subprocess.Popen([sys.executable, __file__, "--child", str(folder), str(port), *group], stdin=subprocess.PIPE)
        for group in groups
    ]
    try:
        yield
    finally:
        for child in started:
            child.communicate(timeout=30)


async def child(folder: Path, port: int, names: Sequence[str]) -> None:
    """Lives until its standard input ends."""
    logging.basicConfig(level=logging.ERROR)
    end = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), end.set)
    with ThreadPoolExecutor(2) as pool:
        tasks = [asyncio.create_task(life) for name in names for life in node(folder, port, name, pool)]
        await end.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def node(folder: Path, port: int, name: str, pool: ThreadPoolExecutor) -> Iterator[Coroutine[None, None, None]]:
    """The two lives of one node."""
    from asking import Desk
    from edgecam.clock import SystemClock
    from edgecam.config import model
    from edgecam.events import Bus
    from edgecam.health import CameraStatus, Health
    from edgecam.hub import FrameHub, Ring
    from edgecam.links import Links
    from edgecam.mqtt.memory import Announced
    from edgecam.mqtt.publish import Publisher
    from edgecam.mqtt.wire.client import Mqtt
    from edgecam.settings import Settings

    section = {f"cam{number}": {"source": "synthetic"} for number in range(CAMERAS_OF_A_NODE)}
    config = model.Config.model_validate({"mqtt": {"host": "127.0.0.1", "port": port}, "cameras": section})
    assert config.mqtt is not None
    clock, bus, state = SystemClock(), Bus(), folder / name
    health = Health(name, "a1b2c3", clock, {id: CameraStatus(id) for id in config.cameras})
    settings = Settings(config.cameras, state / "settings.json", bus, clock)
    mqtt = Mqtt(
        config=config.mqtt, node=name, instance="a1b2c3", state=state, status=health.mqtt, clock=clock, pool=pool
    )
    publisher = Publisher(
        config=config,
        mqtt=mqtt,
        hubs={id: FrameHub(id, Ring(1)) for id in config.cameras},
        health=health,
        settings=settings,
        bus=bus,
        clock=clock,
        control=Desk(),
        url="http://localhost/",
        links=Links(None, lambda address, life: address),
        pool=pool,
        announced=Announced(state),
    )
    return iter([mqtt.run(), publisher.run()])


# the table -----------------------------------------------------------------------------------------------------------


def report(counts: Sequence[int], fleets: Sequence[int], seconds: float, write: Callable[[str], object]) -> None:
    def say(line: str) -> None:
        write(line + "\n")

    say(f"{os.cpu_count()} cores. Seconds, as another client of the broker sees them.\n")
    say("One daemon, cameras synthetic, 320x180 at 2 frames/s, motion looked for, nothing recorded")
    say(f"{'cameras':>8} {'discovery':>10} {'birth':>7} {'restart':>8} {'CPU':>7} {'memory':>9} {'threads':>8}")
    memory: dict[int, int] = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            seen, cost = cameras(Path(folder), count, seconds)
        memory[count] = cost.memory
        times = f"{seen.announced:>10.1f} {seen.birth[-1]:>7.1f} {seen.restart:>8.1f}"
        say(f"{count:>8} {times} {cost.cpu:>5.0f} % {cost.memory / MB:>6.1f} MB {cost.threads:>8}")
    for less, more in itertools.pairwise(counts):
        each = (memory[more] - memory[less]) / (more - less) / MB
        say(f"         memory of each camera from {less} to {more}: {each:.1f} MB")
    say(f"\nMany nodes, {CAMERAS_OF_A_NODE} cameras each that give no pictures, {TOGETHER} nodes in a process")
    say(f"{'nodes':>8} {'discovery':>10} {'birth: first':>13} {'median':>7} {'last':>6} {'restart':>8}")
    for count in fleets:
        with tempfile.TemporaryDirectory() as folder:
            seen = nodes(Path(folder), count)
        first, last = seen.birth[0], seen.birth[-1]
        birth = f"{first:>13.1f} {statistics.median(seen.birth):>7.1f} {last:>6.1f}"
        say(f"{count:>8} {seen.announced:>10.1f} {birth} {seen.restart:>8.1f}")
    say(
        "\ndiscovery: from the start of the process until all of it is retained and everybody is online\n"
        "birth: from Home Assistant's birth until everything is announced again; nodes wait 0 to 3 s by chance\n"
        "restart: from the start of a broker that remembers nothing until all of that is there again; nodes come back\n"
        "         after 0.5 to 1 s, and the client that looks comes back once a second\n"
        "The first camera brings the libraries for pictures and motion with it.\n"
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, nargs="+", default=[0, 1, 10, 50])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--seconds", type=float, default=30.0, help="for which CPU is measured")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        folder, port, *names = given.child
        asyncio.run(child(Path(folder), int(port), names))
        return 0
    report(given.cameras, given.nodes, given.seconds, sys.stdout.write)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
