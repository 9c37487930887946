"""Polygons as pixels, drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.motion.detector import Polygon
from edgecam.motion.zones import raster


def drawn(polygons: list[Polygon], height: int, width: int) -> list[str]:
    return ["".join(".#"[int(pixel)] for pixel in row) for row in raster(polygons, height, width)]


@pytest.mark.parametrize(
    ("polygons", "picture"),
    [
        ([], ["....", "....", "....", "...."]),
        ([[]], ["....", "....", "....", "...."]),
        ([[(0.1, 0.1), (0.9, 0.9)]], ["....", "....", "....", "...."]),
        ([[(0, 0), (1, 0), (1, 1), (0, 1)]], ["####", "####", "####", "####"]),
        ([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]], ["##..", "##..", "##..", "##.."]),
        ([[(0, 0.5), (1, 0.5), (1, 1), (0, 1)]], ["....", "....", "####", "####"]),
        ([[(0, 0), (0.9, 0), (0, 0.9)]], ["###.", "##..", "#...", "...."]),
        ([[(0, 0), (0.25, 0), (0.25, 0.25), (0, 0.25)], [(0.75, 0.75), (1, 0.75), (1, 1), (0.75, 1)]],
         ["#...", "....", "....", "...#"]),
        # an hourglass: it crosses itself
        ([[(0, 0), (1, 0), (0, 0.9), (1, 0.9)]], [".##.", "....", ".##.", "####"]),
        # a U, not convex
        ([[(0, 0), (0.25, 0), (0.25, 0.75), (0.75, 0.75), (0.75, 0), (1, 0), (1, 1), (0, 1)]],
         ["#..#", "#..#", "#..#", "####"]),
    ],
)  # fmt: skip
def test_a_polygon_covers_the_pixels_whose_centre_it_holds(polygons: list[Polygon], picture: list[str]) -> None:
    assert drawn(polygons, 4, 4) == picture


def test_the_same_polygon_fits_every_size() -> None:
    left: Polygon = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]
    for height, width in ((9, 16), (90, 160), (1, 2)):
        found = raster([left], height, width)
        assert found[:, : width // 2].all()
        assert not found[:, width // 2 :].any()


corners = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8)


@given(polygon=corners)
def test_where_the_drawing_begins_and_its_direction_do_not_matter(polygon: list[tuple[float, float]]) -> None:
    found = raster([polygon], 12, 16)
    np.testing.assert_array_equal(found, raster([polygon[::-1]], 12, 16))
    np.testing.assert_array_equal(found, raster([polygon[2:] + polygon[:2]], 12, 16))
