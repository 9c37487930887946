"""Which mode of a sensor is chosen, and how small the picture for motion is. The sensors and their modes are real."""

import pytest

from edgecam.sources.pi.sensor import Mode, Size, choose, modes, small
from picam import IMX219_MODES

IMX219 = modes(IMX219_MODES)
IMX477 = [
    Mode((1332, 990), 10, 120.05, (696, 528, 2664, 1980)),
    Mode((2028, 1080), 12, 50.03, (0, 440, 4056, 2160)),
    Mode((2028, 1520), 12, 40.01, (0, 0, 4056, 3040)),
    Mode((4056, 3040), 12, 10.0, (0, 0, 4056, 3040)),
]
IMX708 = [
    Mode((1536, 864), 10, 120.13, (768, 432, 3072, 1728)),
    Mode((2304, 1296), 10, 56.03, (0, 0, 4608, 2592)),
    Mode((4608, 2592), 10, 14.35, (0, 0, 4608, 2592)),
]
OV5647 = [
    Mode((640, 480), 10, 58.92, (16, 0, 2560, 1920)),
    Mode((1296, 972), 10, 46.34, (0, 0, 2592, 1944)),
    Mode((1920, 1080), 10, 32.81, (348, 434, 1928, 1080)),
    Mode((2592, 1944), 10, 15.63, (0, 0, 2592, 1944)),
]


@pytest.mark.parametrize(
    ("sensor", "size", "fps", "chosen"),
    [
        (IMX219, (1280, 720), 15, (1640, 1232)),  # 1920x1080 would crop the view, and so would 640x480
        (IMX219, (640, 480), 30, (1640, 1232)),
        (IMX219, (3280, 2464), 15, (3280, 2464)),
        (IMX219, (1920, 1080), 30, (1640, 1232)),  # nothing has all three: a softer picture, not fewer or a part of it
        (IMX219, (1920, 1080), 90, (1640, 1232)),
        (IMX477, (1280, 720), 30, (2028, 1520)),
        (IMX477, (4056, 3040), 10, (4056, 3040)),
        (IMX708, (1920, 1080), 30, (2304, 1296)),
        (IMX708, (4608, 2592), 14, (4608, 2592)),
        (OV5647, (1280, 720), 30, (1296, 972)),
    ],
)
def test_auto_keeps_the_full_view_then_the_rate_then_the_size(
    sensor: list[Mode], size: Size, fps: float, chosen: Size
) -> None:
    mode = choose(sensor, "auto", size, fps)
    assert mode is not None
    assert mode.size == chosen


def test_a_mode_can_be_named() -> None:
    assert choose(IMX219, "2", (640, 480), 30) is IMX219[2]
    assert choose(IMX219, "640x480", (640, 480), 30) is IMX219[0]
    deep = [Mode((640, 480), 8, 100.0, (0, 0, 640, 480)), Mode((640, 480), 10, 60.0, (0, 0, 640, 480))]
    assert choose(deep, "640x480", (640, 480), 30) is deep[1]
    assert choose(deep, "640x480", (640, 480), 90) is deep[0]


@pytest.mark.parametrize("wish", ["7", "800x600", "full", "-1"])
def test_a_mode_that_does_not_exist_is_refused_with_those_that_do(wish: str) -> None:
    with pytest.raises(ValueError, match="0: 640x480 103 fps 10 bit, 1: 1640x1232 42 fps 10 bit"):
        choose(IMX219, wish, (640, 480), 30)


def test_a_camera_that_is_no_bare_sensor_has_no_modes() -> None:
    assert modes([{"format": "YUYV"}, {"format": "MJPEG"}]) == []
    assert choose([], "auto", (640, 480), 30) is None
    with pytest.raises(ValueError, match="it has no modes"):
        choose([], "0", (640, 480), 30)


@pytest.mark.parametrize(
    ("size", "align", "look"),
    [
        ((1280, 720), 64, (320, 180)),
        ((1920, 1080), 64, (320, 180)),
        ((1280, 720), 128, (384, 216)),
        ((1640, 1232), 64, (320, 240)),
        ((480, 854), 64, (320, 570)),
        ((320, 240), 64, None),
        ((384, 288), 128, None),
    ],
)
def test_motion_gets_a_small_picture_of_the_same_shape(size: Size, align: int, look: Size | None) -> None:
    assert small(size, align) == look
