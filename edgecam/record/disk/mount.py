"""Mount: whether a folder is a place where a file system is mounted, from proc(5) mountinfo."""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class _Mount:
    parent: str
    device: str
    root: str
    """What of the device is shown, as a path in it,"""
    point: str
    """and where."""
    kind: str


def mounted(path: Path) -> bool:
    """Whether something is mounted at `path` itself; a bind mount and a container's volume count. Blocking.

    An automount point counts when what it stands for has come; opening it is what makes it come.
    """
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
    return os.path.realpath(path) in points(os.fsdecode(MOUNTINFO.read_bytes()))


def points(mountinfo: str) -> set[str]:
    """Every place where something is mounted: not the promise of an automount, nor a folder bound to itself, which is
    how systemd makes a path writable (ReadWritePaths) whether or not anything is mounted there.
    """
    mounts = {line.split(" ")[0]: _mount(line) for line in mountinfo.splitlines() if " - " in line}
    return {
        mount.point
        for mount in mounts.values()
        if mount.kind != "autofs" and not _bound_to_itself(mount, mounts.get(mount.parent))
    }


def _mount(line: str) -> _Mount:
    here, _, what = line.partition(" - ")
    _, parent, device, root, point = here.split(" ")[:5]
    return _Mount(parent, device, _plain(root), _plain(point), what.split(" ")[0])


def _bound_to_itself(mount: _Mount, below: _Mount | None) -> bool:
    if below is None or below.device != mount.device:
        return False
    covered = os.path.join(below.root, os.path.relpath(mount.point, below.point))  # noqa: PTH118  (need not exist)
    return os.path.normpath(covered) == mount.root


def _plain(text: str) -> str:
    """Space, tab, newline and backslash are written as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
