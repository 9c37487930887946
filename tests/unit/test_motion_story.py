"""What the bus is told of an event, look by look."""

from dataclasses import replace
from typing import TypeVar

from edgecam.events import (
    Box,
    Bus,
    Event,
    MotionEnded,
    MotionExplained,
    MotionPicture,
    MotionStarted,
    MotionUpdated,
    Suppressed,
)
from edgecam.frame import Frame, Kind
from edgecam.media import Looks
from edgecam.motion.detector import Look, Reason
from edgecam.motion.story import Moment, Story, event_id
from edgecam.motion.tally import NOWHERE, Tally

T = TypeVar("T", bound=Event)


def frame(at: float) -> Frame:
    return Frame("yard", int(at * 10), at, 1_790_000_000 + at, Kind.JPEG, f"jpeg of {at:g}".encode(), 640, 360)


def look(score: int = 50, area: float = 2.0, box: Box | None = (0.1, 0.1, 0.2, 0.2)) -> Look:
    return Look(True, score, area, (box,) if box else ())


class Told:
    """A story and what it told."""

    def __init__(self, *zones: str) -> None:
        bus = Bus()
        self.events: list[Event] = []
        bus.on(Event, self.events.append)
        self.story = Story("yard", bus, lambda frame, as_event: bus.publish(as_event(frame)), zones)

    def look(self, look: Look, at: float, *zones: str, confirmed: bool = True) -> None:
        self.story.look(look, frame(at), confirmed=confirmed, zones=zones)

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


def test_the_event_ends_with_its_last_confirmed_look_not_with_a_lone_flash() -> None:
    told = Told()
    told.look(look(), 1.0, confirmed=False)
    told.look(look(), 1.2)
    told.story.started()
    assert told.story.moved() == 1_790_000_001.2
    told.look(look(), 3.0, confirmed=False)
    told.story.ended()
    [ended] = told.of(MotionEnded)
    assert (ended.mono, ended.at, ended.since) == (1.2, 1_790_000_001.2, 1_790_000_001.0)
    assert ended.duration == 1.2 - 1.0


def test_looks_that_came_to_nothing_are_not_part_of_the_next_event() -> None:
    told = Told()
    told.look(look(score=99, area=50), 1.0, confirmed=False)
    told.look(Look(), 1.2, confirmed=False)
    told.look(look(score=40), 9.0)
    told.story.started()
    [started] = told.of(MotionStarted)
    assert (started.mono, started.score, started.area) == (9.0, 40, 2.0)


def test_each_event_has_an_id_of_its_own() -> None:
    told = Told()
    for at in (1.0, 20.0):
        told.look(look(), at)
        told.story.started()
        told.story.moved()
        told.story.ended()
    first, second = (started.event_id for started in told.of(MotionStarted))
    assert first < second
    assert [ended.event_id for ended in told.of(MotionEnded)] == [first, second]


def test_the_best_picture_is_of_the_best_look() -> None:
    told = Told()
    for at, score, area in ((1.0, 80, 1.0), (1.2, 60, 5.0), (1.4, 90, 2.0)):
        told.look(look(score, area), at)
    told.story.started()
    told.story.moved()
    told.story.ended()
    *_, last = told.of(MotionPicture)
    assert last.final
    assert last.jpeg == b"jpeg of 1.2"
    assert last.score == 60
    [ended] = told.of(MotionEnded)
    assert (ended.score, ended.area) == (90, 5.0)  # the highest and the largest, whenever they were


def test_while_nothing_new_is_known_nothing_is_told() -> None:
    told = Told()
    told.look(look(), 1.0)
    told.story.started()
    for at in range(2, 30):
        told.look(look(), at)
        told.story.moved()
    assert told.of(MotionUpdated) == []
    assert len(told.of(MotionPicture)) == 1


def test_something_larger_is_told_at_most_every_five_seconds_with_its_picture() -> None:
    told = Told()
    told.look(look(), 1.0)
    told.story.started()
    for at in range(2, 14):
        told.look(look(area=at), at)
        told.story.moved()
    assert [update.mono for update in told.of(MotionUpdated)] == [6.0, 11.0]
    assert [picture.jpeg for picture in told.of(MotionPicture)] == [b"jpeg of 1", b"jpeg of 6", b"jpeg of 11"]


def test_a_zone_that_is_touched_for_the_first_time_is_told_in_the_files_order() -> None:
    told = Told("door", "tree", "path")
    told.look(look(), 1.0, "path")
    told.story.started()
    for at, zones in ((2.0, ["path"]), (6.5, ["door"]), (7.0, []), (12.0, ["path"])):
        told.look(look(), at, *zones)
        told.story.moved()
    told.story.ended()
    assert [it.zones for it in told.of(MotionStarted)] == [("path",)]
    assert [(it.mono, it.zones) for it in told.of(MotionUpdated)] == [(6.5, ("door", "path"))]
    assert [it.zones for it in told.of(MotionEnded)] == [("door", "path")]


def test_a_triggered_event_lasts_as_long_as_it_is_held_and_has_the_picture_that_was_asked_for() -> None:
    told = Told()
    told.story.triggered(Moment(1.0, 1_790_000_001.0), "pir")
    told.story.seen(frame(1.2))
    told.story.held(Moment(9.0, 1_790_000_009.0))
    told.story.ended()
    [started], [ended] = told.of(MotionStarted), told.of(MotionEnded)
    assert (started.cause, started.score, started.area, started.box) == ("pir", 0, 0.0, NOWHERE)
    assert (ended.cause, ended.event_id, ended.mono, ended.duration) == ("pir", started.event_id, 9.0, 8.0)
    assert [(it.jpeg, it.final) for it in told.of(MotionPicture)] == [(b"jpeg of 1.2", False), (b"jpeg of 1.2", True)]


def test_a_picture_of_motion_is_better_than_one_that_was_asked_for() -> None:
    told = Told()
    told.story.triggered(Moment(1.0, 1_790_000_001.0), "pir")
    told.look(look(), 1.1)
    told.story.moved()
    told.story.seen(frame(1.2))
    told.story.held(Moment(1.0, 1_790_000_001.0))
    told.story.ended()
    assert told.of(MotionPicture)[-1].jpeg == b"jpeg of 1.1"
    assert told.of(MotionEnded)[0].mono == 1.1  # motion reaches beyond the trigger


def test_without_any_picture_the_event_is_told_all_the_same() -> None:
    told = Told()
    told.story.triggered(Moment(1.0, 1_790_000_001.0), "pir")
    told.story.ended()
    assert [type(it) for it in told.events] == [MotionStarted, MotionEnded]


def test_motion_without_a_place_is_the_whole_picture() -> None:
    tally = Tally[Frame]()
    tally.add(look(box=None), frame(1.0), confirmed=True)
    assert tally.facts.box == NOWHERE


def test_the_picture_is_of_what_was_confirmed_not_of_an_insect_that_leapt_by() -> None:
    told = Told()
    told.look(look(), 1.0)
    told.story.started()
    told.story.moved()
    told.look(replace(look(99, 20.0, (0.4, 0.4, 0.6, 0.6)), follows=False), 2.0, confirmed=False)
    told.look(Look(), 2.2, confirmed=False)
    told.story.ended()
    assert told.of(MotionPicture)[-1].jpeg == b"jpeg of 1"
    assert (told.of(MotionEnded)[0].score, told.of(MotionEnded)[0].area) == (50, 2.0)


def test_an_event_says_what_its_looks_saw() -> None:
    told = Told()
    told.look(replace(look(), follows=False), 0.6, confirmed=False)  # another thing: not of this event
    told.look(look(), 0.8, confirmed=False)
    told.look(look(60, 3.0, (0.12345, 0.4, 0.5, 0.6)), 1.0)
    told.story.started()
    told.story.moved()
    told.look(Look(suppressed=Reason.SWAY), 1.2, confirmed=False)
    told.look(look(99), 1.4, confirmed=False)
    for at in (1.6, 1.8):
        told.look(Look(suppressed=Reason.STANDING), at, confirmed=False)
    told.look(Look(), 2.0, confirmed=False)
    told.story.ended()
    [started], [ended] = told.of(MotionStarted), told.of(MotionEnded)
    assert started.looks
    assert (started.looks.looks, started.looks.moving, started.looks.suppressed) == (3, 3, {})
    assert ended.looks == Looks(
        looks=8,
        moving=3,
        peak_score=60,
        peak_area=3.0,
        box=(0.1235, 0.4, 0.5, 0.6),
        best=1_790_000_001.0,
        suppressed={"standing": 2, "sway": 1, "too short": 1},
    )
    assert ended.suppressed is None


def test_the_next_event_begins_with_nothing_counted() -> None:
    told = Told()
    for at in (1.0, 20.0):
        told.look(look(), at)
        told.story.started()
        told.look(Look(suppressed=Reason.SWAY), at + 1, confirmed=False)
        told.story.ended()
    assert [it.looks and (it.looks.looks, it.looks.suppressed) for it in told.of(MotionEnded)] == [(2, {"sway": 1})] * 2


def test_a_triggered_event_in_which_nothing_moves_has_looks_and_no_best_one() -> None:
    told = Told()
    told.story.triggered(Moment(1.0, 1_790_000_001.0), "pir")
    told.story.seen(frame(1.2))
    for at in (1.4, 1.6):
        told.look(Look(suppressed=Reason.TOO_SMALL), at, confirmed=False)
    told.story.ended()
    [ended] = told.of(MotionEnded)
    assert ended.suppressed == Suppressed("too small", 1_790_000_001.6)
    assert ended.looks == Looks(
        looks=2, moving=0, peak_score=0, peak_area=0.0, box=None, best=None, suppressed={"too small": 2}
    )


def test_a_triggered_event_at_which_nobody_looks_says_nothing_of_looks() -> None:
    told = Told()
    told.story.triggered(Moment(1.0, 1_790_000_001.0), "pir")
    told.story.ended()
    assert told.of(MotionEnded)[0].looks is None


def explained(told: Told) -> list[tuple[float, str | None]]:
    return [
        (round(it.at - 1_790_000_000, 1), it.suppressed.reason if it.suppressed else None)
        for it in told.of(MotionExplained)
    ]


def test_every_five_seconds_of_an_event_its_looks_are_told() -> None:
    told = Told()
    told.look(look(), 1.0)
    told.story.started()
    for at in range(2, 9):
        told.look(look(), at)
        told.story.moved()
    for at in range(9, 19):
        told.look(Look(suppressed=Reason.STANDING), at, confirmed=False)
    assert explained(told) == [(6, None), (11, "standing"), (16, "standing")]
    assert [it.looks and it.looks.moving for it in told.of(MotionExplained)] == [6, 8, 8]
    assert {it.event_id for it in told.of(MotionExplained)} == {told.story.id}
    assert told.of(MotionUpdated) == []


def test_without_an_event_only_a_change_of_light_is_told_once_for_as_long_as_it_lasts() -> None:
    told = Told()
    for at in range(1, 40):
        told.look(Look(suppressed=Reason.SWAY if at % 2 else Reason.TOO_SMALL), at / 5, confirmed=False)
    told.look(look(), 8.0, confirmed=False)  # too short
    assert told.events == []
    for at in range(10, 40):  # it is over when it was away for five seconds, which it is not at 17
        told.look(Look(suppressed=Reason.GLOBAL_LIGHT if at in (10, 11, 13, 17, 25, 26) else None), at, confirmed=False)
    assert explained(told) == [(10, "global light"), (22, None), (25, "global light"), (31, None)]
    assert [(it.event_id, it.looks) for it in told.of(MotionExplained)] == [(None, None)] * 4


def test_a_light_that_lasts_is_told_once_however_seldom_one_looks() -> None:
    told = Told()
    for at in range(10, 400, 10):
        told.look(Look(suppressed=Reason.GLOBAL_LIGHT), at, confirmed=False)
    assert explained(told) == [(10, "global light")]


def test_an_id_is_utc_and_says_when() -> None:
    assert event_id(1_790_000_000.123).startswith("20260921T141320123Z-")
