"""Days: the box's local days, which people mean, and the library's days, which are UTC. Pure.

A local day has 23, 24 or 25 hours. `zone` is None for the box's own; tests bring theirs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAY = timedelta(days=1)
YEARS = range(1971, 9999)
QUARTER = 900.0
"""Seconds: clocks change at quarters of an hour."""


@dataclass(frozen=True, slots=True)
class LocalDay:
    """One local day: from `begin` up to, not including, `end` (unix seconds)."""

    date: date
    begin: float
    end: float

    @property
    def utc_days(self) -> list[str]:
        """The library's days (`YYYY-MM-DD`) in which it lies, the oldest first."""
        first, last = (datetime.fromtimestamp(at, UTC).date() for at in (self.begin, self.end - 0.001))
        return [str(first + DAY * count) for count in range((last - first).days + 1)]


def local_day(day: date, zone: tzinfo | None = None) -> LocalDay:
    """Of a day that `is_day`."""
    return LocalDay(day, _midnight(day, zone), _midnight(day + DAY, zone))


def local_date(at: float, zone: tzinfo | None = None) -> date:
    return datetime.fromtimestamp(at, zone).date()


def local_dates(utc_days: Iterable[str], zone: tzinfo | None = None) -> set[date]:
    """The local days on which something of these UTC days may lie; other names than days are passed over."""
    return {local_date(at, zone) for day in utc_days for at in _ends(day)}


def is_day(text: str) -> bool:
    """Whether this is a day (`YYYY-MM-DD`) on which there may have been a camera."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return False
    return str(day) == text and day.year in YEARS


def _ends(day: str) -> Iterator[float]:
    """The first and the last moment of a UTC day; none of other text."""
    if is_day(day):
        begin = datetime.combine(date.fromisoformat(day), time(), UTC)
        yield begin.timestamp()
        yield (begin + DAY).timestamp() - 0.001


def _midnight(day: date, zone: tzinfo | None) -> float:
    """Where clocks skip midnight, the moment at which they do."""
    return datetime.combine(day, time(), zone).timestamp()


def offsets(day: LocalDay, zone: tzinfo | None = None) -> list[tuple[float, int]]:
    """From when (unix seconds) local time is how many minutes ahead of UTC; one entry for most days."""
    found: list[tuple[float, int]] = []
    at = day.begin
    while at < day.end:
        ahead = datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset() or timedelta()
        minutes = round(ahead / timedelta(minutes=1))
        if not found or found[-1][1] != minutes:
            found.append((at, minutes))
        at += QUARTER
    return found
