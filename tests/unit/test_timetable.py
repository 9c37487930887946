"""How fast things may leave, by the clock on the wall."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from edgecam.config.timetable import Timetable, overlaps, span

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT: Mapping[str, float] = {"22:00-06:00": 2e6, "else": 1e5}
OFFICE: Mapping[str, float] = {"08:00-12:30": 0, "13:00-17:00": 0}
"""Nothing goes while people work; at noon and in the evening everything may."""
SPRING: Mapping[str, float] = {"02:30-03:30": 5.0, "else": 1.0}


def at(text: str, zone: ZoneInfo | None = None) -> float:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=zone or UTC).timestamp()


@pytest.mark.parametrize(
    ("plan", "time", "rate", "until"),
    [
        ({"else": 5e5}, "11-27 12:00", 5e5, None),
        ({}, "11-27 12:00", math.inf, None),
        (NIGHT, "11-27 12:00", 1e5, "11-27 22:00"),
        (NIGHT, "11-27 21:59:59.9", 1e5, "11-27 22:00"),
        (NIGHT, "11-27 22:00", 2e6, "11-28 06:00"),
        (NIGHT, "11-28 00:00", 2e6, "11-28 06:00"),
        (NIGHT, "11-28 05:59:30", 2e6, "11-28 06:00"),
        (NIGHT, "11-28 06:00", 1e5, "11-28 22:00"),
        (OFFICE, "11-27 08:00", 0, "11-27 12:30"),
        (OFFICE, "11-27 12:30", math.inf, "11-27 13:00"),
        (OFFICE, "11-27 17:00", math.inf, "11-28 08:00"),
        ({"18:00-24:00": 0, "0:00-6:00": 0}, "11-27 20:00", 0, "11-28 06:00"),  # two spans, one rate
        ({"18:00-00:00": 7}, "11-27 20:00", 7, "11-28 00:00"),
        ({"00:00-24:00": 7, "else": 9}, "11-27 20:00", 7, None),
    ],
)
def test_the_span_that_holds_says_how_fast_and_until_when(
    plan: Mapping[str, float], time: str, rate: float, until: str | None
) -> None:
    timetable = Timetable(plan, UTC)
    assert timetable.rate(at(time)) == rate
    assert timetable.until(at(time)) == (at(until) if until else math.inf)


@pytest.mark.parametrize(
    ("moment", "rate", "until"),
    [
        ("03-29 00:59", 1, "03-29 01:00"),  # 01:59 on the wall; what follows is 03:00
        ("03-29 01:00", 5, "03-29 01:30"),  # 03:00: half of the span was skipped
        ("03-29 01:30", 1, "03-30 00:30"),  # 03:30, and 02:30 the day after
        ("10-25 00:29", 1, "10-25 00:30"),  # 02:29, of summer
        ("10-25 00:59", 5, "10-25 01:00"),  # 02:59; what follows is 02:00 again
        ("10-25 01:00", 1, "10-25 01:30"),
        ("10-25 01:30", 5, "10-25 02:30"),
    ],
)
def test_when_the_clock_is_changed_what_it_shows_counts(moment: str, rate: float, until: str) -> None:
    timetable = Timetable(SPRING, BERLIN)
    assert timetable.rate(at(moment)) == rate
    assert timetable.until(at(moment)) == at(until)


def test_a_span_that_is_skipped_comes_on_the_next_day() -> None:
    timetable = Timetable({"02:10-02:50": 0}, BERLIN)
    assert timetable.until(at("03-29 00:30")) == at("03-30 00:10")


@pytest.mark.parametrize("text", ["22:00-06:00", "7:00-8:30", "00:00-24:00", "12:00 - 13:00", "else"])
def test_spans_are_taken_as_people_type_them(text: str) -> None:
    assert span(text) == text


@pytest.mark.parametrize(
    "text", ["", "els", "22-6", "22:00", "24:00-06:00", "08:60-09:00", "08:00-24:01", "08:00-25:00", "8:00-09:61"]
)
def test_what_is_no_span_is_told_how_to_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="must be a span of the day such as 22:00-06:00, or else"):
        span(text)


@pytest.mark.parametrize("text", ["08:00-08:00", "00:00-00:00"])
def test_a_span_without_length_may_mean_all_or_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="must not end where it begins; write 00:00-24:00 for the whole day"):
        span(text)


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ("08:00-12:00 12:00-18:00 18:00-08:00 else", []),
        ("08:00-12:00 11:59-13:00", [("11:59-13:00", "08:00-12:00")]),
        ("22:00-06:00 05:00-07:00 21:00-22:01", [("05:00-07:00", "22:00-06:00"), ("21:00-22:01", "22:00-06:00")]),
        ("08:00-12:00 07:00-13:00", [("07:00-13:00", "08:00-12:00")]),
        ("22:00-06:00 22:00-6:00", [("22:00-6:00", "22:00-06:00")]),
        ("22:00-06:00 23:00-01:00", [("23:00-01:00", "22:00-06:00")]),
        ("06:00-24:00 00:00-06:00", []),
    ],
)
def test_spans_that_overlap_are_found(spans: str, found: list[tuple[str, str]]) -> None:
    assert list(overlaps(dict.fromkeys(spans.split(" "), 1.0))) == found
