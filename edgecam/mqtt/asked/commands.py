"""Commands: what arrives at `…/set`, as typed requests. Whatever else arrives is refused in words. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from edgecam import trigger
from edgecam.config import units
from edgecam.knobs import Value
from edgecam.mqtt.asked.deeds import LAST, Reload, Replay, Restart, SaveClip, TakeSnapshot, Trigger
from edgecam.mqtt.topics import BUTTONS, Topics
from edgecam.mqtt.wire.messages import Incoming
from edgecam.settings import SETTINGS

PRESS = "PRESS"
LONGEST = 256
"""Bytes of the longest payload that can mean something."""


@dataclass(frozen=True, slots=True)
class SetSetting:
    """Change one live setting."""

    camera: str
    key: str
    value: Value


@dataclass(frozen=True, slots=True)
class RestartCamera:
    """Close it and open it anew."""

    camera: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing to obey; `why` completes "ignored: "."""

    why: str
    camera: str | None = None
    key: str | None = None
    """The setting that was meant, when that much is clear: its state is then published again."""


Press = TakeSnapshot | SaveClip | Trigger | RestartCamera | Reload | Restart
Request = SetSetting | Press | Refused | Replay

_OF_NODE: dict[str, type[Reload | Restart]] = {"reload": Reload, "restart": Restart}


def parse(message: Incoming, topics: Topics, cameras: Collection[str]) -> Request | None:
    """What `message`, received on `topics.commands` or `topics.node_commands`, asks for.

    None for an empty one: a replay being cleared.
    """
    if not message.payload:
        return None
    if message.retain:
        return Replay()
    camera, key, *deeper = message.topic.removeprefix(topics.base + "/").split("/")
    if not deeper:
        return _asked_of_node(camera, message.payload)
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


def _asked_of_node(button: str, payload: bytes) -> Reload | Restart | Refused:
    if button not in _OF_NODE:
        return Refused("nothing of that name can be set")
    return _OF_NODE[button]() if payload == PRESS.encode() else Refused(f"must be {PRESS}")


def _pressed(camera: str, button: str, text: str) -> Press:
    if button == "save_clip":
        return SaveClip(camera, LAST if text == PRESS else _last(text))
    if button == "trigger":
        return Trigger(camera, trigger.DURATION if text == PRESS else _pressed_for(text))
    if text != PRESS:
        raise ValueError(f"must be {PRESS}")
    return RestartCamera(camera) if button == "restart" else TakeSnapshot(camera)


def _last(text: str) -> float:
    try:
        return units.last(text)
    except ValueError:
        raise ValueError(f"must be {PRESS} or a duration up to 24h such as 60s") from None


def _pressed_for(text: str) -> float:
    try:
        return trigger.duration(text)
    except ValueError as error:
        raise ValueError(f"{error}, or {PRESS}") from None


def _text(payload: bytes) -> str:
    if len(payload) > LONGEST:
        raise ValueError(f"{len(payload)} bytes are too many, {LONGEST} would do")
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
