"""Whether a key may ask what lies in the store. One that may only put would be refused for each thing anew.

A refusal before the put says little: a key that may read but not list is refused what is not there. Only the refusal
of an object that was put just now proves that asking is in vain.
"""

from collections.abc import Callable
from contextlib import suppress

from edgecam.clock import Clock
from edgecam.offload.stores import BadCredentials, Stored, StoreError

REMEMBERED = 3600.0
"""Seconds until a key that may not ask is tried once more: somebody may have given it the right."""


class Asking:
    """Asks, and raises what the store raised; without asking where that is known to be in vain. One thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refusal: tuple[str, str | None] | None = None
        self._until = 0.0
        self._doubt = False
        """Refused for something of which nobody knew whether it was there."""
        self._proven = False
        """It may ask for what is there."""

    def ask(self, question: Callable[[], Stored | None], *, put: bool = False) -> Stored | None:
        """The answer to `question`, which is about something that was `put` just now, or that may not be there."""
        if self._refusal and self._clock.monotonic() < self._until:
            raise BadCredentials(*self._refusal)
        self._refusal = None
        try:
            answer = question()
        except BadCredentials as error:
            self._doubt = not put and not self._proven
            if put:
                self._refusal, self._until = (str(error), error.hint), self._clock.monotonic() + REMEMBERED
            raise
        if put:
            self._doubt, self._proven = False, True
        return answer

    def settle(self, question: Callable[[], Stored | None]) -> None:
        """Something was put; `question` is about it. Asked only where there is a doubt; raises nothing."""
        if self._doubt:
            with suppress(StoreError):
                self.ask(question, put=True)
