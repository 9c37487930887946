"""The daemon as a process: exit codes, reload, one at a time, and the demo that shows it all."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cam import Cam
from outside import Edgecam, until
from pictures import jpeg

pytestmark = pytest.mark.system


def test_sigterm_ends_with_zero_and_sigint_too(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        box = Edgecam(tmp_path / number.name, {"cameras": {"meadow": {"source": "synthetic"}}}).up()
        assert box.down(number) == 0
        assert box.log.rstrip().endswith("stopped")


def test_systemd_is_told_of_begin_reload_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        def heard(words: str) -> None:
            while not manager.recv(4096).decode().startswith(words):
                pass

        box = Edgecam(tmp_path / "box", {"cameras": {}}).up()
        assert box.process is not None
        heard("READY=1")
        file = tmp_path / "box" / "config.yaml"
        file.write_text(file.read_text().replace("testbox", "otherbox"))
        box.process.send_signal(signal.SIGHUP)
        heard("RELOADING=1")
        heard("READY=1")
        assert box.down() == 0
        heard("STOPPING=1")


def test_a_second_daemon_on_the_same_storage_is_refused_by_name(tmp_path: Path) -> None:
    with Edgecam(tmp_path / "box", {"cameras": {}}) as box:
        assert box.process is not None
        file = tmp_path / "box" / "config.yaml"
        second = subprocess.run(
            [sys.executable, "-m", "edgecam", "run", "-c", str(file)], capture_output=True, text=True, timeout=30
        )
        assert second.returncode == 1
        assert str(box.process.pid) in second.stderr


def test_a_taken_port_ends_with_one_and_names_the_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump({"http": {"listen": f"127.0.0.1:{port}"}, "storage": {"path": str(tmp_path)}}))
        done = subprocess.run(
            [sys.executable, "-m", "edgecam", "run", "-c", str(file)], capture_output=True, text=True, timeout=30
        )
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_storage_that_cannot_be_written_ends_with_one_and_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"storage": {"path": str(tmp_path / "file")}, "http": {"listen": "127.0.0.1:0"}}))
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", "run", "-c", str(file)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr


def test_hangup_takes_a_valid_file_and_keeps_the_old_one_otherwise(tmp_path: Path) -> None:
    with Cam([jpeg()], 10) as cam, Edgecam(tmp_path / "box", {"cameras": {"wall": {"source": cam.url}}}) as box:
        assert box.process is not None
        file = tmp_path / "box" / "config.yaml"
        good = file.read_text()
        file.write_text(good.replace("wall", "Wall"))
        box.process.send_signal(signal.SIGHUP)
        until("the mistake is told with its place", lambda: f"{file}:2:" in box.log)
        assert list(box.health()["cameras"]) == ["wall"]

        file.write_text(good.replace("wall", "gate").replace("127.0.0.1:0", box.url[7:-1]))
        box.process.send_signal(signal.SIGHUP)
        until("the new camera is online", lambda: "gate: frames come" in box.log)
        assert list(box.health()["cameras"]) == ["gate"]


def test_the_demo_tells_its_story_and_ends_by_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", "demo", "--for", "17s", "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "200", "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 0, done.stderr
    story = [
        "the live picture is at http://127.0.0.1:",
        "meadow is online",
        "homeassistant/device/edgecam_demo_meadow/config",
        "edgecam/demo/meadow/motion  ON",
        "started",
        "saved: ",
        "h264",
        "stored and verified: demo/meadow/",
        "edgecam/demo/status  offline",
    ]
    missing = [words for words in story if words not in done.stdout]
    assert not missing, done.stdout
    assert done.stderr == ""
