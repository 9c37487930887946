"""When something is open, by the days of the week and the clock on the wall."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.config import timetable
from edgecam.config.schedule import DAYS, Schedule, days

BERLIN = ZoneInfo("Europe/Berlin")
SHOP = {"mon-fri": ["10:00-12:30", "14:00-20:00"], "sat": ["10:00-14:00"]}
NIGHT = {"fri,sat": ["22:00-06:00"]}
SUNDAY = {"sun": ["02:30-03:30"]}
Plan = Mapping[str, Sequence[str]]


def at(text: str, zone: tzinfo = UTC) -> float:
    """In November 2026 the 2nd is a Monday."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mon", "mon"),
        ("mon-fri", "mon tue wed thu fri"),
        ("sat-mon", "mon sat sun"),
        ("sun-sat", "mon tue wed thu fri sat sun"),
        ("tue-tue", "tue"),
        ("tue,thu", "tue thu"),
        ("Sat, mon - tue", "mon tue sat"),
        ("daily", "mon tue wed thu fri sat sun"),
    ],
)
def test_days_are_taken_as_people_type_them(text: str, found: str) -> None:
    assert " ".join(DAYS[day] for day in sorted(days(text))) == found


@pytest.mark.parametrize("text", ["", "monday", "mon-", "-", "mon-wed-fri", "mon;tue", "mon,", "mon,daily", "1-5", "*"])
def test_what_is_no_day_is_told_how_to_be_one(text: str) -> None:
    with pytest.raises(
        ValueError, match="must be days such as mon-fri, sat-mon or tue,thu, or daily; they are mon tue"
    ):
        days(text)


def test_what_is_no_span_is_told_how_to_be_one() -> None:
    with pytest.raises(ValueError, match=r"must be a span of the day such as 22:00-06:00$"):
        Schedule({"mon": ["else"]})


@pytest.mark.parametrize(
    ("plan", "moment", "is_open", "until"),
    [
        (SHOP, "11-02 09:59:59.9", False, "11-02 10:00"),
        (SHOP, "11-02 10:00", True, "11-02 12:30"),
        (SHOP, "11-02 12:30", False, "11-02 14:00"),
        (SHOP, "11-06 20:00", False, "11-07 10:00"),  # Friday evening
        (SHOP, "11-07 14:00", False, "11-09 10:00"),  # nothing on Sunday
        (NIGHT, "11-06 00:30", False, "11-06 22:00"),  # the night to Friday is Thursday's
        (NIGHT, "11-07 05:59", True, "11-07 06:00"),
        (NIGHT, "11-08 05:59", True, "11-08 06:00"),
        (NIGHT, "11-08 23:00", False, "11-13 22:00"),
        ({"sun": ["22:00-06:00"]}, "11-02 00:00", True, "11-02 06:00"),  # over the week's end
        ({"sat-mon": ["00:00-24:00"]}, "11-07 00:00", True, "11-10 00:00"),
        ({"mon": ["08:00-12:00", "11:00-13:00"], "daily": ["12:30-14:00"]}, "11-02 08:00", True, "11-02 14:00"),
        ({"daily": ["00:00-24:00"]}, "11-02 08:00", True, None),
        ({"mon-sat": ["18:00-00:00"]}, "11-07 23:59", True, "11-08 00:00"),
        ({}, "11-02 08:00", False, None),
    ],
)
def test_it_is_open_as_the_plan_says_and_knows_until_when(
    plan: Plan, moment: str, is_open: bool, until: str | None
) -> None:
    schedule = Schedule(plan, UTC)
    assert schedule.open(at(moment)) is is_open
    assert schedule.until(at(moment)) == (at(until) if until else math.inf)


@pytest.mark.parametrize(
    ("moment", "is_open", "until"),
    [
        ("03-29 00:59", False, "03-29 01:00"),  # 01:59 on the wall; what follows is 03:00
        ("03-29 01:00", True, "03-29 01:30"),  # half of the span was skipped
        ("03-29 01:30", False, "04-05 00:30"),  # 02:30 of the next Sunday
        ("10-25 00:29", False, "10-25 00:30"),  # 02:29, of summer
        ("10-25 00:59", True, "10-25 01:00"),  # 02:59; what follows is 02:00 again
        ("10-25 01:00", False, "10-25 01:30"),
        ("10-25 01:30", True, "10-25 02:30"),
    ],
)
def test_when_the_clock_is_changed_what_it_shows_counts(moment: str, is_open: bool, until: str) -> None:
    schedule = Schedule(SUNDAY, BERLIN)
    assert schedule.open(at(moment)) is is_open
    assert schedule.until(at(moment)) == at(until)


def test_an_hour_that_is_skipped_on_its_only_day_comes_in_a_week() -> None:
    schedule = Schedule({"sun": ["02:10-02:50"]}, BERLIN)
    last = at("03-22 02:50", BERLIN)
    assert schedule.until(last) == at("04-05 02:10", BERLIN)


def test_without_a_zone_it_goes_by_the_clock_of_the_box() -> None:
    moment = at("11-02 12:00")
    shown = datetime.fromtimestamp(moment)
    schedule = Schedule({DAYS[shown.weekday()]: [f"{shown:%H:%M}-24:00"]})
    assert schedule.open(moment)
    assert not schedule.open(moment - 1)


times = st.integers(0, 24 * 60 - 1)


@st.composite
def spans(draw: st.DrawFn) -> str:
    begin, end = draw(times), draw(times)
    return f"{begin // 60:02}:{begin % 60:02}-{'24:00' if begin == end else f'{end // 60:02}:{end % 60:02}'}"


plans = st.dictionaries(st.sets(st.sampled_from(DAYS), min_size=1).map(",".join), st.lists(spans(), max_size=2))
AHEAD = 26 * 60
"""Minutes that are told one by one."""
zones = st.sampled_from([BERLIN, UTC, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/St_Johns")])
changes = st.sampled_from(["03-29 01:00", "10-25 01:00", "04-04 15:00", "10-03 15:30", "03-08 06:30", "11-01 07:30"])


def shows_open(plan: Plan, shown: datetime) -> bool:
    """Minute by minute, as a person would tell it from the plan."""
    minute, today, yesterday = 60 * shown.hour + shown.minute, DAYS[shown.weekday()], DAYS[shown.weekday() - 1]
    for named, some in plan.items():
        for begin, end in map(timetable.ends, some):
            late = begin < end
            if today in named.split(",") and begin <= minute and (minute < end or not late):
                return True
            if yesterday in named.split(",") and not late and minute < end:
                return True
    return False


@settings(deadline=None, max_examples=50)
@given(plans, zones, changes, st.integers(-3 * 24 * 60, 24 * 60), st.floats(0, 59.9))
def test_a_plan_and_its_schedule_agree_on_each_minute_and_the_next_change_is_the_first(
    plan: Plan, zone: tzinfo, change: str, minutes: int, seconds: float
) -> None:
    schedule, moment = Schedule(plan, zone), at(change) + 60 * minutes + seconds
    now = schedule.open(moment)
    assert now is shows_open(plan, datetime.fromtimestamp(moment, zone))
    until = schedule.until(moment)
    whole = at(change) + 60 * minutes
    following = (whole + 60 * step for step in range(1, AHEAD))
    first = next((it for it in following if shows_open(plan, datetime.fromtimestamp(it, zone)) is not now), None)
    assert until == first or (first is None and until > whole + 60 * (AHEAD - 1))
