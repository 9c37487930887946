"""When stills are taken: on round times of the clock on the wall, whatever is done to that clock."""

from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.config.cron import cron
from edgecam.record.lapse.grid import At, Every, Grid, Ticker, day_of, local

BERLIN, HOBART, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Hobart"), ZoneInfo("Australia/Lord_Howe")
HAVANA, SAO_PAULO, APIA = ZoneInfo("America/Havana"), ZoneInfo("America/Sao_Paulo"), ZoneInfo("Pacific/Apia")
UTC = ZoneInfo("UTC")

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def moments(grid: Grid, after: datetime, count: int) -> str:
    """The next moments, as the wall shows them, with the offset where it changes."""
    zone, moment, shown, offset = after.tzinfo, after.timestamp(), [], after.strftime("%z")
    for _ in range(count):
        moment = grid.after(moment)
        there = datetime.fromtimestamp(moment, zone)
        pattern = "%H:%M" if there.second == 0 else "%H:%M:%S"
        shown.append(there.strftime(pattern if there.strftime("%z") == offset else f"{pattern}%z"))
        offset = there.strftime("%z")
    return " ".join(shown)


@pytest.mark.parametrize(
    ("every", "after", "expected"),
    [
        (6 * HOUR, datetime(2026, 6, 1, 1, 2, 3, tzinfo=BERLIN), "06:00 12:00 18:00 00:00 06:00"),
        (MINUTE, datetime(2026, 6, 1, 23, 58, 30, 5, tzinfo=BERLIN), "23:59 00:00 00:01"),
        (5 * HOUR, datetime(2026, 6, 1, 14, tzinfo=BERLIN), "15:00 20:00 00:00 05:00"),  # begins anew each day
        (1.5, datetime(2026, 6, 1, 12, tzinfo=UTC), "12:00:01 12:00:03 12:00:04"),
        (DAY, datetime(2026, 6, 1, 0, 0, tzinfo=UTC), "00:00 00:00"),
        # spring: 2 o'clock is skipped
        (HOUR, datetime(2026, 3, 29, 0, 30, tzinfo=BERLIN), "01:00 03:00+0200 04:00"),
        (6 * HOUR, datetime(2026, 3, 29, 0, 0, tzinfo=BERLIN), "06:00+0200 12:00"),
        (2 * HOUR, datetime(2026, 3, 29, 0, 0, tzinfo=BERLIN), "03:00+0200 04:00 06:00"),  # for 2 o'clock
        # autumn: the hour from 2 to 3 comes twice
        (HOUR, datetime(2026, 10, 25, 1, 30, tzinfo=BERLIN), "02:00 02:00+0100 03:00"),
        (20 * MINUTE, datetime(2026, 10, 25, 2, 20, tzinfo=BERLIN), "02:40 02:00+0100 02:20 02:40 03:00"),
        (25 * MINUTE, datetime(2026, 10, 25, 2, 20, tzinfo=BERLIN), "02:30 02:55 02:05+0100 02:30 02:55 03:20"),
        (6 * HOUR, datetime(2026, 10, 25, 0, 0, tzinfo=BERLIN), "06:00+0100 12:00"),
        # half an hour, the other side of the world
        (HOUR, datetime(2026, 10, 4, 1, 0, tzinfo=LORD_HOWE), "02:30+1100 03:00 04:00"),
        (15 * MINUTE, datetime(2026, 4, 5, 1, 40, tzinfo=LORD_HOWE), "01:45 01:30+1030 01:45 02:00"),
        (HOUR, datetime(2026, 4, 5, 1, 30, tzinfo=HOBART), "02:00 02:00+1000 03:00"),
        # midnight itself is skipped, or comes twice; a whole day is skipped
        (DAY, datetime(2018, 11, 3, 12, tzinfo=SAO_PAULO), "01:00-0200 00:00"),
        (DAY, datetime(2026, 10, 31, 12, tzinfo=HAVANA), "00:00 00:00-0500 00:00"),
        (12 * HOUR, datetime(2011, 12, 29, 11, tzinfo=APIA), "12:00 00:00+1400 12:00"),
    ],
)
def test_every_is_counted_from_the_boxs_midnight(every: float, after: datetime, expected: str) -> None:
    assert moments(Every(every, after.tzinfo), after, len(expected.split())) == expected


@pytest.mark.parametrize(
    ("lines", "after", "expected"),
    [
        (["12:00"], datetime(2026, 6, 1, 12, 0, tzinfo=BERLIN), "12:00 12:00"),
        (["18:00", "6:00"], datetime(2026, 6, 1, 12, 0, tzinfo=BERLIN), "18:00 06:00 18:00"),
        (["0 6-18/6 * * *"], datetime(2026, 6, 1, 7, 0, tzinfo=BERLIN), "12:00 18:00 06:00"),
        (["12:00", "0 12 * * *"], datetime(2026, 6, 1, 7, 0, tzinfo=BERLIN), "12:00 12:00"),
        # spring: the first moment after what is skipped, once
        (["*/20 2 * * *"], datetime(2026, 3, 29, 0, 0, tzinfo=BERLIN), "03:00+0200 02:00 02:20"),
        (["2:30", "3:00", "3:30"], datetime(2026, 3, 29, 0, 0, tzinfo=BERLIN), "03:00+0200 03:30 02:30"),
        # autumn: the first of the two
        (["*/30 2-3 * * *"], datetime(2026, 10, 25, 2, 15, tzinfo=BERLIN), "02:30 03:00+0100 03:30 02:00"),
        (["2:30"], datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=BERLIN), "02:30"),
        (["0:00"], datetime(2018, 11, 3, 12, tzinfo=SAO_PAULO), "01:00-0200 00:00"),
        (["0:30"], datetime(2026, 10, 31, 12, tzinfo=HAVANA), "00:30 00:30-0500"),
        (["0 12 30 * *"], datetime(2011, 12, 29, 13, tzinfo=APIA), "00:00+1400 12:00"),
    ],
)
def test_times_of_day_come_once_a_day(lines: list[str], after: datetime, expected: str) -> None:
    grid = At(tuple(map(cron, lines)), after.tzinfo)
    assert moments(grid, after, len(expected.split())) == expected


def test_a_rare_day_is_waited_for() -> None:
    leap = At((cron("0 12 29 feb *"),), UTC).after(datetime(2096, 3, 1, tzinfo=UTC).timestamp())
    assert day_of(leap, UTC) == date(2104, 2, 29)
    monday = At((cron("0 0 */31 feb mon"),), UTC).after(datetime(2094, 2, 2, tzinfo=UTC).timestamp())
    assert (day_of(monday, UTC).day, day_of(monday, UTC).weekday()) == (1, 0)


@pytest.mark.usefixtures("berlin")
def test_the_boxs_own_zone_is_meant_unless_another_is_named() -> None:
    for begin in (datetime(2026, 3, 28, 20, tzinfo=BERLIN), datetime(2026, 10, 24, 20, tzinfo=BERLIN)):
        for own, there in (
            (Every(20 * MINUTE), Every(20 * MINUTE, BERLIN)),
            (At((cron("*/20 1-3 * * *"),)), At((cron("*/20 1-3 * * *"),), BERLIN)),
        ):
            moment = begin.timestamp()
            for _ in range(40):
                assert own.after(moment) == there.after(moment)
                moment = own.after(moment)
    assert day_of(datetime(2026, 11, 26, 23, 30, tzinfo=UTC).timestamp()) == date(2026, 11, 27)


ZONES = st.sampled_from([UTC, BERLIN, HOBART, LORD_HOWE, HAVANA, SAO_PAULO, APIA, None])
TIMES = st.integers(int(datetime(2009, 1, 1).timestamp()), int(datetime(2030, 1, 1).timestamp())).map(float)
STEPS = st.one_of(st.integers(1, 86400).map(float), st.floats(1, 86400))
LINES = st.sampled_from(["0:00", "2:30", "*/7 * * * *", "0 */5 * * *", "59 23 * * *", "15 2 1 * mon"])


@settings(max_examples=300, derandomize=True, deadline=None)
@given(ZONES, TIMES, STEPS)
def test_moments_of_every_follow_each_other_without_a_hole(zone: ZoneInfo | None, begin: float, every: float) -> None:
    grid = Every(every, zone)
    moment = begin
    for _ in range(20):
        coming = grid.after(moment)
        assert 0 < coming - moment <= every + 2 * HOUR or zone is APIA
        assert grid.after((moment + coming) / 2) == coming
        assert grid.after(coming - 0.001) == coming
        moment = coming


@settings(max_examples=100, derandomize=True, deadline=None)
@given(ZONES, TIMES, LINES)
def test_moments_of_cron_follow_each_other(zone: ZoneInfo | None, begin: float, line: str) -> None:
    grid = At((cron(line),), zone)
    moment = begin
    for _ in range(5):
        coming = grid.after(moment)
        assert coming > moment
        assert grid.after((moment + coming) / 2) == coming
        shown = local(coming, zone)
        assert (shown.hour, shown.minute) in grid.lines[0].times or zone is not UTC
        moment = coming


def told(grid: Grid, walls: list[float]) -> list[float]:
    """The walls at which a moment came; the first is the start."""
    ticker = Ticker(grid, walls[0])
    return [wall for wall in walls[1:] if ticker.came(wall)]


@pytest.mark.parametrize(
    ("walls", "expected"),
    [
        ([0, 59, 60, 61, 119.9, 120.1], [60, 120.1]),
        ([60, 61, 119], []),  # what lies before the start is not made up for
        ([0, 3601, 3602, 3659, 3660], [3601, 3660]),  # forward past sixty moments: one
        ([0, 60, 30, 59, 60, 61, 120], [60, 120]),  # back by half a minute: none twice
        ([0, 7200, 3601, 3660, 7199, 7201, 7260], [7200, 7260]),  # back by less than an hour: none twice
        ([0, 7200, 3500, 3539, 3540, 3600], [7200, 3540, 3600]),  # by more: the clock begins anew
        ([1e9, 10, 59, 60, 2e9, 2e9 + 60], [60, 2e9, 2e9 + 60]),  # a box that learns the year
    ],
)
def test_a_moment_comes_once_however_the_clock_is_set(walls: list[float], expected: list[float]) -> None:
    assert told(Every(60.0, UTC), walls) == expected


@settings(max_examples=200, derandomize=True, deadline=None)
@given(ZONES, TIMES, st.lists(st.floats(-3000, 7200), max_size=60))
def test_no_moment_comes_twice_while_the_clock_is_set_within_the_hour(
    zone: ZoneInfo | None, begin: float, steps: list[float]
) -> None:
    grid, highest, wall = Every(600.0, zone), begin, begin
    ticker, taken = Ticker(grid, begin), []
    for step in steps:
        wall = max(wall + step, highest - 3599)
        highest = max(highest, wall)
        if ticker.came(wall):
            taken.append(wall)
    for before, after in zip(taken, islice(taken, 1, None), strict=False):
        assert grid.after(before) <= after
    assert day_of(wall + timedelta(days=1).total_seconds(), zone) > day_of(wall, zone)
