"""What Home Assistant is told: one message per camera and one for the node, composed from `ha_discovery/`.

Pure. Every id comes from the ids in the configuration, so names may change without a new entity.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template
from typing import cast
from urllib.parse import urlsplit

from edgecam.config import model
from edgecam.config.model import title
from edgecam.config.units import is_loopback
from edgecam.links import base

NEEDS_STORE = frozenset(
    {
        "bad",
        "conflicts",
        "last_stored",
        "lost",
        "offload",
        "spool_files",
        "spool_oldest",
        "spool_size",
        "store_rate",
        "store_state",
    }
)
"""Entities that say nothing where nothing leaves the box."""

NEEDS_COMMANDS = frozenset({"button", "number", "select", "switch"})
"""Platforms that are lies where we do not listen."""

MODELS = {
    "picamera2": "Raspberry Pi camera",
    "v4l2": "USB camera",
    "rtsp": "RTSP camera",
    "mjpeg": "MJPEG camera",
    "still": "Still picture camera",
    "file": "Video file",
    "synthetic": "Synthetic camera",
}

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class About:
    """What must be known of this installation that is not in its file."""

    node: str
    instance: str
    version: str
    url: str
    """The page, as `page_url` gives it."""


def messages(config: model.Config, about: About) -> dict[str, Json]:
    """Topic -> payload; nothing when discovery is off or MQTT is not configured."""
    mqtt = config.mqtt
    if mqtt is None or not mqtt.discovery:
        return {}
    prefix, base = mqtt.discovery, f"{mqtt.base_topic}/{about.node}"
    node_id = f"edgecam_{about.node}"
    words = {"node": base, "version": about.version, "url": about.url, "parent": node_id}
    absent = set[str]() if config.offload else set(NEEDS_STORE)
    node = {"id": node_id, "name": f"edgecam {about.node}", "model": "Camera node", "instance": about.instance}
    found = {f"{prefix}/device/{node_id}/config": _device("node", words | node, absent, mqtt.commands)}
    for id, camera in config.cameras.items():
        its = {
            "id": f"{node_id}_{id}",
            "camera": f"{base}/{id}",
            "name": camera.name,
            "model": MODELS[camera.source.type],
        }
        absent = set() if config.offload_kinds(id) else set(NEEDS_STORE)
        if camera.image.day_night is None:
            absent.add("light")
        message = _device("camera", words | its, absent, mqtt.commands)
        cast(Json, message["cmps"]).update(_zones(camera.motion.zones, words | its))
        found[f"{prefix}/device/{its['id']}/config"] = message
    return found


def _device(kind: str, words: Mapping[str, str], absent: Collection[str], commands: bool) -> Json:
    """One device message. An entity that does not apply is a bare platform, which removes an earlier one."""
    root, entities = _templates(kind)
    components: Json = {}
    for key, entity in entities.items():
        if key in absent or (entity["p"] in NEEDS_COMMANDS and not commands):
            components[key] = {"p": entity["p"]}
        else:  # two underscores: no camera id has them, so a node's entity never meets a camera's
            components[key] = {**entity, "uniq_id": f"${{id}}__{key}"}
    filled = _fill({**root, "cmps": components}, words)
    assert isinstance(filled, dict)
    return filled


def _zones(zones: Iterable[str], words: Mapping[str, str]) -> Json:
    """A motion sensor for each zone."""
    template: Json = {**json.loads((_house() / "zone.json").read_text()), "uniq_id": "${id}__zone_$zone"}
    return {f"zone_{zone}": _fill(template, {**words, "zone": zone, "zone_name": title(zone)}) for zone in zones}


def _fill(value: object, words: Mapping[str, str]) -> object:
    """`$word` in every text replaced; raises KeyError for a word that nobody knows."""
    if isinstance(value, dict):
        return {key: _fill(inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, words) for inner in value]
    return Template(value).substitute(words) if isinstance(value, str) else value


def _house() -> Traversable:
    return files("edgecam") / "ha_discovery"


@cache
def _templates(kind: str) -> tuple[Json, dict[str, Json]]:
    """The root of a device message and its entities by key, in the order of their names."""
    house = _house()
    entities = {
        file.name.removesuffix(".json"): json.loads(file.read_text())
        for file in sorted((house / kind).iterdir(), key=lambda file: file.name)
    }
    return json.loads((house / f"{kind}.json").read_text()), entities


def page_url(external: model.Url | None, bound: str, hostname: str) -> str:
    """Where a person reaches the page: as configured, else at this host's name (loopback stays), on the bound port.

    A login in the configured address is left out: the message is for everybody at the broker.
    """
    if external is not None:
        return base(external.reveal())
    address = urlsplit(bound)
    host = address.hostname or hostname
    if not is_loopback(host):
        host = hostname
    port = f":{address.port}" if address.port else ""
    return f"{address.scheme}://{f'[{host}]' if ':' in host else host}{port}/"
