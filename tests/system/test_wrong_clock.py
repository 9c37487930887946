"""A box without a clock of its own, from outside: it wakes up in 1970, records, and is told the time a little later."""

import json
import signal
from datetime import datetime
from pathlib import Path

import pytest

from edgecam.clock import boot_id
from edgecam.media import MediaId
from outside import Edgecam, probe, until

CAMERA = {
    "source": {"type": "synthetic", "size": "320x240", "fps": 10, "schedule": {"every": "4s", "move": "1s"}},
    "video": {"codec": "mjpeg"},
    "motion": {"cooldown": "1s"},
    "record": {"mode": "both", "event": {"pre": "1s", "post": "1s"}, "continuous": {"segment": "2s", "keep": "1h"}},
    "offload": ["event", "continuous", "snapshot"],
}


def objects(folder: Path) -> dict[str, Path]:
    """What the store has: each name once."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert len({path.name for path in found}) == len(found), "something is in the store twice"
    return {path.name: path for path in found}


@pytest.mark.system
def test_what_a_box_of_1970_recorded_is_dated_and_stored_once_the_clock_is_set(tmp_path: Path) -> None:
    store = tmp_path / "nas"
    config = {"offload": {"store": {"type": "folder", "path": str(store)}}, "cameras": {"wall": CAMERA}}
    box = Edgecam(tmp_path / "box", config)
    box.command = (str(Path(__file__).with_name("wrongclock.py")),)
    began = datetime.now().timestamp()
    with box:
        picture = json.loads(box.send("POST", "api/cameras/wall/snapshot", {})[2])["id"]
        assert picture.startswith(f"unsynced-{boot_id()}-")
        until("a clip and its picture wait", lambda: sum("-event-" in name for name in box.waiting()) > 1)
        before = {MediaId.parse(name).random: MediaId.parse(name) for name in box.waiting()}
        assert all(id.unsynced for id in before.values())
        durations = {facts["id"][-6:]: facts["duration"] for facts in box.sidecars()}
        assert objects(store) == {}
        health = box.health()
        assert health["clock"]["state"] == "unsynced"
        assert health["clock"]["reason"] == "the clock is earlier than edgecam itself"
        assert health["spool"]["state"] == "held"
        assert health["problems"] == [
            "the clock is earlier than edgecam itself; uploads are held until it is set, at most 15 min"
        ]
        assert box.process
        box.process.send_signal(signal.SIGUSR1)
        until("they are stored", lambda: before.keys() <= {name.partition(".")[0][-6:] for name in objects(store)})
        until("the clock is right", lambda: box.health()["clock"]["state"] == "synced")
        assert box.health()["problems"] == []
        assert box.health()["disk"]["removed"] == 0
        now = datetime.now().timestamp()
    stored = objects(store)
    for path in stored.values():
        id = MediaId.parse(path.stem)
        assert not id.unsynced
        assert began - 2 < id.start < now
        assert str(path.parent.relative_to(store)) == f"testbox/wall/{id.day.replace('-', '/')}"
    for facts in box.sidecars():
        assert facts["clock"] == "synced"
        assert durations.get(facts["id"][-6:], facts["duration"]) == facts["duration"]
        assert datetime.fromisoformat(facts["end"]).timestamp() < now + 1
    clip = next(path for name, path in stored.items() if "-event-" in name and path.suffix == ".mp4")
    assert probe(clip)["streams"]
    assert {path.name for path in box.library.rglob("unsynced*")} == set()
    assert "got their date" in box.log
    assert "Traceback" not in box.log
