"""When the detector is not believed."""

from collections.abc import Collection

import numpy as np
import pytest

from edgecam.config import model
from edgecam.events import Box
from edgecam.motion.detector import Look, Reason
from edgecam.motion.eye import Eye, eye
from edgecam.motion.gate import Gate, Started
from edgecam.motion.luma import Luma
from edgecam.motion.scan import Finds
from nuisance import LOOKS, NUISANCES, SCENES, Walker, film, told

SMALL: Luma = np.zeros((9, 16), np.uint8)
LARGE: Luma = np.zeros((18, 32), np.uint8)


def picture(number: int, like: Luma = SMALL) -> Luma:
    """No two that follow each other are the same."""
    return like + np.uint8(number % 2)


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
    return "".join("#" if eye.look(picture(number, luma), at).moving else "." for number, at in enumerate(moments))


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


def test_after_a_long_gap_another_one_is_a_gap_as_well() -> None:
    detector = Jumpy()
    watcher = Eye(detector, settle=2)
    assert seen(watcher, 0, 1, 2, 3) == "..##"
    assert seen(watcher, 600, 700, 701, 702) == "...#"
    assert detector.resets == 2


def test_the_same_picture_again_says_nothing_for_a_second() -> None:
    detector = Jumpy()
    watcher = Eye(detector, settle=0)
    looks = [watcher.look(SMALL, at) for at in (0.0, 0.4, 0.8, 1.2, 1.4)]
    assert [look.repeats for look in looks] == [False, True, True, False, True]
    assert detector.times == [0, 1.2]
    assert watcher.look(SMALL + np.uint8(1), 1.6) == looks[0]


@pytest.mark.parametrize("every", [0.2, 0.4])
def test_a_camera_that_gives_each_picture_twice_shows_the_same_events(every: float) -> None:
    walk = Walker(begins=5)
    once = [luma for _, luma in film(SCENES["garden"], NUISANCES["nothing"], 3, walk, seconds=16)]
    watcher, finds = eye(model.Motion()), Finds.like(model.Motion())
    for number, luma in enumerate(luma for luma in once[:: round(every * LOOKS)] for _ in range(2)):
        finds.look(number, number * every / 2, watcher.look(luma, number * every / 2))
    finds.close()
    assert told(tuple(finds.events), walk)


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


class Following(Jumpy):
    """A detector that sees these boxes, look by look."""

    def __init__(self, *boxes: Box | None) -> None:
        super().__init__()
        self._boxes = iter(boxes)

    def look(self, luma: Luma, now: float) -> Look:
        box = next(self._boxes)
        return Look(True, 70, 5.0, (box,) if box else ())


def car(left: float, length: float = 0.2) -> Box:
    return left, 0.5, left + length, 0.6


def follows(*boxes: Box | None, every: float = 0.2) -> list[bool]:
    watcher = Eye(Following(*boxes), settle=0)
    return [watcher.look(picture(number), every * number).follows for number in range(len(boxes))]


def test_what_moves_on_by_less_than_its_own_length_may_be_the_same() -> None:
    assert follows(car(0.0), car(0.3), car(0.6)) == [True] * 3
    assert follows(car(0.0), car(0.45), car(0.2)) == [True, False, True]
    assert follows(car(0.0), car(0.8, 0.15), car(0.0)) == [True, False, False]


def test_what_is_small_and_leaps_is_another_thing_each_time() -> None:
    specks = [(x, 0.1, x + 0.03, 0.15) for x in (0.1, 0.5, 0.2, 0.9)]
    assert follows(*specks) == [True, False, False, False]
    assert follows(*[(x, 0.1, x + 0.03, 0.15) for x in (0.1, 0.2, 0.3)]) == [True] * 3


def test_across_and_down_count_alike_in_a_wide_picture() -> None:
    def at(x: float, y: float) -> Box:
        return x, y, x + 0.01, y + 0.01

    assert follows(at(0, 0), at(0.12, 0)) == follows(at(0, 0), at(0, 0.22)) == [True, True]
    assert follows(at(0, 0), at(0.14, 0)) == follows(at(0, 0), at(0, 0.24)) == [True, False]


def test_with_more_time_between_looks_a_thing_may_go_farther() -> None:
    assert follows(car(0.0), car(0.5)) == [True, False]
    assert follows(car(0.0), car(0.5), every=0.4) == [True, True]


def test_one_of_several_things_that_goes_on_is_enough() -> None:
    class Two(Jumpy):
        def look(self, luma: Luma, now: float) -> Look:
            return Look(True, 70, 5.0, (car(now % 0.4 * 2, 0.03), (0.4, 0.0, 0.5, 0.1)))

    watcher = Eye(Two(), settle=0)
    assert [watcher.look(picture(number), 0.2 * number).follows for number in range(4)] == [True] * 4


def test_motion_without_a_place_and_what_comes_after_nothing_may_follow() -> None:
    assert follows(car(0.0), None, car(0.8)) == [True, True, True]


def test_after_a_reset_and_a_gap_nothing_is_too_far_from_what_was_before() -> None:
    watcher = Eye(Following(car(0.0, 0.05), car(0.8, 0.05), car(0.0, 0.05)), settle=0)
    watcher.look(SMALL, 0.0)
    watcher.reset()
    assert watcher.look(SMALL, 0.2).follows
    assert watcher.look(SMALL, 20.0).follows


def test_a_leap_is_no_event_and_a_drive_by_is_one() -> None:
    def events(*boxes: Box) -> int:
        watcher, gate = Eye(Following(*boxes), settle=0), Gate(confirm=2, cooldown=1)
        looks = [watcher.look(picture(number), 0.2 * number) for number in range(len(boxes))]
        return sum(
            isinstance(fact, Started)
            for number, look in enumerate(looks)
            for fact in gate.look(0.2 * number, look.moving, look.follows)
        )

    assert events(*[(x, 0.1, x + 0.03, 0.15) for x in (0.1, 0.5, 0.2, 0.9)]) == 0
    assert events(*[car(x) for x in (0.0, 0.3, 0.6)]) == 1


@pytest.mark.parametrize(
    ("boxes", "around"),
    [
        ((), None),
        (((0.1, 0.2, 0.3, 0.4),), (0.1, 0.2, 0.3, 0.4)),
        ((car(0.6), (0.1, 0.0, 0.2, 0.9)), (0.1, 0.0, 0.8, 0.9)),
    ],
)
def test_the_box_of_a_look_is_around_everything_that_moves(boxes: tuple[Box, ...], around: Box | None) -> None:
    assert Look(True, boxes=boxes).box == (around and pytest.approx(around))


@pytest.mark.parametrize("method", ["background", "difference"])
def test_the_configuration_names_the_method_and_its_masks(method: str) -> None:
    config = model.Motion.model_validate(
        {"method": method, "settle": 0, "masks": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}}
    )
    watcher = eye(config)
    bright = np.full((9, 16), 200, np.uint8)
    assert [watcher.look(luma, at).moving for at, luma in enumerate((SMALL, bright, SMALL, bright))] == [False] * 4
