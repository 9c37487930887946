"""Somebody takes the box in the middle of the event that shows them: what was filmed before is in the store, whole.

Each part of a running event goes up when it is finished (`record.event.max`), while the event goes on.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from crash.house import EVERY, FPS, MOVE, SIZE, film, holes, numbers
from outside import Edgecam, probe, until
from peers import S3

pytestmark = pytest.mark.system

PART, PARTS = 2.0, 3
QUIET = EVERY - MOVE
"""Seconds after which it moves again: the event is not over by then."""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an H.264 camera shows."""
    return film(tmp_path_factory.mktemp("film") / "film.mp4", 40)


def box_of(folder: Path, s3: S3, source: object) -> Edgecam:
    camera = {
        "source": source,
        "motion": {"cooldown": f"{2 * QUIET}s", "settle": "300ms"},
        "record": {"event": {"pre": "1s", "post": f"{QUIET}s", "max": f"{PART}s"}},
    }
    store = {"type": "s3", "endpoint": s3.endpoint, "bucket": "birdbox"}
    keys = {"access_key": s3.access_key, "secret_key": s3.secret_key}
    return Edgecam(folder, {"offload": {"store": store | keys}, "cameras": {"robin": camera}})


def manifests(bucket: Path) -> list[dict[str, object]]:
    """Of all that is finished in the store, in the order of time."""
    found = [json.loads(path.read_bytes()) for path in sorted(bucket.rglob("*.json"))]
    return [told for told in found if (bucket / key(told)).exists()]


def key(told: dict[str, object]) -> Path:
    id = str(told["id"])
    return Path("testbox") / str(told["camera"]) / id[:4] / id[4:6] / id[6:8] / f"{id}.mp4"


@pytest.mark.parametrize("camera", ["JPEG", "H.264"])
def test_the_parts_of_a_running_event_are_in_the_store_before_the_box_is_taken(
    camera: str, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = {"every": f"{EVERY}s", "move": f"{MOVE}s"}
    source = (
        {"type": "file", "path": str(video)}
        if camera == "H.264"
        else {"type": "synthetic", "size": "x".join(map(str, SIZE)), "fps": FPS, "schedule": schedule}
    )
    with S3(tmp_path / "s3") as s3:
        bucket, box = s3.bucket("birdbox"), box_of(tmp_path / "box", s3, source)
        with box:
            until("the first parts are stored", lambda: len(manifests(bucket)) >= PARTS, 60)
            assert "motion ended" not in box.log
            box.down(signal.SIGKILL)
        parts = manifests(bucket)
        assert len({told["event_id"] for told in parts}) == 1, "it is one event, and it is not over"
        assert [told["part"] for told in parts] == list(range(1, len(parts) + 1))
        for told in parts:
            probe(bucket / key(told))
        whole = [number for told in parts for number in numbers(bucket / key(told))]
        assert holes(whole) == [], "a frame is missing or doubled at a seam"
        assert len(whole) >= PARTS * (PART - 1) * FPS, "a part begins with a keyframe"
        assert fetched(box, tmp_path) == whole
    with capsys.disabled():
        sys.stdout.write(f"\n{camera}: from the end of a part to the store: {', '.join(latencies(box))}\n")


def fetched(box: Edgecam, folder: Path) -> list[int]:
    """The owner, at another computer, with the same `offload.store`."""
    config = folder / "elsewhere.yaml"
    config.write_text(json.dumps({"offload": box.config["offload"]}))
    config.chmod(0o600)
    out = ["-o", str(folder / "out"), "--concat", str(folder / "film.mp4")]
    command = [sys.executable, "-m", "edgecam", "fetch", "-c", str(config), *out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 gaps" in done.stdout
    probe(folder / "film.mp4")
    return numbers(folder / "film.mp4")


def latencies(box: Edgecam) -> Iterator[str]:
    for told in box.sidecars():
        if told["receipt"]:
            stored, end = (datetime.fromisoformat(text) for text in (told["receipt"]["at"], told["end"]))
            yield f"{(stored - end).total_seconds():.2f} s"
