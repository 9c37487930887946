"""Grid: the moments at which stills are taken, by the clock on the wall. Pure.

Moments are unix seconds; the wall is that of `zone`, None for the box's own. What happens to a clock there: an hour is
skipped in spring and repeated in autumn, and the clock is set when the box learns the time.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

from edgecam.config.cron import Cron

SET_BACK = 3600.0
"""Seconds by which a clock has to be set back for the moments that come again to count again."""

_FARTHEST = 13 * 366
"""Days to look ahead: 29 February may be 8 years away, the first of a month on a given day of the week 12."""


class Grid(Protocol):
    """Some moments, for ever."""

    def after(self, moment: float) -> float:
        """The first moment of the grid that is later."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """Each `seconds` (at most a day) of every local day, counted from midnight: 6 h are 0, 6, 12 and 18 o'clock.

    A moment that the clock skips is the first one after the gap; one that the clock shows twice is two moments.
    """

    seconds: float
    zone: tzinfo | None = None

    def after(self, moment: float) -> float:
        coming = self._next_shown(local(moment, self.zone))
        end = (coming - _offset(moment, self.zone)).replace(tzinfo=UTC).timestamp()
        if _offset(end, self.zone) == _offset(moment, self.zone):
            return end
        change = _change(moment, end, self.zone)
        shown = local(change, self.zone)
        if shown >= coming or shown == self._next_shown(shown - datetime.resolution):
            return change
        return self.after(change)

    def _next_shown(self, shown: datetime) -> datetime:
        """The next time on the wall, as if the clock were never changed."""
        midnight, step = datetime.combine(shown, time()), timedelta(seconds=self.seconds)
        return midnight + min(((shown - midnight) // step + 1) * step, timedelta(days=1))


@dataclass(frozen=True, slots=True)
class At:
    """The times of day of some lines of cron.

    A time that the clock skips is the first moment after the gap; one that it shows twice is the first of the two.
    """

    lines: tuple[Cron, ...]
    zone: tzinfo | None = None

    def after(self, moment: float) -> float:
        return min(self._after(line, moment) for line in self.lines)

    def _after(self, line: Cron, moment: float) -> float:
        today = local(moment, self.zone).date()
        days = (today + timedelta(days=number) for number in range(_FARTHEST))
        shown = (datetime.combine(day, time(*at)) for day in days if line.on(day) for at in line.times)
        return next(found for each in shown if (found := first(each, self.zone)) > moment)


class Ticker:
    """Says when a moment of the grid has come, once for each, however the clock is set.

    A clock that jumps over several moments makes one of them; what comes again within `SET_BACK` is not told again.
    """

    def __init__(self, grid: Grid, now: float) -> None:
        """What lies before `now` is not made up for."""
        self._grid = grid
        self._told = now
        self.due = grid.after(now)
        """The next moment."""

    def came(self, now: float) -> bool:
        """Whether a moment has come; the next one is awaited from now on."""
        if now < self._told - SET_BACK:
            self._told = now
            self.due = self._grid.after(now)
        if now < self.due:
            return False
        self._told = now
        self.due = self._grid.after(now)
        return True


def local(moment: float, zone: tzinfo | None = None) -> datetime:
    """What the clock on the wall shows, without a zone."""
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)


def first(shown: datetime, zone: tzinfo | None) -> float:
    """The first moment at which the wall shows this, or more when this is skipped."""
    moment = shown.replace(tzinfo=zone).timestamp()
    if local(moment, zone) == shown:
        return moment
    return _change(shown.replace(tzinfo=zone, fold=1).timestamp(), moment, zone)


def day_of(moment: float, zone: tzinfo | None = None) -> date:
    """The local day."""
    return local(moment, zone).date()


def _offset(moment: float, zone: tzinfo | None) -> timedelta:
    return local(moment, zone) - datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)


def _change(before: float, after: float, zone: tzinfo | None) -> float:
    """The whole second from which on the wall's distance from UTC is that of `after`, for one change between."""
    old, new = int(before), -int(-after // 1)
    while new - old > 1:
        middle = (old + new) // 2
        if _offset(middle, zone) == _offset(after, zone):
            new = middle
        else:
            old = middle
    return float(new)
