"""Health: what is wrong is named, and what this box cannot know is null."""

import json

import pytest

from edgecam import health
from edgecam.almanac import Almanac
from edgecam.health import BoardStatus, CameraStatus, Health, PublishState, PublishStatus, StoreState
from edgecam.supervisor import Vitals
from fakes import FakeClock


@pytest.fixture
def box() -> Health:
    return Health("pi", "abcdef", FakeClock(), {"birdbox": CameraStatus("Bird box")})


def test_a_healthy_box_has_no_problems(box: Health) -> None:
    assert box.problems() == []
    shown = box.snapshot()
    assert (shown["node"], shown["problems"]) == ("pi", [])


def test_every_trouble_is_a_problem_in_words(box: Health) -> None:
    box.storage_trouble = lambda: "the storage is full"
    box.cameras["birdbox"].trouble = "no frame for 10 s"
    box.spool.state, box.spool.reason, box.spool.bad = StoreState.BLOCKED, "the key is wrong", 2
    box.mqtt.trouble = "password refused"
    assert box.problems() == [
        "the storage is full",
        "birdbox: no frame for 10 s",
        "store: the key is wrong",
        "store: 2 damaged things lie in spool/bad; `edgecam spool list` says why",
        "mqtt: password refused",
    ]


def test_a_component_that_does_not_stay_alive_is_named(box: Health) -> None:
    box.vitals = [Vitals("keeper", attempts=3, error="read-only file system"), Vitals("motion birdbox")]
    assert box.problems() == ["keeper: read-only file system"]


def test_a_store_that_is_tried_again_is_no_problem_yet(box: Health) -> None:
    box.spool.state, box.spool.reason = StoreState.RETRYING, "connection refused"
    box.spool.files, box.spool.oldest = 2, box.clock.wall() - 599
    assert box.problems() == []
    box.spool.oldest -= 2
    assert box.problems() == ["store: connection refused; 2 wait, nothing is lost"]


def test_what_will_be_wrong_with_the_store_is_told_until_it_is(box: Health) -> None:
    box.store_warning = lambda: "the SAS token ends in 3 days"
    assert box.problems() == ["store: the SAS token ends in 3 days"]
    box.spool.state, box.spool.reason = StoreState.BLOCKED, "the SAS token ended"
    assert box.problems() == ["store: the SAS token ended"]


def test_a_store_that_stays_away_is_a_problem_also_while_nothing_waits(box: Health) -> None:
    box.spool.state, box.spool.reason = StoreState.RETRYING, "no such host"
    assert box.problems() == []
    box.spool.failing = box.clock.wall() - 599
    assert box.problems() == []
    box.spool.failing -= 2
    assert box.problems() == ["store: no such host"]
    assert json.loads(json.dumps(box.snapshot()))["spool"]["failing"].endswith("Z")


def test_a_camera_that_cannot_record_has_a_problem_while_its_picture_lives(box: Health) -> None:
    box.cameras["birdbox"].record_trouble = "the disk is read-only"
    assert box.problems() == ["birdbox: the disk is read-only"]


def test_a_stream_that_does_not_arrive_is_a_problem_and_its_counts_are_shown(box: Health) -> None:
    camera = box.cameras["birdbox"]
    assert health.camera_json(camera)["publish"] is None
    camera.publish = PublishStatus(PublishState.CONNECTING, "rtsp://relay/x: cannot connect", sessions=2, reconnects=1)
    assert box.problems() == ["birdbox: rtsp://relay/x: cannot connect"]
    assert health.camera_json(camera)["publish"] == {
        "state": "connecting",
        "trouble": "rtsp://relay/x: cannot connect",
        "sessions": 2,
        "reconnects": 1,
        "frames": 0,
        "bytes": 0,
        "dropped": 0,
    }


def test_times_are_iso_and_inner_clocks_stay_inside(box: Health) -> None:
    box.cameras["birdbox"].last_motion = 0.0
    shown = health.camera_json(box.cameras["birdbox"])
    assert shown["last_motion"] == "1970-01-01T00:00:00.000Z"
    assert shown["last_clip"] is None
    assert "last_motion_mono" not in shown


def test_how_long_nobody_looked_is_told(box: Health) -> None:
    camera = box.cameras["birdbox"]
    camera.blind, camera.blind_percent, camera.blind_until, camera.blind_seconds = "schedule", 100, 0.0, 61.27
    shown = json.loads(json.dumps(box.snapshot()))["cameras"]["birdbox"]
    told = [shown[key] for key in ("blind", "blind_percent", "blind_until", "blind_seconds")]
    assert told == ["schedule", 100, "1970-01-01T00:00:00.000Z", 61.3]


def test_what_this_box_cannot_tell_is_null(box: Health) -> None:
    shown = box.snapshot()
    nothing = {"total": None, "free": None, "media": None, "removed": 0, "lost": 0, "used_percent": None}
    assert shown["disk"] == nothing
    assert shown["memory"] == {"rss": None, "cma_free": None, "available": None, "used_percent": None}
    assert shown["wifi"] == {"interface": None, "signal": None}
    assert [shown[key] for key in ("temperature", "load", "under_voltage", "throttled")] == [None] * 4


def test_the_disk_is_told_in_percent_as_well(box: Health) -> None:
    box.disk.total, box.disk.free = 32_000_000_000, 8_000_000_000
    assert health.disk_json(box.disk)["used_percent"] == 75


def test_a_weak_supply_and_a_hot_processor_are_problems_in_words(box: Health) -> None:
    box.board = BoardStatus(throttled=True, temperature=84.6)
    assert box.problems() == [
        "the processor is slowed down at 85 °C: it is too hot; a heat sink or a fan helps",
    ]
    box.board = BoardStatus(throttled=True)
    assert box.problems()[0].startswith("the processor is slowed down: ")
    box.board = BoardStatus(throttled=True, under_voltage=True)
    (only,) = box.problems()
    assert only.startswith("the power supply is too weak: ")


def test_a_clock_that_is_wrong_is_a_problem_and_its_kernels_word_a_note(box: Health) -> None:
    assert box.snapshot()["clock"] == {"state": "synced", "reason": None, "kernel": None}
    clock = FakeClock()
    box.almanac = Almanac(clock, boot="1a2b3c4d", kernel=lambda: False)
    assert box.problems() == []
    assert box.snapshot()["clock"] == {"state": "synced", "reason": None, "kernel": False}
    box.almanac.heard(7380.0)
    box.spool.state = StoreState.HELD
    why = "the clock is 2 h 3 min behind the store's"
    assert box.problems() == [f"{why}; uploads are held until it is set, at most 15 min"]
    assert box.snapshot()["clock"] == {"state": "unsynced", "reason": why, "kernel": False}
    clock.tick(900)
    box.almanac.settled = box.almanac.turns
    assert box.problems() == [why]
    clock.step(-1e9)
    box.spool.state = StoreState.OFF
    assert box.problems()[0].startswith("the clock is ")
    assert "uploads" not in box.problems()[0]
