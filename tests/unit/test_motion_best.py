"""Which look of an event makes its picture."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.events import Box
from edgecam.motion.best import BORDER, CUT, FULL, worth
from edgecam.motion.detector import Look
from nuisance import LOOKS, NUISANCES, SCENES, WIDTH, Walker, events, film

WHOLE: Box = (0.4, 0.3, 0.6, 0.7)
shares = st.floats(0.01, 1.0)
areas = st.floats(0.01, 100.0)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Whole ones."""
    edge = st.floats(2 * BORDER, 1 - 2 * BORDER)
    left, right = sorted((draw(edge), draw(edge)))
    top, bottom = sorted((draw(edge), draw(edge)))
    return left, top, right, bottom


def look(area: float = 5.0, box: Box = WHOLE, sharpness: float = 0.1) -> Look:
    return Look(True, 50, area, (box,), sharpness)


@given(areas, boxes(), shares)
def test_whatever_moves_is_better_than_nothing(area: float, box: Box, sharpness: float) -> None:
    for shown in (look(area, box, sharpness), look(area, box, 0.0), replace(look(area, box), boxes=())):
        assert worth(shown) > worth(Look()) == 0
    assert worth(replace(look(area, box), moving=False)) == 0


@given(areas, shares, boxes(), st.sampled_from(range(4)))
def test_what_the_border_cuts_off_is_much_worse_than_the_same_thing_whole(
    area: float, sharpness: float, box: Box, side: int
) -> None:
    edges = list(box)
    edges[side] = 0.0 if side < 2 else 1.0
    left, top, right, bottom = edges
    cut = left, top, right, bottom
    assert worth(look(area, cut, sharpness)) <= 0.5 * worth(look(area, box, sharpness))


@given(areas, boxes(), shares, st.floats(0.1, 0.9))
def test_blurred_is_worse_than_sharp(area: float, box: Box, sharpness: float, blur: float) -> None:
    assert worth(look(area, box, sharpness * blur)) < worth(look(area, box, sharpness))


@given(areas, shares, st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))
def test_nearer_the_middle_is_better(area: float, sharpness: float, across: float, down: float) -> None:
    def at(part: float) -> float:
        x, y = 0.5 + 0.45 * part * across, 0.5 + 0.45 * part * down
        return worth(look(area, (x - 0.02, y - 0.02, x + 0.02, y + 0.02), sharpness))

    assert at(1) <= at(0.5) <= at(0)
    if max(abs(across), abs(down)) > 0.1:
        assert at(1) < at(0.5) < at(0)


@given(st.floats(0.01, FULL), st.floats(0.1, 0.9))
def test_larger_is_better_by_less_and_less_and_what_fills_a_third_is_large_enough(area: float, part: float) -> None:
    small, large = worth(look(area * part)), worth(look(area))
    assert small < large < small / part
    assert worth(look(FULL)) == worth(look(3 * FULL))


def test_the_largest_thing_says_where_it_is() -> None:
    main, aside = (0.4, 0.3, 0.6, 0.7), (0.0, 0.9, 0.05, 1.0)
    assert worth(replace(look(), boxes=(main, aside))) > worth(replace(look(), boxes=(aside, main)))


def test_motion_without_a_place_is_cut_off() -> None:
    assert worth(replace(look(), boxes=())) == pytest.approx(CUT * worth(look()))


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("nuisance", ["nothing", "noise 5", "jpeg 30"])
def test_the_picture_of_somebody_who_walks_by_shows_him_whole_and_near_the_middle(scene: str, nuisance: str) -> None:
    walker = Walker(begins=5, seconds=7)
    [event] = events(film(SCENES[scene], NUISANCES[nuisance], 1, walker, seconds=13))
    assert event.best_frame is not None
    part = (event.best_frame / LOOKS - walker.begins) / walker.seconds
    middle = walker.start[0] + part * (walker.end[0] - walker.start[0])
    assert WIDTH / 4 < middle < 3 * WIDTH / 4
    left, _, right, _ = event.box
    assert left * WIDTH < middle < right * WIDTH  # the box is of that very look
