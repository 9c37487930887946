"""Schedule: when something is open, by the days of the week and the box's local time. Pure.

A plan names days and their spans: `{"mon-fri": ["10:00-12:30", "14:00-20:00"], "sat": "22:00-06:00"}`. What is not
named is closed. A span goes by what the clock on the wall shows (see timetable.py); one that crosses midnight belongs
to the day on which it begins. Spans may overlap.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from edgecam.config import timetable

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAILY = "daily"
WANTED = f"must be days such as mon-fri, sat-mon or tue,thu, or {DAILY}; they are {' '.join(DAYS)}"
_WEEK = 7 * timetable.DAY
_FAR = 2 * _WEEK + timetable.DAY
"""Minutes to look ahead: the hour that the clock skips on one Sunday comes on the next."""


def days(text: str) -> frozenset[int]:
    """Days of the week, Monday is 0: of `mon`, `mon-fri`, `sat-mon`, `tue,thu`, `daily`. Raises ValueError."""
    if text.strip().lower() == DAILY:
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.lower().split(","):
        names = [name.strip() for name in part.split("-")]
        if len(names) > 2 or not set(names) <= set(DAYS):
            raise ValueError(WANTED)
        begin, end = DAYS.index(names[0]), DAYS.index(names[-1])
        found.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return frozenset(found)


class Schedule:
    """A sound plan, asked at moments (unix seconds). The wall is that of `zone`, None for the box's own."""

    def __init__(self, plan: Mapping[str, Sequence[str]], zone: tzinfo | None = None) -> None:
        """Raises ValueError for what is no plan."""
        self._zone = zone
        self._week = bytearray(_WEEK)
        """1 for each minute that is open, from Monday 00:00 on."""
        for named, spans in plan.items():
            for begin, end in map(timetable.ends, spans):
                for day in days(named):
                    for minute in range(begin, end if begin < end else end + timetable.DAY):
                        self._week[(day * timetable.DAY + minute) % _WEEK] = True

    def open(self, moment: float) -> bool:
        """Whether it is open then."""
        shown = datetime.fromtimestamp(moment, self._zone)
        return bool(self._week[timetable.DAY * shown.weekday() + 60 * shown.hour + shown.minute])

    def until(self, moment: float) -> float:
        """When it opens or closes next; infinity where that is never."""
        now = self.open(moment)
        if all(minute == now for minute in self._week):
            return math.inf
        return timetable.first(moment, lambda at: self.open(at) != now, _FAR)
