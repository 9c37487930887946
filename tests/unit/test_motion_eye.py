"""When the detector is not believed."""

from collections.abc import Collection

import numpy as np
import pytest

from edgecam.config import model
from edgecam.motion.detector import Look, Reason
from edgecam.motion.eye import Eye, eye
from edgecam.motion.luma import Luma

SMALL: Luma = np.zeros((9, 16), np.uint8)
LARGE: Luma = np.zeros((18, 32), np.uint8)


class Jumpy:
    """A detector that sees motion in everything and notes what it is told."""

    def __init__(self) -> None:
        self.resets = 0
        self.tuned: tuple[int, float, Collection[str]] = (50, 0.3, ())
        self.times: list[float] = []

    def look(self, luma: Luma, now: float) -> Look:
        self.times.append(now)
        return Look(moving=True, score=70, area=5.0, zones=("door",))

    def heat(self) -> Luma | None:
        return None

    def reset(self) -> None:
        self.resets += 1

    def tune(self, sensitivity: int, min_area: float, shut: Collection[str] = ()) -> None:
        self.tuned = (sensitivity, min_area, shut)


def seen(eye: Eye, *moments: float, luma: Luma = SMALL) -> str:
    return "".join("#" if eye.look(luma, at).moving else "." for at in moments)


def test_it_is_blind_while_it_settles_and_says_so() -> None:
    watcher = Eye(Jumpy(), settle=2)
    assert watcher.look(SMALL, 10.0) == Look(moving=False, score=70, area=5.0, suppressed=Reason.SETTLING)
    assert seen(watcher, 10.5, 11.9, 12.0, 13.0) == "..##"


def test_another_size_makes_it_blind_again() -> None:
    watcher = Eye(Jumpy(), settle=2)
    assert seen(watcher, 0, 1, 2, 3) == "..##"
    assert seen(watcher, 4, 5, 6, luma=LARGE) == "..#"


def test_after_a_gap_it_forgets_the_scene_and_settles() -> None:
    detector = Jumpy()
    watcher = Eye(detector, settle=2)
    assert seen(watcher, 0, 1, 2, 3, 10, 11, 12) == "..##..#"
    assert detector.resets == 1


def test_pictures_that_come_seldom_are_no_gaps() -> None:
    detector = Jumpy()
    watcher = Eye(detector, settle=2)
    assert seen(watcher, *range(0, 60, 10)) == "..####"
    assert detector.resets == 1  # the first interval cannot be told from a gap


def test_a_pause_on_purpose_is_no_gap_and_takes_no_time() -> None:
    detector = Jumpy()
    watcher = Eye(detector, settle=2)
    assert seen(watcher, 0, 1, 2, 3) == "..##"
    watcher.pause(60)
    assert seen(watcher, 64, 65) == "##"
    watcher.pause(0.5)
    assert seen(watcher, 66.5) == "#"
    assert detector.times == [0, 1, 2, 3, 4, 5, 6]
    assert detector.resets == 0


def test_what_is_missing_beyond_a_pause_is_a_gap() -> None:
    watcher = Eye(Jumpy(), settle=2)
    assert seen(watcher, 0, 1, 2, 3) == "..##"
    watcher.pause(60)
    assert seen(watcher, 69, 70, 71) == "..#"


def test_settling_can_be_switched_off() -> None:
    assert seen(Eye(Jumpy(), settle=0), 0, 1) == "##"


def test_sensitivity_and_least_area_reach_the_detector_without_settling() -> None:
    detector = Jumpy()
    watcher = Eye(detector, settle=1)
    seen(watcher, 0, 1)
    watcher.tune(80, 1.5, {"door"})
    assert detector.tuned == (80, 1.5, {"door"})
    assert seen(watcher, 2) == "#"


@pytest.mark.parametrize("method", ["background", "difference"])
def test_the_configuration_names_the_method_and_its_masks(method: str) -> None:
    config = model.Motion.model_validate(
        {"method": method, "settle": 0, "masks": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}}
    )
    watcher = eye(config)
    bright = np.full((9, 16), 200, np.uint8)
    assert [watcher.look(luma, at).moving for at, luma in enumerate((SMALL, bright, SMALL, bright))] == [False] * 4
