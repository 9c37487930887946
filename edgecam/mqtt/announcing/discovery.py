"""What Home Assistant is told: one message per camera and one for the node, composed from `ha_discovery/`.

Pure. Every id comes from the ids in the configuration, so names may change without a new entity.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template
from urllib.parse import urlsplit

from edgecam import __version__
from edgecam.config import model
from edgecam.config.model import title
from edgecam.config.units import is_loopback
from edgecam.health import Health
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

NEEDS_SENSE = frozenset({"temperature", "throttled", "under_voltage", "wifi_signal"})
"""Entities of what not every box can tell: `BoardStatus.senses` says which it can."""

NEEDS_COMMANDS = frozenset({"button", "number", "select", "switch"})
"""Platforms that are lies where we do not listen."""

COMMANDING = frozenset({"cmd_t", "pl_inst"})
"""Keys of others that are."""

NAMELESS = frozenset({"device_automation"})
"""Platforms that are no entities: they have no id."""

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
    hardware: str | None = None
    """What the maker calls the box, if it says so."""
    senses: frozenset[str] = frozenset()
    """Of `NEEDS_SENSE`: what this box can tell."""


def about(health: Health, url: str) -> About:
    """As the status board tells it."""
    board = health.board
    return About(health.node, health.instance, __version__, url, board.model, board.senses)


def messages(config: model.Config, about: About) -> dict[str, Json]:
    """Topic -> payload; nothing when discovery is off or MQTT is not configured."""
    mqtt = config.mqtt
    if mqtt is None or not mqtt.discovery:
        return {}
    prefix, base = mqtt.discovery, f"{mqtt.base_topic}/{about.node}"
    node_id = device_id(about.node)
    words = {"node": base, "version": about.version, "url": about.url, "parent": node_id}
    node = {
        "id": node_id,
        "name": f"edgecam {about.node}",
        "model": "Camera node",
        "hardware": about.hardware or "",
        "instance": about.instance,
    }
    absent = NEEDS_SENSE - about.senses | (frozenset() if config.offload else NEEDS_STORE)
    found = {topic(prefix, node_id): _device("node", words | node, absent, mqtt.commands)}
    for id, camera in config.cameras.items():
        its = {
            "id": device_id(about.node, id),
            "camera": f"{base}/{id}",
            "name": camera.name,
            "model": MODELS[camera.source.type],
        }
        absent = frozenset() if config.offload_kinds(id) else NEEDS_STORE
        if camera.image.day_night is None:
            absent |= {"light"}
        zones = _zones(camera.motion.zones, words | its)
        found[topic(prefix, its["id"])] = _device("camera", words | its, absent, mqtt.commands, zones)
    return found


def device_id(node: str, camera: str | None = None) -> str:
    """No node has an underscore: what begins with a node's id and one is a camera of it."""
    return f"edgecam_{node}" if camera is None else f"edgecam_{node}_{camera}"


def topic(prefix: str, device: str) -> str:
    return f"{prefix}/device/{device}/config"


def _device(
    kind: str, words: Mapping[str, str], absent: Collection[str], commands: bool, more: Json | None = None
) -> Json:
    """One device message, of the entities that apply and of `more`, which are complete."""
    root, entities = _templates(kind)
    components: Json = {}
    for key, entity in entities.items():
        if key in absent or (entity["p"] in NEEDS_COMMANDS and not commands):
            continue
        its = entity if commands else {name: entity[name] for name in entity if name not in COMMANDING}
        if its["p"] in NAMELESS:
            components[key] = its
        else:  # two underscores: no camera id has them, so a node's entity never meets a camera's
            components[key] = {**its, "uniq_id": f"${{id}}__{key}"}
    filled = _fill({**root, "cmps": components}, words)
    assert isinstance(filled, dict)
    filled["dev"] = {key: value for key, value in filled["dev"].items() if value}
    filled["cmps"] |= more or {}
    return _said_once(filled)


SHARED = (("avty", "avty_mode"), ("stat_t",))
"""What a component that does not say it has from the root: together, or not at all."""


def _said_once(message: Json) -> Json:
    """The same message, smaller: what most entities share stands at the root, and not in them.

    What has no use for something that it is given so is not disturbed by it.
    """
    root, components = {key: message[key] for key in message if key != "cmps"}, whole(message)
    for keys in SHARED:
        said = {
            name: {key: entity.pop(key) for key in keys if key in entity}
            for name, entity in components.items()
            if entity["p"] not in NAMELESS
        }
        most = Counter(json.dumps(its) for its in said.values() if its).most_common(1)
        common = json.loads(most[0][0]) if most else {}
        root = {key: value for key, value in root.items() if key not in keys} | common
        for name, its in said.items():
            components[name] |= {} if its == common else its
    return {**root, "cmps": components}


def whole(message: Json) -> dict[str, Json]:
    """The components of a message, each with what it has from the root; triggers have nothing from there."""
    components = message["cmps"]
    assert isinstance(components, dict)
    found = {}
    for name, entity in components.items():
        missing = [keys for keys in SHARED if entity["p"] not in NAMELESS and not entity.keys() & set(keys)]
        found[name] = {key: message[key] for keys in missing for key in keys if key in message} | entity
    return found


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
