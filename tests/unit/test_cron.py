"""Times of day and lines of cron: what is read, and what is said of what cannot be."""

from datetime import date

import pytest

from edgecam.config.cron import Cron, cron

DAYS = {
    "thu 1 jan": date(2026, 1, 1),
    "sun 1 feb": date(2026, 2, 1),
    "fri 27 nov": date(2026, 11, 27),
    "sat 28 nov": date(2026, 11, 28),
    "sun 29 nov": date(2026, 11, 29),
    "mon 30 nov": date(2026, 11, 30),
    "tue 15 dec": date(2026, 12, 15),
}


def times(line: Cron) -> str:
    return " ".join(map(str, line.times))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12:30", "12:30"),
        (" 7:05 ", "07:05"),
        ("30 12 * * *", "12:30"),
        ("0 */6 * * *", "00:00 06:00 12:00 18:00"),
        ("0,30 6,18 * * *", "06:00 06:30 18:00 18:30"),
        ("10-50/20 8 * * *", "08:10 08:30 08:50"),
        ("*/25 23 * * *", "23:00 23:25 23:50"),
        ("0 22-23,0-1 * * *", "00:00 01:00 22:00 23:00"),
    ],
)
def test_minutes_and_hours_make_the_times_of_a_day(text: str, expected: str) -> None:
    assert times(cron(text)) == expected


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("* * *", "thu 1 jan, sun 1 feb, fri 27 nov, sat 28 nov, sun 29 nov, mon 30 nov, tue 15 dec"),
        ("* * mon-fri", "thu 1 jan, fri 27 nov, mon 30 nov, tue 15 dec"),
        ("* * MON-FRI", "thu 1 jan, fri 27 nov, mon 30 nov, tue 15 dec"),
        ("* * sat-sun", "sun 1 feb, sat 28 nov, sun 29 nov"),
        ("* * 6-7", "sun 1 feb, sat 28 nov, sun 29 nov"),
        ("* * 0", "sun 1 feb, sun 29 nov"),
        ("* * 7", "sun 1 feb, sun 29 nov"),
        ("* * sun-mon", "sun 1 feb, sun 29 nov, mon 30 nov"),
        ("1,15 * *", "thu 1 jan, sun 1 feb, tue 15 dec"),
        ("* dec-dec *", "tue 15 dec"),
        ("* nov *", "fri 27 nov, sat 28 nov, sun 29 nov, mon 30 nov"),
        ("1 * mon", "thu 1 jan, sun 1 feb, mon 30 nov"),  # both restricted: either is enough, as in crontab(5)
        ("*/14 * tue", "tue 15 dec"),  # a star restricts together with the other
        ("29 feb *", ""),
        ("30 feb sun", "sun 1 feb"),  # it never is the 30th, but Sundays there are
    ],
)
def test_days_are_those_of_crontab(days: str, expected: str) -> None:
    line = cron(f"0 12 {days}")
    assert ", ".join(name for name, day in DAYS.items() if line.on(day)) == expected


def test_a_line_is_shown_as_it_was_typed() -> None:
    assert str(cron("  0   12 * *  Mon-FRI ")) == "0 12 * * Mon-FRI"


NEITHER = r"must be a time of day such as \"12:30\", or the five fields of cron"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", NEITHER),
        ("750", NEITHER),  # what YAML 1.1 makes of 12:30
        ("noon", NEITHER),
        ("@daily", NEITHER),
        ("0 12 * *", NEITHER),
        ("0 0 12 * * *", NEITHER),
        ("24:00", "must be a time of day such as 07:30"),
        ("12:60", "must be a time of day"),
        ("60 12 * * *", "the minute must be 0 to 59, such as"),
        ("-5 12 * * *", "the minute must be 0 to 59"),
        ("0 24 * * *", "the hour must be 0 to 23"),
        ("0 1.5 * * *", "the hour must be 0 to 23"),
        ("0 ² * * *", "the hour must be 0 to 23"),
        ("0 6, * * *", "the hour must be 0 to 23"),
        ("0 18-6 * * *", "the hour must have ranges that do not end before they begin"),
        ("0 6/2 * * *", r"the hour must have \* or a range before its step"),
        ("0 */0 * * *", "the step of the hour must be 1 to 23"),
        ("0 */ * * *", "the step of the hour must be 1 to 23"),
        ("0 12 0 * *", "the day of the month must be 1 to 31"),
        ("0 12 L * *", "the day of the month must be 1 to 31"),
        ("0 12 30 feb *", "the day of the month must be one that one of its months has"),
        ("0 12 * 13 *", "the month must be 1 to 12"),
        ("0 12 * juno *", "the month must be 1 to 12"),
        ("0 12 * * 8", "the day of the week must be 0 to 7"),
        ("0 12 * * fri-mon", "the day of the week must have ranges that do not end before they begin"),
    ],
)
def test_what_is_wrong_is_said_field_by_field(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        cron(text)
    assert "juno" not in str(caught.value), "it may be a secret on the wrong line"
