"""Commands: what arrives at `…/set`, as typed requests. Whatever else arrives is refused in words. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from edgecam.config import units
from edgecam.knobs import Value
from edgecam.mqtt.messages import Incoming
from edgecam.mqtt.topics import BUTTONS, Topics
from edgecam.settings import SETTINGS

PRESS = "PRESS"
LAST = 60.0
"""Seconds that a press of `save_clip` saves."""
LONGEST = 256
"""Bytes of the longest payload that can mean something."""


@dataclass(frozen=True, slots=True)
class SetSetting:
    """Change one live setting."""

    camera: str
    key: str
    value: Value


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Take a picture now and keep it."""

    camera: str


@dataclass(frozen=True, slots=True)
class SaveClip:
    """Keep the last so many seconds as a clip."""

    camera: str
    last: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing to obey; `why` completes "ignored: "."""

    why: str
    camera: str | None = None
    key: str | None = None
    """The setting that was meant, when that much is clear: its state is then published again."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The broker's memory of an old command, retained by mistake: to be cleared, not obeyed."""


Request = SetSetting | TakeSnapshot | SaveClip | Refused | Replay


def parse(message: Incoming, topics: Topics, cameras: Collection[str]) -> Request | None:
    """What `message`, received on `topics.commands`, asks for. None for an empty one: a replay being cleared."""
    if not message.payload:
        return None
    if message.retain:
        return Replay()
    camera, key = message.topic.removeprefix(topics.base + "/").split("/")[:2]
    if camera not in cameras:
        return Refused("no such camera")
    if key not in SETTINGS and key not in BUTTONS:
        return Refused("nothing of that name can be set")
    try:
        text = _text(message.payload)
        if key in SETTINGS:
            return SetSetting(camera, key, SETTINGS[key].parse(text))
        return _pressed(camera, key, text)
    except ValueError as error:
        return Refused(str(error), camera, key if key in SETTINGS else None)


def _pressed(camera: str, button: str, text: str) -> TakeSnapshot | SaveClip:
    if button == "save_clip":
        return SaveClip(camera, LAST if text == PRESS else _last(text))
    if text != PRESS:
        raise ValueError(f"must be {PRESS}")
    return TakeSnapshot(camera)


def _last(text: str) -> float:
    try:
        return units.last(text)
    except ValueError:
        raise ValueError(f"must be {PRESS} or a duration up to 24h such as 60s") from None


def _text(payload: bytes) -> str:
    if len(payload) > LONGEST:
        raise ValueError(f"{len(payload)} bytes are too many, {LONGEST} would do")
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
