"""When the world breaks: broker, store and camera go away and return, the power goes in the middle of a clip."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from cam import Cam
from footage import drawn
from outside import Ear, Edgecam, probe, until
from peers import S3, Mosquitto

pytestmark = pytest.mark.system

NODE = "edgecam/testbox"


def configuration(broker: Mosquitto, store: S3, source: object) -> dict[str, object]:
    keys = {"access_key": store.access_key, "secret_key": store.secret_key}
    camera = {
        "source": source,
        "motion": {"cooldown": "1.5s", "settle": "1s"},
        "record": {"event": {"pre": "2s", "post": "1s"}},
    }
    return {
        "mqtt": {"host": "127.0.0.1", "port": broker.port},
        "offload": {"store": {"type": "s3", "endpoint": store.endpoint, "bucket": "birdbox", **keys}},
        "cameras": {"wall": camera},
    }


def objects(store: S3) -> list[str]:
    """But for the object with which the store was tried when it went away."""
    names = (path for path in store.bucket("birdbox").rglob("*") if path.is_file())
    return sorted(path.name for path in names if path.parent.name != "_edgecam")


def told(ear: Ear, topic: str, payload: bytes, within: float = 20.0) -> None:
    until(f"{topic} says {payload!r}", lambda: ear.last(topic) == payload, within)


def test_broker_store_and_camera_break_and_everything_is_delivered_once(tmp_path: Path) -> None:
    scene = drawn()
    with Mosquitto(tmp_path / "mqtt") as broker, S3(tmp_path / "s3") as store:
        store.bucket("birdbox")
        with Ear(broker.port) as ear, Cam(scene.jpegs, scene.fps) as cam:
            config = configuration(broker, store, {"type": "mjpeg", "url": cam.url, "stall_timeout": "2s"})
            with Edgecam(tmp_path / "box", config) as box:
                told(ear, f"{NODE}/status", b"online")
                store.down()  # refused from before the first clip on
                first = ear.event("clip_saved", 40)
                until("the spool says that it retries", lambda: box.health()["spool"]["state"] == "retrying")
                assert box.waiting() == [first["id"], f"{first['id']}.jpg"]

                camera_breaks(cam, ear, box)

                broker.down()
                until("health knows that the broker is gone", lambda: not box.health()["mqtt"]["connected"])
                assert box.get("cameras/wall/snapshot.jpg")[0] == 200, "the picture does not need a broker"
                broker.up()
                told(ear, f"{NODE}/status", b"online", 40)

                until("a second clip", lambda: len(box.sidecars()) >= 2, 60)
                saved = box.sidecars()
                store.up()
                until("everything is delivered", lambda: not box.waiting(), 60)
                assert box.health()["problems"] == []
            check_delivered_once(store, box, [sidecar["id"] for sidecar in saved])


def camera_breaks(cam: Cam, ear: Ear, box: Edgecam) -> None:
    """Its power is cut; it is offline within its patience, and on again by itself."""
    cam.off()
    told(ear, f"{NODE}/wall/status", b"offline")
    status, _, body = box.get("cameras/wall/snapshot.jpg")
    assert status == 503, "an old picture is not a picture of now"
    assert json.loads(body)["reason"]
    assert box.health()["cameras"]["wall"]["online"] is False
    assert ear.last(f"{NODE}/status") == b"online"
    cam.on()
    told(ear, f"{NODE}/wall/status", b"online")


def check_delivered_once(store: S3, box: Edgecam, ids: list[str]) -> None:
    """Each clip lies in the store with its manifest and its picture, under one key, or still waits; and nothing else
    is there. A picture comes first, perhaps while its clip is still being made.
    """
    names = objects(store)
    pictured = {name.removesuffix(".jpg") for name in names if name.endswith(".jpg")}
    stored = sorted({name.removesuffix(".mp4") for name in names if name.endswith(".mp4")})
    assert [name for name in names if not name.endswith(".jpg")] == [
        f"{id}{suffix}" for id in stored for suffix in (".json", ".mp4")
    ]
    assert set(ids) <= set(stored) <= pictured
    waiting = [name for name in box.waiting() if not name.endswith(".jpg")]
    assert sorted([*stored, *waiting]) == sorted(sidecar["id"] for sidecar in box.sidecars())
    for path in store.bucket("birdbox").rglob("*.mp4"):
        manifest: Mapping[str, object] = json.loads(path.with_suffix(".json").read_bytes())
        assert path.stat().st_size == manifest["size"]


def test_a_clip_that_was_being_written_when_the_power_went_is_finished_and_stored(tmp_path: Path) -> None:
    scene = drawn()
    with Mosquitto(tmp_path / "mqtt") as broker, S3(tmp_path / "s3") as store:
        store.bucket("birdbox")
        with Ear(broker.port) as ear, Cam(scene.jpegs, scene.fps) as cam:
            config = configuration(broker, store, cam.url)
            box = Edgecam(tmp_path / "box", config).up()
            told(ear, f"{NODE}/wall/motion", b"ON", 40)
            open_clip = until("a clip is open", lambda: list(box.library.glob("spool/open/*.part.mp4")))[0]
            size = open_clip.stat().st_size
            until("it grows", lambda: open_clip.stat().st_size > size + 100_000)
            assert box.down(signal.SIGKILL) == -signal.SIGKILL
            told(ear, f"{NODE}/status", b"offline")
            with box:
                stored = ear.event("clip_stored", 60)
                assert stored["id"] == open_clip.name.removesuffix(".part.mp4")
                sidecar = next(sidecar for sidecar in box.sidecars() if sidecar["id"] == stored["id"])
                assert sidecar["interrupted"] is True
                assert sidecar["event_id"] == ear.events("motion_started")[0]["event_id"]
                (media,) = box.library.glob(f"recordings/*/*/{stored['id']}.mp4")
                assert probe(media)["streams"][0]["codec_name"] == "h264"
                assert f"{stored['id']}.mp4" in objects(store)
            assert "offline" in str(ear.last(f"{NODE}/status"))


def test_sigterm_ends_within_ten_seconds_with_the_clip_finished(tmp_path: Path) -> None:
    scene = drawn()
    with Mosquitto(tmp_path / "mqtt") as broker, S3(tmp_path / "s3") as store:
        store.bucket("birdbox")
        with Ear(broker.port) as ear, Cam(scene.jpegs, scene.fps) as cam:
            box = Edgecam(tmp_path / "box", configuration(broker, store, cam.url)).up()
            told(ear, f"{NODE}/wall/motion", b"ON", 40)
            assert box.down(within=10) == 0
            assert ear.last(f"{NODE}/status") == b"offline"
            (saved,) = [heard for heard in ear.all("/event") if heard.json["event_type"] == "clip_saved"]
            (offline,) = [heard for heard in ear.all(f"{NODE}/status") if heard.payload == b"offline"]
            assert offline.at < saved.at, "offline must not wait for the clip"
            (sidecar,) = box.sidecars()
            assert sidecar["interrupted"] is False
            (media,) = box.library.glob("recordings/*/*/*.mp4")
            assert probe(media)["streams"][0]["nb_read_frames"]
