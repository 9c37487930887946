"""The offload of the real daemon as Home Assistant sees it: whether the store works, and the switch of a camera."""

from pathlib import Path

import pytest

from outside import Ear, Edgecam, until
from peers import Mosquitto

pytestmark = pytest.mark.system

WALL = "edgecam/testbox/wall"


def test_the_store_is_tried_at_the_start_and_a_switch_holds_back_a_camera(tmp_path: Path) -> None:
    nas = tmp_path / "nas"
    nas.touch()  # something that is no folder is in the way
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        config = {
            "mqtt": {"host": "127.0.0.1", "port": broker.port},
            "offload": {"store": {"type": "folder", "path": str(nas)}},
            "cameras": {"wall": {"source": "synthetic", "motion": {"enabled": False}}},
        }
        with Edgecam(tmp_path / "box", config) as box:
            until("the store is known not to work", lambda: box.health()["spool"]["state"] == "blocked")
            [problem] = box.health()["problems"]
            assert problem.startswith(f"store: {nas}: ")
            nas.unlink()
            assert box.send("POST", "api/spool/retry")[0] == 202
            until("the store works", lambda: box.health()["spool"]["state"] == "ok")
            assert f"the store works: folder {nas} (put, head, delete allowed)" in box.log

            ear.say(f"{WALL}/offload/set", b"OFF")
            until("the switch is off", lambda: ear.last(f"{WALL}/offload") == b"OFF")
            until("there is something to save", lambda: box.health()["cameras"]["wall"]["buffer_seconds"])
            ear.say(f"{WALL}/save_clip/set", b"PRESS")
            until("the clip is held", lambda: box.health()["spool"]["state"] == "held")
            assert box.health()["spool"]["reason"] == "the offload of wall is switched off"
            [id] = box.waiting()
            assert box.health()["problems"] == []
            ear.say(f"{WALL}/offload/set", b"ON")
            assert ear.event("clip_stored")["id"] == id
            assert box.waiting() == []
