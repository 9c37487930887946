"""The plot, looked at by its pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecam.motion.tuning import plot
from edgecam.motion.tuning.plot import Lane, png
from edgecam.motion.tuning.score import Span


def lane(
    name: str = "yard", events: tuple[Span, ...] = (), found: tuple[Span, ...] = (), false: tuple[Span, ...] = ()
) -> Lane:
    looks = range(0, 1000, 2)
    scores = [60 if any(first <= frame <= last for first, last in found) else 0 for frame in looks]
    return Lane(name, 10, 0, 999, looks, scores, scores, events, (), found, false)


def drawn(*lanes: Lane) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(png(lanes), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(np.uint8)


def columns(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.intp]:
    """Where in the lanes that colour is."""
    return np.flatnonzero((picture[plot.HEAD :] == colour).all(axis=2).any(axis=0))


def test_each_clip_has_a_lane() -> None:
    assert drawn(lane(), lane()).shape == (plot.HEAD + 2 * plot.LANE, plot.WIDTH, 3)


def test_labels_and_finds_are_where_they_were() -> None:
    one = lane(events=((200, 400),), found=((300, 420), (800, 820)), false=((800, 820),))
    picture = drawn(one)
    event, found, false = (columns(picture, colour) for colour in (plot.EVENT, plot.FOUND, plot.WRONG))
    assert (event.min(), event.max()) == (one.x(200), one.x(400))
    assert (found.min(), found.max()) == (one.x(300), one.x(420) + 1)
    assert (false.min(), false.max()) == (one.x(800), one.x(820) + 1)


def test_a_quiet_clip_shows_neither() -> None:
    picture = drawn(lane())
    assert not any(len(columns(picture, colour)) for colour in (plot.EVENT, plot.FOUND, plot.WRONG))
    assert len(columns(picture, plot.THRESHOLD)) == plot.WIDTH - plot.LEFT - plot.RIGHT


def test_any_name_can_be_written() -> None:
    assert drawn(lane("Gärtchen 🐦")).any()


def test_a_clip_of_one_frame_and_one_of_a_day_are_drawn() -> None:
    short = Lane("short", 25, 7, 7, [7], [0], [0], [], [], [], [])
    long = Lane("long", 25, 0, 25 * 86400, [7], [50], [50], [], [(0, 9)], [], [])
    assert drawn(short, long).shape[0] == plot.HEAD + 2 * plot.LANE
