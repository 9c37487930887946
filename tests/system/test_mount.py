"""`storage.require_mount` of the real daemon, on real mounts: nothing is written in their absence, the rest goes on."""

import time
from pathlib import Path

import pytest

from mounts import as_root, mount, mounts, unmount
from outside import Ear, Edgecam, until
from peers import Mosquitto

pytestmark = [pytest.mark.system, as_root]

BACK_WITHIN = 30.0
"""Seconds after which a storage that came back is in use."""


def shut(place: Path) -> None:
    """Cover a place with itself, read-only."""
    mount(place, "--bind", str(place))
    mount(place, "-o", "remount,bind,ro")


def configured(folder: Path, broker: Mosquitto, place: Path) -> Edgecam:
    moving = {"type": "synthetic", "size": "320x240", "fps": 10, "schedule": {"every": "5s", "move": "2s"}}
    camera = {
        "source": moving,
        "video": {"codec": "mjpeg"},
        "motion": {"cooldown": "1s", "settle": "1s"},
        "record": {"event": {"pre": "1s", "post": "1s"}},
    }
    return Edgecam(
        folder,
        {
            "state": str(folder / "state"),
            "storage": {"path": str(place), "require_mount": True, "limit": "1GB", "reserve": "0B"},
            "mqtt": {"host": "127.0.0.1", "port": broker.port},
            "cameras": {"wall": camera},
        },
    )


def recorded(place: Path) -> list[str]:
    return sorted(path.name for path in place.glob("recordings/wall/*/*.mp4"))


def problems(box: Edgecam) -> list[str]:
    found = box.health()["problems"]
    assert isinstance(found, list)
    return [str(problem) for problem in found]


def below(place: Path) -> list[Path]:
    return list(place.rglob("*"))


def alive(box: Edgecam, ear: Ear) -> None:
    """Live view and MQTT do what they always do."""
    assert box.get("cameras/wall/snapshot.jpg?fresh=1")[0] == 200
    assert ear.last("edgecam/testbox/status") == b"online"
    seen = len(ear.all("wall/motion"))
    until("motion is told", lambda: len(ear.all("wall/motion")) > seen + 1, 20)


def test_without_its_mount_nothing_is_written_and_all_else_goes_on_until_it_is_there(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear, mounts(tmp_path / "place") as place:
        disk = tmp_path / "disk"
        disk.mkdir()
        with configured(tmp_path / "box", broker, place) as box:
            why = f"nothing is mounted at {place} (storage.require_mount)"
            until("the problem is told", lambda: why in problems(box))
            alive(box, ear)
            assert box.health()["disk"]["free"] is None
            ear.say("edgecam/testbox/wall/take_snapshot/set", "PRESS")
            ear.event("snapshot_taken")
            assert below(place) == []
            assert box.log.count(f"library: {why}") == 1

            mount(place, "--bind", str(disk))
            began = time.monotonic()
            until("a clip is recorded", lambda: recorded(place), BACK_WITHIN)
            assert problems(box) == [], f"{time.monotonic() - began:.0f} s later"

            until("a clip is open", lambda: list(place.glob("spool/open/*.part.mp4")), 20)
            (part,) = place.glob("spool/open/*.part.mp4")
            unmount(place)
            until("the problem is told", lambda: why in problems(box))
            alive(box, ear)
            assert below(place) == []

            before = recorded(disk)
            mount(place, "--bind", str(disk))
            until("what was open is finished", lambda: part.name.replace(".part", "") in recorded(place), BACK_WITHIN)
            until("new clips are recorded", lambda: len(recorded(place)) > len(before) + 1, BACK_WITHIN)
            assert problems(box) == []

            other = tmp_path / "other"
            other.mkdir()
            mount(place, "--bind", str(other))
            until("a clip is recorded on the other disk", lambda: recorded(other), BACK_WITHIN)
            assert problems(box) == []
            assert box.down() == 0
        assert list(disk.glob("spool/open/*")) == list(other.glob("spool/open/*")) == []


def test_a_storage_that_turns_read_only_is_a_problem_until_it_is_writable_again(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear, mounts(tmp_path / "place") as place:
        disk = tmp_path / "disk"
        disk.mkdir()
        mount(place, "--bind", str(disk))
        with configured(tmp_path / "box", broker, place) as box:
            until("a clip is recorded", lambda: recorded(place), 30)
            shut(place)
            until("the problem is told", lambda: any("Read-only" in problem for problem in problems(box)), 20)
            alive(box, ear)
            before = recorded(place)
            unmount(place)
            until("clips are recorded again", lambda: len(recorded(place)) > len(before) + 1, BACK_WITHIN)
            assert problems(box) == []
            assert box.log.count("Read-only file system") < 10
            assert box.down() == 0
        assert list(disk.glob("spool/open/*")) == []
