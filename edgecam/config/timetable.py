"""Timetable: how fast things may leave the box, by its local time of day; and how a span of the day is read. Pure.

A plan is text to bytes per second: `{"22:00-06:00": 2e6, "else": 1e5}`. A span ends before its second time, may cross
midnight, and goes by what the clock on the wall shows: an hour that the clock shows twice counts twice.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache

ELSE = "else"
"""What holds outside all spans; without it, no limit does."""
SPAN = "must be a span of the day such as 22:00-06:00"
WANTED = f"{SPAN}, or else"
MINUTE, DAY = 60, 24 * 60
_FAR = 3 * DAY
"""Minutes to look ahead: the hour that the clock skips on one day comes on the next."""


def span(text: str) -> str:
    """The same text. Raises ValueError where it is neither a span such as `22:00-6:00` nor `else`."""
    if text != ELSE:
        ends(text, WANTED)
    return text


@lru_cache(maxsize=64)
def ends(text: str, wanted: str = SPAN) -> tuple[int, int]:
    """Both ends of a span in minutes since midnight; 24:00 can only be an end. It crosses midnight where the second is
    not after the first. Raises ValueError: `wanted`, where the text is none.
    """
    match = re.fullmatch(r"(\d\d?):(\d\d) ?- ?(\d\d?):(\d\d)", text.strip())
    hours = [int(number) for number in match.groups()] if match else []
    if not hours or hours[0] > 23 or max(hours[1], hours[3]) > 59 or 60 * hours[2] + hours[3] > DAY:
        raise ValueError(wanted)
    begin, end = 60 * hours[0] + hours[1], 60 * hours[2] + hours[3]
    if begin == end:
        raise ValueError("must not end where it begins; write 00:00-24:00 for the whole day")
    return begin, end


def _holds(begin: int, end: int, minute: int) -> bool:
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def overlaps(plan: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Each span that reaches into one before it, and that one."""
    spans = {text: ends(text) for text in plan if text != ELSE}
    for number, (text, (begin, end)) in enumerate(spans.items()):
        for other, (its_begin, its_end) in list(spans.items())[:number]:
            if _holds(begin, end, its_begin) or _holds(its_begin, its_end, begin):
                yield text, other
                break


def first(after: float, differs: Callable[[float], bool], minutes: int) -> float:
    """The first whole minute later than `after` (unix seconds) that `differs`, of the next so many; else infinity."""
    whole = after - after % MINUTE
    return next((at for step in range(1, minutes) if differs(at := whole + MINUTE * step)), math.inf)


@dataclass(frozen=True, slots=True)
class Timetable:
    """A sound plan (spans that do not overlap), asked at moments (unix seconds). The wall is that of `zone`, None for
    the box's own.
    """

    plan: Mapping[str, float]
    zone: tzinfo | None = None

    def rate(self, moment: float) -> float:
        """Bytes per second that may leave then; infinity where nothing limits them, 0 where nothing may leave."""
        shown = datetime.fromtimestamp(moment, self.zone)
        return self._at(60 * shown.hour + shown.minute)

    def _at(self, minute: int) -> float:
        for text, rate in self.plan.items():
            if text != ELSE and _holds(*ends(text), minute):
                return rate
        return self.plan.get(ELSE, math.inf)

    def until(self, moment: float) -> float:
        """When another rate holds; infinity where that is never."""
        now = self.rate(moment)
        if all(self._at(minute) == now for minute in range(DAY)):
            return math.inf
        return first(moment, lambda at: self.rate(at) != now, _FAR)
