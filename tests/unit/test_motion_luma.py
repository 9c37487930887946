"""Small luma out of cameras' JPEGs."""

import numpy as np
import pytest
import simplejpeg

from edgecam.motion import luma
from pictures import jpeg, truncated


def scene(width: int, height: int) -> bytes:
    """A colour picture that is dark at the left and bright at the right."""
    ramp = np.linspace(30, 220, width).astype(np.uint8)[None, :, None].repeat(height, 0).repeat(3, 2)
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(ramp), 90))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1280, 720), (90, 160)),
        ((1920, 1080), (90, 160)),
        ((960, 720), (120, 160)),
        ((640, 480), (120, 160)),
        ((720, 1280), (284, 160)),
        ((100, 80), (80, 100)),  # never enlarged
        ((163, 41), (40, 160)),
    ],
)
def test_every_camera_size_becomes_the_detectors_width(size: tuple[int, int], expected: tuple[int, int]) -> None:
    found = luma.of_jpeg(scene(*size), 160)
    assert found.shape == expected
    assert found.dtype == np.uint8
    columns = found.mean(axis=0)
    assert columns[2] == pytest.approx(30, abs=6)
    assert columns[-3] == pytest.approx(220, abs=6)


def test_a_truncated_picture_is_refused_with_a_reason() -> None:
    with pytest.raises(luma.BadPicture, match=r"\w"):
        luma.of_jpeg(truncated(jpeg(width=320, height=240)), 160)


def test_garbage_is_refused() -> None:
    with pytest.raises(luma.BadPicture):
        luma.of_jpeg(b"\xff\xd8 not a picture \xff\xd9", 160)


def test_a_webcams_padding_before_the_end_marker_does_no_harm() -> None:
    data = jpeg(width=320, height=240)
    padded = data[:-2] + bytes(12) + data[-2:]
    np.testing.assert_array_equal(luma.of_jpeg(padded, 160), luma.of_jpeg(data, 160))


def test_reducing_keeps_the_mean() -> None:
    noisy = np.random.default_rng(1).integers(0, 255, (180, 320), np.uint8)
    assert luma.reduced(noisy, 160).mean() == pytest.approx(noisy.mean(), abs=0.6)
    assert luma.reduced(noisy, 320) is noisy
