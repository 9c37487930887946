"""How many frames are looked at."""

import pytest

from edgecam.motion.pace import Pace


@pytest.mark.parametrize(
    ("camera", "asked", "expected"),
    [(15, 5, 5), (25, 10, 10), (30, 5, 5), (10, 10, 10), (2, 5, 2), (29.97, 5, 5), (50, 3, 3)],
)
def test_as_many_looks_as_asked_for_whatever_the_camera_gives(camera: float, asked: float, expected: float) -> None:
    pace = Pace(asked)
    looks = sum(pace.due(100 + frame / camera) for frame in range(round(60 * camera)))
    assert looks == pytest.approx(60 * expected, abs=2)


def test_a_frame_that_is_a_little_early_is_on_time() -> None:
    pace = Pace(5)
    assert [pace.due(at) for at in (0.0, 0.195, 0.4, 0.59)] == [True] * 4


def test_after_a_gap_looks_do_not_come_in_a_burst() -> None:
    pace = Pace(5)
    pace.due(0.0)
    assert [pace.due(10 + frame / 15) for frame in range(4)] == [True, False, False, True]
