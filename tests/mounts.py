"""Small file systems of the tests' own that fill up, vanish and come back. As root; else the tests are skipped."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def mount(place: Path, *options: str) -> None:
    """mount(8) at `place`; more of it covers what is mounted there already."""
    subprocess.run(["mount", *options, str(place)], check=True, capture_output=True)


def unmount(place: Path) -> None:
    """Take the newest mount away as a pulled plug does: who has files open there keeps them."""
    subprocess.run(["umount", "--lazy", str(place)], check=True, capture_output=True)


@contextlib.contextmanager
def mounts(place: Path) -> Iterator[Path]:
    """A mount point; whatever is mounted there in the end is taken away."""
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            while True:
                unmount(place)


@contextlib.contextmanager
def tmpfs(place: Path, size: int, inodes: int = 0) -> Iterator[Path]:
    """A file system in memory of so many bytes, and so many inodes (0: enough)."""
    with mounts(place):
        mount(place, "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes},mode=750", "tmpfs")
        yield place


def _may_mount() -> bool:
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tmpfs(Path(folder) / "m", 4096):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


as_root = pytest.mark.skipif(not _may_mount(), reason="mounting a file system needs root, and its permission")
