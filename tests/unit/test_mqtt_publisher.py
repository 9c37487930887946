"""The publisher: what a subscriber sees of the house, and what the house does when it is asked."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asking import Desk
from edgecam.config import model
from edgecam.config.places import ConfigErrors, Problem, Spot
from edgecam.control import Unavailable
from edgecam.events import (
    Bus,
    CameraLost,
    CameraOnline,
    ClipLost,
    ClipSaved,
    ClipStored,
    ConfigRefused,
    ConfigReloaded,
    KeyTaken,
    MotionEnded,
    MotionExplained,
    MotionPicture,
    MotionStarted,
    MotionUpdated,
    SnapshotTaken,
    Suppressed,
    ZoneMoved,
)
from edgecam.frame import Frame, Kind, Stamp
from edgecam.health import CameraStatus, Health, StoreState
from edgecam.hub import FrameHub, Ring, Want
from edgecam.links import Links
from edgecam.media import MediaKind, Picture, Receipt, Sidecar
from edgecam.mqtt.memory import Announced
from edgecam.mqtt.publish import Publisher
from edgecam.mqtt.wire.messages import Incoming, Rank
from edgecam.pixels import Planes
from edgecam.settings import SETTINGS, Settings
from fakes import AtOnce, FakeClock, settle

BASE = "edgecam/pi/birdbox"


class Board:
    """An outlet that keeps what was said. `said` is everything in order, `now` the retained state."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.now: dict[str, str] = {}
        self.pictures: dict[str, tuple[bytes, int | None, float | None]] = {}
        self.forgotten: list[str] = []
        self.owned: set[str] = set()
        self.announced = self.shown = 0
        self.sure: list[str] = []
        self._callbacks: dict[str, Callable[[Incoming], None]] = {}

    def set(self, topic: str, payload: str, *, rank: Rank = Rank.STATE, qos: int = 1) -> None:
        self.said.append((topic, payload))
        self.now[topic] = payload

    def picture(self, topic: str, jpeg: bytes, *, width: int | None = None, expiry: float | None = None) -> None:
        self.pictures[topic] = (jpeg, width, expiry)

    def forget(self, topic: str) -> None:
        self.forgotten.append(topic)

    def send(self, topic: str, payload: str, *, correlation: bytes | None = None, surely: bool = False) -> None:
        self.said.append((topic, payload))
        if surely:
            self.sure.append(topic)

    def subscribe(self, name: str, callback: Callable[[Incoming], None]) -> None:
        self._callbacks[name] = callback

    def complete(self, topics: Iterable[str], *, spare: bool = False) -> None:
        self.owned, self.spared = set(topics), spare

    def announce(self, *, pictures: bool = False) -> None:
        self.announced += 1
        self.shown += pictures

    async def settled(self) -> None:
        """The broker of these tests has everything at once."""

    def hear(self, name: str, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if callback := self._callbacks.get(name):
            callback(Incoming(topic, payload, retain))

    def press(self, button: str, payload: bytes = b"PRESS", *, retain: bool = False) -> None:
        self.hear("edgecam/pi/+/set", f"edgecam/pi/{button}/set", payload, retain=retain)

    def command(self, what: str, payload: bytes, *, retain: bool = False) -> None:
        self.hear("edgecam/pi/+/+/set", f"edgecam/pi/{what}/set", payload, retain=retain)

    def json(self, topic: str) -> dict[str, object]:
        """The newest payload of `topic`, retained or not."""
        found: dict[str, object] = json.loads(next(payload for t, payload in reversed(self.said) if t == topic))
        return found

    def count(self, topic: str) -> int:
        return sum(t == topic for t, _ in self.said)


class House:
    """Everything a publisher needs, with two cameras."""

    def __init__(self, folder: Path, mqtt: dict[str, object], birdbox: dict[str, object], **sections: object) -> None:
        cameras = {"birdbox": {"source": "synthetic", **birdbox}, "gate": {"source": "synthetic"}}
        self.config = model.Config.model_validate({"mqtt": {"host": "broker", **mqtt}, "cameras": cameras, **sections})
        self.board, self.clock, self.bus, self.shutter = Board(), FakeClock(), Bus(), Desk()
        self.status = {id: CameraStatus(id) for id in cameras}
        self.health = Health("pi", "a1b2c3", self.clock, self.status)
        self.settings = Settings(self.config.cameras, folder / "settings.json", self.bus, self.clock)
        self.hubs = {id: FrameHub(id, Ring(5)) for id in cameras}
        self.publisher = Publisher(
            config=self.config,
            mqtt=self.board,
            hubs=self.hubs,
            health=self.health,
            settings=self.settings,
            bus=self.bus,
            clock=self.clock,
            control=self.shutter,
            url="http://pi:8000/",
            links=Links(self.config.http.external_url, lambda address, life: f"{address}?for={life:.0f}"),
            pool=AtOnce(),
            announced=Announced(folder),
            jitter=lambda: 0.5,
        )
        self._frames = 0
        self._stamps = {id: Stamp(id, self.clock) for id in cameras}

    def frame(self, camera: str = "birdbox", kind: Kind = Kind.JPEG) -> Frame:
        """One more frame; its bytes say the how manieth of this house it is."""
        self._frames += 1
        made = self._stamps[camera](kind, b"jpeg %d" % self._frames, 1280, 720)
        self.hubs[camera].publish(made)
        return made


Furnish = Callable[..., "House"]


@asynccontextmanager
async def living(house: House) -> AsyncIterator[Board]:
    task = asyncio.create_task(house.publisher.run())
    await settle()
    try:
        yield house.board
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def furnish(tmp_path: Path) -> Furnish:
    def build(mqtt: dict[str, object] | None = None, **birdbox: object) -> House:
        return House(tmp_path, mqtt or {}, birdbox)

    return build


def starts() -> MotionStarted:
    return MotionStarted(
        camera="birdbox",
        at=1_790_000_000.0,
        mono=1000.0,
        event_id="e1",
        score=40,
        area=1.234,
        box=(0.1, 0.2, 0.34567, 0.4),
    )


def goes_on() -> MotionUpdated:
    return MotionUpdated(
        camera="birdbox",
        at=1_790_000_005.0,
        mono=1005.0,
        event_id="e1",
        score=60,
        area=2.0,
        box=(0, 0, 1, 1),
        since=1_790_000_000.0,
    )


def stops() -> MotionEnded:
    return MotionEnded(
        camera="birdbox",
        at=1_790_000_012.5,
        mono=1012.5,
        event_id="e1",
        score=71,
        area=3.0,
        box=(0, 0, 1, 1),
        zones=("feeder",),
        since=1_790_000_000.0,
        duration=12.5,
    )


def clip(kind: MediaKind = MediaKind.EVENT, codec: str = "h264", receipt: Receipt | None = None) -> Sidecar:
    return Sidecar(
        id="20260921T141320000Z-birdbox-event-k3x7qa",
        camera="birdbox",
        kind=kind,
        event_id="e1",
        start=1_790_000_000.0,
        end=1_790_000_010.0,
        duration=10.0,
        codec=codec,
        width=1280,
        height=720,
        size=12345,
        sha256="ab" * 32,
        md5="cd" * 16,
        cause="motion",
        score=71,
        receipt=receipt,
    )


async def test_everything_is_there_before_anybody_connects(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        assert "homeassistant/device/edgecam_pi_birdbox/config" in board.now
        assert board.now[f"{BASE}/motion"] == "OFF"
        assert board.now[f"{BASE}/status"] == "online"
        assert board.now[f"{BASE}/motion_detection"] == "ON"
        assert board.now[f"{BASE}/recording"] == "ON"
        assert board.now[f"{BASE}/sensitivity"] == "50"
        assert board.json("edgecam/pi/health")["instance"] == "a1b2c3"
        assert set(board.now) | {"edgecam/pi/status"} <= board.owned
        assert {f"{BASE}/snapshot", f"{BASE}/motion/snapshot/attributes"} <= board.owned


async def test_a_publisher_that_starts_again_during_motion_says_on(furnish: Furnish) -> None:
    house = furnish()
    house.status["birdbox"].moving = True
    async with living(house) as board:
        assert board.now[f"{BASE}/motion"] == "ON"


async def test_discovery_off_owns_no_discovery_topic_and_hears_no_birth(furnish: Furnish) -> None:
    house = furnish({"discovery": False})
    async with living(house) as board:
        assert not [topic for topic in board.owned if topic.startswith("homeassistant")]
        board.hear("homeassistant/status", "homeassistant/status", b"online")
        await house.clock.advance(5)
        assert board.announced == 0


async def test_motion_goes_on_and_off_with_its_story(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        house.bus.publish(starts())
        assert board.now[f"{BASE}/motion"] == "ON"
        assert board.json(f"{BASE}/motion/attributes") == {
            "event_id": "e1",
            "score": 40,
            "area": 1.23,
            "zones": [],
            "cause": "motion",
            "box": [0.1, 0.2, 0.3457, 0.4],
            "since": "2026-09-21T14:13:20.000Z",
            "suppressed": None,
            "suppressed_at": None,
        }
        assert board.json(f"{BASE}/event") == {
            "event_type": "motion_started",
            "event_id": "e1",
            "camera": "birdbox",
            "time": "2026-09-21T14:13:20.000Z",
            "score": 40,
            "area": 1.23,
            "zones": [],
            "cause": "motion",
        }
        house.bus.publish(goes_on())
        assert board.json(f"{BASE}/event")["event_type"] == "motion_updated"
        assert board.now[f"{BASE}/motion"] == "ON"
        house.bus.publish(stops())
        assert board.now[f"{BASE}/motion"] == "OFF"
        ended = board.json(f"{BASE}/event")
        assert (ended["event_type"], ended["duration"], ended["zones"]) == ("motion_ended", 12.5, ["feeder"])
        assert board.json(f"{BASE}/motion/attributes")["since"] == "2026-09-21T14:13:20.000Z"


def explains(reason: str | None, at: float, event_id: str | None = None) -> MotionExplained:
    why = Suppressed(reason, 1_790_000_000.0 + at) if reason else None
    return MotionExplained(camera="birdbox", at=1_790_000_000.0 + at, event_id=event_id, suppressed=why, looks=None)


async def test_a_lamp_that_makes_no_event_is_told_beside_the_event_of_before(furnish: Furnish) -> None:
    house = furnish()
    topic = f"{BASE}/motion/attributes"
    async with living(house) as board:
        house.bus.publish(explains("global light", 1))
        assert topic not in board.now, "what the broker has of the last event before the start stays"
        house.bus.publish(starts())
        house.bus.publish(stops())
        ended = board.json(topic)
        house.bus.publish(explains("global light", 60))
        assert board.json(topic) == ended | {
            "suppressed": "global light",
            "suppressed_at": "2026-09-21T14:14:20.000Z",
        }
        assert board.now[f"{BASE}/motion"] == "OFF"
        house.bus.publish(starts())
        assert board.json(topic)["suppressed"] is None


async def test_during_an_event_only_another_reason_is_told(furnish: Furnish) -> None:
    house = furnish()
    topic = f"{BASE}/motion/attributes"
    async with living(house) as board:
        house.bus.publish(starts())
        for at, reason in enumerate((None, "standing", "standing", "sway", None, None)):
            house.bus.publish(explains(reason, 5 * at, "e1"))
        told = [json.loads(payload) for where, payload in board.said if where == topic]
        assert [said["suppressed"] for said in told] == [None, "standing", "sway", None]
        assert {said["event_id"] for said in told} == {"e1"}
        house.bus.publish(replace(stops(), suppressed=Suppressed("standing", 1_790_000_020.0)))
        assert board.json(topic)["suppressed"] == "standing"


FEEDER: dict[str, object] = {"zones": {"feeder": {"polygon": [[0, 0], [1, 0], [1, 1]]}}}


async def test_each_zone_is_on_and_off_by_itself_and_off_at_the_start(furnish: Furnish) -> None:
    house = furnish(motion=FEEDER)
    zone = f"{BASE}/zone/feeder"
    async with living(house) as board:
        assert board.now[zone] == "OFF"
        assert zone in board.owned
        assert not [topic for topic in board.owned if "/gate/zone/" in topic]
        for moving, payload in ((True, "ON"), (False, "OFF")):
            house.bus.publish(ZoneMoved(camera="birdbox", at=1_790_000_000.0, zone="feeder", moving=moving))
            assert board.now[zone] == payload
        assert board.now[f"{BASE}/motion"] == "OFF"


async def test_a_zone_in_which_something_moves_is_on_from_the_first_message(furnish: Furnish) -> None:
    house = furnish(motion=FEEDER)
    house.status["birdbox"].zones.add("feeder")
    async with living(house) as board:
        assert board.now[f"{BASE}/zone/feeder"] == "ON"


async def test_a_triggered_event_says_what_triggered_it(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        house.bus.publish(replace(starts(), cause="pir"))
        assert board.json(f"{BASE}/event")["cause"] == "pir"
        assert board.json(f"{BASE}/motion/attributes")["cause"] == "pir"
        assert board.now[f"{BASE}/motion"] == "ON"


HERE = "https://cam.example.org/"


async def test_with_an_external_url_events_carry_links_that_a_phone_opens(tmp_path: Path) -> None:
    house = House(tmp_path, {}, {}, http={"external_url": "https://anna:secret@cam.example.org"})
    still = f"{HERE}cameras/birdbox/events/e1.jpg?for=86400"
    clip_url, picture_url = (f"{HERE}media/{clip().id}.{suffix}?for=86400" for suffix in ("mp4", "jpg"))
    pictured = clip().model_copy(update={"picture": Picture(time=1.0, width=1, height=1, size=1, sha256="", md5="")})
    async with living(house) as board:
        for event in (starts(), goes_on(), stops()):
            house.bus.publish(event)
            told = board.json(f"{BASE}/event")
            assert (told["snapshot_url"], "clip_url" in told) == (still, False)
        house.bus.publish(ClipSaved(camera="birdbox", at=1.0, media=pictured))
        told = board.json(f"{BASE}/event")
        assert (told["snapshot_url"], told["clip_url"]) == (picture_url, clip_url)
        house.bus.publish(ClipStored(camera="birdbox", at=2.0, media=clip(), link=None, link_expires=None))
        told = board.json(f"{BASE}/event")  # of a later part: an earlier one has the picture
        assert (told["snapshot_url"], told["clip_url"]) == (still, clip_url)
        house.bus.publish(ClipSaved(camera="birdbox", at=1.0, media=clip().model_copy(update={"event_id": None})))
        assert "snapshot_url" not in board.json(f"{BASE}/event")
        taken = SnapshotTaken(camera="birdbox", at=1.0, jpeg=b"x", width=8, height=8, media=clip(codec="jpeg"))
        house.bus.publish(taken)
        assert board.json(f"{BASE}/event")["snapshot_url"] == picture_url
        assert not any("secret" in payload for _, payload in board.said)


async def test_without_an_external_url_no_event_carries_a_link(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        house.bus.publish(starts())
        house.bus.publish(ClipSaved(camera="birdbox", at=1.0, media=clip()))
        house.bus.publish(SnapshotTaken(camera="birdbox", at=1.0, jpeg=b"x", width=8, height=8, media=clip()))
        assert not any("_url" in payload for topic, payload in board.said if topic == f"{BASE}/event")


async def test_clips_are_announced_with_what_proves_them(furnish: Furnish) -> None:
    house = furnish()
    stored = clip(receipt=Receipt(store="folder /mnt/nas", key="pi/birdbox/x", size=12345, at=1_790_000_020.0))
    async with living(house) as board:
        house.bus.publish(ClipSaved(camera="birdbox", at=1.0, media=clip()))
        assert board.json(f"{BASE}/event") == {
            "event_type": "clip_saved",
            "event_id": "e1",
            "camera": "birdbox",
            "time": "2026-09-21T14:13:30.000Z",
            "score": 71,
            "zones": [],
            "cause": "motion",
            "duration": 10.0,
            "part": 1,
            "id": "20260921T141320000Z-birdbox-event-k3x7qa",
            "sha256": "ab" * 32,
            "size": 12345,
        }
        house.bus.publish(
            ClipStored(camera="birdbox", at=2.0, media=stored, link="https://s3/x", link_expires=1_790_000_100.0)
        )
        said = board.json(f"{BASE}/event")
        assert (said["event_type"], said["event_id"], said["key"]) == ("clip_stored", "e1", "pi/birdbox/x")
        assert (said["link"], said["link_expires"]) == ("https://s3/x", "2026-09-21T14:15:00.000Z")
        house.bus.publish(ClipLost(camera="birdbox", at=3.0, media=stored, why="the disk is full"))
        assert board.json("edgecam/pi/event") == {
            "event_type": "offload_dropped",
            "camera": "birdbox",
            "time": "1970-01-01T00:00:03.000Z",
            "id": stored.id,
            "size": 12345,
            "reason": "the disk is full",
        }
        house.bus.publish(KeyTaken(camera="birdbox", at=4.0, media=stored, key="pi/birdbox/x-2"))
        assert board.json("edgecam/pi/event") == {
            "event_type": "offload_conflict",
            "camera": "birdbox",
            "time": "1970-01-01T00:00:04.000Z",
            "id": stored.id,
            "size": 12345,
            "key": "pi/birdbox/x-2",
        }


@pytest.mark.parametrize("leaves", [True, False])
async def test_the_offload_has_a_switch_where_something_leaves_the_box(tmp_path: Path, leaves: bool) -> None:
    more = {"offload": {"store": {"type": "folder", "path": "/mnt/nas"}}} if leaves else {}
    house = House(tmp_path, {}, {}, **more)
    async with living(house) as board:
        assert board.now.get(f"{BASE}/offload") == ("ON" if leaves else None)
        assert f"{BASE}/offload" in board.owned
        if leaves:
            board.command("birdbox/offload", b"OFF")
            await settle()
            assert board.now[f"{BASE}/offload"] == "OFF"


@pytest.mark.parametrize(
    ("kind", "codec"), [(MediaKind.CONTINUOUS, "h264"), (MediaKind.EVENT, "jpeg"), (MediaKind.SNAPSHOT, "jpeg")]
)
async def test_segments_and_pictures_are_not_announced_as_clips(furnish: Furnish, kind: MediaKind, codec: str) -> None:
    house = furnish()
    async with living(house) as board:
        house.bus.publish(ClipSaved(camera="birdbox", at=1.0, media=clip(kind, codec)))
        house.bus.publish(ClipStored(camera="birdbox", at=1.0, media=clip(kind, codec), link=None, link_expires=None))
        assert board.count(f"{BASE}/event") == 0


async def test_the_still_comes_with_the_first_frame_and_then_every_minute(furnish: Furnish) -> None:
    house = furnish(snapshot={"every": "60s", "width": 640})
    async with living(house) as board:
        assert f"{BASE}/snapshot" not in board.pictures
        assert house.hubs["birdbox"].demand[Want.SNAPSHOT] == 1
        house.frame()
        await settle()
        assert board.pictures[f"{BASE}/snapshot"] == (b"jpeg 1", 640, 86400.0)
        assert board.json(f"{BASE}/snapshot/attributes") == {
            "time": "2026-09-21T14:13:20.000Z",
            "resolution": "1280x720",
            "stream_url": "http://pi:8000/cameras/birdbox/stream.mjpg",
            "snapshot_url": "http://pi:8000/cameras/birdbox/snapshot.jpg",
        }
        assert house.hubs["birdbox"].demand[Want.SNAPSHOT] == 0
        await house.clock.advance(59)
        house.frame()
        await settle()
        assert board.pictures[f"{BASE}/snapshot"][0] == b"jpeg 1"
        await house.clock.advance(2)
        assert board.pictures[f"{BASE}/snapshot"][0] == b"jpeg 2"


async def test_a_shorter_interval_brings_a_picture_at_once_and_keeps_that_pace(furnish: Furnish) -> None:
    house = furnish(snapshot={"every": "60s"})
    async with living(house) as board:
        house.frame()
        await house.clock.advance(5)
        house.frame()
        board.command("birdbox/snapshot_interval", b"2")
        await settle()
        assert board.now[f"{BASE}/snapshot_interval"] == "2"
        assert board.pictures[f"{BASE}/snapshot"] == (b"jpeg 2", None, 86400.0)
        house.frame()
        await house.clock.advance(2)
        assert board.pictures[f"{BASE}/snapshot"][0] == b"jpeg 3"


async def test_a_long_interval_keeps_the_picture_at_the_broker_until_the_next(furnish: Furnish) -> None:
    house = furnish(snapshot={"every": "60s"})
    async with living(house) as board:
        house.frame()
        await settle()
        house.settings.set("birdbox", "snapshot_interval", 43200)
        house.frame()
        await settle()
        assert board.pictures[f"{BASE}/snapshot"] == (b"jpeg 2", None, 432000.0)


async def test_no_interval_means_no_picture_and_no_frames_wanted_until_there_is_one_again(furnish: Furnish) -> None:
    house = furnish(snapshot={"every": "60s"})
    demand = house.hubs["birdbox"].demand
    async with living(house) as board:
        assert demand[Want.SNAPSHOT] == 1  # the first one is waited for
        house.settings.set("birdbox", "snapshot_interval", 0)
        await settle()
        assert demand[Want.SNAPSHOT] == 0
        house.frame()
        await house.clock.advance(200)
        assert f"{BASE}/snapshot" not in board.pictures
        house.settings.set("birdbox", "snapshot_interval", 10)
        await settle()
        assert board.pictures[f"{BASE}/snapshot"][0] == b"jpeg 1"


async def test_a_picture_that_was_being_coded_when_they_were_switched_off_is_not_published(furnish: Furnish) -> None:
    house = furnish(snapshot={"every": "60s"})
    plane = np.full((48, 64), 90, np.uint8)

    class Late(Planes):
        def jpeg(self, quality: int, *, width: int | None = None, grey: bool = False) -> bytes:
            house.settings.set("birdbox", "snapshot_interval", 0)
            return super().jpeg(quality, width=width, grey=grey)

    async with living(house) as board:
        image = Late([plane, plane[::2, ::2], plane[::2, ::2]], full=True)
        house.hubs["birdbox"].publish(Frame("birdbox", 1, 1.0, 1.0, Kind.RAW, b"", 64, 48, image=image))
        await settle()
        assert not house.settings.number("birdbox", "snapshot_interval")
        assert f"{BASE}/snapshot" not in board.pictures


async def test_without_periodic_pictures_there_is_one_when_somebody_asks(furnish: Furnish) -> None:
    house = furnish(snapshot={"every": None})
    async with living(house) as board:
        house.frame()
        await settle()
        assert f"{BASE}/snapshot" not in board.pictures
        taken = SnapshotTaken(camera="birdbox", at=1.0, jpeg=b"asked", width=8, height=8, media=clip())
        house.bus.publish(taken)
        assert board.pictures[f"{BASE}/snapshot"] == (b"asked", None, None)
        said = board.json(f"{BASE}/event")
        assert said["event_type"] == "snapshot_taken"
        assert said["id"] == clip().id


async def test_a_snapshot_that_is_not_on_disk_has_no_id(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        house.bus.publish(SnapshotTaken(camera="birdbox", at=1.0, jpeg=b"x", width=8, height=8, media=None))
        assert "id" not in board.json(f"{BASE}/event")


async def test_a_camera_without_jpeg_has_no_still(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        house.frame(kind=Kind.H264)
        await settle()
        house.frame("gate")
        await settle()
        assert list(board.pictures) == ["edgecam/pi/gate/snapshot"]


@pytest.mark.parametrize(("keep", "expiry"), [("14d", 14 * 86400.0), ("forever", None), ("0s", None)])
async def test_the_motion_picture_lives_as_long_as_its_clip(furnish: Furnish, keep: str, expiry: float | None) -> None:
    house = furnish(record={"event": {"keep": keep}})
    async with living(house) as board:
        house.bus.publish(better(b"first", 40))
        assert board.pictures[f"{BASE}/motion/snapshot"] == (b"first", None, expiry)
        assert board.json(f"{BASE}/motion/snapshot/attributes") == {
            "event_id": "e1",
            "time": "2026-09-21T14:13:20.000Z",
            "score": 40,
            "resolution": "1280x720",
        }


def better(jpeg: bytes, score: int, *, final: bool = False, event_id: str = "e1") -> MotionPicture:
    return MotionPicture(
        camera="birdbox",
        at=1_790_000_000.0 + score - 40,
        event_id=event_id,
        jpeg=jpeg,
        score=score,
        width=1280,
        height=720,
        final=final,
    )


async def test_better_motion_pictures_come_now_and_then_and_the_best_at_the_end(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:

        def shown() -> bytes:
            return board.pictures[f"{BASE}/motion/snapshot"][0]

        house.bus.publish(better(b"first", 40))
        house.bus.publish(better(b"too soon", 41))
        assert shown() == b"first"
        await house.clock.advance(5)
        house.bus.publish(better(b"later", 42))
        assert shown() == b"later"
        house.bus.publish(better(b"best", 50, final=True))
        assert shown() == b"best"
        house.bus.publish(better(b"next event", 20, event_id="e2"))
        assert shown() == b"next event"


async def test_a_picture_that_stays_the_best_is_shown_once(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        house.bus.publish(better(b"first", 40))
        await house.clock.advance(5)
        for final in (False, True):
            house.bus.publish(better(b"first again", 40, final=final))
        assert board.pictures[f"{BASE}/motion/snapshot"][0] == b"first"
        assert board.count(f"{BASE}/motion/snapshot/attributes") == 1


async def test_a_lost_camera_is_offline_at_once_and_the_other_is_not(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        house.status["birdbox"].online, house.status["birdbox"].trouble = False, "no frame for 10 s"
        house.bus.publish(CameraLost(camera="birdbox", at=1.0, reason="no frame for 10 s"))
        assert board.now[f"{BASE}/status"] == "offline"
        assert board.json(f"{BASE}/state")["problem"] == "no frame for 10 s"
        assert board.now["edgecam/pi/gate/status"] == "online"
        house.status["birdbox"].online, house.status["birdbox"].trouble = True, None
        house.bus.publish(CameraOnline(camera="birdbox", at=1.0, after=20.0))
        assert board.now[f"{BASE}/status"] == "online"
        await house.clock.advance(1)
        assert board.json("edgecam/pi/health")["problems"] == []


async def test_in_quiet_times_a_state_is_published_once_a_minute(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        first = board.count(f"{BASE}/state"), board.count("edgecam/pi/health")
        for tick in range(119):
            house.status["birdbox"].fps = 15 + tick / 1000
            house.status["birdbox"].clients = tick
            house.status["birdbox"].blind_seconds += 5 * (tick % 8 == 0)  # a duty's pauses
            await house.clock.advance(1)
        assert (board.count(f"{BASE}/state"), board.count("edgecam/pi/health")) == (first[0] + 1, first[1] + 1)


async def test_what_people_wait_for_is_published_within_a_second(furnish: Furnish) -> None:
    house = furnish()
    status = house.status["birdbox"]
    status.width, status.height = 640, 480
    async with living(house) as board:
        status.fps, status.last_motion = 14.96, 1_790_000_000.0
        status.writing.add(MediaKind.EVENT)
        await house.clock.advance(1)
        assert board.json(f"{BASE}/state") == {
            "state": "starting",
            "problem": None,
            "recording": True,
            "light": None,
            "fps": 15.0,
            "clients": 0,
            "resolution": "640x480",
            "buffer_seconds": 0,
            "blind": None,
            "blind_percent": 0,
            "blind_seconds": 0,
            "blind_until": None,
            "last_motion": "2026-09-21T14:13:20.000Z",
            "last_clip": None,
            "last_stored": None,
        }
        house.health.spool.state, house.health.spool.reason = StoreState.BLOCKED, "the key is wrong"
        await house.clock.advance(1)
        spool = board.json("edgecam/pi/health")["spool"]
        assert isinstance(spool, dict)
        assert (spool["state"], spool["reason"]) == ("blocked", "the key is wrong")


async def test_a_schedule_that_opens_or_closes_is_told_within_a_second(furnish: Furnish) -> None:
    house = furnish()
    status = house.status["birdbox"]
    async with living(house) as board:
        status.blind, status.blind_percent, status.blind_until = "schedule", 100, 1_790_000_000.0
        await house.clock.advance(1)
        state = board.json(f"{BASE}/state")
        told = [state[key] for key in ("blind", "blind_percent", "blind_until")]
        assert told == ["schedule", 100, "2026-09-21T14:13:20.000Z"]
        status.blind, status.blind_percent, status.blind_until, status.blind_seconds = None, 0, None, 59.7
        await house.clock.advance(1)
        state = board.json(f"{BASE}/state")
        assert (state["blind"], state["blind_until"], state["blind_seconds"]) == (None, None, 60)


async def test_a_queue_that_grows_and_shrinks_all_the_time_is_told_every_ten_seconds(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        before, queue = board.count("edgecam/pi/health"), house.health.spool
        for second in range(60):
            queue.files, queue.stored = second % 3, second
            await house.clock.advance(1)
        assert 5 <= board.count("edgecam/pi/health") - before <= 6
        queue.files = 0
        await house.clock.advance(11)
        spool = board.json("edgecam/pi/health")["spool"]
        assert isinstance(spool, dict)
        assert (spool["files"], spool["stored"]) == (0, 59)


async def test_what_waits_for_a_moment_only_is_not_told_as_waiting(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        before, queue = board.count("edgecam/pi/health"), house.health.spool
        for queue.files, queue.stored in ((1, 0), (1, 0), (0, 1)):
            await house.clock.advance(3)
        assert board.count("edgecam/pi/health") == before
        await house.clock.advance(3)
        assert board.count("edgecam/pi/health") == before + 1
        spool = board.json("edgecam/pi/health")["spool"]
        assert isinstance(spool, dict)
        assert (spool["files"], spool["stored"]) == (0, 1)


async def test_the_time_of_last_motion_does_not_chatter_while_it_moves(furnish: Furnish) -> None:
    house = furnish()
    status = house.status["birdbox"]
    status.moving = True
    async with living(house) as board:
        before = board.count(f"{BASE}/state")
        for second in range(20):
            status.last_motion = 1_790_000_000.0 + second
            await house.clock.advance(1)
        assert board.count(f"{BASE}/state") == before
        status.moving = False
        await house.clock.advance(1)
        assert board.json(f"{BASE}/state")["last_motion"] == "2026-09-21T14:13:39.000Z"


async def test_segments_that_are_stored_every_few_seconds_are_no_news(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        before = board.count(f"{BASE}/state")
        for second in range(0, 40, 5):
            house.status["birdbox"].last_stored = 1_790_000_000.0 + second
            await house.clock.advance(1)
        assert board.count(f"{BASE}/state") <= before + 2


async def test_a_setting_goes_round_and_stays(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        board.command("birdbox/sensitivity", b"70")
        board.command("birdbox/motion_detection", b"OFF")
        board.command("birdbox/min_area", b"0.30000000000000004")
        board.command("birdbox/record_mode", b"both")
        assert board.now[f"{BASE}/min_area"] == "0.3"
        assert board.now[f"{BASE}/record_mode"] == "both"
        assert board.now[f"{BASE}/sensitivity"] == "70"
        assert board.now[f"{BASE}/motion_detection"] == "OFF"
        assert house.settings.number("birdbox", "sensitivity") == 70


async def test_all_settings_are_told_within_the_limits_of_their_controls(furnish: Furnish) -> None:
    """Home Assistant logs an error for each number beyond its limits."""
    motion = {"cooldown": "500ms", "min_area": "0.05%"}
    house = furnish(motion=motion, snapshot={"every": "2d"}, record={"mode": "both"}, stream={"enabled": False})
    async with living(house) as board:
        told = {key: board.now.get(f"{BASE}/{key}") for key in SETTINGS}
    assert told == {
        "motion_detection": "ON",
        "recording": "ON",
        "streaming": "OFF",
        "offload": None,  # there is no store
        "privacy": "OFF",
        "sensitivity": "50",
        "min_area": "0.05",
        "cooldown": "1",
        "snapshot_interval": "86400",
        "record_mode": "both",
    }
    assert house.settings.number("birdbox", "cooldown") == 0.5


async def test_nonsense_changes_nothing_and_the_truth_is_said_again(
    furnish: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    house = furnish()
    async with living(house) as board:
        before = board.count(f"{BASE}/sensitivity")
        for payload in (b"NaN", b"\xff", b"0", b"9" * 5_000_000):
            board.command("birdbox/sensitivity", payload)
        assert board.count(f"{BASE}/sensitivity") == before + 4
        assert board.now[f"{BASE}/sensitivity"] == "50"
        board.command("cel\nlar" + "x" * 200 + "/sensitivity", b"50")
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines[0] == f"mqtt: {BASE}/sensitivity/set: ignored: must be a whole number from 1 to 100"
    assert len(lines) == 5
    assert "\n" not in lines[4]
    assert len(lines[4]) < 200


async def test_a_retained_command_is_cleared_not_obeyed(furnish: Furnish, caplog: pytest.LogCaptureFixture) -> None:
    house = furnish()
    async with living(house) as board:
        board.command("birdbox/recording", b"OFF", retain=True)
        assert board.forgotten == [f"{BASE}/recording/set"]
        assert house.settings.on("birdbox", "recording")
        board.command("birdbox/recording", b"")
    assert caplog.text.count("a command must not be retained") == 1


async def test_a_flood_of_retained_commands_is_cleared_in_a_few_lines(
    furnish: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    house = furnish()
    async with living(house) as board:
        for number in range(1000):
            board.command(f"birdbox/key{number}", b"ON", retain=True)
        assert board.forgotten == [f"{BASE}/key{number}/set" for number in range(1000)]
    assert caplog.text.count("a command must not be retained") == 5
    assert caplog.text.count("more of them are cleared without a word") == 1


async def test_commands_off_means_deaf(furnish: Furnish) -> None:
    house = furnish({"commands": False})
    async with living(house) as board:
        board.command("birdbox/recording", b"OFF")
        assert house.settings.on("birdbox", "recording")


async def test_pressing_ten_times_takes_one_picture_at_a_time(
    furnish: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    house = furnish()
    async with living(house) as board:
        for _ in range(10):
            board.command("birdbox/take_snapshot", b"PRESS")
        board.command("gate/take_snapshot", b"PRESS")
        await settle()
        assert house.shutter.asked == ["birdbox", "gate"]
        house.shutter.answer.set_exception(Unavailable("the camera gives no picture"))
        await settle()
        board.command("birdbox/take_snapshot", b"PRESS")
        await settle()
        assert house.shutter.asked == ["birdbox", "gate", "birdbox"]
    assert "birdbox: no snapshot: the camera gives no picture" in caplog.text


async def test_a_mistake_of_ours_costs_one_press_and_not_all_that_mqtt_tells(
    furnish: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    house = furnish()
    house.shutter.answer.set_exception(ZeroDivisionError("a bug"))
    async with living(house) as board:
        board.command("birdbox/take_snapshot", b"PRESS")
        await settle()
        board.command("gate/recording", b"OFF")
        assert board.now["edgecam/pi/gate/recording"] == "OFF"
        board.command("birdbox/take_snapshot", b"PRESS")
        await settle()
        assert house.shutter.asked == ["birdbox", "birdbox"], "and the next one is obeyed"
    assert "birdbox: no snapshot" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_what_comes_while_everything_stops_is_refused_in_words_but_a_setting_is_kept(
    furnish: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    house = furnish()
    async with living(house) as board:
        pass
    board.command("birdbox/privacy", b"ON")
    for _ in range(2):
        board.command("birdbox/take_snapshot", b"PRESS")
    board.hear("edgecam/pi/request/+", "edgecam/pi/request/health", b"")
    await settle()
    assert house.settings.on("birdbox", "privacy")
    assert house.shutter.asked == []
    assert caplog.text.count("take_snapshot/set: ignored: edgecam is stopping") == 2
    assert "edgecam is stopping" in str(board.json("edgecam/pi/response/health")["error"])


async def test_the_last_minute_is_saved_by_a_press_and_other_lengths_by_their_name(
    furnish: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    house = furnish()
    async with living(house) as board:
        for payload in (b"PRESS", b"60s", b"5m", b"PRESS", b"2d", b"soon"):
            board.command("birdbox/save_clip", payload)
        await settle()
        assert house.shutter.asked == ["birdbox 60 s", "birdbox 300 s"]
        house.shutter.answer.set_exception(Unavailable("privacy is on"))
        await settle()
        board.command("birdbox/save_clip", b"PRESS")
        await settle()
        assert house.shutter.asked[2:] == ["birdbox 60 s"]
    assert caplog.text.count("birdbox: no clip: privacy is on") == 3
    assert caplog.text.count("birdbox/save_clip/set: ignored: must be PRESS or a duration") == 2


@pytest.mark.parametrize(
    ("what", "asked"),
    [
        ("birdbox/restart", "restart birdbox"),
        ("reload", "reload"),
        ("restart", "restart"),
    ],
)
async def test_buttons_of_camera_and_node_do_what_they_say_and_never_a_replay(
    furnish: Furnish, caplog: pytest.LogCaptureFixture, what: str, asked: str
) -> None:
    house = furnish()
    async with living(house) as board:
        press = board.command if "/" in what else board.press
        press(what, b"PRESS", retain=True)
        press(what, b"")
        press(what, b"GO")
        await settle()
        assert (house.shutter.asked, board.forgotten) == ([], [f"edgecam/pi/{what}/set"])
        press(what, b"PRESS")
        await settle()
        assert house.shutter.asked == [asked]
        house.shutter.answer.set_exception(Unavailable("the sun is too bright"))
        press(what, b"PRESS")
        await settle()
    assert f"{what}/set: ignored and cleared" in caplog.text
    assert f"{what}/set: ignored: must be PRESS" in caplog.text
    assert ": the sun is too bright" in caplog.text


async def test_an_event_is_triggered_by_a_press_or_for_a_time(
    furnish: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    house = furnish()
    async with living(house) as board:
        for payload in (b"PRESS", b"10s", b"11m", b"now"):
            board.command("birdbox/trigger", payload)
        await settle()
        assert house.shutter.asked == ["trigger birdbox 30 s mqtt", "trigger birdbox 10 s mqtt"]
        house.shutter.answer.set_exception(Unavailable("privacy is on"))
        board.command("birdbox/trigger", b"PRESS")
        await settle()
    assert "birdbox: no event: privacy is on" in caplog.text
    assert (
        caplog.text.count("birdbox/trigger/set: ignored: must be a duration from 1s to 10m such as 30s, or PRESS") == 2
    )


async def test_a_wrong_file_is_no_news_for_the_log_when_a_button_meets_it(
    furnish: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    house = furnish()
    async with living(house) as board:
        house.shutter.answer.set_exception(ConfigErrors([Problem(Spot("config.yaml", 3, 1), "mqtt", "is wrong")]))
        board.press("reload")
        board.press("no_such")
        await settle()
    assert "is wrong" not in caplog.text
    assert "no_such/set: ignored: nothing of that name can be set" in caplog.text


async def test_what_a_reload_did_is_an_event_of_the_node_that_nobody_misses(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        house.bus.publish(ConfigReloaded(at=1.0, changed=("mqtt.host",), restarted=("everything",)))
        assert board.json("edgecam/pi/event") == {
            "event_type": "config_reloaded",
            "time": "1970-01-01T00:00:01.000Z",
            "changed": ["mqtt.host"],
            "restarted": ["everything"],
        }
        assert board.sure == ["edgecam/pi/event"]
        house.bus.publish(ConfigRefused(at=2.0, problems=("config.yaml:3:1: mqtt: is wrong",)))
        assert board.json("edgecam/pi/event") == {
            "event_type": "config_error",
            "time": "1970-01-01T00:00:02.000Z",
            "problems": ["config.yaml:3:1: mqtt: is wrong"],
        }


async def test_home_assistant_is_welcomed_once_after_a_little_while(furnish: Furnish) -> None:
    house = furnish({"birth_topic": "ha/status"})
    async with living(house) as board:
        board.hear("ha/status", "ha/status", b"offline")
        for _ in range(5):
            board.hear("ha/status", "ha/status", b"online")
        await house.clock.advance(1.4)
        assert board.announced == 0
        await house.clock.advance(0.2)
        assert board.announced == 1
        board.hear("ha/status", "ha/status", b"online")
        await house.clock.advance(2)
        assert board.announced == 2


async def test_another_live_node_of_our_name_is_a_problem_until_it_is_gone(
    furnish: Furnish, caplog: pytest.LogCaptureFixture
) -> None:
    house = furnish()
    async with living(house) as board:
        own, foreign = b'{"instance": "a1b2c3"}', b'{"instance": "ffffff"}'
        for payload in (own, b"not json", b"[1]", b'{"instance": "x\\n"}', b"[" * 100_000):
            board.hear("edgecam/pi/health", "edgecam/pi/health", payload)
        board.hear("edgecam/pi/health", "edgecam/pi/health", foreign, retain=True)
        assert house.health.problems() == []
        for _ in range(2):
            board.hear("edgecam/pi/health", "edgecam/pi/health", foreign)
            await house.clock.advance(60)
        assert board.json("edgecam/pi/health")["problems"] == [
            "mqtt: another edgecam (ffffff) uses our node name pi; one needs another `node:`"
        ]
        await house.clock.advance(181)
        assert board.json("edgecam/pi/health")["problems"] == []
        board.hear("edgecam/pi/health", "edgecam/pi/health", foreign)
        house.health.mqtt.trouble = None  # as after a reconnect: the rival is still there
        assert len(house.health.problems()) == 1
        await house.clock.advance(181)
        assert house.health.problems() == []
    assert caplog.text.count("another edgecam (ffffff)") == 2


async def test_stills_are_small_and_rare_unless_somebody_wants_otherwise(furnish: Furnish) -> None:
    house = furnish()
    assert house.config.mqtt
    assert house.config.mqtt.image_limit <= 500_000
    async with living(house) as board:
        for _ in range(59):
            house.frame()
            await house.clock.advance(1)
        assert board.count(f"{BASE}/snapshot/attributes") == 1


async def test_every_event_is_of_a_declared_type_says_what_it_is_about_and_is_not_retained(furnish: Furnish) -> None:
    house = furnish()
    stored = clip(receipt=Receipt(store="folder /mnt/nas", key="k", size=12345, at=1_790_000_020.0))
    async with living(house) as board:
        for motion in (starts(), goes_on(), stops()):
            house.bus.publish(motion)
        house.bus.publish(ClipSaved(camera="birdbox", at=1.0, media=clip()))
        house.bus.publish(ClipStored(camera="birdbox", at=1.0, media=stored, link=None, link_expires=None))
        house.bus.publish(SnapshotTaken(camera="birdbox", at=1.0, jpeg=b"x", width=8, height=8, media=clip()))
        told = [json.loads(payload) for topic, payload in board.said if topic == f"{BASE}/event"]
        message = board.json("homeassistant/device/edgecam_pi_birdbox/config")
        declared = message["cmps"]["event"]["evt_typ"]  # type: ignore[index]
        assert [event["event_type"] for event in told] == declared
        assert f"{BASE}/event" not in board.now
        assert all({"time", "camera"} <= event.keys() for event in told)
        assert all({"score", "zones", "event_id"} <= event.keys() for event in told[:5])
        assert all(event["id"] == clip().id for event in told[3:])


async def test_a_picture_bears_the_time_at_which_it_was_true_and_the_event_it_belongs_to(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        house.bus.publish(portrait())
        said = board.json(f"{BASE}/motion/snapshot/attributes")
        assert (said["time"], said["event_id"]) == ("1970-01-01T00:00:01.000Z", "e1")


async def test_every_time_that_is_told_has_its_offset(furnish: Furnish) -> None:
    """Home Assistant takes no other for a timestamp."""
    house = furnish()
    status = house.status["birdbox"]
    status.last_motion = status.last_clip = status.last_stored = 1_790_000_000.0
    house.health.spool.oldest = house.health.spool.last_stored = 1_790_000_000.0
    async with living(house) as board:
        state, health = board.json(f"{BASE}/state"), board.json("edgecam/pi/health")
        spool = health["spool"]
        assert isinstance(spool, dict)
        times = [state["last_motion"], state["last_stored"], health["started"], spool["oldest"], spool["last_stored"]]
        assert all(datetime.fromisoformat(str(time)).tzinfo for time in times)


async def test_a_number_is_told_within_its_limits(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        for number in components(board, "birdbox", "number"):
            assert number["min"] <= float(board.now[str(number["stat_t"])]) <= number["max"]


def components(board: Board, camera: str, platform: str) -> list[dict[str, Any]]:
    """What was announced of one camera, of one platform."""
    message: Any = board.json(f"homeassistant/device/edgecam_pi_{camera}/config")
    return [entity for entity in message["cmps"].values() if entity["p"] == platform]


async def test_a_camera_that_is_gone_is_taken_back_and_once_more_when_home_assistant_is_born(
    furnish: Furnish, tmp_path: Path
) -> None:
    gone = "homeassistant/device/edgecam_pi_garage/config"
    message = {"o": {"name": "edgecam"}, "cmps": {"camera": {"p": "camera", "uniq_id": "x"}}}
    (tmp_path / "announced.json").write_text(json.dumps({"alive": {gone: message}}))
    house = furnish({"discovery": False})
    async with living(house) as board:
        assert json.loads(board.now[gone]) == message
        assert gone in board.owned
        assert board.spared, "its states stay while somebody listens"
        await house.clock.advance(6)
        assert board.forgotten == [gone]
        board.hear("homeassistant/status", "homeassistant/status", b"online")
        await house.clock.advance(2)
        assert board.count(gone) == 2
        await house.clock.advance(6)
        assert board.forgotten == [gone, gone]
        board.hear("homeassistant/status", "homeassistant/status", b"online")
        await house.clock.advance(10)
        assert board.forgotten == [gone, gone]
        assert not board.spared


async def test_after_its_end_it_hears_nothing(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        pass
    before = len(board.said)
    house.bus.publish(starts())
    house.bus.publish(CameraLost(camera="birdbox", at=1.0, reason="x"))
    assert len(board.said) == before


async def test_without_mqtt_there_is_no_publisher(furnish: Furnish, tmp_path: Path) -> None:
    house = furnish()
    with pytest.raises(ValueError, match="not configured"):
        Publisher(
            config=model.Config(),
            mqtt=house.board,
            hubs=house.hubs,
            health=house.health,
            settings=house.settings,
            bus=house.bus,
            clock=house.clock,
            control=house.shutter,
            url="http://pi:8000/",
            links=Links(None, lambda address, life: address),
            pool=AtOnce(),
            announced=Announced(tmp_path),
        )


def portrait() -> MotionPicture:
    return MotionPicture(
        camera="birdbox", at=1.0, event_id="e1", jpeg=b"who was there", score=50, width=1, height=1, final=True
    )


async def test_privacy_takes_every_picture_from_the_broker_and_its_end_brings_a_fresh_one(furnish: Furnish) -> None:
    house = furnish(snapshot={"every": "60s"})
    async with living(house) as board:
        house.frame()
        house.bus.publish(portrait())
        await settle()
        before = dict(board.pictures)
        house.settings.set("birdbox", "privacy", True)
        await settle()
        card = board.pictures[f"{BASE}/snapshot"][0]
        assert card.startswith(b"\xff\xd8")
        assert board.pictures[f"{BASE}/motion/snapshot"][0] == card
        assert card not in [kept[0] for kept in before.values()]
        house.bus.publish(portrait())  # the end of the event that privacy cut
        house.bus.publish(SnapshotTaken(camera="birdbox", at=1.0, jpeg=b"late", width=1, height=1, media=None))
        await settle()
        assert {kept[0] for topic, kept in board.pictures.items() if topic.startswith(BASE)} == {card}
        assert board.now[f"{BASE}/privacy"] == "ON"
        house.settings.set("birdbox", "privacy", False)
        await settle()
        house.frame()
        await settle()
        assert board.pictures[f"{BASE}/snapshot"][0] == b"jpeg 2"  # and not a minute later


async def test_a_start_with_privacy_replaces_what_an_earlier_life_left_at_the_broker(furnish: Furnish) -> None:
    house = furnish(privacy=True)
    async with living(house) as board:
        await settle()
        assert set(board.pictures) == {f"{BASE}/snapshot", f"{BASE}/motion/snapshot"}


async def test_a_camera_that_gives_video_has_a_still_as_well(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        plane = np.full((48, 64), 90, np.uint8)
        image = Planes([plane, plane[::2, ::2], plane[::2, ::2]], full=True)
        house.hubs["birdbox"].publish(Frame("birdbox", 1, 1.0, 1.0, Kind.RAW, b"", 64, 48, image=image))
        await settle()
        assert board.pictures[f"{BASE}/snapshot"][0].startswith(b"\xff\xd8")
        assert board.json(f"{BASE}/snapshot/attributes")["resolution"] == "64x48"


async def test_a_picture_that_cannot_be_coded_costs_itself_and_not_the_house(furnish: Furnish) -> None:
    house = furnish(snapshot={"every": "60s"})
    plane = np.full((48, 64), 90, np.uint8)
    odd = Planes([plane, plane, plane[::2]], full=True)
    async with living(house) as board:
        house.hubs["birdbox"].publish(Frame("birdbox", 1, 1.0, 1.0, Kind.RAW, b"", 64, 48, image=odd))
        await settle()
        house.frame("gate")
        await settle()
        assert f"{BASE}/snapshot" not in board.pictures
        assert board.pictures[f"{BASE}/snapshot".replace("birdbox", "gate")][0] == b"jpeg 1"
        house.frame()
        house.frame()
        await house.clock.advance(61)
        assert board.pictures[f"{BASE}/snapshot"][0] == b"jpeg 3"


async def test_a_birth_that_the_broker_remembers_is_no_birth(furnish: Furnish) -> None:
    """What it asks for went out with this connection; otherwise everything would be said twice at each connect."""
    house = furnish()
    async with living(house) as board:
        board.hear("homeassistant/status", "homeassistant/status", b"online", retain=True)
        await house.clock.advance(5)
        assert board.announced == 0


async def test_a_rival_that_is_gone_leaves_its_states_so_ours_are_said_again(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        board.hear("edgecam/pi/health", "edgecam/pi/health", b'{"instance": "ffffff"}')
        await house.clock.advance(179)
        assert board.announced == 0
        await house.clock.advance(5)
        assert board.announced == board.shown == 1, "and so are our pictures: it may have shown something else there"


async def test_a_rival_that_stops_leaves_us_unavailable_for_moments_only(furnish: Furnish) -> None:
    house = furnish()
    async with living(house) as board:
        board.hear("edgecam/pi/status", "edgecam/pi/status", b"offline")  # the will of our own life before
        await house.clock.advance(5)
        assert board.announced == 0
        board.hear("edgecam/pi/health", "edgecam/pi/health", b'{"instance": "ffffff"}')
        for payload, retain in ((b"online", False), (b"offline", True)):
            board.hear("edgecam/pi/status", "edgecam/pi/status", payload, retain=retain)
        await house.clock.advance(5)
        assert board.announced == 0
        board.hear("edgecam/pi/status", "edgecam/pi/status", b"offline")
        await house.clock.advance(60)
        assert board.announced == 1
        assert len(house.health.problems()) == 1, "it may be back at once"


async def test_what_another_box_cleared_is_said_again_once(furnish: Furnish, caplog: pytest.LogCaptureFixture) -> None:
    house = furnish()
    async with living(house) as board:
        board.hear("edgecam/pi/health", "edgecam/pi/health", b"", retain=True)
        await house.clock.advance(5)
        assert board.announced == 0
        board.hear("edgecam/pi/health", "edgecam/pi/health", b"")
        await house.clock.advance(1)
        assert board.announced == 0, "it may not have cleared all"
        await house.clock.advance(60)
        assert board.announced == board.shown == 1
    assert caplog.text.count("somebody cleared what we retain") == 1
