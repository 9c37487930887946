"""What people watch and what is recorded is the same whatever the store does."""

import itertools
import threading
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime

from crash import house
from faultproxy import Answer, Fault, Strike
from faults.home import Home, recording
from faults.rows import Found, Trial
from outside import Edgecam, until

FPS = 15
SEGMENT = 2  # s, as `recording` has it
CAMERA = {"type": "synthetic", "size": "640x360", "fps": FPS, "schedule": {"every": "3s", "move": "1s"}}
FLOOD = Answer(503, b"<Error><Code>SlowDown</Code>" + bytes(20_000_000), (("Content-Type", "application/xml"),))
SLACK = 6, 1
"""Frames, in the tests, which know nothing of how busy the machine is, and in the campaign."""
FAULTS = {"throttled": Fault(rate=200_000), "flooding": Fault(answer=FLOOD), "hanging": Fault(stall=0)}
"""What a fault leaves behind must not be in the way of the next."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame as a viewer got it."""

    number: int
    at: float
    """When it was taken, unix seconds."""
    came: float
    """Monotonic."""


class Viewer:
    """Watches a stream to the end, and remembers every frame."""

    def __init__(self, url: str) -> None:
        self.seen: list[Seen] = []
        self._thread = threading.Thread(target=self._watch, args=(url,), daemon=True)
        self._thread.start()

    def _watch(self, url: str) -> None:
        at = 0.0
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  (our own loopback)
            for line in answer:
                if line.startswith(b"X-Timestamp: "):
                    at = float(line.split()[1])
                elif line.startswith(b"X-Frame: "):
                    self.seen.append(Seen(int(line.split()[1]), at, time.monotonic()))

    def watch(self, seconds: float) -> list[Seen]:
        """The frames of the next so many seconds, by the times at which they were taken."""
        first = len(self.seen)
        until("frames come", lambda: len(self.seen) > first)
        end = self.seen[first].at + seconds
        until("frames come", lambda: self.seen[-1].at >= end, seconds + 30)
        return [one for one in self.seen[first:] if one.at < end]

    def join(self) -> None:
        self._thread.join(10)


def goes_on(trial: Trial) -> Found:
    """10. A camera streams and records while all is well, and while the store is throttled, floods us, and hangs."""
    seconds = 60.0 if trial.full else 1.5
    cameras = {"wall": recording(CAMERA)}
    with Home(trial.folder, cameras=cameras, kinds=("event", "continuous")) as home:
        with home.box as box:
            viewer = Viewer(f"{box.url}cameras/wall/stream.mjpg")
            until("it uploads", home.arrived)
            parts = {"well": viewer.watch(seconds)}
            for what, fault in FAULTS.items():
                home.proxy.suffer(Strike(fault, method="any"))
                _suffers(home)
                parts[what] = viewer.watch(seconds)
            assert b'edgecam_camera_stream_skipped_total{camera="wall"} 0\n' in box.get("metrics")[2]
            assert box.health()["cameras"]["wall"]["problem"] is None
            box.down()
        viewer.join()
        assert house.holes([one.number for one in viewer.seen]) == [], "a viewer missed frames"
        slack = SLACK[trial.full]
        segments, lengths = _even(box, slack)
        rates = ", ".join(f"{what} {_rate(seen, slack)}" for what, seen in parts.items())
        return Found(segments, f"frames a second: {rates}; {lengths}, none missed")


def _rate(seen: list[Seen], slack: int) -> str:
    """And the longest time between two."""
    lasted = seen[-1].at - seen[0].at
    assert abs(len(seen) - 1 - lasted * FPS) <= slack + lasted * FPS / 100, f"{len(seen)} frames in {lasted} s"
    gap = max(b.came - a.came for a, b in itertools.pairwise(seen))
    return f"{(len(seen) - 1) / lasted:.2f} (at most {gap * 1000:.0f} ms apart)"


def _suffers(home: Home) -> None:
    """Wait until the store does what it is told."""
    seen = len(home.proxy.seen)
    assert home.box.send("POST", "api/spool/retry")[0] < 300  # however long it was to be left alone
    until("the store is asked", lambda: any(one.fault != Fault() for one in home.proxy.seen[seen:]), 60)


def _even(box: Edgecam, slack: int) -> tuple[int, str]:
    """The segments have the same number of frames, and no frame is missing. Returns how many, and how long they are."""
    segments = [one for one in box.sidecars() if one["kind"] == "continuous"]
    numbers = [house.numbers(path) for path in sorted(box.library.glob("recordings/wall/*/*-continuous-*.mp4"))]
    assert house.holes(list(itertools.chain(*numbers))) == [], "the recording misses frames"
    counts = [len(one) for one in numbers[1:-1]]
    assert all(abs(count - SEGMENT * FPS) <= slack for count in counts), counts
    for one, following in itertools.pairwise(segments):
        gap = _unix(following["start"]) - _unix(one["start"]) - one["duration"]
        assert abs(gap) * FPS <= 2 * slack, f"{gap:.3f} s between {one['id']} and the next"
    lengths = [one["duration"] for one in segments[1:-1]]
    return len(segments), f"segments of {min(counts)} to {max(counts)} frames, {min(lengths)} to {max(lengths)} s"


def _unix(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
