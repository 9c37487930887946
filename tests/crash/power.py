"""The power goes while the daemon records on a file system of its own: only what had reached the disk is left.

The file system lies in an image behind a loop device. A copy of the image, taken between two writes of the kernel, is
what a power cut leaves: pages that were not synced are not in it. Needs root and loop devices.
"""

import math
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from crash import house, scan
from edgecam.media import MediaId, MediaKind
from edgecam.record.writer import SYNC_EVERY
from outside import Edgecam, until
from peers import S3, program

MEGABYTES = 64
SLACK = 1.0
"""Seconds that a cut may cost beyond what was not synced yet and the fragment that was open: a sync takes its time."""

CLEAN_WITHIN = 60.0
STARTING = 8
"""Seconds that the cameras may already run when we begin to count."""


@dataclass(frozen=True)
class Cut:
    """What one power cut left. `lost`: seconds that a viewer had seen, of each camera."""

    wrong: list[str]
    lost: dict[str, float]


def unable() -> str | None:
    """Why this machine cannot do it, in words."""
    if os.geteuid() != 0:
        return "mounting needs root"
    try:
        with tempfile.TemporaryDirectory() as folder, mounted(made(Path(folder) / "image"), Path(folder) / "disk"):
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no file system can be mounted from an image here: {error}"


def made(image: Path) -> Path:
    """An empty file system."""
    with image.open("wb") as file:
        file.truncate(MEGABYTES << 20)
    _call("mkfs.ext4", "-q", image)
    return image


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    """The image's file system at `place`, unmounted whatever happens; the journal is replayed where it must."""
    place.mkdir(exist_ok=True)
    _call("mount", "-o", "loop", image, place)
    try:
        yield place
        until("nobody holds a file there", lambda: _unmounted(place))
    except BaseException:
        _call("umount", "--lazy", place)  # somebody may still be in there
        raise


def _unmounted(place: Path) -> bool:
    return subprocess.run([program("umount"), place], capture_output=True, check=False).returncode == 0


def _call(name: str, *words: object) -> str:
    done = subprocess.run([program(name), *map(str, words)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _written(image: Path) -> str:
    """A number that changes with each write that reaches the image's device."""
    device = _call("losetup", "--list", "--noheadings", "--output", "NAME", "--associated", image)
    return Path("/sys/block", Path(device).name, "stat").read_text().split()[6] + _in_flight(device)


def _in_flight(device: str) -> str:
    """Writes that are on their way make no two readings alike."""
    reads_writes = Path("/sys/block", Path(device).name, "inflight").read_text().split()
    return "" if reads_writes[1] == "0" else f" {time.monotonic_ns()}"


def snapshot(image: Path, copy: Path) -> None:
    """Copy the image as it is between two writes."""
    while True:
        before = _written(image)
        shutil.copyfile(image, copy)
        if _written(image) == before:
            return


class Mains:
    """A box on a disk of its own, for one power cut after the other: each begins with what the one before left."""

    def __init__(self, folder: Path, seed: int, *, longest: float = 12.0, server: S3 | None = None) -> None:
        """`longest`: seconds that it records before the power goes; `server`: where it uploads to, else to a folder."""
        self._folder, self._chance, self._longest = folder, random.Random(seed), longest
        self._store = server or folder / "store"
        self._video = house.film(folder / "robin.mp4", math.ceil(longest) + STARTING)
        self._image = made(folder / "image")

    def cut(self) -> Cut:
        """Record for a while, cut the power, look at what is left."""
        copy, began = self._folder / "copy", time.time()
        with mounted(self._image, self._folder / "disk") as disk, self._box(disk) as box:
            last = self._record(box, self._chance.uniform(1.0, self._longest), copy)
        copy.replace(self._image)
        with mounted(self._image, self._folder / "disk") as disk:
            wrong = scan.whole(disk / "box" / "library")
            restarted = time.time()
            with self._box(disk) as box:
                wrong += self._settle(box.library, restarted)
                lost = {
                    camera: self._lost(box.library, camera, began, number, wrong) for camera, number in last.items()
                }
            wrong += scan.whole(box.library) + scan.orphans(box.library, wanted=house.wanted(self._store))
            wrong += scan.stored(house.place(self._store), box.library)
        return Cut(wrong, lost)

    def _box(self, disk: Path) -> Edgecam:
        return house.edgecam(disk / "box", self._video, self._store, limit="30MB")

    def _record(self, box: Edgecam, seconds: float, copy: Path) -> dict[str, int]:
        """Returns the newest frame that a viewer had of each camera when the power went."""
        witnesses = {camera: house.Witness(box.url, camera) for camera in house.FRAGMENT}
        time.sleep(seconds)
        assert box.process is not None
        family = _family(box.process.pid)
        for pid in family:
            _signal(pid, signal.SIGSTOP)
        last = {camera: witness.last for camera, witness in witnesses.items()}
        snapshot(self._image, copy)
        for pid in family[1:]:
            _signal(pid, signal.SIGKILL)
        box.down(signal.SIGKILL)
        for witness in witnesses.values():
            witness.join()
        return last

    def _settle(self, root: Path, restarted: float) -> list[str]:
        """What the daemon does not finish of that which was left."""

        def left(room: str) -> list[Path]:
            return [path for path in (root / "spool" / room).iterdir() if _start(path) < restarted]

        def wrong() -> list[str]:
            unfinished = [f"{path} is never finished" for path in left("open")]
            return unfinished + [f"{path} is never stored" for path in left("wait")] + scan.orphans(root, restarted)

        with suppress(AssertionError):
            until("clean", lambda: not wrong(), CLEAN_WITHIN)
        return wrong()

    def _lost(self, root: Path, camera: str, began: float, last: int, wrong: list[str]) -> float:
        ids = [id for id in scan.starts(root) if (id.camera, id.kind) == (camera, MediaKind.CONTINUOUS)]
        paths = [root / "recordings" / camera / id.day / f"{id}.mp4" for id in ids if id.start >= began]
        life: list[int] = []
        for path in paths:
            numbers = house.numbers(path)
            if life and numbers[0] < life[-1]:
                break  # the camera of the next life
            life += numbers
        wrong += [f"{camera}: {hole}" for hole in house.holes(life)]
        lost = house.lost(life, last)
        if lost > house.most_lost(camera, SYNC_EVERY + SLACK):
            wrong.append(f"{camera}: shown up to {last}, recorded up to {life[-1:]}")
        return lost / house.FPS


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [child for task in tasks for child in task.read_text().split()]
    return [pid, *(one for child in children for one in _family(int(child)))]


def _signal(pid: int, sig: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, sig)


def _start(path: Path) -> float:
    return MediaId.parse(path.name.partition(".")[0]).start


def campaign(cuts: int, seed: int, say: Callable[[str], None]) -> list[str]:
    """So many power cuts on one file system, told line by line. Returns what was wrong."""
    if why := unable():
        say(f"No power cuts: {why}.")
        return []
    say(f"The same house records on ext4 of {MEGABYTES} MB. The power goes 1 to 12 s after the daemon answers.\n")
    wrong, lost, began = list[str](), dict[str, list[float]](), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        mains = Mains(Path(folder), seed)
        for number in range(1, cuts + 1):
            cut = mains.cut()
            wrong += cut.wrong
            for line in cut.wrong:
                say(f"WRONG after {number} cuts: {line}")
            for camera, seconds in cut.lost.items():
                lost.setdefault(camera, []).append(seconds)
            if number % 5 == 0:
                say(f"{number:4} cuts, wrong: {len(wrong)}")
    for camera, all_ in lost.items():
        say(
            f"{camera}: frames lost that a viewer had seen, in seconds: median {sorted(all_)[len(all_) // 2]:.2f}, "
            f"most {max(all_):.2f} (allowed: {SYNC_EVERY} s, a fragment of {house.FRAGMENT[camera]} s and {SLACK} s)"
        )
    say(f"{len(wrong)} things were wrong\n{(time.monotonic() - began) / 60:.0f} minutes.")
    return wrong
