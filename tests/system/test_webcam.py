"""USB cameras through FFmpeg's own V4L2 code: the kernel's side is a shim (tests/shim/v4l2.c) in a process of its own.

The test is the camera: it holds the other end of the device, and each byte that it writes is a frame.
"""

import json
import os
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pictures import jpeg as picture

HERE = Path(__file__).parent
SIZE = (64, 48)

pytestmark = pytest.mark.system


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shim") / "v4l2.so"
    source = HERE.parent / "shim" / "v4l2.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], check=True)
    return made


class UsbCam:
    """A camera that is plugged in and the child that reads it."""

    def __init__(self, shim: Path, folder: Path) -> None:
        self._shim, self._folder = shim, folder
        self._camera, self._port = os.openpty()
        tty.setraw(self._port)
        self.device = folder / "by-id"
        self.device.symlink_to(os.ttyname(self._port))
        self._child: subprocess.Popen[str] | None = None

    def read_by(self, formats: str, *words: str, codec: str = "auto", stall: float = 20, **extra: str) -> None:
        """Start the child. `formats`: what the camera offers, the best first."""
        frame = self._folder / "frame"
        frame.write_bytes(picture(0, *SIZE) if formats.startswith("MJPG") else bytes(SIZE[0] * SIZE[1] * 2))
        shimmed = {"V4L2SHIM_FORMATS": formats, "V4L2SHIM_SIZE": "64x48", "V4L2SHIM_FRAME": str(frame), **extra}
        self._child = subprocess.Popen(
            [sys.executable, HERE / "webcam_child.py", self.device, codec, str(stall), *words],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **shimmed, "LD_PRELOAD": str(self._shim)},
        )

    def give(self, frames: str) -> None:
        os.write(self._camera, frames.encode())

    def told(self) -> Any:
        assert self._child is not None
        assert self._child.stdout is not None
        return json.loads(self._child.stdout.readline())

    def unplug(self) -> None:
        if self._camera >= 0:
            os.close(self._camera)
            os.close(self._port)
            self._camera = -1

    def finish(self) -> int:
        """Exit code of the child."""
        assert self._child is not None
        assert self._child.stdout is not None
        self._child.stdout.close()
        return self._child.wait(30)

    def end(self) -> None:
        self.unplug()
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self.finish()


@pytest.fixture
def webcam(shim: Path, tmp_path: Path) -> Iterator[UsbCam]:
    made = UsbCam(shim, tmp_path)
    yield made
    made.end()


def test_mjpeg_passes_with_the_kernels_own_times_until_the_plug_is_pulled(webcam: UsbCam) -> None:
    webcam.read_by("MJPG,YUYV", "viewer")
    for number in (1, 2, 3):
        webcam.give("f")
        assert webcam.told() == {"kind": "jpeg", "number": number, "size": list(SIZE), "fresh": True}
    webcam.unplug()
    assert webcam.told() == {"broken": f"{webcam.device} was unplugged, or its USB port failed"}
    end = webcam.told()
    assert end["lost"] == 0
    assert end["told"] == [
        "asked for 640x480 at 15/s, the camera gives mjpeg, 64x48 at 30/s; `edgecam cameras` lists what it has"
    ]
    assert webcam.finish() == 0


def test_pixels_outlive_the_device_they_came_from(webcam: UsbCam) -> None:
    webcam.read_by("YUYV", "viewer")
    webcam.give("f")
    assert webcam.told()["kind"] == "raw"
    webcam.unplug()
    assert "broken" in webcam.told()
    assert webcam.told()["jpeg"] > 0
    webcam.told()
    assert webcam.finish() == 0


def test_a_camera_without_the_format_that_is_wanted_gives_the_next_best(webcam: UsbCam) -> None:
    webcam.read_by("MJPG", "viewer", codec="h264")
    webcam.give("f")
    assert webcam.told()["kind"] == "jpeg"


def test_a_frame_that_the_driver_marks_as_damaged_is_left_out(webcam: UsbCam) -> None:
    webcam.read_by("MJPG", "viewer")
    webcam.give("feef")
    assert [webcam.told().get("number") for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("given", ["", "ff"], ids=["from the start", "after some frames"])
def test_a_camera_that_falls_silent_is_left_and_its_thread_comes_home(webcam: UsbCam, given: str) -> None:
    webcam.read_by("MJPG", "viewer", stall=1.0)
    webcam.give(given)
    for _ in given:
        assert "number" in webcam.told()
    assert webcam.told()["broken"].startswith("no frame for ")
    assert webcam.told()["lost"] == 0
    assert webcam.finish() == 0


def test_a_camera_that_another_program_has_is_told(webcam: UsbCam) -> None:
    webcam.read_by("MJPG", "viewer", V4L2SHIM_BUSY="1")
    assert webcam.told()["broken"].startswith(f"{webcam.device} is in use by another program")
