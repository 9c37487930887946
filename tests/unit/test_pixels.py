"""Decoded pictures become luma and JPEGs of the right brightness, colour and size."""

import av
import numpy as np
import pytest
import simplejpeg
from av.video.reformatter import ColorRange, Colorspace

from edgecam.frame import Image
from edgecam.pixels import Decoded, Planes, reduced

WIDTH, HEIGHT = 128, 72


def shades(full: bool) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Left half black, right half white, reddish all over; planes in the full range or in video's."""
    luma = np.full((HEIGHT, WIDTH), 0 if full else 16, np.uint8)
    luma[:, WIDTH // 2 :] = 255 if full else 235
    return [luma, np.full((HEIGHT // 2, WIDTH // 2), 108, np.uint8), np.full((HEIGHT // 2, WIDTH // 2), 168, np.uint8)]


def video(full: bool, layout: str = "yuv420p") -> Decoded:
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for plane, values in zip(frame.planes, shades(full), strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = values
        plane.update(rows.tobytes())
    frame.color_range = ColorRange.JPEG if full else ColorRange.MPEG
    return Decoded(frame if layout == "yuv420p" else frame.reformat(format=layout))


IMAGES: dict[str, Image] = {
    "decoded video": video(full=False),
    "decoded, full range": video(full=True),
    "webcam": video(full=False, layout="yuyv422"),
    "planes": Planes(shades(full=True), full=True),
    "planes, video range": Planes(shades(full=False), full=False),
    "planes with a small luma": Planes(shades(full=True), full=True, small=reduced(shades(full=True)[0], 64)),
}


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize(("asked", "width"), [(32, 32), (64, 64), (128, 128), (500, 128)])
def test_luma_runs_from_black_to_white_whatever_the_video_s_range(image: Image, asked: int, width: int) -> None:
    luma = image.luma(asked)
    assert luma.shape == (HEIGHT * width // WIDTH, width)
    assert luma[:, : width // 4].max() <= 1
    assert luma[:, -width // 4 :].min() >= 254


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize(("asked", "width"), [(None, 128), (64, 64), (500, 128)])
@pytest.mark.parametrize("grey", [False, True])
def test_the_jpeg_has_contrast_colour_and_size(image: Image, asked: int | None, width: int, grey: bool) -> None:
    data = image.jpeg(90, width=asked, grey=grey)
    height, wide, space, *_ = simplejpeg.decode_jpeg_header(data)
    assert (wide, height, space) == (width, HEIGHT * width // WIDTH, "Gray" if grey else "YCbCr")
    red, green, blue = simplejpeg.decode_jpeg(data)[:, : width // 4].reshape(-1, 3).mean(axis=0)
    assert (red > green + 20 and red > blue + 20) is not grey
    grey_levels = simplejpeg.decode_jpeg(data, "GRAY")
    assert grey_levels.max() - grey_levels.min() > 245


@pytest.mark.parametrize("width", [None, 159, 160, 161, 480])
def test_whatever_height_a_smaller_width_leads_to_it_is_a_picture(width: int | None) -> None:
    luma, colour = np.full((576, 704), 120, np.uint8), np.full((288, 352), 128, np.uint8)  # PAL: 160x131
    data = Planes([luma, colour, colour], full=True).jpeg(80, width=width)
    assert simplejpeg.decode_jpeg(data).shape[1] == (704 if width is None else width & ~1)


def test_a_better_quality_takes_more_bytes() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    image = Planes([noise, noise[::2, ::2], noise[::2, ::2]], full=True)
    assert len(image.jpeg(90)) > 1.5 * len(image.jpeg(40))


def test_green_stays_green_in_video_of_either_matrix() -> None:
    green = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    green[:, :, 1] = 192
    for matrix in (Colorspace.ITU601, Colorspace.ITU709):
        frame = av.VideoFrame.from_ndarray(green, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=ColorRange.MPEG)
        frame.colorspace = matrix
        shown = simplejpeg.decode_jpeg(Decoded(frame).jpeg(95)).reshape(-1, 3).mean(axis=0)
        assert shown == pytest.approx([0, 192, 0], abs=8), matrix
