"""Motion zones and triggers of the real daemon, as Home Assistant and a door bell see them."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cam import Cam
from footage import drawn
from outside import Ear, Edgecam, probe, until
from peers import Mosquitto

pytestmark = pytest.mark.system

WALL = "edgecam/testbox/wall"
DEVICE = "homeassistant/device/edgecam_testbox_wall/config"
ZONES = {
    "sky": {"polygon": [[0, 0], [1, 0], [1, 0.25], [0, 0.25]], "sensitivity": 60},
    "garden_path": {"polygon": [[0.3, 0.3], [0.7, 0.3], [0.7, 0.9], [0.3, 0.9]], "cooldown": "500ms"},
}
"""The figure of the drawn footage crosses the second one."""


def wall(event: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()


def test_a_zone_that_is_crossed_goes_on_and_off_and_names_itself_and_one_that_is_not_stays_off(tmp_path: Path) -> None:
    scene = drawn((320, 180), fps=10.0)
    with (
        Mosquitto(tmp_path / "mqtt") as broker,
        Ear(broker.port) as ear,
        Cam(scene.jpegs, scene.fps, loop=False) as cam,
    ):
        camera = {
            "source": cam.url,
            "motion": {"cooldown": "1500ms", "settle": "1s", "zones": ZONES},
            "record": {"event": {"pre": "1s", "post": "1s"}},
        }
        config = {"mqtt": {"host": "127.0.0.1", "port": broker.port}, "cameras": {"wall": camera}}
        box = Edgecam(tmp_path / "box", config)
        with box:
            ended = ear.event("motion_ended")
            assert ended["zones"] == ["garden_path"]
            saved = ear.event("clip_saved")
            until("the zone is off", lambda: ear.last(f"{WALL}/zone/garden_path") == b"OFF")
            crossed = [heard.payload for heard in ear.all(f"{WALL}/zone/garden_path")]
            assert crossed[:3] == [b"OFF", b"ON", b"OFF"]
            assert {heard.payload for heard in ear.all(f"{WALL}/zone/sky")} == {b"OFF"}
            [sidecar] = box.sidecars()
            assert (sidecar["zones"], sidecar["cause"], sidecar["id"]) == (["garden_path"], "motion", saved["id"])
            for zone, count in (("garden_path", 1), ("sky", 0)):
                assert len(json.loads(box.get(f"api/events?camera=wall&zone={zone}")[2])["events"]) == count
            components = json.loads(ear.last(DEVICE) or b"")["cmps"]
            assert components["zone_garden_path"]["name"] == "Garden path"
            assert components["zone_sky"]["stat_t"] == f"{WALL}/zone/sky"
        camera["motion"] = {"zones": {"sky": ZONES["sky"]}}
        with box:
            until("the zone that is gone is cleared", lambda: ear.last(f"{WALL}/zone/garden_path") == b"")
        assert ear.last(f"{WALL}/zone/sky") == b"OFF"


@pytest.mark.parametrize("way", ["mqtt", "http"])
def test_a_trigger_with_motion_detection_off_makes_an_event_with_its_pre_roll_and_its_cause(
    way: str, tmp_path: Path
) -> None:
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        config = {
            "mqtt": {"host": "127.0.0.1", "port": broker.port},
            "cameras": {
                "wall": {
                    "source": {"type": "synthetic", "size": "320x180"},
                    "snapshot": {"every": None},
                    "motion": {"enabled": False},
                    "record": {"event": {"pre": "2s", "post": "1s"}},
                }
            },
        }
        with Edgecam(tmp_path / "box", config) as box:
            until("the pre-roll is there", lambda: box.health()["cameras"]["wall"]["buffer_seconds"] >= 3)
            if way == "mqtt":
                cause = "mqtt"
                ear.say(f"{WALL}/trigger/set", "2s")
                started = ear.event("motion_started")
            else:
                cause = "pir"
                status, _, body = box.send("POST", "api/cameras/wall/trigger", {"duration": "2s", "cause": cause})
                assert status == 200
                started = ear.event("motion_started")
                assert started["event_id"] == json.loads(body)["event_id"]
            until("motion is on", lambda: b"ON" in [heard.payload for heard in ear.all(f"{WALL}/motion")])
            ended, saved = ear.event("motion_ended"), ear.event("clip_saved")
            until("motion is off", lambda: ear.last(f"{WALL}/motion") == b"OFF")
            assert {event["event_id"] for event in (started, ended, saved)} == {started["event_id"]}
            assert {event["cause"] for event in (started, ended, saved)} == {cause}
            assert ended["duration"] == 2
            assert json.loads(ear.last(f"{WALL}/motion/attributes") or b"")["cause"] == cause
            [sidecar] = box.sidecars()
            assert (sidecar["event_id"], sidecar["cause"]) == (started["event_id"], cause)
            begin, end = (datetime.fromisoformat(sidecar[key]).timestamp() for key in ("start", "end"))
            assert wall(started) - begin == pytest.approx(2, abs=0.5)
            assert end - wall(ended) == pytest.approx(1, abs=0.5)
            [film] = box.library.glob("recordings/wall/*/*.mp4")
            assert float(probe(film)["format"]["duration"]) == pytest.approx(5, abs=1)
            assert film.with_suffix(".jpg").read_bytes() == ear.last(f"{WALL}/motion/snapshot")
            assert box.health()["cameras"]["wall"]["last_motion"] is None  # nothing has moved

            ear.say(f"{WALL}/privacy/set", "ON")
            until("privacy is on", lambda: ear.last(f"{WALL}/privacy") == b"ON")
            status, _, body = box.send("POST", "api/cameras/wall/trigger", {})
            assert (status, json.loads(body)["error"]) == (503, "wall: privacy is on")
            ear.say(f"{WALL}/trigger/set", "PRESS")
            until("the refusal is in the log", lambda: "wall: no event: privacy is on" in box.log)
            assert len(ear.events("motion_started")) == 1
