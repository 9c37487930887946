"""A day without a broker, on a clock that is moved: what is held, counted and said, and what comes after it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgecam.clock import Clock
from edgecam.config import model
from edgecam.health import MqttStatus
from edgecam.mqtt import rival
from edgecam.mqtt.rival import Twin
from edgecam.mqtt.wire import client, entrance, link
from edgecam.mqtt.wire.client import Mqtt
from edgecam.mqtt.wire.messages import Retained
from fakes import AtOnce, FakeClock, settle

DAY = 86400
TOPICS = [f"edgecam/pi/cam{number}/motion" for number in range(10)]
PICTURES = [f"edgecam/pi/cam{number}/snapshot" for number in range(10)]


class World:
    """The network: `why` there is no broker, or None, and what arrived at it."""

    def __init__(self) -> None:
        self.why: str | None = "No route to host"
        self.arrived: list[tuple[str, bytes, bool]] = []
        self.links: list[FakeLink] = []
        self.slow: list[Callable[[], None]] | None = None
        """Confirmations that the broker holds back, when it does."""

    def newest(self) -> dict[str, bytes]:
        return {topic: payload for topic, payload, _ in self.arrived}


class FakeLink:
    """A connection that takes everything at once, while the world has a broker."""

    version, taken_over = "5", False

    def __init__(self, world: World, ears: Any) -> None:
        self._world, self._ears, self._number = world, ears, 0
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        world.links.append(self)

    async def open(self, clock: Clock, patience: float) -> link.Grant:
        if self._world.why is not None:
            raise link.Unreachable(self._world.why)
        return link.Grant()

    def subscribe(self, filters: Iterable[str]) -> None: ...

    def publish(self, topic: str, message: Retained, *, retain: bool = True, **_: Any) -> int:
        self._number += 1
        self._world.arrived.append((topic, message.payload, retain))
        confirm = partial(self._ears.sent, self, self._number, None)
        if self._world.slow is None:
            asyncio.get_running_loop().call_soon(confirm)
        else:
            self._world.slow.append(confirm)
        return self._number

    async def close(self, clock: Clock, patience: float) -> None: ...


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(entrance, "Link", lambda offer, ears: FakeLink(made, ears))
    return made


@asynccontextmanager
async def alive(tmp_path: Path, clock: FakeClock, topics: Iterable[str]) -> AsyncIterator[Mqtt]:
    mqtt = Mqtt(
        config=model.Mqtt.model_validate({"host": "broker"}),
        node="pi",
        instance="a1b2c3",
        state=tmp_path,
        status=MqttStatus(),
        clock=clock,
        pool=AtOnce(),
        jitter=lambda: 0.5,
    )
    mqtt.complete(topics)
    task = asyncio.create_task(mqtt.run())
    await settle()
    try:
        yield mqtt
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await clock.advance(5)
            await task


async def test_a_day_without_a_broker_costs_no_memory_and_ends_with_the_newest_of_each(
    tmp_path: Path, world: World
) -> None:
    clock, picture = FakeClock(), bytes(20_000)
    async with alive(tmp_path, clock, [*TOPICS, *PICTURES]) as mqtt:
        held = set()
        for minute in range(DAY // 60):
            for number, (topic, shown) in enumerate(zip(TOPICS, PICTURES, strict=True)):
                mqtt.set(topic, f"{minute:05} {number}")
                mqtt.send(f"edgecam/pi/cam{number}/event", "{}")
                mqtt.picture(shown, picture + f"{minute:05}".encode(), expiry=2 * DAY)
            await clock.advance(60)
            held.add(mqtt.held)
        assert held == {10 * (20_005 + 7)}
        assert mqtt.under_way == 0
        assert mqtt.dropped == 10 * DAY // 60
        assert world.arrived == []
        world.why = None
        await clock.advance(client.LONGEST_PAUSE)
        assert mqtt.dropped == 0
        last = f"{DAY // 60 - 1:05}"
        assert world.newest() == {
            **{topic: f"{last} {number}".encode() for number, topic in enumerate(TOPICS)},
            **{topic: picture + last.encode() for topic in PICTURES},
            "edgecam/pi/status": b"online",
        }
        assert len(world.arrived) == 21, "each once, and no event of long ago"
        assert world.arrived[-1][:2] == ("edgecam/pi/status", b"online")


async def test_a_picture_that_grew_old_meanwhile_is_cleared(tmp_path: Path, world: World) -> None:
    clock = FakeClock()
    async with alive(tmp_path, clock, PICTURES[:2]) as mqtt:
        mqtt.picture(PICTURES[0], b"of yesterday", expiry=DAY)
        mqtt.picture(PICTURES[1], b"kept for long", expiry=14 * DAY)
        await clock.advance(DAY + 1)
        world.why = None
        await clock.advance(client.LONGEST_PAUSE)
        assert world.newest() == {PICTURES[0]: b"", PICTURES[1]: b"kept for long", "edgecam/pi/status": b"online"}


async def test_a_birth_while_a_message_is_under_way_brings_it_once_more(tmp_path: Path, world: World) -> None:
    """The one on its way may have come before anybody listened."""
    clock = FakeClock()
    world.why, world.slow = None, []
    async with alive(tmp_path, clock, TOPICS[:1]) as mqtt:
        mqtt.set(TOPICS[0], "OFF")
        mqtt.announce()
        mqtt.announce()
        assert [payload for topic, payload, _ in world.arrived if topic == TOPICS[0]] == [b"OFF"]
        held, world.slow = world.slow, None
        for confirm in held:
            confirm()
        await settle()
        assert [payload for topic, payload, _ in world.arrived if topic == TOPICS[0]] == [b"OFF", b"OFF"]


async def test_the_same_complaint_comes_once_a_minute_and_a_new_one_at_once(
    tmp_path: Path, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    world.why = "the broker refused the login (not authorized); check mqtt.username and mqtt.password"

    def lines() -> int:
        return sum(record.levelno == logging.WARNING for record in caplog.records)

    async with alive(tmp_path, clock, []) as mqtt:
        assert lines() == 1
        await clock.advance(3600)
        assert 40 <= lines() <= 61
        assert len(world.links) <= 3600 / (client.LONGEST_PAUSE / 2)
        before, world.why = lines(), "No route to host"
        await clock.advance(client.LONGEST_PAUSE)
        assert lines() == before + 1
        assert mqtt.status.trouble == "No route to host"


async def test_a_connection_that_is_lost_again_and_again_is_not_stormed(tmp_path: Path, world: World) -> None:
    clock = FakeClock()
    world.why = None
    async with alive(tmp_path, clock, []):
        for _ in range(600):
            await clock.advance(1)
            if not world.links[-1].ended.done():
                world.links[-1].ended.set_result("the broker closed the connection")
        assert len(world.links) < 600 / (client.LONGEST_PAUSE / 2) + 10


@pytest.mark.parametrize(
    ("lives", "found"),
    [
        ([1.0] * (rival.THROWN_OUT - 1), False),
        ([1.0] * rival.THROWN_OUT, True),
        ([1.0, 100.0, 1.0, 1.0], False),  # it lived: nobody waited for our place
    ],
)
def test_short_lives_in_a_row_are_suspicious(lives: list[float], found: bool) -> None:
    status = MqttStatus()
    twin = Twin("copy", status)
    for lived in lives:
        twin.ended(lived, taken_over=False, hung_up=True)
    assert (status.twin is not None) is found
    twin.lives(rival.GONE - 1)
    assert (status.twin is not None) is found
    twin.lives(rival.GONE + 1)
    assert status.twin is None
