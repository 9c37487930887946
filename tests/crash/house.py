"""A house with two cameras, as the campaigns run it: one gives JPEG, one H.264, both show their frame's number.

Every frame is recorded, every second or so something moves; clips go to a folder that serves as the store.
"""

import itertools
import math
import threading
import urllib.request
from pathlib import Path

import av
import numpy as np

from edgecam.sources import overlay
from edgecam.sources.scene import Scene
from edgecam.sources.synthetic import flight
from outside import Edgecam
from peers import S3

FPS = 15
SIZE = 640, 360
EVERY, MOVE = 4.0, 2.0
FRAGMENT = {"jay": 0.5, "robin": 1.0}
"""Seconds of the longest fragment: of a JPEG camera's file, and of an H.264 camera's, which is a GOP."""

WANTED = frozenset({"event"})
"""Kinds of media that go to the folder."""
ALL = frozenset({"event", "continuous"})
"""And to a server, so that there is always something on its way."""


def film(path: Path, seconds: int) -> Path:
    """What the H.264 camera shows: frame n says n, a keyframe each second, no B-frames, as a camera would."""
    scene = Scene(*SIZE)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": f"keyint={FPS}:scenecut=0"}
        for number in range(seconds * FPS):
            planes = scene.draw(f"#{number}", number, flight(number / FPS, EVERY, MOVE))
            frame = av.VideoFrame(*SIZE, "yuv420p")
            for plane, pixels in zip(frame.planes, planes, strict=True):
                padded = bytearray(plane.line_size * plane.height)
                for row in range(plane.height):
                    at = row * plane.line_size
                    padded[at : at + plane.width] = pixels[row].tobytes()
                plane.update(bytes(padded))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def edgecam(folder: Path, video: Path, store: Path | S3, *, limit: str) -> Edgecam:
    """The daemon, its library below `folder`, not started. The store is a folder, or a server's bucket `birdbox`."""
    common = {
        "motion": {"settle": "300ms", "cooldown": "1s", "fps": 8},
        "record": {
            "mode": "both",
            "event": {"pre": "1s", "post": "1s", "max": "4s", "keep": "60s"},
            "continuous": {"segment": "5s", "keep": "1h"},
        },
    }
    size = "x".join(map(str, SIZE))
    synthetic = {"type": "synthetic", "size": size, "fps": FPS, "schedule": {"every": f"{EVERY}s", "move": f"{MOVE}s"}}
    config = {
        "storage": {"path": str(folder / "library"), "limit": limit, "reserve": "0B"},
        "offload": {"store": _section(store), "kinds": sorted(wanted(store))},
        "cameras": {
            "jay": {"source": synthetic, "video": {"codec": "auto"}, **common},
            "robin": {"source": {"type": "file", "path": str(video)}, **common},
        },
    }
    return Edgecam(folder, config)


def wanted(store: Path | S3) -> frozenset[str]:
    """Kinds of media that go there."""
    return WANTED if isinstance(store, Path) else ALL


def place(store: Path | S3) -> Path:
    """The folder in which everything lies that arrived."""
    return store if isinstance(store, Path) else store.bucket("birdbox")


def _section(store: Path | S3) -> dict[str, str]:
    return {"type": "folder", "path": str(store)} if isinstance(store, Path) else store.section("birdbox")


class Witness:
    """Watches a camera's stream as a browser does; `last` is the number of the newest frame it was sent, -1 if none."""

    def __init__(self, url: str, camera: str) -> None:
        self.last = -1
        self._thread = threading.Thread(target=self._watch, args=(f"{url}cameras/{camera}/stream.mjpg",), daemon=True)
        self._thread.start()

    def _watch(self, url: str) -> None:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  (our own loopback)
                for line in answer:
                    if line.startswith(b"X-Frame: "):
                        self.last = int(line.split()[1])
        except (OSError, ValueError):
            pass  # it was killed

    def join(self) -> None:
        self._thread.join(10)


def numbers(path: Path) -> list[int]:
    """What is burnt into the frames of a clip."""
    with av.open(str(path)) as container:
        pictures = [np.asarray(frame.to_ndarray(format="gray"), np.uint8) for frame in container.decode(video=0)]
    return [overlay.read_counter(picture) for picture in pictures]


def holes(seen: list[int]) -> list[str]:
    """Where frames are missing, or seen again, between the first and the last."""
    return [f"{a} is followed by {b}" for a, b in itertools.pairwise(seen) if b != a + 1]


def lost(seen: list[int], last: int) -> int:
    """Frames that were shown to somebody and are on no disk."""
    return max(0, last - (seen[-1] if seen else -1))


def most_lost(camera: str, slack: float) -> int:
    """Frames that a crash may cost: the last fragment and `slack` seconds."""
    return math.ceil((FRAGMENT[camera] + slack) * FPS)
