"""Live settings of the real daemon: set over MQTT, obeyed as anybody can see, kept over a crash, until the file says
something new.
"""

import json
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from outside import Ear, Edgecam, Heard, until
from peers import Mosquitto

pytestmark = pytest.mark.system

WALL = "edgecam/testbox/wall"
SHEET = "api/cameras/wall/settings"
STREAM = "cameras/wall/stream.mjpg"
WISHES = {
    "record_mode": "continuous",
    "snapshot_interval": "1",
    "streaming": "OFF",
    "min_area": "0.5",
    "cooldown": "7",
}


def started(box: Edgecam, ear: Ear, life: int) -> None:
    box.up()
    online = ("edgecam/testbox/status", b"online")
    ear.wait("it listens", lambda heard: (heard.topic, heard.payload) == online, nth=life)


def told(ear: Ear) -> dict[str, str]:
    return {key: (ear.last(f"{WALL}/{key}") or b"").decode() for key in WISHES}


def changed(box: Edgecam) -> dict[str, Any]:
    sheet = json.loads(box.get(SHEET)[2])
    return {key: row["value"] for key, row in sheet.items() if row["changed"]}


def is_obeyed(box: Edgecam, ear: Ear) -> None:
    """Segments are made, pictures come, and there is no stream but still a snapshot."""
    segments, pictures = len(box.sidecars()), len(ear.all(f"{WALL}/snapshot"))
    until("segments are recorded", lambda: len(box.sidecars()) >= segments + 2)
    until("a picture comes each second", lambda: len(ear.all(f"{WALL}/snapshot")) >= pictures + 3)
    assert {sidecar["kind"] for sidecar in box.sidecars()} == {"continuous"}
    status, _, body = box.get(STREAM)
    assert (status, json.loads(body)["reason"]) == (503, "disabled")
    assert box.get("cameras/wall/snapshot.jpg")[0] == 200


def test_settings_are_obeyed_at_once_and_survive_a_crash_until_the_file_says_something_new(tmp_path: Path) -> None:
    wall: dict[str, Any] = {
        "source": "synthetic",
        "motion": {"enabled": False},
        "snapshot": {"every": "1h"},
        "record": {"mode": "event", "continuous": {"segment": "1s"}},
    }
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        box = Edgecam(tmp_path / "box", {"mqtt": {"host": "127.0.0.1", "port": broker.port}, "cameras": {"wall": wall}})
        try:
            started(box, ear, 1)
            with urllib.request.urlopen(box.url + STREAM, timeout=20) as stream:  # noqa: S310  (our own loopback)
                assert stream.read(1000)
                for key, payload in WISHES.items():
                    ear.say(f"{WALL}/{key}/set", payload)
                until("all is told as it was wished", lambda: told(ear) == WISHES)
                while stream.read(65536):
                    pass
            is_obeyed(box, ear)
            nonsense = len(ear.all(f"{WALL}/cooldown"))
            ear.say(f"{WALL}/cooldown/set", "soon")
            until("the truth is told again", lambda: len(ear.all(f"{WALL}/cooldown")) > nonsense)
            assert told(ear) == WISHES
            assert f"{WALL}/cooldown/set: ignored: must be a whole number from 1 to 3600" in box.log
            kept = box.library / "state" / "settings.json"
            until("it is on disk", lambda: len(json.loads(kept.read_bytes())["wall"]) == len(WISHES))

            box.down(signal.SIGKILL)
            ear.say(f"{WALL}/record_mode/set", "event", retain=True)
            started(box, ear, 2)

            def cleared(heard: Heard) -> bool:
                return heard.topic == f"{WALL}/record_mode/set" and not heard.payload

            ear.wait("the replay is cleared", cleared)
            assert told(ear) == WISHES
            is_obeyed(box, ear)
            box.down()

            wall["record"]["mode"] = "both"
            started(box, ear, 3)
            until("the file's new value is told", lambda: ear.last(f"{WALL}/record_mode") == b"both")
            until("the old setting is forgotten", lambda: "record_mode" not in json.loads(kept.read_bytes())["wall"])
            others = {"snapshot_interval": 1, "streaming": False, "min_area": 0.5, "cooldown": 7}
            assert changed(box) == others
            assert box.send("PATCH", SHEET, dict.fromkeys(others))[0] == 200
            until("the file's values are told", lambda: ear.last(f"{WALL}/snapshot_interval") == b"3600")
            assert changed(box) == {}
            box.down()

            wall["record"]["mode"] = "event"
            started(box, ear, 4)
            until("the file's old value is told", lambda: ear.last(f"{WALL}/record_mode") == b"event")
            with urllib.request.urlopen(box.url + STREAM, timeout=20) as stream:  # noqa: S310  (our own loopback)
                assert stream.read(1000)
        finally:
            box.down()
