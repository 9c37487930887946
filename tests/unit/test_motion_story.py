"""What the bus is told of an event, look by look."""

from typing import TypeVar

from edgecam.events import Box, Bus, Event, MotionEnded, MotionPicture, MotionStarted, MotionUpdated
from edgecam.frame import Frame, Kind
from edgecam.motion.detector import Look
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

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


def test_the_event_ends_with_its_last_confirmed_look_not_with_a_lone_flash() -> None:
    told = Told()
    for at in (1.0, 1.2):
        told.story.moving(look(), frame(at))
    told.story.started()
    assert told.story.moved() == 1_790_000_001.2
    told.story.moving(look(), frame(3.0))  # nothing confirms it
    told.story.ended()
    [ended] = told.of(MotionEnded)
    assert (ended.mono, ended.at, ended.since) == (1.2, 1_790_000_001.2, 1_790_000_001.0)
    assert ended.duration == 1.2 - 1.0


def test_looks_that_came_to_nothing_are_not_part_of_the_next_event() -> None:
    told = Told()
    told.story.moving(look(score=99, area=50), frame(1.0))
    told.story.quiet()
    told.story.moving(look(score=40), frame(9.0))
    told.story.started()
    [started] = told.of(MotionStarted)
    assert (started.mono, started.score, started.area) == (9.0, 40, 2.0)


def test_each_event_has_an_id_of_its_own() -> None:
    told = Told()
    for at in (1.0, 20.0):
        told.story.moving(look(), frame(at))
        told.story.started()
        told.story.moved()
        told.story.ended()
    first, second = (started.event_id for started in told.of(MotionStarted))
    assert first < second
    assert [ended.event_id for ended in told.of(MotionEnded)] == [first, second]


def test_the_best_picture_is_where_the_most_stands_out_the_clearest() -> None:
    told = Told()
    for at, score, area in ((1.0, 80, 1.0), (1.2, 60, 5.0), (1.4, 90, 2.0)):
        told.story.moving(look(score, area), frame(at))
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
    told.story.moving(look(), frame(1.0))
    told.story.started()
    for at in range(2, 30):
        told.story.moving(look(), frame(at))
        told.story.moved()
    assert told.of(MotionUpdated) == []
    assert len(told.of(MotionPicture)) == 1


def test_something_larger_is_told_at_most_every_five_seconds_with_its_picture() -> None:
    told = Told()
    told.story.moving(look(), frame(1.0))
    told.story.started()
    for at in range(2, 14):
        told.story.moving(look(area=at), frame(at))
        told.story.moved()
    assert [update.mono for update in told.of(MotionUpdated)] == [6.0, 11.0]
    assert [picture.jpeg for picture in told.of(MotionPicture)] == [b"jpeg of 1", b"jpeg of 6", b"jpeg of 11"]


def test_a_zone_that_is_touched_for_the_first_time_is_told_in_the_files_order() -> None:
    told = Told("door", "tree", "path")
    told.story.moving(look(), frame(1.0), ["path"])
    told.story.started()
    for at, zones in ((2.0, ["path"]), (6.5, ["door"]), (7.0, []), (12.0, ["path"])):
        told.story.moving(look(), frame(at), zones)
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
    told.story.moving(look(), frame(1.1))
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
    tally = Tally()
    tally.add(look(box=None), frame(1.0))
    assert tally.box == NOWHERE


def test_an_id_is_utc_and_says_when() -> None:
    assert event_id(1_790_000_000.123).startswith("20260921T141320123Z-")
