"""`offload.bandwidth` seen from outside: a closed window holds everything, an open one lets it go at its speed."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from outside import Ear, Edgecam, until
from peers import Mosquitto
from waiting import NOON, save

pytestmark = pytest.mark.system

SIZE, RATE = 2_500_000, 500_000


def two_hours_around(now: datetime) -> tuple[str, str]:
    before, after = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-2, 2))
    return before, after


def box(folder: Path, broker: Mosquitto, bandwidth: object) -> Edgecam:
    store: Mapping[str, object] = {"type": "folder", "path": str(folder / "nas")}
    config = {
        "mqtt": {"host": "127.0.0.1", "port": broker.port},
        "offload": {"store": store, "bandwidth": bandwidth},
        "cameras": {"birdbox": {"source": "synthetic", "record": {"event": {"keep": "forever"}}}},
    }
    return Edgecam(folder / "box", config)


def children(box: Edgecam) -> str:
    assert box.process is not None
    return Path(f"/proc/{box.process.pid}/task/{box.process.pid}/children").read_text()


def test_what_waits_stays_while_the_window_is_closed_and_then_leaves_no_faster_than_it_may(tmp_path: Path) -> None:
    clip = save(tmp_path / "box" / "library", start=NOON, size=SIZE)
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        begin, end = two_hours_around(datetime.now())
        with box(tmp_path, broker, {f"{begin}-{end}": "0", "else": "5MB/s"}) as closed:
            spool = until("it is held", lambda: (found := closed.health()["spool"])["state"] == "held" and found)
            assert spool["reason"] == f"the window of offload.bandwidth opens at {end}"
            assert closed.waiting() == [clip.id]
            assert not children(closed), "nothing begins, so nobody is started for it"
            assert not list((tmp_path / "nas").rglob("*.mp4*"))
            ear.wait("MQTT says it, too", lambda heard: heard.topic.endswith("/health") and b'"held"' in heard.payload)
        with box(tmp_path, broker, f"{RATE // 1000}kB/s") as opened:
            begun = time.monotonic()
            until("a rate is shown while it goes", lambda: opened.health()["spool"]["rate"] and opened.waiting())
            told = ear.event("clip_stored", 30)
            assert time.monotonic() - begun >= SIZE / RATE - 2
            spool = opened.health()["spool"]
            assert (spool["state"], spool["stored"], spool["bytes_stored"]) == ("ok", 1, SIZE)
            assert spool["rate"] == pytest.approx(SIZE / 60, rel=0.01)
            assert spool["delay"] == pytest.approx(time.time() - clip.end, abs=30)
            assert b'edgecam_store_delay_seconds_count{kind="event"} 1\n' in opened.get("metrics")[2]
            assert told["id"] == clip.id
