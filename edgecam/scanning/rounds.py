"""Rounds: which videos a run takes up, and which ones earlier runs are done with.

A video that is named is always taken up. One that is found in a folder is taken up once, and only when it is finished:
nothing was added to it for a while. What was done is remembered beside the clips, so that a timer can repeat the run.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecam import durable

VIDEOS = frozenset(
    (".avi", ".h264", ".hevc", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mts", ".ts", ".webm")
)
"""Endings of what is a video in a folder, in small letters."""

STABLE = 5.0
"""Seconds after the last change of a video in which it may still grow."""

MOST = 10_000
"""Videos that are remembered; all that are older than those count as done."""

STATE = ".edgecam-scan.json"


@dataclass(frozen=True, slots=True)
class Look:
    """How a video lies on the disk; another one means that it was changed."""

    size: int
    mtime: int
    """Nanoseconds."""

    @classmethod
    def at(cls, path: Path) -> "Look | None":
        """None: there is none, or it cannot be seen."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Due:
    """A video to be scanned, as it lay when the run began."""

    path: Path
    look: Look | None


@dataclass(slots=True)
class Run:
    """What is to be done, and what is not, in numbers."""

    due: list[Due]
    done: int = 0
    """Scanned by an earlier run, unchanged since."""
    old: int = 0
    growing: int = 0
    waiting: int = 0
    """Beyond the most of one run."""


class Done:
    """What earlier runs are done with. Blocking; a file that cannot be read is as none."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / STATE
        self._videos: dict[str, Look] = {}
        self._before = 0
        """Videos that were changed before that (ns) are done."""
        try:
            found = json.loads(self._file.read_bytes())
            self._videos = {str(path): Look(int(size), int(mtime)) for path, (size, mtime) in found["videos"].items()}
            self._before = int(found["before"])
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            self._videos = {}

    def __contains__(self, due: Due) -> bool:
        if due.look is None:
            return False
        return due.look.mtime < self._before or self._videos.get(_name(due.path)) == due.look

    def add(self, due: Due) -> None:
        """Durable when this returns. Forgets videos that are no more. Raises OSError."""
        if due.look is None:
            return
        self._videos[_name(due.path)] = due.look
        kept = {path: look for path, look in self._videos.items() if Path(path).exists()}
        newest = sorted(kept, key=lambda path: kept[path].mtime, reverse=True)
        self._before = max([self._before, *(kept[path].mtime + 1 for path in newest[MOST:])])
        self._videos = {path: kept[path] for path in newest[:MOST]}
        told = {path: [look.size, look.mtime] for path, look in sorted(self._videos.items())}
        durable.write_json(self._file, {"before": self._before, "videos": told})


def _name(path: Path) -> str:
    return str(path.absolute())


def plan(
    videos: Sequence[Path], done: Done | None, *, now: float, since: float = math.inf, most: int | None = None
) -> Run:
    """What is due of these videos and of those in these folders, in that order, sorted in each folder, those once.

    `now`: unix seconds; `since`: how old (s) a video may be. Without `done` nothing is repeated, so that videos which
    may still grow are due as well. Raises OSError for a folder that cannot be read.
    """
    run, seen = Run([]), set[str]()
    for path, found in _all(videos):
        due = Due(path, Look.at(path))
        if found and _name(path) in seen:
            continue
        seen.add(_name(path))
        age = now - due.look.mtime / 1e9 if due.look else 0.0
        if age > since:
            run.old += 1
        elif found and done is not None and due in done:
            run.done += 1
        elif found and done is not None and abs(age) < STABLE:
            run.growing += 1
        elif most is not None and len(run.due) >= most:
            run.waiting += 1
        else:
            run.due.append(due)
    return run


def _all(videos: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """Each video, and whether it was found in a folder. Folders in it are not entered; hidden files are none."""
    for path in videos:
        if not path.is_dir():
            yield path, False
            continue
        for inside in sorted(path.iterdir()):
            if inside.suffix.lower() in VIDEOS and not inside.name.startswith(".") and inside.is_file():
                yield inside, True
