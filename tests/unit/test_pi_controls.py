"""Controls of a Pi camera: what cannot be had is told, and nothing reaches the camera that it would choke on."""

import pytest

from edgecam.sources.pi.controls import Asked, fit
from picam import CONTROLS

WORDS = {"AfMode": {"Manual": 0, "Auto": 1, "Continuous": 2}}
OFFERED = {**CONTROLS, "AfWindows": ((0, 0, 0, 0), (65535, 65535, 65535, 65535), (0, 0, 0, 0))}


@pytest.mark.parametrize(
    ("name", "asked", "set_to"),
    [
        ("Saturation", 0, 0.0),
        ("Saturation", 1.5, 1.5),
        ("AeEnable", False, False),
        ("AeEnable", 1, True),
        ("AfMode", 2, 2),
        ("AfMode", "Continuous", 2),
        ("AfMode", "auto", 1),
        ("ExposureTime", 10_000.0, 10_000),
        ("ExposureTime", 0, 0),
        ("AnalogueGain", 0, 0.0),
        ("ColourGains", (1.5, 2), (1.5, 2.0)),
        ("FrameDurationLimits", (33333, 200_000), (33333, 200_000)),
        ("ScalerCrop", (820, 616, 1640, 1232), (820, 616, 1640, 1232)),
        ("AfWindows", (0, 0, 10, 10, 20, 20, 5, 5), [(0, 0, 10, 10), (20, 20, 5, 5)]),
    ],
)
def test_a_value_that_fits_is_set_in_the_cameras_own_type(name: str, asked: Asked, set_to: object) -> None:
    fitted = fit({name: asked}, OFFERED, WORDS)
    assert (fitted.values, fitted.complaints) == ({name: set_to}, [])
    assert type(fitted.values[name]) is type(set_to)


@pytest.mark.parametrize(
    ("name", "asked", "set_to", "told"),
    [
        ("Brightness", 3, 1.0, "control Brightness: 3 is beyond what the camera takes (-1.0 to 1.0); 1.0 is used"),
        ("Brightness", -3.0, -1.0, "-1.0 is used"),
        ("ExposureTime", 10.4, 75, "75 is used"),
        ("FrameDurationLimits", (1, 9e9), (1000, 1_000_000), "[1000, 1000000] is used"),
        ("ScalerCrop", (3000, 0, 1000, 5000), (2280, 0, 1000, 2464), "reaches beyond [0, 0, 3280, 2464]"),
    ],
)
def test_a_value_out_of_range_becomes_the_nearest_and_is_told(
    name: str, asked: Asked, set_to: object, told: str
) -> None:
    fitted = fit({name: asked}, OFFERED, WORDS)
    assert fitted.values == {name: set_to}
    assert len(fitted.complaints) == 1
    assert told in fitted.complaints[0]


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("Saturatoin", 0, "the camera has no control Saturatoin (did you mean Saturation?)"),
        ("af_mode", 2, "did you mean AfMode"),
        ("Zoom", 2, "the camera has no control Zoom; it has AeEnable, AfMode"),
        ("AfMode", 7, "control AfMode: is one of 0 (Manual), 1 (Auto), 2 (Continuous); it is left as it is"),
        ("AfMode", "cont", "is one of"),
        ("AfMode", True, "is one of"),
        ("Saturation", "grey", "takes a number, not text"),
        ("AeEnable", "maybe", "is true or false"),
        ("AeEnable", (1, 2), "is true or false"),
        ("AeEnable", 2, "is true or false"),
        ("ScalerCrop", (1, 2, 3), "takes [x, y, width, height]"),
        ("ScalerCrop", 5, "takes [x, y, width, height]"),
        ("ScalerCrop", (0, 0, 10, 10, 0, 0, 10, 10), "takes [x, y, width, height]"),
        ("ScalerCrop", (0, 0, 0, 10), "with a width and a height"),
    ],
)
def test_what_the_camera_cannot_do_is_left_out_and_told(name: str, asked: Asked, told: str) -> None:
    fitted = fit({name: asked, "Contrast": 1.5}, {**OFFERED, "Contrast": (0.0, 32.0, 1.0)}, WORDS)
    assert fitted.values == {"Contrast": 1.5}
    assert len(fitted.complaints) == 1
    assert told in fitted.complaints[0]


def test_limits_that_say_nothing_do_not_limit() -> None:
    assert fit({"Lux": 300}, {"Lux": (None, None, None)}).values == {"Lux": 300.0}
    assert fit({"Gain": 3}, {"Gain": (0, 0, None)}).values == {"Gain": 3}


def test_a_camera_without_controls_says_so() -> None:
    assert fit({"Zoom": 2}, {}).complaints == ["the camera has no control Zoom; it has none"]
