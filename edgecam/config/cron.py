"""Cron: times of day on the days that a crontab line names, as people type them. Pure.

`12:30` is that time of every day; `0 6-18/2 * * mon-fri` are cron's five fields: minute, hour, day of the month, month
and day of the week, as crontab(5) has them. Errors never quote the text (see units.py).
"""

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from edgecam.config import units

WANTED = 'must be a time of day such as "12:30", or the five fields of cron such as "0 6-18/2 * * mon-fri"'


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    example: str
    names: Mapping[str, int]


def _numbered(names: str, first: int) -> Mapping[str, int]:
    return {name: number for number, name in enumerate(names.split(), first)}


_FIELDS = (
    _Field("minute", 0, 59, "0, */5, 10-50/20 or 0,30", {}),
    _Field("hour", 0, 23, "12, */2, 6-18 or 6,18", {}),
    _Field("day of the month", 1, 31, "1, */10, 1-7 or 1,15", {}),
    _Field("month", 1, 12, "6, may-sep or 3,9", _numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1)),
    _Field(
        "day of the week", 0, 7, "mon-fri or sat,sun; 0 and 7 are Sunday", _numbered("sun mon tue wed thu fri sat", 0)
    ),
)

_LONGEST = {month: calendar.monthrange(2000, month)[1] for month in range(1, 13)}  # a leap year


@dataclass(frozen=True, slots=True)
class Cron:
    """One line of cron, read."""

    text: str
    """As it was typed, single blanks between the fields."""
    times: tuple[units.TimeOfDay, ...]
    """Of each day that counts, in order."""
    days: frozenset[int]
    """Of the month."""
    months: frozenset[int]
    weekdays: frozenset[int]
    """Sunday is 0."""
    either: bool = False
    """Both kinds of days are restricted, and one of them is enough: cron's own rule."""

    def on(self, day: date) -> bool:
        """Whether it happens on this day."""
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and ((of_month or of_week) if self.either else (of_month and of_week))

    def __str__(self) -> str:
        return self.text


def cron(text: str) -> Cron:
    """Read `12:30` or five fields. Raises ValueError with a sentence that says which field is wrong."""
    words = text.lower().split()
    if len(words) == 1 and ":" in text:
        words = _of_day(units.time_of_day(text))
    elif len(words) != len(_FIELDS):
        raise ValueError(WANTED)
    minutes, hours, days, months, weekdays = (_read(word, field) for word, field in zip(words, _FIELDS, strict=True))
    either = not (words[2].startswith("*") or words[4].startswith("*"))
    if not either and all(min(days) > _LONGEST[month] for month in months):
        raise ValueError("the day of the month must be one that one of its months has")
    return Cron(
        text=" ".join(text.split()),
        times=tuple(units.TimeOfDay(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)),
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        either=either,
    )


def _of_day(time: units.TimeOfDay) -> list[str]:
    return [str(time.minute), str(time.hour), "*", "*", "*"]


def _read(word: str, field: _Field) -> frozenset[int]:
    return frozenset(number for part in word.split(",") for number in _part(part, field))


def _part(part: str, field: _Field) -> Iterator[int]:
    """`*`, `a` or `a-b`, with `/step` behind `*` and `a-b`."""
    span, slash, step = part.partition("/")
    first, dash, last = span.partition("-")
    every = _number(step, f"step of the {field.name}", 1, field) if slash else 1
    if span == "*":
        return iter(range(field.low, field.high + 1, every))
    low = _value(first, field)
    high = _value(last, field) if dash else low
    if high == 0 < low and field.high == 7:
        high = 7  # the week ends on Sunday as well as it begins with it
    if slash and not dash:
        raise ValueError(f"the {field.name} must have * or a range before its step, such as {field.example}")
    if high < low:
        raise ValueError(f"the {field.name} must have ranges that do not end before they begin")
    return iter(range(low, high + 1, every))


def _value(text: str, field: _Field) -> int:
    return field.names[text] if text in field.names else _number(text, field.name, field.low, field)


def _number(text: str, name: str, low: int, field: _Field) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 2 and low <= int(text) <= field.high:
        return int(text)
    raise ValueError(f"the {name} must be {low} to {field.high}, such as {field.example}")
