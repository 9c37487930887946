"""Discovery: which messages there are for which configuration. What holds for all is in test_discovery_lint.py."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.config.shape import kind_of, sections
from edgecam.discovery import listing
from edgecam.health import BoardStatus, CameraState, CameraStatus, Health, StoreState
from edgecam.knobs import Choice, Number, Switch
from edgecam.mqtt import payloads
from edgecam.mqtt.announcing import discovery
from edgecam.mqtt.announcing.discovery import NEEDS_SENSE, About, Json, messages, page_url, whole
from edgecam.mqtt.topics import BUTTONS, NODE_BUTTONS, Topics
from edgecam.settings import SETTINGS

GOLDEN = Path(__file__).parents[1] / "golden"
EXAMPLES = Path(__file__).parents[2] / "ha_discovery" / "examples"
BOX = "Raspberry Pi 4 Model B Rev 1.4"
ABOUT = About("garden-pi", "a1b2c3", "0.1.0", "http://garden-pi:8000/", BOX, NEEDS_SENSE)
NODE, BIRDBOX, GATE = (
    f"homeassistant/device/{id}/config"
    for id in ("edgecam_garden-pi", "edgecam_garden-pi_birdbox", "edgecam_garden-pi_gate")
)


def config(**sections: object) -> model.Config:
    """Two cameras; only the first one's clips go to the store. `sections` stand in the place of the file's."""
    return model.Config.model_validate({**yaml.safe_load((GOLDEN / "discovery.yaml").read_text()), **sections})


def told(about: About = ABOUT, **sections: object) -> dict[str, Json]:
    """Topic -> message."""
    return messages(config(**sections), about)


def entities(message: Json) -> dict[str, Json]:
    """What a person sees as an entity: not the triggers."""
    return {key: entity for key, entity in whole(message).items() if entity["p"] != "device_automation"}


def files() -> Iterator[tuple[Path, str]]:
    """Each golden file and what it must hold."""
    found = told()
    yield GOLDEN / "discovery.json", _json(found)
    yield GOLDEN / "discovery.txt", "\n".join(listing(found)) + "\n"
    yield EXAMPLES / "node.json", _json(found[NODE])
    yield EXAMPLES / "camera.json", _json(found[BIRDBOX])


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("file", "content"), list(files()), ids=lambda value: value.name if isinstance(value, Path) else ""
)
def test_the_golden_files_are_what_is_published(file: Path, content: str) -> None:
    """After a wanted change: `python tests/unit/test_discovery.py`, and read the difference."""
    assert file.read_text() == content


def test_one_message_for_each_camera_and_one_for_the_node() -> None:
    assert list(told()) == [NODE, BIRDBOX, GATE]


def test_a_node_never_meets_a_camera_of_the_same_words() -> None:
    twin = told(cameras={"spool": {"source": "synthetic"}})
    ids = [entity["uniq_id"] for message in twin.values() for entity in entities(message).values()]
    assert len(set(ids)) == len(ids)


def test_renaming_a_camera_changes_nothing_but_its_name() -> None:
    before, after = (told(cameras={"door": {"source": "synthetic", "name": name}}) for name in ("Door", "Gate"))
    assert json.dumps(before).replace('"name": "Door"', '"name": "Gate"') == json.dumps(after)


def test_a_name_is_only_text() -> None:
    name = 'Anna\'s "$node" ${id} {{ x }} $'
    device = told(cameras={"door": {"source": "synthetic", "name": name}})[
        "homeassistant/device/edgecam_garden-pi_door/config"
    ]["dev"]
    assert isinstance(device, dict)
    assert device["name"] == name


def test_controls_answer_while_the_camera_is_away_and_pictures_do_not() -> None:
    node = {"t": "edgecam/garden-pi/status"}
    for key, entity in entities(told()[BIRDBOX]).items():
        if key in {"camera", "motion", "last_motion_picture", "fps"} or key.startswith("zone_"):
            assert entity["avty"] == [node, {"t": "edgecam/garden-pi/birdbox/status"}]
            assert entity["avty_mode"] == "all"
        else:
            assert entity["avty"] == [node]
            assert "avty_mode" not in entity


def test_what_most_have_is_said_once_and_an_automation_needs_none_of_it() -> None:
    message = told()[BIRDBOX]
    assert message["avty"] == [{"t": "edgecam/garden-pi/status"}]
    assert message["stat_t"] == "edgecam/garden-pi/birdbox/state"
    components = message["cmps"]
    assert isinstance(components, dict)
    assert not {"avty", "avty_mode", "stat_t"} & components["problem"].keys()
    for key in ("on_motion_started", "on_motion_ended"):
        assert not {"avty", "stat_t"} & whole(message)[key].keys()


def test_the_states_are_those_there_are() -> None:
    assert entities(told()[NODE])["store_state"]["ops"] == list(StoreState)
    assert entities(told()[BIRDBOX])["state"]["ops"] == list(CameraState)


@pytest.mark.parametrize("board", [BoardStatus(), BoardStatus(senses=NEEDS_SENSE, temperature=48.0)])
def test_every_sensor_finds_its_value_in_what_is_published(board: BoardStatus) -> None:
    """An absent key would be an empty state: what is not known is null."""
    health = Health("garden-pi", "a1b2c3", SystemClock(), {}, board=board).snapshot()
    for topic, published in ((NODE, health), (BIRDBOX, payloads.camera_state(CameraStatus("Bird box")))):
        for entity in entities(told()[topic]).values():
            if not str(entity.get("stat_t")).endswith(("/health", "/state")):
                continue
            for template in (entity.get("val_tpl", ""), entity.get("json_attr_tpl", "")):
                for path in re.findall(r"value_json\.([a-z_.]+)", str(template)):
                    inner: object = published
                    for key in path.split("."):
                        assert isinstance(inner, dict)
                        assert key in inner, path
                        inner = inner[key]


@pytest.mark.parametrize("key", SETTINGS)
def test_a_control_has_the_limits_of_its_setting(key: str) -> None:
    control, knob = entities(told()[BIRDBOX])[key], SETTINGS[key]
    match knob:
        case Switch():
            assert control["p"] == "switch"
        case Number(low, high, unit, step):
            assert control["p"] == "number"
            assert (control["min"], control["max"], control["step"]) == (low, high, step)
            assert control["unit_of_meas"] == unit
            assert (control.get("dev_cla") == "duration") == (unit == "s")
        case Choice(options):
            assert control["p"] == "select"
            assert control["ops"] == list(options)


def test_every_topic_of_an_entity_is_one_that_is_published() -> None:
    """And commands are where we listen."""
    topics = Topics("edgecam/garden-pi")
    published = {*topics.retained(config().cameras), *(topics.camera(id).event for id in ("birdbox", "gate"))}
    heard = {f"edgecam/garden-pi/{camera}/{key}/set" for camera in ("birdbox", "gate") for key in (*SETTINGS, *BUTTONS)}
    heard |= set(map(topics.button, NODE_BUTTONS))
    for message in told().values():
        for entity in whole(message).values():
            for key, value in entity.items():
                if key in {"t", "stat_t", "img_t", "json_attr_t"}:
                    assert value in published
                if key == "cmd_t":
                    assert value in heard


def test_every_setting_and_button_has_a_control() -> None:
    offered = {entity.get("cmd_t") for entity in entities(told()[BIRDBOX]).values()}
    assert offered - {None} == {f"edgecam/garden-pi/birdbox/{key}/set" for key in (*SETTINGS, *BUTTONS)}
    node = {entity.get("cmd_t") for entity in entities(told()[NODE]).values()}
    assert node - {None} == {f"edgecam/garden-pi/{key}/set" for key in NODE_BUTTONS}


def test_without_a_store_there_is_nothing_about_uploads() -> None:
    without = told(offload=None)
    assert "last_stored" in whole(told()[BIRDBOX])
    for message in (told()[GATE], without[BIRDBOX], without[NODE]):
        assert not whole(message).keys() & discovery.NEEDS_STORE


def test_the_light_is_a_sensor_where_somebody_watches_it() -> None:
    assert entities(told()[BIRDBOX])["light"]["ops"] == ["day", "night"]
    assert "light" not in entities(told()[GATE])


def test_what_this_box_cannot_tell_is_not_announced() -> None:
    about = About("garden-pi", "a1b2c3", "0.1.0", "http://garden-pi:8000/", None, frozenset({"temperature"}))
    node = told(about)[NODE]
    assert whole(node).keys() & NEEDS_SENSE == {"temperature"}
    assert "hw" not in node["dev"]  # type: ignore[operator]


def test_what_is_known_of_the_box_comes_from_its_board() -> None:
    board = BoardStatus(model="Raspberry Pi 4 Model B Rev 1.4", senses=NEEDS_SENSE)
    health = Health("garden-pi", "a1b2c3", SystemClock(), {}, board=board)
    assert discovery.about(health, ABOUT.url) == ABOUT


def test_an_upgraded_package_is_an_update_that_a_restart_installs() -> None:
    update = whole(told()[NODE])["update"]
    assert (update["cmd_t"], update["pl_inst"]) == ("edgecam/garden-pi/restart/set", "PRESS")


def test_each_zone_is_a_motion_sensor_of_its_camera() -> None:
    zones = {name: {"polygon": [[0, 0], [1, 0], [1, 1]]} for name in ("feeder", "old_tree")}
    cameras = {"birdbox": {"source": "synthetic", "motion": {"zones": zones}}, "gate": {"source": "synthetic"}}
    found = told(cameras=cameras)
    assert not [key for key in entities(found[GATE]) if key.startswith("zone_")]
    birdbox = entities(found[BIRDBOX])
    assert birdbox["zone_old_tree"] == {
        "p": "binary_sensor",
        "name": "Old tree",
        "dev_cla": "motion",
        "stat_t": "edgecam/garden-pi/birdbox/zone/old_tree",
        "uniq_id": "edgecam_garden-pi_birdbox__zone_old_tree",
        "avty": birdbox["motion"]["avty"],
        "avty_mode": "all",
    }
    assert birdbox["zone_feeder"]["name"] == "Feeder"
    topics = Topics("edgecam/garden-pi")
    assert birdbox["zone_feeder"]["stat_t"] in set(topics.retained(config(cameras=cameras).cameras))


def test_where_we_do_not_listen_nothing_can_be_pressed() -> None:
    deaf = told(mqtt={"commands": False})
    assert not [e for message in deaf.values() for e in whole(message).values() if {"cmd_t", "pl_inst"} & e.keys()]
    assert "update" in whole(deaf[NODE])


@pytest.mark.parametrize("mqtt", [None, {"discovery": False}])
def test_discovery_off_says_nothing(mqtt: object) -> None:
    assert told(mqtt=mqtt) == {}


def test_another_prefix_and_base_topic_are_used_everywhere() -> None:
    found = told(mqtt={"discovery": "ha", "base_topic": "house/cams"})
    assert all(topic.startswith("ha/device/") for topic in found)
    assert '"edgecam/' not in json.dumps(found)


def test_every_source_has_a_model() -> None:
    assert {kind_of(source) for source in sections(model.SourceConfig)} == set(discovery.MODELS)


@pytest.mark.parametrize(
    ("external", "bound", "url"),
    [
        (None, "http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
        (None, "http://localhost:8000", "http://localhost:8000/"),
        (None, "http://[::1]:8000", "http://[::1]:8000/"),
        (None, "http://0.0.0.0:8123", "http://garden-pi:8123/"),
        (None, "http://[::]:8123", "http://garden-pi:8123/"),
        (None, "http://192.168.1.7:80", "http://garden-pi:80/"),
        (None, "https://box.local", "https://garden-pi/"),
        ("https://cams.example.org/edge", "http://0.0.0.0:8000", "https://cams.example.org/edge/"),
        ("https://anna:canary@cams.example.org:8443", "http://0.0.0.0:8000", "https://cams.example.org:8443/"),
    ],
)
def test_the_page_is_named_as_others_reach_it(external: str | None, bound: str, url: str) -> None:
    assert page_url(model.Url(external) if external else None, bound, "garden-pi") == url


if __name__ == "__main__":
    for file, content in files():
        file.write_text(content)
