"""Small file systems of the tests' own that fill up, vanish and come back. As root; else the tests are skipped."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

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


class Loop:
    """An ext4 file system in an image, whose end can break off: I/O errors beyond it, until it is mended."""

    def __init__(self, image: Path, place: Path, size: int) -> None:
        self._image, self._place, self._size = image, place, size
        self._device = ""
        self._beyond = b""

    def __enter__(self) -> Self:
        with self._image.open("wb") as file:
            file.truncate(self._size)
        self._run("mkfs.ext4", "-q", "-b", "4096", "-O", "^has_journal", str(self._image))
        self._device = self._run("losetup", "-f", "--show", str(self._image))
        self._place.mkdir(parents=True)
        self.mount()
        return self

    def __exit__(self, *_: object) -> None:
        unmount(self._place)
        self._run("losetup", "-d", self._device)

    def mount(self) -> None:
        mount(self._place, "-o", "errors=continue", self._device)

    def remount(self) -> None:
        """Take it away and bring it back: what is read now comes from the image."""
        self._run("umount", str(self._place))
        self.mount()

    def break_off(self, size: int) -> None:
        with self._image.open("rb") as file:
            file.seek(size)
            self._beyond = file.read()
        self._resize(size)

    def mend(self) -> None:
        """It takes everything again; what lay there is gone."""
        self._resize(self._size)

    def restore(self) -> None:
        """It takes everything again, and what lay there is there."""
        with self._image.open("ab") as file:
            file.write(self._beyond)
        self._resize(self._size)

    def _resize(self, size: int) -> None:
        os.truncate(self._image, size)
        self._run("losetup", "-c", self._device)

    @staticmethod
    def _run(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def may_mount() -> bool:
    """Whether this process may, here."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tmpfs(Path(folder) / "m", 4096):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def may_loop() -> bool:
    """Whether an image can be a disk here."""
    if not may_mount() or not all(map(shutil.which, ("mkfs.ext4", "losetup"))):
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with Loop(Path(folder) / "image", Path(folder) / "m", 1 << 20):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


as_root = pytest.mark.skipif(not may_mount(), reason="mounting a file system needs root, and its permission")
with_loop = pytest.mark.skipif(not may_loop(), reason="an image as a disk needs root, mkfs.ext4 and a loop device")
