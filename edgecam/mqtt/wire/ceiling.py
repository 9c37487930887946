"""Ceiling: learns how large a picture may be at a broker that does not say.

MQTT 3.1.1 has no word for "too large": the broker just hangs up, and a picture sent again after each connect would
keep us off for ever (AWS IoT: 128 kB, Mosquitto 2.1: 2 MB). Pure.
"""

SUSPICIOUS = 64_000
"""Bytes; no broker refuses less, so only larger pictures are ever blamed."""

SOON = 5.0
"""Seconds in which a broker hangs up on what it does not like."""


class Ceiling:
    """Halves the limit when two connections in a row ended right after a large picture."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self._sent: tuple[float, int] | None = None
        self._strikes = 0

    def sent(self, now: float, size: int) -> None:
        """A picture of `size` bytes was handed over at `now` (monotonic seconds)."""
        if size > SUSPICIOUS:
            self._sent = (now, size)

    def lost(self, now: float) -> bool:
        """The connection ended. True when the limit became smaller because of it."""
        sent, self._sent = self._sent, None
        if sent is None or now - sent[0] > SOON:
            self._strikes = 0
            return False
        self._strikes += 1
        if self._strikes < 2:
            return False
        self._strikes, self.limit = 0, max(SUSPICIOUS, sent[1] // 2)
        return True
