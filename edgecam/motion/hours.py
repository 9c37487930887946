"""Hours: when one camera's motion is looked for at all, and in which of its zones. Pure: the caller brings the time."""

from math import inf

from edgecam.config import model
from edgecam.config.schedule import Schedule


class Hours:
    """The schedules of a camera's motion and of its zones, asked at moments (unix seconds). True where there is one."""

    def __init__(self, config: model.Motion) -> None:
        self._whole = None if config.schedule is None else Schedule(config.schedule)
        self._zones = {name: Schedule(it.schedule) for name, it in config.zones.items() if it.schedule is not None}
        self._known = (inf, -inf)
        """From when until when it is known that it is closed."""

    def __bool__(self) -> bool:
        return self._whole is not None or bool(self._zones)

    def open(self, moment: float) -> bool:
        """Whether motion is looked for then."""
        return self._whole is None or self._whole.open(moment)

    def opens(self, moment: float) -> float | None:
        """When it opens next; None where it is open."""
        if self._whole is None or self._whole.open(moment):
            return None
        begin, end = self._known
        if not begin <= moment < end:  # a clock may be set
            begin, end = self._known = moment, self._whole.until(moment)
        return end

    def shut(self, moment: float) -> frozenset[str]:
        """The zones that do not count then."""
        return frozenset(name for name, schedule in self._zones.items() if not schedule.open(moment))
