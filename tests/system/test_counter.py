"""The synthetic camera's burnt-in counter, read back out of everything that the daemon made of it, frame by frame."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import av
import numpy as np
import pytest

from edgecam.sources.overlay import read_counter
from outside import Edgecam, probe, until

pytestmark = pytest.mark.system

FPS = 15
PRE, POST, PART, SEGMENT = 2.0, 1.0, 3.0, 3.0

CAMERA = {
    "source": {"type": "synthetic", "size": "320x240", "fps": FPS, "schedule": {"every": "9s", "move": "4s"}},
    "video": {"bitrate": "4Mbit/s"},
    "motion": {"cooldown": "1s", "settle": "1s"},
    "record": {
        "mode": "both",
        "event": {"pre": f"{PRE}s", "post": f"{POST}s", "max": f"{PART}s"},
        "continuous": {"segment": f"{SEGMENT}s"},
        "buffer": {"time": "4s", "memory": "1MB"},
    },
}


def numbers(path: Path) -> list[int]:
    """What the counter says in each frame of a video."""
    with av.open(str(path)) as container:
        frames = (np.asarray(frame.to_ndarray(format="gray"), np.uint8) for frame in container.decode(video=0))
        return [read_counter(frame) for frame in frames]


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True)
class Reel:
    """One file, what it says of itself, and the numbers of its frames."""

    told: dict[str, Any]
    frames: list[int]

    @property
    def start(self) -> float:
        return moment(self.told["start"])

    @property
    def length(self) -> float:
        return moment(self.told["end"]) - self.start


def reels(box: Edgecam, kind: str) -> list[Reel]:
    paths = sorted(path for path in box.library.glob("recordings/*/*/*.mp4") if f"-{kind}-" in path.name)
    found = []
    for path in paths:
        told = json.loads(path.with_suffix(".json").read_bytes())
        reel = Reel(told, numbers(path))
        duration = float(probe(path)["format"]["duration"])
        assert duration == pytest.approx(reel.length, rel=0.02), "as long as what it shows"
        assert reel.frames == list(range(reel.frames[0], reel.frames[0] + len(reel.frames))), "a hole in a file"
        found.append(reel)
    return found


def events(parts: Sequence[Reel]) -> Iterator[list[Reel]]:
    """The parts of each event, in order."""
    for _, group in itertools.groupby(parts, key=lambda reel: reel.told["event_id"]):
        yield sorted(group, key=lambda reel: reel.told["part"])


def exported(box: Edgecam, begin: float, end: float, path: Path) -> list[int]:
    utc = [datetime.fromtimestamp(at).astimezone().isoformat() for at in (begin, end)]
    status, headers, body = box.get("api/cameras/robin/export.mp4?" + urlencode({"from": utc[0], "to": utc[1]}))
    assert (status, headers["Content-Type"]) == (200, "video/mp4"), body
    path.write_bytes(body)
    probe(path)
    return numbers(path)


def test_every_frame_is_where_it_belongs(tmp_path: Path) -> None:
    with Edgecam(tmp_path / "box", {"cameras": {"robin": CAMERA}}) as box:
        until("two events are saved", lambda: len(set(event_ids(box))) >= 2, 60)
        saved = json.loads(box.send("POST", "api/cameras/robin/clips", {"last": "8s"})[2])
        until("the clip is finished", lambda: box.get(saved["url"])[0] == 200, 30)
        segments = reels(box, "continuous")
        begin, end = segments[0].start + 1.0, segments[-1].start + 1.0
        film = exported(box, begin, end, tmp_path / "film.mp4")
    segments = reels(box, "continuous")
    seen = [number for segment in segments for number in segment.frames]
    assert seen == list(range(seen[0], seen[0] + len(seen))), "a frame is lost or doubled at a split"
    assert [segment.length for segment in segments[:-1]] == pytest.approx([SEGMENT] * (len(segments) - 1), abs=0.2)

    of_frame = {number: segments[0].start + (number - seen[0]) / FPS for number in seen}
    assert film == list(range(film[0], film[0] + len(film)))
    assert of_frame[film[0]] == pytest.approx(begin, abs=0.2)
    assert of_frame[film[-1]] == pytest.approx(end, abs=0.2)

    (manual,) = reels(box, "manual")
    assert manual.length == pytest.approx(8.0, abs=0.3)
    assert moment(saved["begin"]) == pytest.approx(manual.start, abs=0.01)

    stories = list(events(reels(box, "event")))
    assert len(stories) >= 2
    for parts in stories:
        frames = [number for part in parts for number in part.frames]
        assert frames == list(range(frames[0], frames[0] + len(frames))), "a seam between two parts"
        began = moment(parts[0].told["event_id"].split("-")[0].replace("Z", "000Z"))
        since = max(began - PRE, segments[0].start)
        assert since - 0.5 <= parts[0].start <= since + 0.1, "the pre-roll is there"


def event_ids(box: Edgecam) -> list[str]:
    told = [one for one in box.sidecars() if one["kind"] == "event"]
    return [one["event_id"] for one in told if one["codec"] == "h264"]
