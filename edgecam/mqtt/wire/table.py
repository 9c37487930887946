"""Table: `topic -> newest retained payload`. MQTT is a state to restore, not a queue.

Pure. At most one message of each topic is under way; what changes meanwhile is sent once that one has landed, the
newest only. So memory is bounded by the number of topics, however slow the broker is.
"""

from edgecam.mqtt.wire.messages import Retained


class Table:
    """Loop thread only. The caller sends what `put`, `landed` and `all` tell it to send, and reports with `flies`."""

    def __init__(self) -> None:
        self._wanted: dict[str, Retained] = {}
        self._flying: dict[int, str] = {}
        self._busy: dict[str, Retained] = {}
        """Topics under way, with the message that is."""

    def put(self, topic: str, message: Retained) -> bool:
        """The newest message of `topic`. True when it can be sent now, False when an older one is under way."""
        self._wanted[topic] = message
        return topic not in self._busy

    def flies(self, topic: str, number: int) -> None:
        """The newest message of `topic` was handed over as `number`."""
        self._flying[number] = topic
        self._busy[topic] = self._wanted[topic]

    def landed(self, number: int, *, kept: bool = True) -> tuple[str | None, bool]:
        """The broker has message `number`, and has `kept` it. Returns its topic, and whether a newer one of it waits.

        A topic whose empty message was kept is forgotten.
        """
        topic = self._flying.pop(number, None)
        if topic is None:
            return None, False
        sent, newest = self._busy.pop(topic), self._wanted[topic]
        if newest is not sent:
            return topic, True
        if kept and not newest.payload:
            del self._wanted[topic]
        return topic, False

    def grounded(self) -> None:
        """The connection is lost, and with it whatever was under way."""
        self._flying.clear()
        self._busy.clear()

    def drop(self, topic: str) -> None:
        """Give up on what waits for `topic`; the broker keeps what it has."""
        del self._wanted[topic]

    def get(self, topic: str) -> Retained | None:
        return self._wanted.get(topic)

    def free(self, topic: str) -> bool:
        """Nothing of `topic` is under way."""
        return topic not in self._busy

    def all(self) -> list[str]:
        """Every topic, in the order of their ranks, then of their first message."""
        return sorted(self._wanted, key=lambda topic: self._wanted[topic].rank)

    @property
    def settled(self) -> bool:
        return not self._flying

    @property
    def under_way(self) -> int:
        return len(self._flying)

    @property
    def bytes(self) -> int:
        """What all payloads weigh."""
        return sum(len(message.payload) for message in self._wanted.values())
