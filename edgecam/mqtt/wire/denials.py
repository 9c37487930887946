"""Denials: what the broker does not let us do, as a problem in words for as long as it is so."""

import logging
from collections.abc import Sequence
from enum import StrEnum

from edgecam.health import MqttStatus

log = logging.getLogger(__name__)


class Deed(StrEnum):
    """What was refused."""

    WRITE = "does not let us write"
    READ = "does not let us read"
    SIZE = "takes too little for"


CURE = {
    Deed.WRITE: "allow it there for our user; it is tried again each minute",
    Deed.READ: "allow it there for our user; it is tried again each minute",
    Deed.SIZE: "raise its limit",
}


class Denials:
    """Topics by what was refused and why; a topic is in it once. Loop thread only. `review` makes it known."""

    def __init__(self, broker: str, status: MqttStatus) -> None:
        self._broker, self._status = broker, status
        self._refused: dict[str, tuple[Deed, str]] = {}
        self._told: set[tuple[Deed, str]] = set()

    def anew(self) -> None:
        """A new connection: what is still refused will be refused again. It is not news then."""
        self._refused.clear()

    def refuse(self, deed: Deed, topic: str, why: str) -> None:
        self._refused.pop(topic, None)  # at the end of those that are tried again: another may be allowed by now
        self._refused[topic] = (deed, why)

    def landed(self, topic: str, why: str | None) -> Sequence[str]:
        """The broker answered for a message to `topic`, with a `why` when it threw it away.

        Returns what is worth another try: what works again for one topic may work for all.
        """
        if why is not None:
            self.refuse(Deed.WRITE, topic, why)
        elif self._refused.pop(topic, None):
            return self.of(Deed.WRITE)
        return ()

    def granted(self, name: str, why: str | None) -> None:
        """The broker answered for a subscription, with a `why` when it refused."""
        if why is None:
            self._refused.pop(name, None)
        else:
            self.refuse(Deed.READ, name, why)
        self.review()

    def of(self, deed: Deed) -> Sequence[str]:
        """Topics, in the order of their refusal."""
        return [topic for topic, (refused, _) in self._refused.items() if refused is deed]

    def review(self) -> None:
        """Tell health, and the log what it has not been told since all was well."""
        kinds = set(self._refused.values())
        self._status.refused = self._words()
        if kinds - self._told:
            log.error("mqtt: %s: %s", self._broker, self._status.refused)
        self._told = self._told | kinds if kinds else set()

    def _words(self) -> str | None:
        groups: dict[tuple[Deed, str], list[str]] = {}
        for topic, kind in self._refused.items():
            groups.setdefault(kind, []).append(topic)
        return "; ".join(_sentence(*kind, topics) for kind, topics in groups.items()) or None


def _sentence(deed: Deed, why: str, topics: Sequence[str]) -> str:
    more = f" and {len(topics) - 1} more" if len(topics) > 1 else ""
    return f"the broker {deed} {min(topics)}{more} ({why}); {CURE[deed]}"
