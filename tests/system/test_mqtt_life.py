"""The daemon at a real broker through its life: born, frozen, killed, renamed, asked, and never twice."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from outside import Ear, Edgecam, until
from peers import Mosquitto

pytestmark = pytest.mark.system

NODE = "edgecam/testbox"
QUIET = {"enabled": False}
SCENE = {"type": "synthetic", "size": "320x180", "fps": 5, "schedule": {"every": "10m", "move": "3s"}}
CAMERA = {
    "source": SCENE,
    "snapshot": {"every": "1s"},
    "motion": {"settle": "0s", "cooldown": "2s"},
    "record": QUIET,
}


def settings(broker: Mosquitto, *cameras: str, **mqtt: object) -> dict[str, Any]:
    return {
        "mqtt": {"host": "127.0.0.1", "port": broker.port, "keepalive": "5s", **mqtt},
        "cameras": dict.fromkeys(cameras or ("wall",), CAMERA),
    }


def told(ear: Ear, topic: str, payload: bytes, within: float = 30.0) -> None:
    until(f"{topic} says {payload!r}", lambda: ear.last(topic) == payload, within)


def kept(broker: Mosquitto) -> dict[str, bytes]:
    """All that the broker remembers."""
    with Ear(broker.port) as late:

        def asked() -> object:
            late.say("end/of/all", "")
            return late.all("end/of/all")

        until("what is kept has come, which comes first", asked)
        return {heard.topic: heard.payload for heard in late.all("") if heard.retain}


def lasting(folder: Path) -> Mosquitto:
    """A broker that remembers across its own restarts."""
    folder.mkdir()
    return Mosquitto(folder, lines=["persistence true", f"persistence_location {folder}/", "autosave_interval 1"])


def test_a_frozen_box_is_offline_and_thaws_with_the_truth(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        with Edgecam(tmp_path / "box", settings(broker)) as box:
            told(ear, f"{NODE}/wall/motion", b"ON")
            assert box.process is not None
            os.kill(box.process.pid, signal.SIGSTOP)
            try:
                told(ear, f"{NODE}/status", b"offline")
                ear.say(f"{NODE}/wall/sensitivity/set", "70")
            finally:
                os.kill(box.process.pid, signal.SIGCONT)
            told(ear, f"{NODE}/status", b"online")
            told(ear, f"{NODE}/wall/motion", b"OFF")
            (offline,) = [heard for heard in ear.all(f"{NODE}/status") if heard.payload == b"offline"]
            began = ear.events("motion_started")[0]["event_id"]
            later = [heard for heard in ear.all("/motion") if heard.at > offline.at]
            named = {heard.json["event_id"] for heard in ear.all("/motion/attributes") if heard.at > offline.at}
            ended = {heard.payload for heard in later} == {b"OFF"}
            assert ended or began not in named, "the motion of before the frost is over; what moves now is another one"
            ear.say(f"{NODE}/wall/sensitivity/set", "80")
            told(ear, f"{NODE}/wall/sensitivity", b"80")
        told(ear, f"{NODE}/status", b"offline")


def test_two_nodes_on_one_broker_do_not_meet(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        other = Edgecam(tmp_path / "other", settings(broker) | {"node": "other"})
        with Edgecam(tmp_path / "box", settings(broker)) as box, other:
            for node in ("testbox", "other"):
                told(ear, f"edgecam/{node}/status", b"online")
                told(ear, f"edgecam/{node}/wall/status", b"online")
            ear.say(f"{NODE}/wall/motion_detection/set", "OFF")
            told(ear, f"{NODE}/wall/motion_detection", b"OFF")
            assert ear.last("edgecam/other/wall/motion_detection") == b"ON"
            other.down(signal.SIGKILL)
            told(ear, "edgecam/other/status", b"offline")
            assert ear.last(f"{NODE}/status") == b"online"
            assert box.health()["mqtt"]["rival"] is None


def test_two_boxes_of_one_name_are_a_loud_problem_and_no_fight(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        with Edgecam(tmp_path / "box", settings(broker)) as box:
            told(ear, f"{NODE}/status", b"online")
            with Edgecam(tmp_path / "copy", settings(broker)) as copy:
                for one in (box, copy):
                    until("it is a problem", lambda one=one: one.health()["mqtt"]["rival"])  # type: ignore[misc]
                    (problem,) = one.health()["problems"]
                    assert "uses our node name testbox; one needs another `node:`" in problem
                    assert one.log.count("uses our node name testbox") == 1
                    assert one.health()["mqtt"]["connected"]
        assert broker.log.count(" as edgecam-testbox-") == 2, "nobody had to come twice"


def test_what_is_no_longer_configured_is_cleared_whatever_happens_meanwhile(tmp_path: Path) -> None:
    """Cameras, node, base topic and prefix change; the broker is away or the box is killed in between."""
    with lasting(tmp_path / "mqtt") as broker:
        box = Edgecam(tmp_path / "box", settings(broker, "wall", "gate"))
        lives(box, broker, edgecam={"testbox": ["wall", "gate"]})
        box.config = {**box.config, **settings(broker, "wall", "yard")}
        lives(box, broker, edgecam={"testbox": ["wall", "yard"]})
        box.config = {**box.config, "node": "renamed"}
        lives(box, broker, edgecam={"renamed": ["wall", "yard"]})
        box.config = {**box.config, **settings(broker, "wall", base_topic="cams")}
        lives(box, broker, cams={"renamed": ["wall"]})

        broker.down()
        box.config = {**box.config, **settings(broker, "yard", base_topic="cams", discovery="ha")}
        box.up()
        box.down(signal.SIGKILL)  # it has read what it owned, and could not clear it
        broker.up()
        lives(box, broker, prefix="ha", cams={"renamed": ["yard"]})
        box.config = {**box.config, **settings(broker, "yard", base_topic="cams", discovery=False)}
        lives(box, broker, prefix="", cams={"renamed": ["yard"]})


def lives(box: Edgecam, broker: Mosquitto, prefix: str = "homeassistant", **bases: Mapping[str, list[str]]) -> None:
    """One life of the box, ended by force; at the broker is what its cameras need, and nothing else."""
    ((base, nodes),) = bases.items()
    ((node, cameras),) = nodes.items()
    homes = tuple(f"{base}/{node}/{camera}/" for camera in cameras)
    devices = {f"{prefix}/device/edgecam_{node}{suffix}/config" for suffix in ("", *(f"_{id}" for id in cameras))}
    wanted = {f"{base}/{node}/status", f"{base}/{node}/health"} | (devices if prefix else set())

    def complete() -> bool:
        found = kept(broker)
        pictures = all(found.get(f"{home}snapshot", b"").startswith(b"\xff\xd8") for home in homes)
        others = {topic for topic in found if not topic.startswith(homes)}
        return pictures and others == wanted and found[f"{base}/{node}/status"] == b"online"

    box.up()
    try:
        until("all is there, and nothing else", complete, 30)
    except AssertionError as error:
        error.add_note(f"there are {sorted(kept(broker))}")
        raise
    finally:
        box.down(signal.SIGKILL)


def test_two_boxes_may_swap_their_names(tmp_path: Path) -> None:
    """Each clears what it owned under its old name, which is the other's by now."""
    with Mosquitto(tmp_path / "mqtt") as broker:
        one, two = (Edgecam(tmp_path / name, settings(broker) | {"node": name}) for name in ("one", "two"))
        needed = {f"edgecam/{node}/{topic}" for node in ("one", "two") for topic in ("status", "health", "wall/state")}
        needed |= {f"homeassistant/device/edgecam_{node}_wall/config" for node in ("one", "two")}
        with one, two:
            until("both are there", lambda: needed <= kept(broker).keys())
        one.config["node"], two.config["node"] = "two", "one"
        with one:
            until("it has cleared its old name", lambda: "edgecam/one/health" not in kept(broker))
            with two:
                until("somebody noticed", lambda: "somebody cleared what we retain" in one.log)
                until("both are there", lambda: needed <= kept(broker).keys())


def test_settings_survive_and_a_remembered_command_is_neither_obeyed_nor_kept(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        box = Edgecam(tmp_path / "box", settings(broker))
        with box:
            told(ear, f"{NODE}/wall/status", b"online")
            ear.say(f"{NODE}/wall/sensitivity/set", "77")
            ear.say(f"{NODE}/wall/recording/set", "ON")
            told(ear, f"{NODE}/wall/sensitivity", b"77")
            told(ear, f"{NODE}/wall/recording", b"ON")
        for number in range(200):
            ear.say(f"{NODE}/wall/nonsense{number}/set", "ON", retain=True)
        ear.say(f"{NODE}/wall/recording/set", "OFF", retain=True)
        ear.say(f"{NODE}/wall/sensitivity/set", "1", retain=True)
        told(ear, f"{NODE}/wall/sensitivity/set", b"1")
        seen = len(ear.all(f"{NODE}/wall/recording"))
        with box:
            until("they are cleared", lambda: not [topic for topic in kept(broker) if topic.endswith("/set")])
            told(ear, f"{NODE}/status", b"online")
            assert ear.last(f"{NODE}/wall/sensitivity") == b"77"
            told_again = [heard.payload for heard in ear.all(f"{NODE}/wall/recording")[seen:]]
            assert set(told_again) <= {b"ON"}
            assert box.health()["mqtt"]["connected"]
        assert box.log.count("a command must not be retained") == 5
        assert broker.log.count(" as edgecam-testbox-") == 2


def test_a_birth_brings_everything_again_once(tmp_path: Path) -> None:
    """Also when Home Assistant is born again and again, while pictures are sent, and on a topic of its own."""
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        ear.say("ha/born", "online", retain=True)  # of long ago
        config = settings(broker, "wall", "gate", birth_topic="ha/born")
        with Edgecam(tmp_path / "box", config) as box:
            device = "homeassistant/device/edgecam_testbox_wall/config"
            told(ear, f"{NODE}/gate/status", b"online")
            ear.wait("pictures", lambda heard: heard.topic == f"{NODE}/gate/snapshot", nth=4)  # 3 s and more
            assert len(ear.all(device)) == 1, "a remembered birth must not bring everything twice"
            ear.say(device, b"", retain=True)  # somebody wiped it
            ear.say("ha/born", "offline")
            for _ in range(10):
                ear.say("ha/born", "online")
            until("it is announced again", lambda: ear.all(device)[-1].payload)
            seen = len(ear.all(f"{NODE}/gate/snapshot"))
            ear.wait("pictures", lambda heard: heard.topic == f"{NODE}/gate/snapshot", nth=seen + 4)
            assert len([heard for heard in ear.all(device) if heard.payload]) == 2, "ten births are one"
            assert device in kept(broker)
            assert box.health()["problems"] == []


def test_a_broker_that_remembers_the_past_is_told_the_present(tmp_path: Path) -> None:
    """Its database is of the moment when it went away; the motion that it remembers has ended."""
    with lasting(tmp_path / "mqtt") as broker, Edgecam(tmp_path / "box", settings(broker)) as box:
        until("motion is remembered", lambda: kept(broker).get(f"{NODE}/wall/motion") == b"ON")
        broker.down()
        until("motion ends", lambda: not box.health()["cameras"]["wall"]["moving"])
        broker.up()
        until("the truth is there", lambda: kept(broker).get(f"{NODE}/wall/motion") == b"OFF")
        until("it is online", lambda: kept(broker)[f"{NODE}/status"] == b"online")


def test_a_broker_with_too_small_a_limit_is_told_and_gets_all_that_it_takes(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "mqtt", lines=["max_packet_size 4000"]) as broker, Ear(broker.port) as ear:
        with Edgecam(tmp_path / "box", settings(broker)) as box:
            told(ear, f"{NODE}/status", b"online")
            (problem,) = until("it is told", lambda: box.health()["problems"])
            assert problem.startswith("mqtt: the broker takes too little for homeassistant/device/edgecam_testbox")
            assert problem.endswith("(packets of 4000 bytes); raise its limit")
            picture = ear.wait("a picture", lambda heard: heard.topic == f"{NODE}/wall/snapshot").payload
            assert picture.startswith(b"\xff\xd8")
            assert len(picture) < 4000
            told(ear, f"{NODE}/wall/status", b"online")
        assert box.log.count("takes too little") == 1
