"""The kernel's video nodes that are cameras, from /sys and /dev alone: codecs, ISPs and metadata left out.

Devices are addressed by what stays the same when they are plugged in again: `/dev/video0` is whoever came first.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SYS, DEV = Path("/sys"), Path("/dev")

NOT_CAMERAS = ("bcm2835-codec", "bcm2835-isp", "rpivid", "rpi-hevc", "rpi_hevc", "pispbe", "unicam", "rp1-cfe")
"""How drivers or nodes of a Raspberry Pi begin that are no cameras: /dev/video10 to 31 are its codecs and ISP, and what
comes from a CSI port is raw until libcamera has had it.
"""
GROUP = "add this user to the group video: `sudo usermod -aG video $USER`, then log in again"


@dataclass(frozen=True, slots=True)
class Node:
    """One video node of the kernel."""

    device: Path
    """/dev/videoN, today."""
    address: Path
    """The name that lasts: by id, else by the port it is plugged into, else `device`."""
    name: str
    bus: str
    """`usb` or another name of the kernel's; empty for virtual devices."""
    driver: str
    index: int
    """Counts the nodes of one device."""

    @property
    def maybe_metadata(self) -> bool:
        """Whether its place says so: the UVC driver puts one for metadata behind each one for video."""
        return self.driver == "uvcvideo" and self.index % 2 == 1

    @property
    def problem(self) -> str | None:
        """Why it cannot be opened."""
        if not self.device.exists():
            return f"the kernel knows {self.device.name}, but {self.device} is not there"
        if not os.access(self.device, os.R_OK | os.W_OK):
            return f"no permission to open {self.device}; {GROUP}"
        return None


def nodes(sys: Path = SYS, dev: Path = DEV) -> list[Node]:
    """The nodes that may be cameras, in the kernel's order. Raises OSError when /sys cannot be read."""
    folder = sys / "class/video4linux"
    if not folder.is_dir():  # no camera has been here since the box started
        return []
    entries = sorted((entry for entry in folder.iterdir() if _number(entry) is not None), key=lambda e: _number(e) or 0)
    identities = {entry: _identity(entry) for entry in entries}
    twins = {who for who, count in Counter(filter(None, identities.values())).items() if count > 1}
    by_id, by_path = _links(dev / "v4l/by-id"), _links(dev / "v4l/by-path")
    found = []
    for entry in entries:
        device = dev / entry.name
        named = {} if identities[entry] in twins else by_id
        address = named.get(entry.name) or by_path.get(entry.name) or device
        parent = entry / "device"
        node = Node(
            device,
            address,
            name=_named(_text(entry / "name")) or entry.name,
            bus=_target(parent / "subsystem"),
            driver=_target(parent / "driver"),
            index=int(_text(entry / "index") or 0),
        )
        if not any(text.startswith(NOT_CAMERAS) for text in (node.driver, node.name)):
            found.append(node)
    return found


def _number(entry: Path) -> int | None:
    digits = entry.name.removeprefix("video")
    return int(digits) if entry.name.startswith("video") and digits.isdecimal() else None


def _identity(entry: Path) -> tuple[str, ...] | None:
    """What udev makes the name by id from. Two devices that have it in common fight for one name."""
    usb = (entry / "device").resolve().parent
    known = tuple(_text(usb / key) for key in ("idVendor", "idProduct", "serial"))
    return (*known, _text(entry / "index")) if known[0] else None


def _links(folder: Path) -> dict[str, Path]:
    """Node name -> the link that leads to it."""
    try:
        return {link.resolve().name: link for link in sorted(folder.iterdir(), reverse=True) if link.is_symlink()}
    except OSError:  # udev makes the folder with the first device
        return {}


def _target(link: Path) -> str:
    return link.resolve().name if link.is_symlink() else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _named(text: str) -> str:
    """Without what cannot be printed; the UVC driver likes to say names twice: `HD Webcam: HD Webcam`."""
    printable = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    first, _, second = printable.partition(": ")
    return first if second and (first.startswith(second) or second.startswith(first)) else printable


def others(sys: Path = SYS) -> Iterator[str]:
    """The names of all nodes, cameras or not, for a person who misses one."""
    for entry in sorted((sys / "class/video4linux").glob("video*")):
        yield f"{entry.name} ({_named(_text(entry / 'name'))})"
