"""Requests: what arrives at `request/<verb>`, as typed questions, and the answer's form. Pure.

Whatever else arrives is refused with a sentence that says what would be right.
"""

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import TypeVar

from edgecam import trigger
from edgecam.config import units
from edgecam.mqtt.asked.deeds import CAUSE, LAST, Reload, Replay, Restart, SaveClip, TakeSnapshot, Trigger
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire.messages import Incoming

LONGEST = 4096
"""Bytes of the longest request."""
LONGEST_MARK = 256
"""Characters of the longest transaction, bytes of the longest correlation data."""

T = TypeVar("T")
Scalar = str | int | float | bool | None
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Export:
    """Unix seconds."""

    camera: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Config:
    pass


@dataclass(frozen=True, slots=True)
class Health:
    pass


@dataclass(frozen=True, slots=True)
class Link:
    id: str


Question = TakeSnapshot | SaveClip | Trigger | Export | Reload | Restart | Config | Health | Link


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where the answer goes, and what it carries so that the asker knows it."""

    topic: str
    transaction: Scalar = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    question: Question
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing to do but to say why."""

    why: str
    envelope: Envelope


def parse(message: Incoming, topics: Topics, cameras: Collection[str]) -> Asked | Refused | Replay | None:
    """What `message`, received on `topics.requests`, asks for. None for an empty one that was retained: cleared."""
    if message.retain:
        return Replay() if message.payload else None
    verb = message.topic.rpartition("/")[2]
    usual = Envelope(topics.response(verb if verb in VERBS else "error"))
    correlation = message.correlation
    if correlation is not None and len(correlation) > LONGEST_MARK:
        return Refused(f"{len(correlation)} bytes of correlation data are too many, at most {LONGEST_MARK}", usual)
    try:
        sent = _object(message.payload)
        transaction = _transaction(sent.pop("transaction", None))
    except ValueError as error:
        sent, transaction, wrong = {}, None, str(error)
    else:
        wrong = ""
    wanted = message.response_topic
    if wanted is not None and not topics.may_answer(wanted):
        why = "the response topic must be a plain topic outside of edgecam's own, or below its response/"
        return Refused(why, Envelope(usual.topic, transaction, correlation))
    envelope = Envelope(wanted or usual.topic, transaction, correlation)
    try:
        if verb not in VERBS:
            raise ValueError(f"no such request: one of {', '.join(VERBS)}")
        if wrong:
            raise ValueError(wrong)
        if verb == "restart" and not message.payload:
            raise ValueError("an empty message may be the clearing of a retained one: send {} to restart")
        return Asked(_read(verb, sent, cameras), envelope)
    except ValueError as error:
        return Refused(str(error), envelope)


def answer(data: object, envelope: Envelope) -> Json:
    return {"status": "ok", "data": data, "error": None, "transaction": envelope.transaction}


def refusal(why: str, envelope: Envelope) -> Json:
    return {"status": "error", "data": None, "error": why, "transaction": envelope.transaction}


def _object(payload: bytes) -> Json:
    if len(payload) > LONGEST:
        raise ValueError(f"{len(payload)} bytes are too many, at most {LONGEST}")
    try:
        sent = json.loads(payload.decode() or "{}", parse_constant=_no_constant)
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise ValueError('must be a JSON object such as {"transaction": 1}')
    return sent


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _transaction(value: object) -> Scalar:
    plain = value is None or isinstance(value, str | int | float)
    if not plain or len(str(value)) > LONGEST_MARK or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"transaction must be text, a number, true, false or null, at most {LONGEST_MARK} characters")
    assert value is None or isinstance(value, str | int | float)
    return value


class _Fields:
    """What a request says. All raise ValueError with a sentence."""

    def __init__(self, sent: Json, cameras: Collection[str]) -> None:
        self._sent, self._cameras = sent, cameras

    def camera(self) -> str:
        found = self.text("camera", "the id of a camera")
        if found not in self._cameras:
            raise ValueError(f"no such camera: one of {', '.join(self._cameras) or 'none'}")
        return found

    def text(self, key: str, wanted: str) -> str:
        value = self._sent.get(key)
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_MARK or not value.isprintable():
            raise ValueError(f"{key} must be {wanted}")
        return value

    def read(self, key: str, how: Callable[[object], T], standard: object) -> T:
        """By a function whose complaint follows a name."""
        try:
            return how(self._sent.get(key, standard))
        except ValueError as error:
            raise ValueError(f"{key} {error}") from None

    def moment(self, key: str) -> float:
        """Unix seconds of an ISO 8601 time; without an offset it is the box's local time."""
        value = self._sent.get(key)
        try:
            return datetime.fromisoformat(value if isinstance(value, str) else "").timestamp()
        except (ValueError, OverflowError, OSError):
            raise ValueError(f'{key} must be a time such as "2026-11-21T07:15:30Z"') from None


def _last(value: object) -> float:
    try:
        if isinstance(value, str):
            return units.last(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return units.within_a_day(value)
    except (ValueError, OverflowError):
        pass
    raise ValueError('must be a duration up to 24h such as "60s", or a number of seconds')


def _export(fields: _Fields) -> Export:
    asked = Export(fields.camera(), fields.moment("from"), fields.moment("to"))
    if asked.begin >= asked.end:
        raise ValueError("from must be earlier than to")
    return asked


def _trigger(fields: _Fields) -> Trigger:
    duration = fields.read("duration", trigger.duration, trigger.DURATION)
    return Trigger(fields.camera(), duration, fields.read("cause", trigger.cause, CAUSE))


VERBS: Mapping[str, tuple[tuple[str, ...], Callable[[_Fields], Question]]] = {
    "snapshot": (("camera",), lambda fields: TakeSnapshot(fields.camera())),
    "clip": (("camera", "last"), lambda fields: SaveClip(fields.camera(), fields.read("last", _last, LAST))),
    "trigger": (("camera", "duration", "cause"), _trigger),
    "export": (("camera", "from", "to"), _export),
    "reload": ((), lambda _: Reload()),
    "restart": ((), lambda _: Restart()),
    "config": ((), lambda _: Config()),
    "health": ((), lambda _: Health()),
    "link": (("id",), lambda fields: Link(fields.text("id", "that of a clip or a picture"))),
}
"""What each verb takes beside `transaction`, and how it is read."""


def _read(verb: str, sent: Json, cameras: Collection[str]) -> Question:
    known, read = VERBS[verb]
    for key in sent:
        if key not in known:
            takes = f"takes {', '.join((*known, 'transaction'))}"
            raise ValueError(f"{verb} {takes}, and nothing else{_like(key, known)}")
    return read(_Fields(sent, cameras))


def _like(key: str, known: Collection[str]) -> str:
    near = get_close_matches(key[:64], known, 1)
    return f" (did you mean '{near[0]}'?)" if near else ""
