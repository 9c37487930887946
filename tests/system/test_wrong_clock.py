"""A box whose clock is wrong, from outside: it wakes up in 1970, or an hour ahead, records, and is told the time."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

import wrongclock
from edgecam.clock import boot_id
from edgecam.media import MediaId
from outside import probe, until
from peers import S3

pytestmark = pytest.mark.system
DAY = 86400.0


def keys(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def test_what_a_box_of_1970_recorded_is_dated_and_stored_once_the_clock_is_set(tmp_path: Path) -> None:
    store = tmp_path / "nas"
    box = wrongclock.box(tmp_path / "box", {"type": "folder", "path": str(store)}, time.time() - 100.0)
    began = time.time()
    with box:
        picture = json.loads(box.send("POST", "api/cameras/wall/snapshot", {})[2])["id"]
        assert picture.startswith(f"unsynced-{boot_id()}-")
        for page in ("api/cameras/wall/recordings", "api/events", f"api/media/{picture}", f"media/{picture}.jpg"):
            assert box.get(page)[0] == 200, page
        until("a clip and its picture wait", lambda: sum("-event-" in name for name in box.waiting()) > 1)
        before = {MediaId.parse(name).random: MediaId.parse(name) for name in box.waiting()}
        assert all(id.unsynced for id in before.values())
        durations = {facts["id"][-6:]: facts["duration"] for facts in box.sidecars()}
        assert keys(store) == []
        health, why = box.health(), "the clock is earlier than edgecam itself"
        assert (health["clock"]["state"], health["clock"]["reason"]) == ("unsynced", why)
        assert health["spool"]["state"] == "held"
        assert health["problems"] == [f"{why}; uploads are held until it is set, at most 15 min"]
        status, _, saved = box.send("POST", "api/cameras/wall/clips", {"last": 3})
        assert (status, json.loads(saved).get("note")) == (202, None), "the last seconds are not found"
        wrongclock.put(box, 0.0)
        until("they are stored", lambda: before.keys() <= {path.stem[-6:] for path in store.rglob("*.[mj]p[4g]")})
        until("the clock is right", lambda: box.health()["clock"]["state"] == "synced")
        assert box.health()["problems"] == []
        assert box.health()["disk"]["removed"] == 0
        assert box.get(f"media/{picture}.jpg")[0] == 404  # it has another name
        days = json.loads(box.get("api/cameras/wall/recordings?kind=snapshot")[2])
        assert [item["id"][-6:] for item in days["items"]] == [picture[-6:]]
    stored = wrongclock.media(keys(store))
    assert len({id.random for id in stored}) == len(stored)
    for id in stored:
        assert not id.unsynced
        assert began - 2 < id.start < time.time()
    for facts in box.sidecars():
        assert facts["clock"] == "synced"
        assert durations.get(facts["id"][-6:], facts["duration"]) == facts["duration"]
        assert datetime.fromisoformat(facts["end"]).timestamp() < time.time() + 1
    assert probe(next(store.rglob("*-event-*.mp4")))["streams"]
    assert {path.name for path in box.library.rglob("unsynced*")} == set()
    assert "got their date" in box.log
    assert "Traceback" not in box.log


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[tuple[S3, Path]]:
    with S3(tmp_path / "s3") as server:
        yield server, server.bucket("birdbox")


def test_a_box_that_is_a_day_behind_its_bucket_puts_no_wrong_date_there(s3: tuple[S3, Path], tmp_path: Path) -> None:
    server, folder = s3
    store = {"type": "s3", "endpoint": server.endpoint, "bucket": "birdbox"}
    store |= {"access_key": server.access_key, "secret_key": server.secret_key}
    assert wrongclock.lives(tmp_path / "box", store, lambda: keys(folder), DAY) > 2
