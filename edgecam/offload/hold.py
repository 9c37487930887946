"""Hold: whether anything may go to the store now, and if not, why."""

import logging
from collections.abc import Callable

from edgecam.clock import Clock
from edgecam.offload import words

log = logging.getLogger(__name__)

Reason = Callable[[], str | None]
"""Why not, in words; None when nothing is in the way."""

TOLD = 10.0
"""Seconds for which nothing may go before the log tells of it: a moment is no news."""


class Hold:
    """Loop thread only. `shut`: not a byte may leave at this hour; `doubt`: the time is not known."""

    def __init__(self, clock: Clock, *, shut: Reason, doubt: Reason) -> None:
        self._clock, self._shut, self._doubt = clock, shut, doubt
        self._since, self._told = float("inf"), False
        """Since when nothing may go (monotonic), and whether the log says so."""

    def why(self) -> str | None:
        """Why nothing may go now, in words."""
        return self._shut() or self._doubt()

    @property
    def may_ask(self) -> bool:
        """Whether the store may at least be asked for the time."""
        return not self._shut()

    def tell(self, waiting: int) -> None:
        """Who reads that clips are saved and none is stored shall not have to ask why."""
        why, now = self.why(), self._clock.monotonic()
        self._since = min(self._since, now) if why else float("inf")
        if why and not self._told and now - self._since >= TOLD:
            log.info("%s", words.held(why, waiting))
            self._told = True
        elif not why and self._told:
            log.info("%s", words.goes_on(waiting))
            self._told = False
