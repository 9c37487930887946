"""Controls of USB cameras by name. linuxpy is the real one; the kernel behind it is ours."""

import builtins
from pathlib import Path
from typing import Any

import pytest
from linuxpy.video.device import ControlType

from edgecam.sources import controls
from kernelcam import KernelCam, Knob, plug_in

BRIGHTNESS, BALANCE, LINE, EXPOSURE, EXPOSURE_TIME, ZOOM = 0x980900, 0x98090C, 0x980918, 0x9A0901, 0x9A0902, 0x9A090D


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "video0"
    path.touch()
    return path


@pytest.fixture
def camera(device: Path, monkeypatch: pytest.MonkeyPatch) -> KernelCam:
    class Automatic(KernelCam):
        """Its exposure time can be set while the exposure is manual, as with every UVC camera."""

        def answer(self, request: Any, told: Any) -> None:
            self.knobs[EXPOSURE_TIME].inactive = self.knobs[EXPOSURE].value != 1
            super().answer(request, told)

    made = Automatic(
        knobs={
            BRIGHTNESS: Knob("Brightness", ControlType.INTEGER, -64, 64),
            BALANCE: Knob("White Balance, Automatic", ControlType.BOOLEAN, 0, 1, value=1),
            LINE: Knob("Power Line Frequency", ControlType.MENU, 0, 2, menu={0: "Disabled", 1: "50 Hz", 2: "60 Hz"}),
            EXPOSURE: Knob(
                "Auto Exposure", ControlType.MENU, 0, 3, value=3, menu={1: "Manual Mode", 3: "Aperture Priority Mode"}
            ),
            EXPOSURE_TIME: Knob("Exposure Time, Absolute", ControlType.INTEGER, 1, 5000, value=156),
            ZOOM: Knob("Zoom, Absolute", ControlType.INTEGER, 100, 500, value=100),
        }
    )
    plug_in(monkeypatch, {device: made})
    return made


def test_controls_are_set_by_the_names_that_v4l2_ctl_shows(camera: KernelCam, device: Path) -> None:
    wanted: dict[str, controls.Value] = {
        "brightness": 12,
        "white_balance_automatic": False,
        "power_line_frequency": "60 Hz",
    }
    assert controls.apply(str(device), wanted) == []
    assert [camera.knobs[one].value for one in (BRIGHTNESS, BALANCE, LINE)] == [12, 0, 2]


def test_the_devices_own_spelling_and_a_menus_number_do_as_well(camera: KernelCam, device: Path) -> None:
    assert controls.apply(str(device), {"White Balance, Automatic": "off", "Power Line Frequency": 1}) == []
    assert [camera.knobs[one].value for one in (BALANCE, LINE)] == [0, 1]


def test_a_mode_is_set_before_what_it_allows(camera: KernelCam, device: Path) -> None:
    assert controls.apply(str(device), {"exposure_time_absolute": 300, "auto_exposure": "manual mode"}) == []
    assert camera.knobs[EXPOSURE_TIME].value == 300


def test_what_an_automatic_holds_is_told(camera: KernelCam, device: Path) -> None:
    (complaint,) = controls.apply(str(device), {"exposure_time_absolute": 300})
    assert complaint.startswith("control exposure_time_absolute cannot be set now: an automatic has it")


@pytest.mark.parametrize(("asked", "given"), [(300, 64), (-300, -64)])
def test_a_value_beyond_the_limits_is_clamped_and_told(camera: KernelCam, device: Path, asked: int, given: int) -> None:
    (complaint,) = controls.apply(str(device), {"brightness": asked})
    assert f"{asked} is" in complaint
    assert f"{given}, which is set instead" in complaint
    assert camera.knobs[BRIGHTNESS].value == given


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"brightnes": 1}, "no control brightnes (did you mean brightness?)"),
        ({"exposure_auto": 1}, "did you mean exposure_time_absolute or auto_exposure"),
        ({"lamp": 1}, "no control lamp; it has: auto_exposure, brightness,"),
        ({"brightness": "bright"}, "control brightness: must be a whole number"),
        ({"brightness": 1.5}, "control brightness: must be a whole number"),
        ({"power_line_frequency": "70 Hz"}, "must be one of 0 (Disabled), 1 (50 Hz), 2 (60 Hz)"),
        ({"white_balance_automatic": "maybe"}, "must be true or false"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told_and_the_rest_is_set(
    camera: KernelCam, device: Path, wanted: dict[str, controls.Value], said: str
) -> None:
    (complaint,) = controls.apply(str(device), {**wanted, "zoom_absolute": 200})
    assert said in complaint
    assert camera.knobs[ZOOM].value == 200


def test_without_linuxpy_the_cure_is_told(camera: KernelCam, device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **keys: Any) -> Any:
        if name.startswith("linuxpy"):
            raise ModuleNotFoundError("No module named 'linuxpy'", name="linuxpy")
        return real(name, *rest, **keys)

    monkeypatch.setattr(builtins, "__import__", without)
    assert controls.apply(str(device), {"brightness": 1}) == [
        "controls cannot be set without linuxpy: pip install 'edgecam[v4l2]'"
    ]


def test_a_device_that_cannot_be_asked_is_told(tmp_path: Path) -> None:
    (complaint,) = controls.apply(str(tmp_path / "gone"), {"brightness": 1})
    assert complaint.startswith("controls cannot be set: ")
