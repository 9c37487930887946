"""The daemon records without end into 60 MB of memory, until it has written ten times as much: `make tmpfs`, as root.

Prints what it saw once a minute and at the end: whether recording ever paused, how close the free space came to the
reserve, and whether the counters tell exactly what is gone. Ends with 1 when anything of that is wrong.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mounts import tmpfs
from outside import Edgecam

MB = 1_000_000
CAPACITY = 60 * MB
RESERVE = 6 * MB
TIMES = 10
LOOK = 0.05
"""Seconds between two samples of the free space."""
PAUSE = 8.0
"""Seconds without a new segment that count as a stop; they are two seconds long."""


@dataclass
class Watch:
    """What a bystander sees of the files, without asking the daemon."""

    place: Path
    sizes: dict[str, int] = field(default_factory=dict)
    """Every segment ever seen, and its bytes."""
    least: int = CAPACITY
    newest: float = field(default_factory=time.monotonic)
    longest: float = 0.0

    def look(self) -> None:
        found = os.statvfs(self.place)
        self.least = min(self.least, found.f_bavail * found.f_frsize)
        now = time.monotonic()
        for path in self._segments():
            if path.name not in self.sizes:
                try:
                    self.sizes[path.name] = path.stat().st_size
                except FileNotFoundError:
                    continue
                self.longest, self.newest = max(self.longest, now - self.newest), now

    def _segments(self) -> Iterator[Path]:
        return self.place.glob("recordings/wall/*/*.mp4")

    @property
    def here(self) -> set[str]:
        return {path.name for path in self._segments()}

    @property
    def written(self) -> int:
        return sum(self.sizes.values())


def configured(folder: Path, place: Path) -> Edgecam:
    camera = {
        "source": {"type": "synthetic", "size": "1280x720", "fps": 25},
        "video": {"codec": "mjpeg"},
        "motion": {"enabled": False},
        "record": {"mode": "continuous", "continuous": {"segment": "2s", "keep": "forever"}},
    }
    storage = {"path": str(place), "limit": "1GB", "reserve": f"{RESERVE}B"}
    return Edgecam(folder, {"state": str(folder / "state"), "storage": storage, "cameras": {"wall": camera}})


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, tmpfs(Path(folder) / "place", CAPACITY) as place:
        return record(Path(folder), place)


def record(folder: Path, place: Path) -> int:
    with configured(folder, place) as box:
        watch, told, began = Watch(place), time.monotonic(), time.monotonic()
        while watch.written < TIMES * CAPACITY and time.monotonic() - watch.newest < PAUSE:
            watch.look()
            if time.monotonic() - told > 60:
                told = time.monotonic()
                say(watch, told - began)
            time.sleep(LOOK)
        say(watch, time.monotonic() - began)
        return judge(watch, box)


def say(watch: Watch, seconds: float) -> None:
    print(  # noqa: T201
        f"{seconds:5.0f} s: {watch.written / MB:5.0f} MB in {len(watch.sizes)} segments, {len(watch.here)} of them "
        f"here; free at least {watch.least / MB:.2f} MB (reserve {RESERVE / MB:.0f}); "
        f"longest time between two {watch.longest:.1f} s",
        flush=True,
    )


def judge(watch: Watch, box: Edgecam) -> int:
    """Compare the daemon's counters with the files; both are looked at until nothing happens in between."""
    for _ in range(100):
        watch.look()
        health = box.health()
        gone = len(watch.sizes) - len(watch.here)
        if health["disk"]["removed"] == gone:
            break
        time.sleep(LOOK)
    disk, problems = health["disk"], health["problems"]
    print(f"gone: {gone}, counted: {disk['removed']}, lost: {disk['lost']}, problems: {problems}")  # noqa: T201
    wrong = {
        "it stopped": watch.written < TIMES * CAPACITY,
        "the reserve was crossed": watch.least < RESERVE,
        "the counters are wrong": (disk["removed"], disk["lost"]) != (gone, 0),
        "there is a problem": problems,
        "something went wrong": [line for line in box.log.splitlines() if "rror" in line],
        "sidecars and media differ": {path.stem for path in watch.place.glob("recordings/wall/*/*.json")}
        ^ {name.partition(".")[0] for name in watch.here},
    }
    print(json.dumps({text: bool(found) for text, found in wrong.items()}, indent=1))  # noqa: T201
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
