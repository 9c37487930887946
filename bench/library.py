"""What a large library costs: a day's listing, the daemon's start, and the counting of sizes behind it.

    .venv/bin/python bench/library.py [--days 30] [--seconds 90] [--folder DIR]

Days of 10 s segments of two cameras, empty files in a temporary folder: 30 days are a million names. Listings are
medians; the daemon is a child process that is asked from outside, once with this library and once with an empty one.

On two quiet cores, with 30 days: a day of 8640 segments as the page asks for it 39 ms, with all of them told 46 ms;
the first answer after 0.75 s with a million names and after 0.81 s with none (the same, within the noise); counting
them takes 6 s of CPU in the first 90 s, while the slowest of all answers to others comes after 46 ms.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from edgecam.media import Layout, MediaId, MediaKind
from edgecam.record.disk.library import Library
from edgecam.web.listing import listing

CAMERAS = ("door", "yard")
SEGMENT = 10.0
DAY = 86400.0
ROUNDS = 40

CONFIG = """
storage: {{path: {storage}, limit: 1TB, reserve: 0B}}
http: {{listen: "127.0.0.1:{port}"}}
cameras:
  door: &camera
    source: {{type: synthetic, fps: 1}}
    motion: {{enabled: false}}
    record: {{enabled: false, continuous: {{keep: 365d}}}}
  yard: *camera
"""


def furnish(root: Path, days: int) -> str:
    """Segments of both cameras for so many whole days up to yesterday; returns the newest day."""
    layout = Layout(root)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for back in range(days, 0, -1):
        begin = (midnight - timedelta(days=back)).timestamp()
        for camera in CAMERAS:
            for number in range(int(DAY / SEGMENT)):
                id = MediaId.new(begin + number * SEGMENT, camera, MediaKind.CONTINUOUS)
                folder = layout.folder(id)
                if number == 0:
                    folder.mkdir(parents=True)
                for suffix in (".mp4", ".json"):
                    os.close(os.open(folder / (id.text + suffix), os.O_CREAT | os.O_WRONLY, 0o640))
    return f"{midnight - timedelta(days=1):%Y-%m-%d}"


def milliseconds(call: Callable[[], object], cpu: Callable[[], float] = time.process_time) -> str:
    """Of one of ROUNDS calls: the median, the best, and the processor's time of whoever works."""
    taken, used = [], cpu()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    used = (cpu() - used) * 1000 / ROUNDS
    return f"{statistics.median(taken):6.1f} ms, at best {min(taken):.1f}, {used:.1f} ms of CPU"


class Child:
    """The daemon over a library."""

    def __init__(self, folder: Path, storage: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        file = folder / f"{storage.name}.yaml"
        file.write_text(CONFIG.format(storage=storage, port=self.port))
        self.began = time.perf_counter()
        words = [sys.executable, "-m", "edgecam", "run", "-c", str(file)]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not self.answers():
            if self.process.poll() is not None:
                raise SystemExit(f"the daemon ended with {self.process.returncode}; run it with {file}")
            time.sleep(0.005)
        self.started = time.perf_counter() - self.began

    def answers(self) -> bool:
        try:
            return bool(self.get("/healthz"))
        except OSError:
            return False

    def get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    @property
    def cpu(self) -> float:
        """Seconds of processor that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def answering(self, seconds: float) -> str:
        """How long answers take that need nothing but the loop, until so long after its start."""
        taken = []
        while time.perf_counter() - self.began < seconds:
            asked = time.perf_counter()
            self.get("/healthz")
            taken.append((time.perf_counter() - asked) * 1000)
            time.sleep(0.02)
        most = statistics.quantiles(taken, n=100)[-1]
        return f"answers after {statistics.median(taken):.1f} ms, 99 % within {most:.0f}, the slowest {max(taken):.0f}"


@contextmanager
def running(folder: Path, storage: Path) -> Iterator[Child]:
    child = Child(folder, storage)
    try:
        yield child
    finally:
        child.process.send_signal(signal.SIGTERM)
        child.process.wait(20)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=90, help="how long the daemon counts")
    parser.add_argument("--folder", type=Path, help="where the library is made, else the usual temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        day = furnish(folder / "full", arguments.days)
        print(f"{arguments.days} days of {SEGMENT:.0f} s segments, {len(CAMERAS)} cameras; the day shown is {day}")
        library = Library(Layout(folder / "full"), wanted=lambda _: False)
        begin = datetime.fromisoformat(f"{day}T00:00:00Z").timestamp()
        print("library.list                 ", milliseconds(lambda: library.list("door", day)))
        files = {day: library.files("door", day)}
        print("the page's listing of names  ", milliseconds(lambda: listing(files, "door", begin, begin + DAY)))
        measure(folder, day, arguments.seconds)


def measure(folder: Path, day: str, seconds: float) -> None:
    """The daemon: empty first, which also warms the disk's cache for its code."""
    with running(folder, folder / "empty"):
        pass
    path = f"/api/cameras/door/recordings?date={day}"
    for storage in ("empty", "full"):
        with running(folder, folder / storage) as child:
            started = child.started
            answers = child.answering(seconds)
            print(
                f"{storage:5} library: the first answer after {started:.2f} s;"
                f" in {seconds:.0f} s {child.cpu:.1f} s of CPU, {answers}"
            )
            if storage == "full":
                assert len(json.loads(child.get(path))["items"]) == DAY / SEGMENT
                print("HTTP, all 8640 of the day    ", milliseconds(partial(child.get, path), lambda: child.cpu))
                shown = f"{path}&kind=event,manual,timelapse,snapshot"
                print("HTTP, as the page asks       ", milliseconds(partial(child.get, shown), lambda: child.cpu))


if __name__ == "__main__":
    main()
