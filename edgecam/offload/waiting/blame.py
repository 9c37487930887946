"""Blame: who spoils bytes that do not arrive as they were sent, the line or the one thing. Pure.

The specification sets a thing aside when the store refused its bytes three times. We do so only where the store took
as many bytes of other things between each two of these times: else a line that spoils everything would empty the spool.
"""

from enum import Enum, auto

STRIKES = 3


class Blame(Enum):
    """What to think of bytes that were spoiled."""

    LINE = auto()
    """Nothing else passes either: leave the store alone for a while, without end."""
    UNKNOWN = auto()
    """Let the others go first: they will tell."""
    THING = auto()
    """The others pass, and this one never does."""


class Court:
    """Judges by what was sent, thing by thing, in order."""

    def __init__(self) -> None:
        self._strikes: dict[str, tuple[int, int]] = {}
        """Name -> how often it counted, and what had passed by the last time."""
        self._passed = 0
        """Bytes that arrived as they were sent."""
        self.lately: set[str] = set()
        """What was spoiled since anything passed."""

    def passed(self, size: int) -> None:
        """Something of `size` bytes was sent, and is whole."""
        self._passed += size
        self.lately.clear()

    def spoiled(self, name: str, size: int) -> Blame:
        """Whose fault it seems to be that these `size` bytes did not arrive."""
        self.lately.add(name)
        strikes, before = self._strikes.get(name, (0, 0))
        if strikes == 0 or self._passed - before >= max(1, size):
            strikes += 1
            self._strikes[name] = strikes, self._passed
        if strikes >= STRIKES:
            return Blame.THING
        return Blame.UNKNOWN if self.lately == {name} else Blame.LINE

    def forget(self, name: str) -> None:
        """It is not sent any more."""
        self._strikes.pop(name, None)
        self.lately.discard(name)
