"""The rules of the score, as tables: ten frames a second unless said otherwise."""

import pytest

from edgecam.motion.tuning.score import (
    Labels,
    Run,
    Score,
    Span,
    false_spans,
    joined,
    score,
    scored_events,
    together,
    without,
)


def labels(*events: Span, first: int = 0, last: int = 999, ignored: tuple[Span, ...] = ()) -> Labels:
    return Labels(10, first, last, events, ignored)


def runs(*spans: Span) -> list[Run]:
    """Told with their second look."""
    return [Run(first, last, first + 2) for first, last in spans]


@pytest.mark.parametrize(
    ("found", "hits", "false"),
    [
        ([], 0, 0),
        ([(120, 130)], 1, 0),
        ([(95, 95)], 1, 0),  # half a second early
        ([(90, 94)], 0, 1),  # too early, and so wrong
        ([(140, 150)], 1, 0),  # its last frame
        ([(151, 165)], 0, 0),  # too late, but not wrong
        ([(151, 166)], 0, 1),
        ([(100, 110), (130, 140)], 1, 0),  # one event is hit once
        ([(90, 190)], 1, 2),  # before and after it
    ],
)
def test_an_event_is_hit_from_half_a_second_early_and_its_tail_is_not_wrong(
    found: list[Span], hits: int, false: int
) -> None:
    result = score(labels((100, 150)), runs(*found))
    assert (result.events, result.hits, result.false_events) == (1, hits, false)


@pytest.mark.parametrize(
    ("found", "false"),
    [
        ([(0, 0)], 1),
        ([(0, 98)], 1),
        ([(0, 99)], 2),  # ten full seconds
        ([(0, 999)], 11),  # always on
        ([(0, 9), (19, 29)], 1),  # a second apart
        ([(0, 9), (20, 29)], 2),
        ([(990, 1200)], 1),  # what comes after the clip's end is not there
    ],
)
def test_motion_that_lasts_is_wrong_again_every_ten_seconds(found: list[Span], false: int) -> None:
    assert score(labels(), runs(*found)).false_events == false


@pytest.mark.parametrize(
    ("events", "count"),
    [
        ([(100, 110), (120, 130)], 1),
        ([(100, 110), (121, 130)], 2),
        ([(121, 130), (100, 110)], 2),
        ([(100, 200), (110, 120)], 1),
        ([(10, 50)], 0),  # over when scoring begins
        ([(10, 51)], 1),
        ([(999, 1100)], 1),
        ([(1000, 1100)], 0),  # the video is shorter than its labels
    ],
)
def test_events_count_once_and_only_where_scoring_is(events: list[Span], count: int) -> None:
    assert len(scored_events(labels(*events, first=50))) == count


def test_warm_up_counts_for_nothing() -> None:
    result = score(labels(first=100), runs((0, 99)))
    assert (result.false_events, result.quiet) == (0, 90.0)


def test_nothing_is_wrong_where_the_labels_look_away() -> None:
    looked_away = labels(ignored=((100, 199),))
    assert score(looked_away, runs((100, 214))).false_events == 0
    assert score(looked_away, runs((99, 215))).false_events == 2
    assert score(looked_away, []).quiet == pytest.approx(100 - 11.5)
    assert false_spans(looked_away, runs((99, 215))) == [(99, 99), (215, 215)]


def test_a_delay_ends_when_motion_is_confirmed() -> None:
    assert score(labels((100, 150)), runs((110, 150))).delays == (1.2,)
    assert score(labels((100, 150)), runs((96, 150))).delays == (0.0,)
    assert score(labels((100, 150)), runs((110, 112), (116, 150))).delays == (1.2,)  # one run, told once


def test_what_began_in_warm_up_has_no_delay() -> None:
    result = score(labels((100, 150), first=120), runs((130, 150)))
    assert (result.hits, result.delays) == (1, ())


def test_an_event_at_an_unknown_moment_has_no_delay_and_leaves_no_quiet() -> None:
    result = score(Labels(10, 0, 999, ((0, 999),), timed=False), runs((500, 520)))
    assert result == Score(events=1, hits=1)


def test_the_figures_follow_from_the_counts() -> None:
    found = together([Score(3, 2, 1, 1800.0, (0.2, 0.4)), Score(1, 1, 0, 0.0, (1.0,)), Score(quiet=1800.0)])
    assert (found.recall, found.precision, found.f1) == (0.75, 0.75, 0.75)
    assert found.false_per_hour == 1.0
    assert found.delay(0.5) == 0.4
    assert found.delay(0.9) == pytest.approx(0.88)


def test_what_has_no_meaning_has_no_figure() -> None:
    nothing = together([])
    assert nothing.recall is nothing.precision is nothing.f1 is nothing.false_per_hour is nothing.delay(0.5) is None
    assert Score(events=2).f1 == 0.0


@pytest.mark.parametrize(
    ("holes", "left"),
    [
        ([], [(10, 20)]),
        ([(0, 9), (21, 30)], [(10, 20)]),
        ([(12, 13), (15, 15)], [(10, 11), (14, 14), (16, 20)]),
        ([(15, 30), (12, 16)], [(10, 11)]),
        ([(10, 20)], []),
        ([(0, 12), (5, 8)], [(13, 20)]),
    ],
)
def test_holes_leave_the_rest(holes: list[Span], left: list[Span]) -> None:
    assert without((10, 20), holes) == left
    assert without((20, 10), holes) == []


def test_near_spans_are_one() -> None:
    assert joined([(20, 30), (0, 10), (35, 40)], 5) == [(0, 10), (20, 40)]
