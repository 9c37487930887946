"""What motion sees, as people are shown it: pixels and words."""

from dataclasses import replace

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from edgecam.config import model
from edgecam.motion.debug import LINE, draw
from edgecam.motion.detector import HOT, Look, Reason
from edgecam.motion.sight import Outcome, Sight, lines

GREY = np.full((90, 160), 120, np.uint8)
THING = (0.5, 0.5, 0.75, 0.75)
MOVING = Look(moving=True, score=43, area=2.06, boxes=(THING,), zones=("feeder",))
OUTCOME = Outcome(1_790_000_000.25, confirmed=True, event="20260921T141320000Z-k3x9qa", sensitivity=50, min_area=0.3)
PLAIN = model.Motion()
LEFT_TOP = ((0.0, 0.0), (0.25, 0.0), (0.25, 0.25), (0.0, 0.25))
Picture = NDArray[np.int16]


def drawn(
    config: model.Motion = PLAIN, look: Look = MOVING, *, heat: NDArray[np.uint8] | None = None, confirmed: bool = True
) -> Picture:
    """The drawing of grey luma, decoded; its first 360 rows are the picture, each of its pixels four times as wide."""
    sight = Sight(look, GREY, heat, 0.0021)
    jpeg, width, height = draw(config, sight, replace(OUTCOME, confirmed=confirmed))
    pixels: Picture = simplejpeg.decode_jpeg(jpeg).astype(np.int16)
    assert pixels.shape == (height, width, 3)
    return pixels


def differs(one: Picture, other: Picture) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.abs(one - other).max(axis=2) > 40
    return found


def test_the_luma_that_the_detector_got_is_shown_grey_enlarged_and_with_its_proportions() -> None:
    luma = GREY.copy()
    luma[40:50, 80:100] = 20
    jpeg, width, height = draw(PLAIN, Sight(Look(), luma, None, 0.0), OUTCOME)
    pixels = simplejpeg.decode_jpeg(jpeg).astype(int)
    assert (width, height) == (640, 360 + 2 * LINE)
    assert np.abs(pixels[165:195, 325:395] - 20).max() < 12
    assert np.abs(pixels[:150] - 120).max() < 12


@pytest.mark.parametrize(("width", "shown"), [(32, 640), (96, 672), (320, 640), (640, 640), (1280, 1280)])
def test_it_is_about_as_wide_whatever_the_detector_gets(width: int, shown: int) -> None:
    tall = np.full((width * 16 // 9, width), 90, np.uint8)
    _, wide, high = draw(PLAIN, Sight(MOVING, tall, None, 0.0), OUTCOME)
    assert (wide, high) == (shown, len(tall) * shown // width + 2 * (LINE * shown // 640))


@pytest.mark.parametrize(("confirmed", "colour"), [(True, "green"), (False, "amber")])
def test_a_box_is_where_the_look_says_and_its_colour_says_whether_it_counts(confirmed: bool, colour: str) -> None:
    changed = differs(drawn(confirmed=confirmed), drawn(look=Look()))[:360]
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert np.abs(np.array([columns[0], rows[0], columns[-1], rows[-1]]) - (320, 180, 479, 269)).max() <= 3
    assert not changed[190:260, 330:470].any(), "what is inside stays to be seen"
    red, green, blue = drawn(confirmed=confirmed)[181, 340:460].mean(axis=0)
    assert (green > red + 60) if colour == "green" else (red > green + 30)
    assert green > blue + 60


def test_what_stands_out_is_red_what_nearly_does_is_amber_and_noise_is_grey() -> None:
    heat = np.zeros((90, 160), np.uint8)
    heat[10:20, 10:20], heat[10:20, 40:50], heat[10:20, 70:80], heat[10:20, 100:110] = 255, HOT, HOT - 10, 20
    pixels = drawn(look=Look(), heat=heat)
    hot, out, nearly, noise = (pixels[48:72, 4 * x + 8 : 4 * x + 32].mean(axis=(0, 1)) for x in (10, 40, 70, 100))
    assert hot[0] > hot[1] + 120
    assert out[1] > hot[1] + 50, "from amber to red"
    assert out[0] - out[2] > 1.3 * (nearly[0] - nearly[2]) > 40, "what is out is a class of its own"
    assert np.ptp(noise) < 6


def test_a_mask_is_dark_and_hatched_where_it_is_and_nowhere_else() -> None:
    pixels, bare = drawn(PLAIN.model_copy(update={"masks": {"tree": LEFT_TOP}}), Look()), drawn(look=Look())
    inside = pixels[4:86, 4:156]
    assert np.median(inside) < 60
    assert inside.max() > 120, "stripes"
    assert not differs(pixels, bare)[96:].any()
    assert not differs(pixels, bare)[:, 166:].any()


def test_a_zone_is_outlined_bears_its_name_and_is_bright_when_it_is_touched() -> None:
    zone = model.Zone(polygon=[(0.5, 0.25), (0.95, 0.25), (0.95, 0.95), (0.5, 0.95)])
    config = PLAIN.model_copy(update={"zones": {"feeder": zone}})
    calm, touched = drawn(config, Look()), drawn(config, replace(MOVING, boxes=()))
    changed = differs(calm, drawn(look=Look()))[:360]
    left, top, right, bottom = 320, 90, 607, 341
    for edge in (changed[bottom - 1 : bottom + 2, left:right], changed[top:bottom, right - 1 : right + 2].T):
        assert edge.any(axis=0).mean() > 0.95
    assert changed[top + 4 : top + 26, left + 4 : left + 60].mean() > 0.3, "the name"
    assert not changed[top + 40 : bottom - 4, left + 4 : right - 4].any()
    assert not changed[:, : left - 4].any()
    line = np.s_[bottom - 1 : bottom + 2, left + 20 : right - 20]
    assert touched[line].max(axis=0).mean() > calm[line].max(axis=0).mean() + 30


def test_a_zone_that_does_not_count_now_is_grey_and_says_so() -> None:
    zone = model.Zone(polygon=[(0.5, 0.25), (0.95, 0.25), (0.95, 0.95), (0.5, 0.95)])
    config = PLAIN.model_copy(update={"zones": {"feeder": zone}})
    jpeg, _, _ = draw(config, Sight(Look(), GREY, None, 0.001), replace(OUTCOME, shut=("feeder",)))
    pixels = simplejpeg.decode_jpeg(jpeg)
    red, _, blue = pixels[340:343, 340:590].astype(int).mean(axis=(0, 1))
    assert abs(red - blue) < 20
    assert differs(pixels, drawn(config, Look()))[94:110, 380:440].any(), "the name is longer"


def test_a_zone_in_the_corner_keeps_its_name_inside_the_picture() -> None:
    zone = model.Zone(polygon=[(0.97, 0.97), (1.0, 0.97), (1.0, 1.0), (0.97, 1.0)])
    config = PLAIN.model_copy(update={"zones": {"a_rather_long_name_of_a_zone_here": zone}})
    changed = differs(drawn(config, Look()), drawn(look=Look()))[:360]
    assert changed[325:358, 300:].mean() > 0.3


def test_two_lines_of_text_stand_on_dark_ground_below_the_picture() -> None:
    text = drawn()[360:]
    for line in (text[:LINE], text[LINE:]):
        assert np.median(line) < 40
        bright = (line.max(axis=2) > 150).any(axis=0)
        assert bright.sum() > 150, "letters"
        assert bright[640 - 8 :].sum() == 0, "none is cut off"


def test_a_text_that_is_too_long_is_made_smaller() -> None:
    config, outcome = model.Motion(threshold=123.456), replace(OUTCOME, min_area=12.3456)
    look = replace(MOVING, moving=False, suppressed=Reason.GLOBAL_LIGHT, score=100, area=100.0)
    pixels = simplejpeg.decode_jpeg(draw(config, Sight(look, GREY, None, 123.4567), outcome)[0])
    assert pixels.shape == (360 + 2 * LINE, 640, 3)
    assert not (pixels[360:, -4:] > 150).any()


@pytest.mark.parametrize(
    ("look", "confirmed", "event", "said"),
    [
        (MOVING, True, OUTCOME.event, "motion (event k3x9qa)"),
        (MOVING, True, None, "motion"),
        (MOVING, False, None, "too short"),
        (Look(suppressed=Reason.SOFT_LIGHT), False, None, "soft light"),
        (Look(suppressed=Reason.SETTLING), False, OUTCOME.event, "settling (event k3x9qa)"),
        (Look(), False, None, "nothing moves"),
    ],
)
def test_a_look_says_what_it_is_in_words(
    berlin: None, look: Look, confirmed: bool, event: str | None, said: str
) -> None:
    outcome = replace(OUTCOME, confirmed=confirmed, event=event)
    assert lines(PLAIN, Sight(look, GREY, None, 0.00214), outcome)[0] == f"16:13:20.2  {said}  2.1 ms"


@pytest.mark.parametrize(
    ("motion", "asked"),
    [
        ({}, "sensitivity 50, min_area 0.3 %"),
        ({"threshold": 6.5}, "threshold 6.5, min_area 0.3 %"),
        ({"method": "difference"}, "sensitivity 50"),
        ({"method": "difference", "threshold": 12}, "threshold 12"),
    ],
)
def test_the_second_line_says_what_was_measured_and_what_is_in_force(motion: dict[str, object], asked: str) -> None:
    config = model.Motion.model_validate(motion)
    assert lines(config, Sight(MOVING, GREY, None, 0.0), OUTCOME)[1] == f"score 43, area 2.1 %; {asked}"
