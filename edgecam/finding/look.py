"""Looking: the ribbon cable's cameras and the kernel's, put together; one that cannot be asked hides no other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgecam import aside
from edgecam.finding import CannotLook, Found, Offer, csi, nodes, offers
from edgecam.finding.nodes import DEV, GROUP, SYS, Node

PATIENCE = 5.0
"""Seconds that one device gets to say what it offers."""

SENSORS = {
    "ov5647": "Camera Module 1",
    "imx219": "Camera Module 2",
    "imx708": "Camera Module 3",
    "imx477": "HQ Camera",
    "imx296": "Global Shutter Camera",
    "imx500": "AI Camera",
}
"""What the shops call them."""

CSI_CABLE = (
    "ribbon cable: switch the power off, seat it anew at both ends, contacts facing the board's; then "
    "`rpicam-hello --list-cameras` (`libcamera-hello` on older systems) must show it"
)
TRY = (
    "USB: `lsusb` must show the camera; try another port, a shorter cable, or a hub with its own power",
    CSI_CABLE,
    f"permission: `groups` must show video; if not, {GROUP}",
    "in a container: hand the device in, such as `--device /dev/video0` and `--group-add video`",
    "network cameras are not looked for: write `source: rtsp://…` or `source: http://…`",
)


@dataclass(slots=True)
class Outcome:
    """What looking brought."""

    cameras: list[Found] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Where looking failed, so that cameras may be missing."""
    hints: list[str] = field(default_factory=list)
    """What a person may want to do."""


def look(
    sys: Path = SYS,
    dev: Path = DEV,
    *,
    ask_csi: Callable[[], list[csi.CsiCamera] | None] = csi.ask,
    ask_offer: Callable[[str], Offer] = offers.ask,
) -> Outcome:
    """Takes as long as the devices and picamera2 do, each up to its limit."""
    outcome = Outcome()
    try:
        outcome.cameras += _on_ribbon(ask_csi, sys, outcome)
    except CannotLook as error:
        outcome.failures.append(str(error))
    try:
        outcome.cameras += _of_kernel(nodes.nodes(sys, dev), ask_offer, outcome)
    except OSError as error:
        outcome.failures.append(f"cannot read {error.filename}: {error.strerror}")
    if not outcome.cameras:
        if left_out := ", ".join(nodes.others(sys)):
            outcome.hints.append(f"the kernel's video devices here are no cameras that can be opened: {left_out}")
        outcome.hints += TRY
    return outcome


def _on_ribbon(ask: Callable[[], list[csi.CsiCamera] | None], sys: Path, outcome: Outcome) -> Iterator[Found]:
    cameras = ask()
    if cameras is None:
        if _is_raspberry(sys):
            outcome.hints.append(f"cameras on a ribbon cable need picamera2: {csi.INSTALL}")
        return
    models = [camera.model for camera in cameras]
    for camera in cameras:
        alone = models.count(camera.model) == 1
        device = None if len(cameras) == 1 else camera.model if alone else str(camera.number)
        shop = next((name for sensor, name in SENSORS.items() if camera.model.startswith(sensor)), None)
        yield Found("picamera2", shop or camera.model, device, f"ribbon cable, sensor {camera.model}")


def _is_raspberry(sys: Path) -> bool:
    try:
        return "Raspberry Pi" in (sys / "firmware/devicetree/base/model").read_text(errors="replace")
    except OSError:
        return False


def _of_kernel(found: list[Node], ask: Callable[[str], Offer], outcome: Outcome) -> Iterator[Found]:
    for node in found:
        offer, problem, known = None, node.problem, False
        if problem is None:
            try:
                offer, known = aside.start(ask, str(node.device)).result(PATIENCE), True
            except ImportError:
                hint = f"formats and sizes of USB cameras are told when linuxpy is there: {offers.PIP}"
                if hint not in outcome.hints:
                    outcome.hints.append(hint)
            except TimeoutError:
                problem = f"does not answer within {PATIENCE:.0f} s; plug it in again"
            except PermissionError:
                problem = f"no permission to open {node.device}; {GROUP}"
            except OSError as error:
                problem = f"does not answer: {error.strerror or error}; plug it in again"
        if offer.captures if known and offer else node.bus in ("usb", "") and not node.maybe_metadata:
            where = f"{'USB' if node.bus == 'usb' else node.driver or 'virtual'}, {node.device} today"
            yield Found("v4l2", node.name, str(node.address), where, offer, problem)
