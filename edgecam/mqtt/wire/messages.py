"""What travels: a retained state with all that its delivery needs, and what comes in."""

import math
from dataclasses import dataclass
from enum import IntEnum


class Rank(IntEnum):
    """The order in which states are restored on a fresh connection."""

    DISCOVERY = 0
    STATE = 1
    AVAILABILITY = 2
    ONLINE = 3
    """The node's own availability, last: nobody shall believe a state of yesterday."""


@dataclass(frozen=True, slots=True)
class Retained:
    """The newest payload of one topic; an empty payload clears the topic at the broker."""

    payload: bytes
    rank: Rank = Rank.STATE
    qos: int = 1
    picture: bool = False
    """May be made smaller to pass."""
    width: int | None = None
    """Pixels; a wider picture is made narrower."""
    until: float = math.inf
    """Monotonic seconds at which it is too old to be shown: a broker of MQTT 5 forgets it then."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message for us. `retain` is set when the broker replays it to a new subscriber."""

    topic: str
    payload: bytes
    retain: bool
    response_topic: str | None = None
    """Where the sender wants the answer (MQTT 5)."""
    correlation: bytes | None = None
    """What the answer shall carry, untouched (MQTT 5)."""
