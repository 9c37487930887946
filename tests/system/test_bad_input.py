"""Nonsense from every side: in the file, from cameras, in messages. A clear word for each; the daemon lives."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from cam import Cam
from httpcam import Fault
from outside import Ear, Edgecam, until
from peers import Mosquitto
from pictures import jpeg

pytestmark = pytest.mark.system

BROKEN = {
    "truncated": Fault.TRUNCATED,
    "garbage": Fault.GARBAGE,
    "bomb": Fault.BOMB,
    "drip": Fault.DRIP,
    "mute": Fault.SILENT,
    "no_http": Fault.NOT_HTTP,
    "missing": Fault.MISSING,
}
ABSURD = [
    ("wall/sensitivity/set", b""),
    ("wall/sensitivity/set", b"\x00" * 1000),
    ("wall/sensitivity/set", b"\xff\xfe"),
    ("wall/sensitivity/set", b"NaN"),
    ("wall/sensitivity/set", b"9" * 5_000_000),
    ("wall/sensitivity/set", b"101"),
    ("wall/recording/set", b"perhaps"),
    ("wall/recording/set", b'{"state": "ON"}'),
    ("nobody/recording/set", b"ON"),
    ("wall/no_such_thing/set", b"ON"),
    ("wall/take_snapshot/set", b"not PRESS"),
    ("wall/save_clip/set", b"2d"),
]


def test_broken_cameras_are_offline_each_with_its_reason_and_a_good_one_goes_on(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        cams = {name: stack.enter_context(Cam([jpeg()], 10)) for name in [*BROKEN, "wall"]}
        for name, fault in BROKEN.items():
            cams[name].break_(fault)
        cameras = {
            name: {"source": {"type": "mjpeg", "url": cam.url, "stall_timeout": "2s"}} for name, cam in cams.items()
        }
        box = stack.enter_context(Edgecam(tmp_path / "box", {"cameras": cameras}))
        until("the good camera is online", lambda: box.get("cameras/wall/snapshot.jpg")[0] == 200)
        for name in BROKEN:
            check_offline(box, name)
        assert box.health()["cameras"]["wall"]["online"]
        assert box.health()["memory"]["rss"] < 200e6
        cams["truncated"].break_(Fault.NONE)
        until("a camera that was mended is online", lambda: box.health()["cameras"]["truncated"]["online"])
        assert "Traceback" not in box.log


def check_offline(box: Edgecam, name: str) -> None:
    """It says so, says why, and shows no picture."""
    until(f"{name} is offline", lambda: not box.health()["cameras"][name]["online"])
    assert box.health()["cameras"][name]["problem"]
    assert box.get(f"cameras/{name}/snapshot.jpg")[0] == 503


def test_absurd_messages_change_nothing_and_are_told(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path / "mqtt") as broker,
        Ear(broker.port) as ear,
        Cam([jpeg()], 10) as cam,
    ):
        config = {"mqtt": {"host": "127.0.0.1", "port": broker.port}, "cameras": {"wall": {"source": cam.url}}}
        with Edgecam(tmp_path / "box", config) as box:
            ear.wait("online", lambda heard: heard.topic == "edgecam/testbox/status" and heard.payload == b"online")
            for topic, payload in ABSURD:
                ear.say(f"edgecam/testbox/{topic}", payload)
            ear.say("edgecam/testbox/wall/sensitivity/set", b"77")
            ear.wait(
                "the good command after them",
                lambda heard: heard.topic.endswith("/sensitivity") and heard.payload == b"77",
            )
            assert ear.last("wall/recording") == b"ON"
            assert box.log.count("sensitivity/set: ignored") >= 4, box.log
            assert "Traceback" not in box.log
            assert box.health()["problems"] == []


def test_http_nonsense_is_refused_and_the_page_lives(tmp_path: Path) -> None:
    with Cam([jpeg()], 10) as cam, Edgecam(tmp_path / "box", {"cameras": {"wall": {"source": cam.url}}}) as box:
        for path in (
            "cameras/..%2f..%2fetc/snapshot.jpg",
            "media/..%2f..%2fetc%2fpasswd.mp4",
            "media/%00.mp4",
            "cameras/wall/snapshot.jpg?width=1e99",
            "cameras/wall/stream.mjpg?fps=nan",
            "cameras/wall/snapshot.jpg?width=-5&quality=none",
            "api/cameras/nobody",
            "api/cameras/wall/recordings?date=..%2f..%2fetc",
            "api/cameras/wall/export.mp4?from=x&to=y",
            "api/events?from=never",
            "api/media/..%2fx",
        ):
            assert 400 <= box.get(path)[0] < 500, path
        assert box.get("healthz")[0] == 200
        assert "Traceback" not in box.log


def test_a_wrong_file_ends_with_two_and_every_mistake_by_its_place(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "mqtt:\n"
        "  host: broker\n"
        "  pasword: hunter2\n"
        "cameras:\n"
        "  birdbox:\n"
        "    source: http://cam/stream\n"
        "    motion: {sensitvity: 60, cooldown: 10}\n"
        "  Bird Box:\n"
        "    source: synthetic\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", "run", "-c", str(file)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 4, done.stderr
    assert lines[0] == f"{file}:3:3: mqtt.pasword: unknown option (did you mean 'password'?)"
    assert [line.split(": ")[0].removeprefix(str(file)) for line in lines] == [":3:3", ":7:14", ":7:40", ":8:3"]
    assert "hunter2" not in done.stderr
