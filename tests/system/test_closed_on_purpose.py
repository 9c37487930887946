"""A camera that is closed on purpose, seen from outside: privacy and idling, over MQTT and HTTP."""

import json
import signal
from pathlib import Path

import pytest

from cam import Cam
from outside import Ear, Edgecam, until
from peers import Mosquitto
from pictures import jpeg

pytestmark = pytest.mark.system

NODE = "edgecam/testbox"
JPEGS = [jpeg(seed, 320, 240) for seed in range(20)]


def state(ear: Ear) -> str:
    told = ear.last("gate/state")
    return json.loads(told)["state"] if told else ""


def test_privacy_closes_the_camera_and_survives_a_crash(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear, Cam(JPEGS, 15) as cam:
        mqtt = {"host": "127.0.0.1", "port": broker.port}
        config = {"mqtt": mqtt, "cameras": {"gate": {"source": cam.url, "snapshot": {"every": "1s"}}}}
        box = Edgecam(tmp_path / "box", config).up()
        try:
            ear.wait("a picture", lambda heard: heard.topic == f"{NODE}/gate/snapshot" and heard.payload in JPEGS)
            assert box.get("cameras/gate/snapshot.jpg")[0] == 200
            ear.say(f"{NODE}/gate/privacy/set", "ON")
            until("privacy is told", lambda: state(ear) == "privacy")
            until("a card is in the place of the picture", lambda: ear.last("gate/snapshot") not in JPEGS)
            until("nobody is connected to the camera", lambda: cam.connections == 0)
            status, _, body = box.get("cameras/gate/snapshot.jpg")
            assert (status, json.loads(body)["reason"]) == (503, "privacy")
            assert ear.last("gate/status") == b"online"
            assert box.health()["problems"] == []
            box.down(signal.SIGKILL)
            asked = cam.asked
            box.up()
            until("privacy is told again", lambda: box.health()["cameras"]["gate"]["state"] == "privacy")
            assert cam.asked == asked, "the camera was opened although privacy is on"
            online = (f"{NODE}/status", b"online")
            ear.wait("it listens again", lambda heard: (heard.topic, heard.payload) == online, nth=2)
            ear.say(f"{NODE}/gate/privacy/set", "OFF")
            until("the camera is back", lambda: box.get("cameras/gate/snapshot.jpg")[2] in JPEGS)
            until("the broker has its picture again", lambda: ear.last("gate/snapshot") in JPEGS)
        finally:
            box.down()


def test_a_camera_that_nobody_wants_is_closed_and_opened_for_a_still(tmp_path: Path) -> None:
    with Cam(JPEGS, 15) as cam:
        gate = {
            "source": {"type": "mjpeg", "url": cam.url, "idle_after": "200ms"},
            "motion": {"enabled": False},
            "record": {"enabled": False},
        }
        with Edgecam(tmp_path / "box", {"cameras": {"gate": gate}}) as box:
            for opened in (1, 2):
                until("it is idle", lambda: box.health()["cameras"]["gate"]["state"] == "idle")
                until("nobody is connected to the camera", lambda: cam.connections == 0)
                assert box.get("cameras/gate/snapshot.jpg")[2] in JPEGS
                assert cam.asked == opened
            assert box.health()["problems"] == []
