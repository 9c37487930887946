"""The main job on real video, seen from outside: from a camera to MQTT and to an object in the store."""

import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cam import Cam
from footage import footage
from outside import Ear, Edgecam, probe, until
from peers import S3, Azurite, Mosquitto

pytestmark = pytest.mark.system

NODE = "edgecam/testbox"
COOLDOWN = 1.5
NEAR = 1.0
"""Seconds by which motion may begin and end beside the label."""


@dataclass
class Bucket:
    """A real store: how the daemon is told of it, and what lies in it."""

    config: Mapping[str, object]
    names: Callable[[], list[str]]
    read: Callable[[str], bytes]


@pytest.fixture(params=["s3", "azure"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    if request.param == "s3":
        with S3(tmp_path / "s3") as s3:
            folder = s3.bucket("birdbox")
            keys = {"access_key": s3.access_key, "secret_key": s3.secret_key}
            yield Bucket(
                {"type": "s3", "endpoint": s3.endpoint, "bucket": "birdbox", **keys},
                lambda: sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()),
                lambda name: (folder / name).read_bytes(),
            )
    else:
        from azure.storage.blob import ContainerClient

        with (
            Azurite(tmp_path / "azurite") as azurite,
            ContainerClient.from_connection_string(azurite.connection_string, "birdbox") as container,
        ):
            container.create_container()
            yield Bucket(
                {"type": "azure", "container": "birdbox", "connection_string": azurite.connection_string},
                lambda: sorted(container.list_blob_names()),
                lambda name: container.download_blob(name).readall(),
            )


def wall(event: Mapping[str, Any], key: str = "time") -> float:
    return datetime.fromisoformat(event[key]).timestamp()


def test_motion_on_real_video_becomes_events_clips_and_verified_objects(bucket: Bucket, tmp_path: Path) -> None:
    scene, keep = footage(), "0s" if bucket.config["type"] == "azure" else "14d"
    with (
        Mosquitto(tmp_path / "mqtt") as broker,
        Ear(broker.port) as ear,
        Cam(scene.jpegs, scene.fps, loop=False) as cam,
    ):
        table = {
            "source": cam.url,
            "motion": {"cooldown": f"{COOLDOWN}s", "settle": "1s"},
            "record": {"event": {"pre": "5s", "post": "1s", "keep": keep}},
        }
        mqtt = {"host": "127.0.0.1", "port": broker.port}
        config = {"mqtt": mqtt, "offload": {"store": bucket.config}, "cameras": {"table": table}}
        with Edgecam(tmp_path / "box", config) as box:
            ear.wait("the node is online", lambda heard: (heard.topic, heard.payload) == (f"{NODE}/status", b"online"))
            picture = ear.wait("a picture", lambda heard: heard.topic == f"{NODE}/table/snapshot").payload
            assert picture in scene.jpegs, "not the camera's own bytes"
            stored = sorted((ear.event("clip_stored", 60, nth) for nth in (1, 2)), key=lambda event: event["id"])
            for nth, (begin, end) in enumerate(scene.motion):
                check_story(ear, nth, cam.began + begin, cam.began + end, stored[nth])
                clip = check_object(bucket, stored[nth], tmp_path)
                if nth == 0:
                    assert wall(clip, "start") <= wall(ear.events("motion_started")[0]) - 4
            assert ear.all("table/motion/snapshot"), "no picture of the motion"
            ids = [event["id"] for event in stored]
            assert [name.rpartition("/")[2] for name in bucket.names()] == [
                f"{id}{suffix}" for id in ids for suffix in (".jpg", ".json", ".mp4")
            ]
            until("nothing waits for the store", lambda: not box.waiting())
            check_local(box, keep == "0s")
            assert box.health()["problems"] == []
        assert ear.last(f"{NODE}/status") == b"offline"


def check_story(ear: Ear, nth: int, begin: float, end: float, stored: Mapping[str, Any]) -> None:
    """The `nth` event came at the labelled times, with one id from the first word to the last."""
    started, ended = (ear.events(kind)[nth] for kind in ("motion_started", "motion_ended"))
    assert started["event_id"] == ended["event_id"] == stored["event_id"]
    assert [saved["id"] for saved in ear.events("clip_saved") if saved["event_id"] == stored["event_id"]] == [
        stored["id"]
    ]
    assert wall(started) == pytest.approx(begin, abs=NEAR)
    assert wall(ended) == pytest.approx(end, abs=NEAR)
    told = {
        state: next(heard.at for heard in ear.all("table/motion") if heard.payload == state and heard.at > begin - NEAR)
        for state in (b"ON", b"OFF")
    }
    assert told[b"ON"] == pytest.approx(begin, abs=NEAR)
    assert told[b"OFF"] == pytest.approx(end + COOLDOWN, abs=NEAR)


def check_object(bucket: Bucket, stored: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The object is what its manifest and the event say, and plays as H.264. Returns the manifest."""
    key = stored["key"]
    media, manifest = bucket.read(key), json.loads(bucket.read(key.removesuffix(".mp4") + ".json"))
    picture = bucket.read(key.removesuffix(".mp4") + ".jpg")
    assert hashlib.sha256(picture).hexdigest() == manifest["picture"]["sha256"]
    assert hashlib.sha256(media).hexdigest() == manifest["sha256"] == stored["sha256"]
    assert len(media) == manifest["size"] == stored["size"]
    check_link(stored, media)
    path = folder / "stored.mp4"
    path.write_bytes(media)
    found = probe(path)
    video = found["streams"][0]
    assert (video["codec_name"], video["pix_fmt"]) == ("h264", "yuv420p")
    assert float(found["format"]["duration"]) == pytest.approx(manifest["duration"], rel=0.02)
    assert wall(manifest, "end") - wall(manifest, "start") == pytest.approx(manifest["duration"], rel=0.02)
    result: dict[str, Any] = manifest
    return result


def check_link(stored: Mapping[str, Any], media: bytes) -> None:
    """Whoever has the link gets the bytes, without any other key, until it ends; the address alone is not enough."""
    with urllib.request.urlopen(stored["link"], timeout=10) as answer:  # noqa: S310  our own server
        assert answer.read() == media
    assert wall(stored, "link_expires") == pytest.approx(time.time() + 86400, abs=300)
    with pytest.raises(urllib.error.HTTPError, match="HTTP Error 4"):
        urllib.request.urlopen(stored["link"].partition("?")[0], timeout=10)  # noqa: S310


def check_local(box: Edgecam, gone: bool) -> None:
    """The copy on disk is kept with its receipt, or gone, as configured."""
    if gone:
        until("the local copies are gone", lambda: not list(box.library.glob("recordings/**/*.mp4")))
    else:
        assert [sidecar["receipt"]["size"] for sidecar in box.sidecars()] == [
            path.stat().st_size for path in sorted(box.library.glob("recordings/*/*/*.mp4"))
        ]
        assert len(box.sidecars()) == 2
