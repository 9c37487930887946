"""Almanac: whether the clock can be believed, and what media is called that begins while it cannot. Pure.

A box without a battery for its clock wakes up in another year. Until it is told the time nothing gets a date, nothing
goes to the store and nothing grows old; the age of the boot, which no clock setting changes, dates it all afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from edgecam.clock import Clock
from edgecam.media import MediaId, MediaKind, Sidecar

BUILT = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""No clock was right before there was an edgecam."""

FAR = 300.0
"""Seconds by which a clock has to differ from another to be wrong."""

PATIENCE = 900.0
"""Seconds for which uploads are held while it is."""

STARTING = "what waits is looked through first"
DATING = "the clock was set; what was recorded before is given its right name first"

Trust = Literal["synced", "unsynced"]


@dataclass(frozen=True, slots=True)
class Birth:
    """When media began: unix seconds by the clock of now, and by the age of the boot, where there is a moment."""

    start: float
    clock: Trust = "synced"
    boot: str | None = None
    boottime: float | None = None

    def id(self, camera: str, kind: MediaKind, *, still: bool = False, random: str | None = None) -> MediaId:
        """What media is called that began then."""
        if self.clock == "unsynced" and self.boot is not None and self.boottime is not None:
            return MediaId.undated(self.boot, self.boottime, camera, kind, still=still, random=random)
        return MediaId.new(self.start, camera, kind, still=still, random=random)


Births = Callable[[float, float], Birth]
"""Of the unix seconds, by the clock of its time, and the monotonic seconds at which something began."""


def trusted(wall: float, mono: float) -> Birth:
    """For who has no almanac: the clock is right."""
    return Birth(wall)


class Almanac:
    """`newest`: unix seconds at which something was last written here, by a clock of before; `kernel`: whether the
    kernel knows of something that keeps its clock right, None where it does not say.

    Looked at every few seconds, and whenever a store told its time. Loop thread only, but for `birth`.
    """

    def __init__(
        self, clock: Clock, *, boot: str, newest: float = 0.0, kernel: Callable[[], bool | None] = lambda: None
    ) -> None:
        self._clock, self.boot, self._newest, self._kernel = clock, boot, newest, kernel
        self._booted: float | None = None
        """When the box was switched on, unix seconds, by the store's clock."""
        self._offset = self._now()
        self.doubt: str | None = self._wrong()
        """Why the clock is wrong, in words; None while it is believed."""
        self._since = clock.monotonic()
        self.turns, self._turned = 1, clock.monotonic()
        """How often names may have become other than they should be: the verdict changed, the clock was set."""
        self.settled = 0
        """After which of these turns all of them were looked at."""

    # -- whether it is right ------------------------------------------------------------------------------------------

    @property
    def kernel(self) -> bool | None:
        """A note for people: a kernel that nobody keeps right may well be right."""
        return self._kernel()

    def heard(self, ahead: float) -> None:
        """A store's clock was so many seconds ahead of ours, just now."""
        self._booted = self._now() + ahead
        self.look()

    def look(self) -> bool:
        """Judge anew; whether the verdict is another one than before."""
        before, self.doubt = self.doubt, self._wrong()
        turned = (before is None) is not (self.doubt is None)
        if turned:
            self._since = self._clock.monotonic()
        if turned or abs(self._now() - self._offset) > FAR:
            self.turn()
        self._offset = self._now()
        return turned

    def turn(self) -> None:
        """Names are to be looked at again."""
        self.turns += 1
        self._turned = self._clock.monotonic()

    @property
    def overdue(self) -> bool:
        """The last turn was so long ago that uploads wait no longer for what is still being made."""
        return self._clock.monotonic() - self._turned >= PATIENCE

    def _now(self) -> float:
        """When the box was switched on, unix seconds, by the clock of now."""
        return self._clock.wall() - self._clock.boottime()

    def _wrong(self) -> str | None:
        ahead = 0.0 if self._booted is None else self._booted - self._now()
        if abs(ahead) > FAR:
            return f"the clock is {span(abs(ahead))} {'behind' if ahead > 0 else 'ahead of'} the store's"
        if self._clock.wall() < BUILT:
            return "the clock is earlier than edgecam itself"
        if self._booted is None and self._clock.wall() < self._newest and not self._kernel():
            return "the clock is earlier than when edgecam ran last"
        return None

    @property
    def hold(self) -> str | None:
        """Why nothing may be uploaded now, in words."""
        if self.doubt and self._clock.monotonic() - self._since < PATIENCE:
            return f"{self.doubt}; uploads are held until it is set, at most {PATIENCE / 60:.0f} min"
        if self.turns == self.settled:
            return None
        return STARTING if self.turns == 1 else DATING

    # -- what things are called ---------------------------------------------------------------------------------------

    def birth(self, wall: float, mono: float) -> Birth:
        """Of something that began at `mono`, when the clock showed `wall`. Any thread."""
        ago = self._clock.monotonic() - mono
        start, boottime = self._clock.wall() - ago, self._clock.boottime() - ago
        if abs(start - wall) < FAR:  # the clock was not set since: frames stay evenly spaced
            start = wall
        return Birth(start, "unsynced" if self._wrong() else "synced", self.boot, round(boottime, 3))

    def when(self, id: MediaId) -> float:
        """When something began, unix seconds by the clock of now; long ago for what nobody can date. Any thread."""
        return self._now() + id.start if id.boot == self.boot else id.start

    def better(self, facts: Sidecar) -> Birth | None:
        """When something really began, if its name does not say so; None where it does, or nobody knows.

        `facts` are of this boot or of another one, with or without a date.
        """
        if facts.boot != self.boot or facts.boottime is None:
            return None
        told, now = facts.start - facts.boottime, self._now()
        true = now if self._booted is None else self._booted
        if self.doubt is None:
            misnamed = facts.clock == "unsynced" or abs(told - true) > FAR
            return Birth(now + facts.boottime, "synced", self.boot, facts.boottime) if misnamed else None
        if facts.clock == "unsynced":
            return None
        by_this_clock = abs(told - now) <= FAR
        misnamed = by_this_clock if self._booted is None else abs(told - true) > FAR
        return Birth(facts.start, "unsynced", self.boot, facts.boottime) if misnamed else None


def span(seconds: float) -> str:
    """A length of time for people, in the two largest units that count."""
    parts = []
    for unit, name in ((365 * 86400, "years"), (86400, "d"), (3600, "h"), (60, "min")):
        count, seconds = divmod(seconds, unit)
        if count:
            parts.append(f"{count:.0f} {name}")
    return " ".join(parts[:2]) or f"{seconds:.0f} s"
