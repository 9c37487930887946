"""Reload and restart from outside: whoever asks is told what became of it, and what ran ends as it should."""

import json
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cam import Cam
from outside import Ear, Edgecam, Heard, until
from peers import Mosquitto
from pictures import jpeg

pytestmark = pytest.mark.system

BASE = "edgecam/testbox"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as up:
        yield up


@pytest.fixture
def ear(broker: Mosquitto) -> Iterator[Ear]:
    with Ear(broker.port) as listening:
        yield listening


@pytest.fixture
def box(tmp_path: Path, broker: Mosquitto, ear: Ear) -> Iterator[Edgecam]:
    config = {"mqtt": {"host": broker.host, "port": broker.port}, "cameras": {"meadow": {"source": "synthetic"}}}
    with Edgecam(tmp_path / "box", config) as up:
        online(ear)
        yield up


def online(ear: Ear, nth: int = 1) -> Heard:
    return ear.wait(
        "online", lambda heard: (heard.topic, heard.payload) == (f"{BASE}/status", b"online"), within=40.0, nth=nth
    )


def write(box: Edgecam, **sections: object) -> Path:
    """The file as it was, with these sections in the place of the old ones, on the address that it has by now."""
    file = box.folder / "config.yaml"
    file.write_text(yaml.safe_dump({**box.config, "http": {"listen": box.url[7:-1]}, **sections}))
    return file


def asked(ear: Ear, verb: str, nth: int = 1, **sent: object) -> dict[str, Any]:
    ear.say(f"{BASE}/request/{verb}", json.dumps(sent))
    return ear.wait("the answer", lambda heard: heard.topic == f"{BASE}/response/{verb}", nth=nth).json


def states(pid: int) -> list[str]:
    """Of a process's children: R, S, Z, … (proc(5))."""
    children = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")).split()
    return [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] for child in children]


def started(box: Edgecam) -> object:
    return box.health()["started"]


TWO: Mapping[str, object] = {"meadow": {"source": "synthetic"}, "gate": {"source": "synthetic"}}


def test_a_reload_over_mqtt_is_answered_told_and_in_force(box: Edgecam, ear: Ear) -> None:
    before = started(box)
    assert box.send("GET", "api/reload")[0] == 200
    write(box, cameras=TWO)
    would = json.loads(box.get("api/reload")[2])
    assert would == {"changed": ["http.listen", "cameras.gate"], "restarted": ["everything"]}
    assert asked(ear, "reload")["data"] == would
    told = ear.event("config_reloaded")
    assert (told["changed"], told["restarted"]) == (would["changed"], would["restarted"])
    online(ear, 2)
    until("the page answers", lambda: "gate" in box.health()["cameras"])
    assert started(box) != before
    assert asked(ear, "reload", nth=2)["data"] == {"changed": [], "restarted": []}
    assert ear.event("config_reloaded", nth=2)["changed"] == []
    statuses = [heard.payload for heard in ear.all(f"{BASE}/status")]
    assert statuses == [b"online", b"offline", b"online"]


def test_a_wrong_file_changes_nothing_and_each_complaint_has_its_place(box: Edgecam, ear: Ear) -> None:
    before = started(box)
    file = write(box, cameras={"Meadow": {"source": "synthetic"}}, offload={"store": {"type": "folder"}})
    said = asked(ear, "reload")
    assert (said["status"], said["data"]) == ("error", None)
    told = ear.event("config_error")["problems"]
    assert len(told) == 2
    for problem in told:
        assert problem.startswith(f"{file}:")
        assert problem in said["error"]
        assert problem in box.log
    status, _, body = box.send("POST", "api/reload")
    assert (status, json.loads(body)["problems"]) == (422, told)
    assert asked(ear, "restart")["status"] == "error"  # it could not start again with this file
    assert box.log.count("old configuration stays in force") == 3  # one for each who asked
    assert started(box) == before
    assert [heard.payload for heard in ear.all(f"{BASE}/status")] == [b"online"]


def test_http_and_the_button_and_the_signal_do_the_same(box: Edgecam, ear: Ear) -> None:
    def press() -> None:
        ear.say(f"{BASE}/reload/set", "PRESS")

    def post() -> None:
        assert json.loads(box.send("POST", "api/reload")[2])["changed"]

    def hang_up() -> None:
        assert box.process is not None
        box.process.send_signal(signal.SIGHUP)

    for nth, ask in enumerate((press, post, hang_up), 1):
        write(box, cameras={"meadow": {"source": "synthetic", "name": f"Name {nth}"}})
        ask()
        assert "cameras.meadow.name" in ear.event("config_reloaded", nth=nth)["changed"]
        online(ear, nth + 1)
        until("the page answers", lambda: box.log.count("listening on") == nth + 1)  # noqa: B023


def test_a_reload_that_moves_to_another_broker_is_told_there(tmp_path: Path, box: Edgecam, ear: Ear) -> None:
    with Mosquitto(tmp_path / "other") as other, Ear(other.port) as there:
        write(box, mqtt={"host": other.host, "port": other.port})
        assert asked(ear, "reload")["data"]["changed"] == ["mqtt.port", "http.listen"]
        assert there.event("config_reloaded")["changed"] == ["mqtt.port", "http.listen"]
        assert ear.last(f"{BASE}/status") == b"offline"
        box.down()


def test_a_restart_is_a_fresh_program_in_the_same_process(
    tmp_path: Path, broker: Mosquitto, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)

        def hear(words: str) -> None:
            while not manager.recv(4096).decode().startswith(words):
                pass

        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        schedule = {"every": "10s", "move": "9s"}
        cameras = {"meadow": {"source": {"type": "synthetic", "schedule": schedule}}}
        store = {"store": {"type": "folder", "path": str(tmp_path / "store")}}
        config = {"mqtt": {"host": broker.host, "port": broker.port}, "cameras": cameras, "offload": store}
        box = Edgecam(tmp_path / "box", config).up()
        assert box.process is not None
        hear("READY=1")
        ear.event("motion_started")
        first, pid = ear.wait("health", lambda heard: heard.topic == f"{BASE}/health").json, box.process.pid
        said = asked(ear, "restart", transaction=5)
        assert said == {"status": "ok", "data": None, "error": None, "transaction": 5}
        hear("RELOADING=1")
        hear("READY=1")
        online(ear, 2)
        until("the new health", lambda: ear.all(f"{BASE}/health")[-1].json["started"] > first["started"])
        assert box.process.poll() is None
        assert "Z" not in states(pid)  # nobody is left whom the old program should have waited for
        [clip, *_] = box.sidecars()  # which was being written
        assert clip["kind"] == "event"
        assert not clip["interrupted"]
        assert box.log.count("edgecam begins afresh") == 1
        assert [heard.payload for heard in ear.all(f"{BASE}/status")] == [b"online", b"offline", b"online"]
        ear.say(f"{BASE}/restart/set", "PRESS")
        online(ear, 3)
        assert box.process.pid == pid
        assert box.down() == 0


def test_a_camera_is_closed_and_opened_anew_and_is_never_called_lost(
    tmp_path: Path, broker: Mosquitto, ear: Ear
) -> None:
    with Cam([jpeg()], 10) as cam:
        config = {"mqtt": {"host": broker.host, "port": broker.port}, "cameras": {"wall": {"source": cam.url}}}
        with Edgecam(tmp_path / "box", config) as box:
            ear.wait("a picture", lambda heard: heard.topic == f"{BASE}/wall/snapshot")
            before = box.health()["cameras"]["wall"]
            ear.say(f"{BASE}/wall/restart/set", "PRESS")
            until("frames come again", lambda: "wall: frames again" in box.log)
            until("more frames", lambda: box.health()["cameras"]["wall"]["frames"] > before["frames"] + 5)
            after = box.health()["cameras"]["wall"]
            assert (after["state"], after["reconnects"]) == ("running", before["reconnects"])
            assert "wall: is restarted" in box.log
        assert [heard.payload for heard in ear.all(f"{BASE}/wall/status")] == [b"online"]
