"""Mount: whether a folder is a place where a file system is mounted, from proc(5) mountinfo."""

import contextlib
import os
import re
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


def mounted(path: Path) -> bool:
    """Whether something is mounted at `path` itself; a bind mount and a container's volume count. Blocking.

    An automount point counts when what it stands for has come; opening it is what makes it come.
    """
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
    return os.path.realpath(path) in points(os.fsdecode(MOUNTINFO.read_bytes()))


def points(mountinfo: str) -> set[str]:
    """Every place where something is mounted that is more than the promise of an automount."""
    found = set()
    for line in mountinfo.splitlines():
        here, _, what = line.partition(" - ")
        if what and what.split(" ")[0] != "autofs":
            found.add(_plain(here.split(" ")[4]))
    return found


def _plain(text: str) -> str:
    """Space, tab, newline and backslash are written as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
