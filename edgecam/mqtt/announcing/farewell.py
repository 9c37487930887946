"""Farewell: how Home Assistant is made to forget an entity. Pure.

It removes one that it learned of since its own start, on a bare `{"p": platform}` under the same key. One that it only
remembers (it was down when the entity went) it does not: neither for that nor for an empty message. Such an entity must
be announced once more, and then be taken back.
"""

import json
from collections.abc import Mapping

from edgecam.mqtt.announcing.discovery import Json, device_id, whole

Messages = Mapping[str, Json]

LARGEST = 1 << 16
"""Bytes of a message that may be one of ours."""


def gone(old: Messages, new: Messages) -> dict[str, Json]:
    """What of `old` is not in `new`, by key and platform; a device without any such entity is left out.

    Each entity with all that it had from the root of its message: it may be announced again under another one.
    """
    found = {}
    for topic, message in old.items():
        there = _components(new.get(topic, {}))
        lost = {
            key: entity for key, entity in whole(message).items() if key not in there or there[key]["p"] != entity["p"]
        }
        if lost:
            found[topic] = {**message, "cmps": lost}
    return found


def both(one: Messages, other: Messages) -> dict[str, Json]:
    """All entities of both; `other` is newer."""
    found = dict(one)
    for topic, message in other.items():
        cmps = {**_components(one.get(topic, {})), **_components(message)}
        found[topic] = {**message, "cmps": cmps}
    return found


def revived(wanted: Messages, graves: Messages) -> dict[str, Json]:
    """The messages that are wanted, with everything that is to go announced once more."""
    found = dict(wanted)
    for topic, message in graves.items():
        found[topic] = _with(wanted.get(topic, message), _components(message))
    return found


def buried(wanted: Messages, graves: Messages) -> dict[str, Json]:
    """What follows: everything that is to go is taken back. Of a device that is not wanted no message stays."""
    found = dict(wanted)
    for topic in graves.keys() & wanted.keys():
        bare: dict[str, Json] = {key: {"p": entity["p"]} for key, entity in _components(graves[topic]).items()}
        found[topic] = _with(wanted[topic], bare)
    return found


def at_rest(wanted: Messages, graves: Messages) -> dict[str, Json]:
    """What stays: a key that another platform has now is that one's."""
    found = buried(wanted, graves)
    return {topic: _with(message, _components(wanted[topic])) for topic, message in found.items()}


def ours(topic: str, payload: bytes, node: str) -> Json | None:
    """The message that somebody retained at a discovery topic, if it is one of this node's."""
    device = topic.split("/")[-2]
    mine = device_id(node)
    if not (device == mine or device.startswith(f"{mine}_")) or len(payload) > LARGEST:
        return None
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("cmps"), dict):
        return None
    origin = message.get("o")
    if not isinstance(origin, dict) or origin.get("name") != "edgecam":
        return None
    alive = {key: entity for key, entity in message["cmps"].items() if isinstance(entity, dict) and len(entity) > 1}
    return {**message, "cmps": {key: entity for key, entity in alive.items() if isinstance(entity.get("p"), str)}}


def _components(message: Json) -> dict[str, Json]:
    found = message.get("cmps", {})
    assert isinstance(found, dict)
    return found


def _with(message: Json, components: Mapping[str, Json]) -> Json:
    return {**message, "cmps": {**_components(message), **components}}
