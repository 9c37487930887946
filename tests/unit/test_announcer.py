"""Nothing is left behind: what a Home Assistant remembers is what there is, whoever was away when.

The Home Assistant of these tests does what the real one was seen to do (docs/decisions/0012).
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from edgecam.mqtt.announcing import farewell
from edgecam.mqtt.announcing.announcer import DEAF, Announcer
from edgecam.mqtt.announcing.discovery import Json
from edgecam.mqtt.memory import Announced
from edgecam.mqtt.wire.messages import Incoming, Rank
from fakes import AtOnce, FakeClock, settle

Entity = tuple[str, str, str]
"""Topic, key, platform."""

NODE, DOOR = "homeassistant/device/edgecam_pi/config", "homeassistant/device/edgecam_pi_door/config"
ROOT: Json = {"dev": {"ids": ["x"]}, "o": {"name": "edgecam"}}


def device(**entities: str) -> Json:
    """A message of entities, each a key and its platform."""
    return {**ROOT, "cmps": {key: {"p": platform, "uniq_id": f"x__{key}"} for key, platform in entities.items()}}


class HomeAssistant:
    """Removes what it learned of since its start, and remembers the rest for ever."""

    def __init__(self) -> None:
        self.up = False
        self.remembers: set[Entity] = set()
        self._learned: set[Entity] = set()

    def start(self, retained: dict[str, str]) -> None:
        self.up = True
        self._learned.clear()
        for topic, payload in retained.items():
            self.hear(topic, payload)

    def hear(self, topic: str, payload: str) -> None:
        if not payload:
            self._drop({entity for entity in self._learned if entity[0] == topic})
            return
        for key, entity in json.loads(payload)["cmps"].items():
            its = (topic, key, entity["p"])
            if len(entity) > 1:
                self._learned.add(its)
                self.remembers.add(its)
            elif its in self._learned:
                self._drop({its})

    def _drop(self, entities: set[Entity]) -> None:
        self._learned -= entities
        self.remembers -= entities


class World:
    """A broker with what it retains, a Home Assistant, and a node that comes and goes with its state folder."""

    def __init__(self, state: Path) -> None:
        self.state, self.clock, self.hass = state, FakeClock(), HomeAssistant()
        self.retained: dict[str, str] = {}
        self.sent: list[tuple[str, str]] = []
        self.when: list[float] = []
        """Of what was sent."""
        self.listened: list[Collection[str]] = []
        """What Home Assistant knew, each time that states might be cleared."""
        self.node: Announcer | None = None
        self._connected = False
        self._table: dict[str, str] = {}
        self._ears: list[Callable[[Incoming], None]] = []

    # the outlet

    def set(self, topic: str, payload: str, *, rank: Rank = Rank.STATE, qos: int = 1) -> None:
        if not self._connected:
            self._table[topic] = payload
            return
        self.retained[topic] = payload
        if not payload:
            del self.retained[topic]
        self.sent.append((topic, payload))
        self.when.append(self.clock.monotonic())
        if self.hass.up:
            self.hass.hear(topic, payload)

    def picture(self, topic: str, jpeg: bytes, *, width: int | None = None, expiry: float | None = None) -> None: ...

    def forget(self, topic: str) -> None:
        self.set(topic, "")

    def send(self, topic: str, payload: str, *, correlation: bytes | None = None, surely: bool = False) -> None: ...

    def subscribe(self, name: str, callback: Callable[[Incoming], None]) -> None:
        self._ears.append(callback)

    def complete(self, topics: Iterable[str], *, spare: bool = False) -> None: ...

    def announce(self, *, pictures: bool = False) -> None: ...

    async def settled(self) -> None: ...

    # what happens

    @asynccontextmanager
    async def lives(self, **messages: Json) -> AsyncIterator[None]:
        """The node with these devices, `node` and `door`."""
        wanted = {{"node": NODE, "door": DOOR}[name]: message for name, message in messages.items()}
        self.node = Announcer(self, "pi", wanted, Announced(self.state), self.clock, AtOnce(), self._gone)
        await self.node.begin()
        self.node.search("homeassistant")
        self._connect()
        task = asyncio.create_task(self.node.run())
        try:
            yield
        finally:
            self.node, self._connected = None, False
            self._ears.clear()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _gone(self) -> None:
        self.listened.append(self.known)

    def _connect(self) -> None:
        """The broker replays what it retains before it takes anything new."""
        self._connected = True
        replayed = [Incoming(topic, payload.encode(), retain=True) for topic, payload in self.retained.items()]
        for topic, payload in self._table.items():
            self.set(topic, payload)
        self._table.clear()
        for callback in self._ears:
            for message in replayed:
                callback(message)

    async def ran(self, **messages: Json) -> None:
        """The node was there for a while."""
        async with self.lives(**messages):
            await self.clock.advance(60)

    async def hass_starts(self) -> None:
        """It reads what is retained, and tells of its birth."""
        self.hass.start(self.retained)
        if self.node:
            await self.node.born()
            await self.clock.advance(60)

    def components(self, topic: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.retained[topic])["cmps"]
        return found

    @property
    def known(self) -> Collection[str]:
        """What Home Assistant remembers, key and platform."""
        return {f"{key} {platform}" for _, key, platform in self.hass.remembers}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_message_holds_only_what_there_is(world: World) -> None:
    await world.ran(node=device(a="sensor", b="sensor"))
    assert set(world.components(NODE)) == {"a", "b"}
    assert len(world.sent) == 1


async def test_states_are_cleared_when_nobody_hears_them_any_more(world: World) -> None:
    """An empty payload is a complaint in the log of an entity that listens."""
    await world.hass_starts()
    await world.ran(node=device(a="sensor", b="sensor"), door=device(c="camera"))
    world.listened.clear()
    async with world.lives(node=device(a="sensor")):
        assert world.node is not None
        assert world.node.busy
        assert world.listened == []
        await world.clock.advance(60)
    assert world.listened == [{"a sensor"}]
    assert world.clock.monotonic() - world.when[-1] >= DEAF


async def test_an_entity_that_goes_is_taken_back(world: World) -> None:
    await world.hass_starts()
    await world.ran(node=device(a="sensor", b="sensor"))
    await world.ran(node=device(a="sensor"))
    assert world.known == {"a sensor"}
    assert world.components(NODE)["b"] == {"p": "sensor"}
    async with world.lives(node=device(a="sensor")):
        await world.hass_starts()
        assert set(world.components(NODE)) == {"a"}
    before = len(world.sent)
    await world.ran(node=device(a="sensor"))
    assert len(world.sent) == before + 1


async def test_a_home_assistant_that_was_down_meanwhile_forgets_it_when_it_is_born(world: World) -> None:
    world.hass.start({})
    await world.ran(node=device(a="sensor", b="sensor"), door=device(c="camera"))
    world.hass.up = False
    await world.ran(node=device(a="sensor"))
    async with world.lives(node=device(a="sensor")):
        world.hass.start(world.retained)
        assert world.known == {"a sensor", "b sensor", "c camera"}  # what a bare platform and an empty message leave
        await world.hass_starts()
        assert world.known == {"a sensor"}
        assert DOOR not in world.retained


async def test_a_key_with_another_platform_is_another_entity(world: World) -> None:
    await world.hass_starts()
    await world.ran(node=device(a="sensor"))
    await world.ran(node=device(a="select"))
    assert world.known == {"a select"}
    _, revived, bare, other = world.when
    assert bare - revived >= 5.0  # of two at once it would drop a part
    assert other - bare >= 5.0
    assert world.components(NODE)["a"] == device(a="select")["cmps"]["a"]  # type: ignore[index]


async def test_a_device_that_goes_leaves_no_message(world: World) -> None:
    await world.hass_starts()
    await world.ran(node=device(a="sensor"), door=device(c="camera"))
    async with world.lives(node=device(a="sensor")):
        assert world.node
        assert DOOR in world.node.topics  # nobody may clear it before it was taken back
        await world.clock.advance(60)
    assert world.known == {"a sensor"}
    assert DOOR not in world.retained


async def test_with_discovery_off_everything_goes(world: World) -> None:
    await world.hass_starts()
    await world.ran(node=device(a="sensor"), door=device(c="camera"))
    await world.ran()
    assert world.known == set()
    assert world.retained == {}


async def test_what_comes_back_stays(world: World) -> None:
    await world.hass_starts()
    for message in (device(a="sensor", b="sensor"), device(a="sensor"), device(a="sensor", b="sensor")):
        await world.ran(node=message)
    async with world.lives(node=device(a="sensor", b="sensor")):
        await world.hass_starts()
    assert world.known == {"a sensor", "b sensor"}


async def test_without_a_memory_the_brokers_is_asked(world: World) -> None:
    await world.hass_starts()
    await world.ran(node=device(a="sensor", b="sensor"), door=device(c="camera"))
    (world.state / "announced.json").unlink()
    world.retained["homeassistant/device/edgecam_pine/config"] = json.dumps(device(z="sensor"))
    await world.ran(node=device(a="sensor"))
    assert world.known == {"a sensor"}
    assert set(world.retained) == {NODE, "homeassistant/device/edgecam_pine/config"}


async def test_a_crash_while_the_broker_is_asked_loses_nothing(world: World) -> None:
    await world.hass_starts()
    await world.ran(door=device(c="camera"))
    (world.state / "announced.json").unlink()
    async with world.lives(node=device(a="sensor")):
        await settle()
    await world.ran(node=device(a="sensor"))
    assert world.known == {"a sensor"}


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"alive": 1, "leaving": {"x": {"cmps": 2}}, "buried": {"y": []}}'])
async def test_a_damaged_memory_is_no_memory(world: World, damage: bytes) -> None:
    world.state.joinpath("announced.json").write_bytes(damage)
    await world.hass_starts()
    await world.ran(node=device(a="sensor"))
    assert world.known == {"a sensor"}


@pytest.mark.parametrize("seconds", [0, 1, 4, 6, 9, 11])
async def test_a_crash_at_any_time_leaves_nothing_behind(world: World, seconds: int) -> None:
    await world.hass_starts()
    await world.ran(node=device(a="sensor", b="sensor"), door=device(c="camera"))
    async with world.lives(node=device(a="select")):
        await world.clock.advance(seconds)
    await world.ran(node=device(a="select"))
    assert world.known == {"a select"}


@pytest.mark.parametrize("seconds", [1, 4, 6, 9, 11])
async def test_a_birth_at_any_time_leaves_nothing_behind(world: World, seconds: int) -> None:
    world.hass.start({})
    await world.ran(node=device(a="sensor", b="sensor"), door=device(c="camera"))
    world.hass.up = False
    async with world.lives(node=device(a="select")):
        await world.clock.advance(seconds)
        await world.hass_starts()
        assert world.known == {"a select"}
        assert set(world.components(NODE)) == {"a"}


CONFIGURATIONS: tuple[dict[str, Json], ...] = (
    {"node": device(a="sensor", b="sensor"), "door": device(c="camera")},
    {"node": device(a="sensor")},
    {},
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=lambda order: "".join(map(str, order)))
@pytest.mark.parametrize("down", range(4))
async def test_whatever_happened_one_birth_later_all_is_right(world: World, order: tuple[int, ...], down: int) -> None:
    """Home Assistant is away for any one of three lives of the node, or starts when the node is away."""
    for life, which in enumerate(order):
        world.hass.up = life != down
        if world.hass.up:
            world.hass.start(world.retained)
        await world.ran(**CONFIGURATIONS[which])
    last = CONFIGURATIONS[order[-1]]
    async with world.lives(**last):
        await world.hass_starts()
    wanted = {f"{key} {entity['p']}" for message in last.values() for key, entity in message["cmps"].items()}  # type: ignore[attr-defined]
    assert world.known == wanted


@pytest.mark.parametrize(
    ("place", "payload"),
    [
        ("edgecam_pi2", b'{"o": {"name": "edgecam"}, "cmps": {"a": {"p": "sensor", "x": 1}}}'),
        ("edgecam_pi", b"not json"),
        ("edgecam_pi", b"[" * 9000),
        ("edgecam_pi", b" " * 70_000),
        ("edgecam_pi", b"[]"),
        ("edgecam_pi", b'{"cmps": []}'),
        ("edgecam_pi", b'{"cmps": {}, "o": 1}'),
        ("edgecam_pi", b'{"cmps": {"a": {"p": "sensor", "x": 1}}, "o": {"name": "zigbee2mqtt"}}'),
    ],
    ids=range(8),
)
def test_what_others_retain_is_not_ours_to_take_back(place: str, payload: bytes) -> None:
    assert farewell.ours(f"homeassistant/device/{place}/config", payload, "pi") is None


def test_what_is_announced_once_more_is_complete_though_the_root_is_another_now() -> None:
    old = {DOOR: {**ROOT, "stat_t": "door/state", "cmps": {"a": {"p": "sensor", "x": 1}, "b": {"p": "sensor", "x": 2}}}}
    new = {DOOR: {**ROOT, "stat_t": "door/health", "cmps": {"b": {"p": "sensor", "stat_t": "door/state", "x": 2}}}}
    revived = farewell.revived(new, farewell.gone(old, new))[DOOR]
    assert revived["stat_t"] == "door/health"
    assert revived["cmps"]["a"] == {"p": "sensor", "x": 1, "stat_t": "door/state"}  # type: ignore[index]


def test_only_what_is_alive_in_an_old_message_must_go() -> None:
    old = {**ROOT, "cmps": {"a": {"p": "sensor", "x": 1}, "b": {"p": "sensor"}, "c": 5, "d": {"x": 1, "y": 2}}}
    found = farewell.ours(DOOR, json.dumps(old).encode(), "pi")
    assert found
    assert found["cmps"] == {"a": {"p": "sensor", "x": 1}}
