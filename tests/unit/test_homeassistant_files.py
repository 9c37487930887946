"""Dashboards and blueprints, as far as they can be seen without Home Assistant; `make homeassistant` has one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SHELF = ROOT / "ha_discovery"
BLUEPRINTS = sorted((SHELF / "blueprints").glob("*.yaml"))
DASHBOARDS = sorted((SHELF / "dashboards").glob("*.yaml"))
GUIDE = ROOT / "docs/home-assistant.md"

LIVE = "camera.bird_box_live"
"""What a person adds by hand, by the name that the guide proposes."""
CARDS = {
    *("button", "conditional", "entities", "grid", "heading", "history-graph", "logbook", "markdown"),
    *("picture-entity", "picture-glance", "tile"),
}
FEATURES = {"select-options", "numeric-input", "toggle"}


class Input(str):
    """What stands behind `!input`."""

    __slots__ = ()


class Loader(yaml.SafeLoader):
    pass


def _input(loader: Loader, node: yaml.ScalarNode) -> Input:
    return Input(loader.construct_scalar(node))


Loader.add_constructor("!input", _input)


def load(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader)  # noqa: S506  (a SafeLoader)


def walk(value: Any) -> Iterator[Any]:
    """`value` and everything in it."""
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        yield from walk(part)


def announced() -> dict[str, tuple[str, dict[str, Any]]]:
    """What Home Assistant makes of the examples: entity id -> the name it shows, and what was said of it."""
    found = {}
    for message in (json.loads((SHELF / f"examples/{kind}.json").read_text()) for kind in ("camera", "node")):
        for entity in message["cmps"].values():
            if "uniq_id" in entity:  # not what only removes an earlier one, no device trigger
                name = entity.get("name", entity.get("dev_cla", "").capitalize()) or ""
                slug = re.sub("[^a-z0-9]+", "_", f"{message['dev']['name']} {name}".lower()).strip("_")
                found[f"{entity['p']}.{slug}"] = (name or "(the device's)", entity)
    return found


def table() -> str:
    """The entities as the guide lists them."""
    rows = ["| entity | name | class | category | by default |", "|---|---|---|---|---|"]
    for id, (name, entity) in sorted(announced().items(), key=lambda row: (".edgecam_" in row[0], row[0])):
        enabled = "on" if entity.get("en", True) else "off"
        rows.append(f"| `{id}` | {name} | {entity.get('dev_cla', '')} | {entity.get('ent_cat', '')} | {enabled} |")
    return "\n".join(rows)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_shows_only_what_is_there_by_itself(path: Path) -> None:
    known = {id for id, (_, entity) in announced().items() if entity.get("en", True)}
    used = {
        text
        for part in walk(load(path))
        if isinstance(part, str)
        for text in re.findall(r"\b(?:binary_sensor|button|camera|event|image|number|select|sensor|switch)\.\w+", part)
    }
    assert len(used) > 5
    assert used - known <= {LIVE}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_needs_no_card_that_must_be_installed(path: Path) -> None:
    cards = [part for part in walk(load(path)) if isinstance(part, dict)]
    kinds = {part["type"] for part in cards if isinstance(part.get("type"), str)}
    assert kinds <= CARDS | FEATURES | {"sections", "entity"}


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.name)
def test_a_blueprint_uses_every_input_that_it_asks_for_and_no_other(path: Path) -> None:
    whole = load(path)
    asked = whole["blueprint"]["input"]
    assert {str(part) for part in walk(whole) if isinstance(part, Input)} == set(asked)
    assert all(wish.get("name") and wish.get("selector") for wish in asked.values())


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.name)
def test_a_blueprint_says_what_it_is_and_what_it_needs(path: Path) -> None:
    whole = load(path)
    about = whole["blueprint"]
    assert about["domain"] == "automation"
    assert about["name"].startswith("edgecam: ")
    assert len(about["description"]) > 40
    assert about["homeassistant"]["min_version"] == "2024.12.0"  # device messages of MQTT discovery
    assert set(whole) <= {"blueprint", "mode", "max", "max_exceeded", "variables", *TRIGGERED}
    assert whole["mode"] in ("single", "restart", "queued", "parallel")


TRIGGERED = ("trigger_variables", "triggers", "conditions", "actions")


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.name)
def test_a_blueprint_offers_only_what_can_be_meant(path: Path) -> None:
    """Entities of ours come through MQTT; people, phones and lamps are somebody else's."""
    for name, wish in load(path)["blueprint"]["input"].items():
        for kind, how in wish["selector"].items():
            if kind == "entity" and name != "people":
                assert all(some["integration"] == "mqtt" and some["domain"] for some in how["filter"]), name
            if kind == "device":
                assert how["filter"] == [{"integration": "mobile_app"}], name


def test_the_guide_lists_every_entity() -> None:
    """After a wanted change: `python tests/unit/test_homeassistant_files.py`, and read the difference."""
    assert table() in GUIDE.read_text()


def test_the_guide_names_every_file() -> None:
    guide = GUIDE.read_text()
    assert [path.name for path in (*BLUEPRINTS, *DASHBOARDS) if f"{path.parent.name}/{path.name}" not in guide] == []


if __name__ == "__main__":
    GUIDE.write_text(re.sub(r"\| entity \|.*?\n\n", f"{table()}\n\n", GUIDE.read_text(), count=1, flags=re.DOTALL))
