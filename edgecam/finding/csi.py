"""The cameras on a Raspberry Pi's ribbon cables, as picamera2 lists them.

Asked in a child process with a time limit: libcamera can hang, and can end the process that loads it.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from edgecam.finding import CannotLook

LIMIT = 30.0
"""Seconds for the child; the smallest board needs about ten to load picamera2."""

INSTALL = (
    "`sudo apt install python3-picamera2`, and a virtual environment made with `python3 -m venv --system-site-packages`"
)

_CHILD = """
import json, os, sys
try:
    from picamera2 import Picamera2
    told = {"cameras": [{key: camera.get(key) for key in ("Num", "Model", "Id")}
                        for camera in Picamera2.global_camera_info()]}
except ModuleNotFoundError as error:
    told = {"missing": error.name}
print()
print(json.dumps(told), flush=True)
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class CsiCamera:
    """One camera as libcamera knows it."""

    number: int
    model: str
    """The sensor."""


def ask(command: Sequence[str] = (sys.executable, "-c", _CHILD), limit: float = LIMIT) -> list[CsiCamera] | None:
    """The cameras; None when picamera2 is not installed. Raises CannotLook when it is and does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        raise CannotLook(
            f"picamera2 did not answer within {limit:.0f} s; is another program using the camera? A restart of the "
            "box frees a camera that hangs"
        ) from None
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        missing, cameras = told.get("missing"), told.get("cameras")
        if missing == "picamera2":
            return None
        if missing:
            raise CannotLook(f"picamera2 is installed without {missing}: {INSTALL}")
        return [CsiCamera(int(one["Num"]), str(one["Model"])) for one in cameras if "/usb" not in str(one["Id"])]
    except (IndexError, ValueError, KeyError, TypeError, AttributeError):
        last = ([line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"])[-1].strip()
        raise CannotLook(f"picamera2 cannot list the cameras: {last}") from None
