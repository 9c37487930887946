"""Looks are drawn: `#` something moves, `.` nothing does, one character a second."""

from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.motion.gate import Ended, Fact, Gate, Held, Moved, Resumed, Started


def told(gate: Gate, looks: str) -> list[str]:
    """What the gate said of the drawn looks, without the looks that only go on moving. `!`: another thing moves."""
    return [
        f"{type(fact).__name__.lower()} {fact.at:.0f} at {at}"
        for at, look in enumerate(looks)
        for fact in gate.look(float(at), look in "#!", follows=look != "!")
        if not isinstance(fact, Moved)
    ]


@pytest.mark.parametrize(
    ("looks", "story"),
    [
        ("..........", []),
        (".#........", []),  # one look is not an event
        (".#.#.#.#..", []),  # nor are many, each alone
        (".##.......", ["started 1 at 2", "ended 2 at 7"]),
        (".####.....", ["started 1 at 2", "ended 4 at 9"]),
        (".##..##........", ["started 1 at 2", "resumed 5 at 6", "ended 6 at 11"]),
        (".##.#.........", ["started 1 at 2", "ended 2 at 7"]),  # a lone flash keeps nothing alive
        (".#!!!!.....", []),  # an insect that leaps is another one in each look
        (".#!#.......", ["started 2 at 3", "ended 3 at 8"]),  # and somebody who comes after it begins with himself
        (".##..!!!......", ["started 1 at 2", "ended 2 at 7"]),  # it keeps nothing alive
        (".##!#.........", ["started 1 at 2", "resumed 3 at 4", "ended 4 at 9"]),
        (".##...##......", ["started 1 at 2", "resumed 6 at 7", "ended 7 at 12"]),  # began before the cooldown was over
        (".##....##.....", ["started 1 at 2", "ended 2 at 7", "started 7 at 8", "ended 8 at 13"]),
    ],
)
def test_an_event_needs_two_looks_and_ends_after_the_cooldown(looks: str, story: list[str]) -> None:
    assert told(Gate(confirm=2, cooldown=5), looks) == story


def test_a_single_look_is_enough_where_one_look_is_asked_for() -> None:
    assert told(Gate(confirm=1, cooldown=2), ".#...#.....") == [
        "started 1 at 1",
        "ended 1 at 3",
        "started 5 at 5",
        "ended 5 at 7",
    ]


def test_the_event_reaches_to_its_last_moving_look() -> None:
    gate = Gate(confirm=2, cooldown=5)
    facts = [fact for at, look in enumerate(".###......") for fact in gate.look(float(at), look == "#")]
    assert facts == [Started(1), Moved(2), Moved(3), Ended(at=3, since=1)]
    assert facts[-1] == Ended(3, 1)
    assert Ended(3, 1).duration == 2


def test_an_event_ends_in_time_when_no_picture_comes_any_more() -> None:
    gate = Gate(confirm=2, cooldown=5)
    told(gate, ".##")
    assert gate.tick(6.9) == []
    assert gate.tick(7.0) == [Ended(2, 1)]
    assert gate.tick(8.0) == []


def test_switching_off_ends_a_running_event_at_once() -> None:
    gate = Gate(confirm=2, cooldown=5)
    told(gate, ".##")
    assert gate.open
    assert gate.close() == [Ended(2, 1)]
    assert not gate.open
    assert gate.close() == []


def test_switching_off_forgets_what_was_not_confirmed() -> None:
    gate = Gate(confirm=2, cooldown=5)
    assert told(gate, "..#") == []
    assert gate.close() == []
    assert gate.look(3.0, True) == []


def triggered(looks: str, at: int, duration: int) -> list[str]:
    """What is said of the drawn looks when a trigger comes after the one at `at`; the cooldown is 3 s."""
    gate, found = Gate(confirm=2, cooldown=3), list[tuple[int, Fact]]()
    for now, look in enumerate(looks):
        found += [(now, fact) for fact in gate.look(float(now), look == "#")]
        if now == at:
            found += [(now, fact) for fact in gate.hold(float(now), float(now + duration))]
    return [
        f"{type(fact).__name__.lower()} {fact.at:.0f} at {now}"
        for now, fact in found
        if not isinstance(fact, Moved | Held)
    ]


@pytest.mark.parametrize(
    ("looks", "story"),
    [
        ("............", ["started 1 at 1", "ended 6 at 6"]),  # it holds as long as it says, without a cooldown
        ("...#........", ["started 1 at 1", "ended 6 at 6"]),  # a lone flash prolongs nothing
        ("..##........", ["started 1 at 1", "resumed 2 at 3", "ended 6 at 6"]),  # quiet for long enough by then
        ("....##......", ["started 1 at 1", "resumed 4 at 5", "ended 6 at 8"]),  # motion prolongs it by its cooldown
        ("....#####...", ["started 1 at 1", "resumed 4 at 5", "ended 8 at 11"]),
        ("##..........", ["started 0 at 1", "ended 6 at 6"]),  # a trigger prolongs the event of motion
        (".###........", ["started 1 at 1", "resumed 1 at 2", "ended 6 at 6"]),  # it comes before motion is confirmed
    ],
)
def test_a_trigger_opens_the_gate_and_holds_it_open(looks: str, story: list[str]) -> None:
    assert triggered(looks, at=1, duration=5) == story


def test_a_trigger_after_the_cooldown_is_another_event() -> None:
    gate = Gate(confirm=2, cooldown=3)
    told(gate, "##")
    assert gate.hold(9.0, 12.0) == [Ended(1, 0), Started(9)]
    assert gate.tick(12.0) == [Held(12), Ended(12, 9)]


def test_a_second_trigger_can_only_prolong() -> None:
    gate = Gate(confirm=2, cooldown=3)
    assert gate.hold(0.0, 10.0) == [Started(0)]
    assert gate.hold(1.0, 5.0) == [Held(1)]
    assert gate.hold(6.0, 20.0) == [Held(6)]
    assert gate.tick(19.0) == [Held(19)]
    assert gate.tick(25.0) == [Held(20), Ended(20, 0)]  # whenever somebody looks at the clock


def test_what_a_trigger_holds_stays_open_when_nobody_looks_any_more() -> None:
    gate = Gate(confirm=1, cooldown=30)
    told(gate, "#")
    gate.hold(1.0, 5.0)
    assert gate.still() == []
    assert gate.tick(5.0) == [Held(5), Ended(5, 0)]  # the cooldown of motion is no reason any more
    assert gate.still() == []


def test_without_a_trigger_nobody_looking_is_the_end() -> None:
    gate = Gate(confirm=1, cooldown=30)
    told(gate, "#")
    assert gate.still() == [Ended(0, 0)]
    gate.hold(1.0, 5.0)
    assert gate.tick(3.0) == [Held(3)]
    assert gate.close() == [Ended(3, 1)]  # by force, whatever holds it


@pytest.mark.parametrize(("confirm", "cooldown"), [(0, 5.0), (2, -1.0)])
def test_senseless_numbers_are_refused(confirm: int, cooldown: float) -> None:
    with pytest.raises(ValueError):
        Gate(confirm, cooldown)


@given(
    looks=st.lists(st.tuples(st.floats(0.05, 20), st.booleans()), max_size=60),
    confirm=st.integers(1, 4),
    cooldown=st.floats(0.5, 15),
)
def test_whatever_comes_the_story_is_sound(looks: list[tuple[float, bool]], confirm: int, cooldown: float) -> None:
    """Started and Ended alternate; runs lie inside their event; events are further apart than the cooldown."""
    gate, at = Gate(confirm, cooldown), 0.0
    facts: list[Fact] = []
    for gap, moving in looks:
        at += gap
        facts += gate.look(at, moving)
    facts += gate.close()
    since: float | None = None
    last, ended = 0.0, float("-inf")
    for fact in facts:
        match fact:
            case Started(at=begin):
                assert since is None
                assert begin - ended >= cooldown
                since = last = begin
            case Resumed(at=begin):
                assert since is not None
                assert begin - last < cooldown
                assert begin > last
            case Moved(at=moved):
                assert since is not None
                assert moved >= last
                last = moved
            case Held():
                raise AssertionError("nothing was triggered")
            case Ended(at=end, since=begin):
                assert (begin, end) == (since, last)
                assert fact.duration >= 0
                since, ended = None, end
    assert since is None
    assert not gate.open


@given(
    looks=st.lists(st.tuples(st.floats(0.05, 20), st.sampled_from([True, True, False, 3.0, 12.0])), max_size=60),
    confirm=st.integers(1, 4),
    cooldown=st.floats(0.5, 15),
)
def test_whatever_is_triggered_no_event_is_shorter_than_it_should_be(
    looks: list[tuple[float, float]], confirm: int, cooldown: float
) -> None:
    """A number is a trigger of so many seconds; an event ends where it was said to reach last."""
    gate, at, until = Gate(confirm, cooldown), 0.0, 0.0
    since, reached = nan, 0.0  # nan: closed
    for gap, look in looks:
        at += gap
        triggered = look > 1
        for fact in gate.hold(at, at + look) if triggered else gate.look(at, look == 1):
            match fact:
                case Started(at=begin):
                    assert isnan(since)
                    assert begin >= reached
                    since = reached = begin
                case Moved(at=to) | Held(at=to):
                    reached = max(reached, to)
                case Ended():
                    assert fact == Ended(reached, since)
                    assert until <= reached <= at
                    since = nan
                case _:
                    assert not isnan(since)
        if triggered:
            until = max(until, at + look)
    assert gate.open is not isnan(since)


@pytest.mark.parametrize(("cooldown", "ends"), [(2.0, ["ended 2 at 5"]), (9.0, []), (0.0, ["ended 2 at 5"])])
def test_a_running_event_obeys_another_cooldown(cooldown: float, ends: list[str]) -> None:
    gate = Gate(confirm=2, cooldown=5)
    assert told(gate, ".##..") == ["started 1 at 2"]
    gate.tune(cooldown)
    assert [f"ended {fact.at:g} at 5" for fact in gate.look(5.0, False) if isinstance(fact, Ended)] == ends


def test_a_senseless_cooldown_changes_nothing() -> None:
    gate = Gate(confirm=1, cooldown=5)
    with pytest.raises(ValueError, match="cooldown"):
        gate.tune(-1.0)
    assert told(gate, "#....") == ["started 0 at 0"]
