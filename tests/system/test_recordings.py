"""What was recorded, from outside: seen, saved, exported, kept, deleted, over HTTP and by commands on the box."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outside import Ear, Edgecam, probe, until
from peers import Mosquitto

CAMERA = {
    "source": {"type": "synthetic", "size": "320x240", "fps": 10, "schedule": {"every": "6s", "move": "2s"}},
    "video": {"codec": "mjpeg"},
    "motion": {"cooldown": "1s"},
    "record": {"mode": "both", "event": {"pre": "1s", "post": "1s"}, "continuous": {"segment": "2s"}},
}


def typed(box: Edgecam, *words: str) -> subprocess.CompletedProcess[str]:
    """`edgecam …` with the configuration of the running box."""
    file = str(box.folder / "config.yaml")
    return subprocess.run([sys.executable, "-m", "edgecam", *words, "-c", file], capture_output=True, text=True)


def day(box: Edgecam, kind: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(box.get(f"api/cameras/wall/recordings?kind={kind}")[2])["items"]
    return found


@pytest.mark.system
def test_what_was_seen_is_found_saved_exported_kept_and_deleted(tmp_path: Path) -> None:
    with Edgecam(tmp_path / "box", {"cameras": {"wall": CAMERA}}) as box:
        until("an event is told", lambda: json.loads(box.get("api/events")[2])["events"])
        until("some segments are there", lambda: len(day(box, "continuous")) > 3)

        saved = typed(box, "clip", "wall", "--last", "4s", "-o", str(tmp_path / "saved.mp4"))
        assert saved.returncode == 0, saved.stderr
        assert saved.stdout == f"{tmp_path}/saved.mp4\n"
        assert 38 <= int(probe(tmp_path / "saved.mp4")["streams"][0]["nb_read_frames"]) <= 46
        (manual,) = day(box, "manual")
        assert box.get(str(manual["url"]))[2] == (tmp_path / "saved.mp4").read_bytes()

        picture = typed(box, "snapshot", "wall", "--json")
        assert json.loads(picture.stdout)["id"] == day(box, "snapshot")[0]["id"]

        check_export(box, tmp_path / "export.mp4")

        path = f"api/media/{manual['id']}"
        assert box.send("POST", f"{path}/keep", {"on": True})[0] == 200
        assert day(box, "manual")[0]["pinned"] is True
        assert list(box.library.glob("recordings/wall/*/*.keep"))
        assert box.send("DELETE", path)[0] == 200
        assert day(box, "manual") == []
        assert not list(box.library.glob(f"recordings/wall/*/{manual['id']}*"))
        assert "Traceback" not in box.log
    assert not list(box.library.glob("state/*.sock"))
    gone = typed(box, "clip", "wall")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "edgecam is not running" in gone.stderr


def check_export(box: Edgecam, file: Path) -> None:
    """Three seconds across segments, whole and in two ranges."""
    end = datetime.now(UTC) - timedelta(seconds=1)
    begin = end - timedelta(seconds=3)
    path = f"api/cameras/wall/export.mp4?from={begin:%FT%TZ}&to={end:%FT%TZ}"
    status, headers, data = box.get(path)
    assert status == 200
    assert headers["X-Gaps"] == ""
    file.write_bytes(data)
    seconds = (datetime.fromisoformat(headers["X-To"]) - datetime.fromisoformat(headers["X-From"])).total_seconds()
    found = probe(file)
    assert float(found["format"]["duration"]) == pytest.approx(seconds, abs=0.15)
    assert int(found["streams"][0]["nb_read_frames"]) == pytest.approx(seconds * 10, abs=2)
    half = len(data) // 2
    parts = [box.send("GET", path, headers={"Range": text})[2] for text in (f"bytes=0-{half - 1}", f"bytes={half}-")]
    assert b"".join(parts) == data
    assert box.get("api/cameras/wall/export.mp4?from=2020-01-01&to=2020-01-01T01:00:00")[0] == 404


@pytest.mark.system
def test_privacy_saves_nothing_and_hides_nothing_of_before(tmp_path: Path) -> None:
    with Edgecam(tmp_path / "box", {"cameras": {"wall": CAMERA}}) as box:
        until("a segment is there", lambda: day(box, "continuous"))
        box.config["cameras"] = {"wall": {**CAMERA, "privacy": True}}
        box.down()
        box.up()
        until("privacy is on", lambda: json.loads(box.get("api/cameras/wall")[2])["state"] == "privacy")
        assert day(box, "continuous")
        status, _, told = box.send("POST", "api/cameras/wall/clips", {"last": "60s"})
        assert (status, json.loads(told)["error"]) == (503, "wall: privacy is on")
        refused = typed(box, "clip", "wall")
        assert (refused.returncode, refused.stderr) == (1, "edgecam: wall: privacy is on\n")


@pytest.mark.system
def test_the_button_in_home_assistant_saves_what_was_just_seen(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        config = {"mqtt": {"host": "127.0.0.1", "port": broker.port}, "cameras": {"wall": CAMERA}}
        with Edgecam(tmp_path / "box", config) as box:
            until("a segment is there", lambda: day(box, "continuous"))
            discovery = ear.wait("discovery", lambda heard: heard.topic.endswith("edgecam_testbox_wall/config")).json
            button = discovery["cmps"]["save_clip"]
            assert button["p"] == "button"
            ear.say(button["cmd_t"], "PRESS")
            said = ear.wait(
                "the clip is saved",
                lambda heard: heard.topic.endswith("wall/event") and "-manual-" in heard.json.get("id", ""),
            ).json
            assert said["event_type"] == "clip_saved"
            assert day(box, "manual")[0]["id"] == said["id"]
            ear.say(button["cmd_t"], "a while")
            until("nonsense is told", lambda: "wall/save_clip/set: ignored: must be PRESS or a duration" in box.log)
