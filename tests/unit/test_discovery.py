"""Discovery: the messages as Home Assistant wants them, line by line of the perfect score."""

import json
import re
from pathlib import Path

import pytest

from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.config.shape import kind_of, sections
from edgecam.health import Health, StoreState
from edgecam.knobs import Choice, Number, Switch
from edgecam.mqtt import discovery
from edgecam.mqtt.discovery import About, messages, page_url
from edgecam.mqtt.topics import BUTTONS, NODE_BUTTONS, Topics
from edgecam.settings import SETTINGS

EXAMPLES = Path(__file__).parents[2] / "ha_discovery" / "examples"
ABOUT = About("garden-pi", "a1b2c3", "0.1.0", "http://garden-pi:8000/")
NODE, BIRDBOX, GATE = (
    f"homeassistant/device/{id}/config"
    for id in ("edgecam_garden-pi", "edgecam_garden-pi_birdbox", "edgecam_garden-pi_gate")
)


def config(**sections: object) -> model.Config:
    """Two cameras; only the first one's clips go to the store."""
    whole: dict[str, object] = {
        "mqtt": {"host": "broker.local"},
        "offload": {"store": {"type": "folder", "path": "/mnt/nas"}},
        "cameras": {
            "birdbox": {"name": "Bird box", "source": "synthetic"},
            "gate": {"source": "http://gate.local/stream.mjpg", "offload": False},
        },
    }
    return model.Config.model_validate({**whole, **sections})


def entities(message: discovery.Json) -> dict[str, dict[str, object]]:
    """The entities of a device message, without those that only remove an earlier one."""
    components = message["cmps"]
    assert isinstance(components, dict)
    return {key: entity for key, entity in components.items() if len(entity) > 1}


@pytest.fixture
def told() -> dict[str, discovery.Json]:
    return messages(config(), ABOUT)


@pytest.mark.parametrize(("topic", "file"), [(NODE, "node.json"), (BIRDBOX, "camera.json")])
def test_the_examples_are_what_is_published(told: dict[str, discovery.Json], topic: str, file: str) -> None:
    """After a wanted change: `python tests/unit/test_discovery.py`, and read the difference."""
    assert json.loads((EXAMPLES / file).read_text()) == told[topic]


def test_one_message_for_each_camera_and_one_for_the_node(told: dict[str, discovery.Json]) -> None:
    assert list(told) == [NODE, BIRDBOX, GATE]
    for topic, message in told.items():
        assert re.fullmatch(r"[a-zA-Z0-9_/-]+", topic)
        assert len(json.dumps(message, separators=(",", ":"))) < 8000


def test_only_keys_that_every_home_assistant_knows(told: dict[str, discovery.Json]) -> None:
    """An unknown key at the root or in `dev` throws the whole device away."""
    for message in told.values():
        assert set(message) <= {"dev", "o", "avty", "avty_mode", "qos", "cmps"}
        device, origin = message["dev"], message["o"]
        assert isinstance(device, dict)
        assert isinstance(origin, dict)
        assert set(device) <= {"ids", "name", "mf", "mdl", "sw", "sn", "cu", "via_device"}
        assert all(device.values())
        assert set(origin) == {"name", "sw", "url"}
        assert "~" not in json.dumps(message).replace("~=", "")
        for entity in entities(message).values():
            assert not set(entity) & {"obj_id", "object_id", "def_ent_id", "exp_aft", "sa", "e"}


def test_every_id_is_unique_and_made_of_configured_ids(told: dict[str, discovery.Json]) -> None:
    ids = [entity["uniq_id"] for message in told.values() for entity in entities(message).values()]
    assert len(set(ids)) == len(ids)
    assert "edgecam_garden-pi_birdbox__motion" in ids


def test_a_node_never_meets_a_camera_of_the_same_words() -> None:
    twin = config(cameras={"spool": {"source": "synthetic"}})
    ids = [e["uniq_id"] for message in messages(twin, ABOUT).values() for e in entities(message).values()]
    assert len(set(ids)) == len(ids)


def test_renaming_a_camera_changes_nothing_but_its_name() -> None:
    before, after = (
        messages(config(cameras={"door": {"source": "synthetic", "name": name}}), ABOUT) for name in ("Door", "Gate")
    )
    assert json.dumps(before).replace('"name": "Door"', '"name": "Gate"') == json.dumps(after)


def test_a_name_is_only_text() -> None:
    name = 'Anna\'s "$node" ${id} {{ x }} $'
    told = messages(config(cameras={"door": {"source": "synthetic", "name": name}}), ABOUT)
    device = told["homeassistant/device/edgecam_garden-pi_door/config"]["dev"]
    assert isinstance(device, dict)
    assert device["name"] == name


def test_names_do_not_repeat_the_device_and_camera_and_motion_have_none(told: dict[str, discovery.Json]) -> None:
    birdbox = entities(told[BIRDBOX])
    assert birdbox["camera"]["name"] is None
    assert "name" not in birdbox["motion"]
    for entity in birdbox.values():
        name = entity.get("name")
        assert name is None or (isinstance(name, str) and "Bird box" not in name and name == name.capitalize())


def test_controls_answer_while_the_camera_is_away_and_pictures_do_not(told: dict[str, discovery.Json]) -> None:
    node_only = [{"t": "edgecam/garden-pi/status"}]
    assert told[BIRDBOX]["avty"] == [*node_only, {"t": "edgecam/garden-pi/birdbox/status"}]
    assert told[BIRDBOX]["avty_mode"] == "all"
    for key, entity in entities(told[BIRDBOX]).items():
        if key in {"camera", "motion", "last_motion_picture", "fps"}:
            assert "avty" not in entity
        else:
            assert entity["avty"] == node_only


def test_primary_is_what_people_look_at_the_rest_is_config_or_diagnostic(told: dict[str, discovery.Json]) -> None:
    birdbox = entities(told[BIRDBOX])
    primary = {key for key, entity in birdbox.items() if "ent_cat" not in entity}
    assert primary == {"camera", "motion", "last_motion_picture", "event", "take_snapshot", "save_clip", "trigger"}
    assert sum(entity.get("en", True) is True for entity in birdbox.values()) <= 15
    for entity in birdbox.values():
        if entity["p"] in {"sensor", "binary_sensor"}:
            assert entity.get("ent_cat", "diagnostic") == "diagnostic"
        if entity["p"] in {"switch", "number", "select"}:
            assert entity["ent_cat"] == "config"
            assert entity["stat_t"]


def test_the_offload_of_the_node_is_told_and_what_few_need_is_switched_off(told: dict[str, discovery.Json]) -> None:
    node = entities(told[NODE])
    shown = {key for key, entity in node.items() if entity.get("en", True)}
    assert set(node) - shown == {"bad", "conflicts"}
    assert shown >= {"spool_files", "spool_size", "spool_oldest", "store_rate", "store_state", "last_stored", "lost"}
    assert len(shown) <= 15
    assert node["store_state"]["ops"] == list(StoreState)
    for entity in node.values():
        assert entity["ent_cat"] == ("config" if entity["p"] == "button" else "diagnostic")
        assert ("stat_cla" in entity) == ("unit_of_meas" in entity)


def test_every_sensor_of_the_node_finds_its_value_in_the_health(told: dict[str, discovery.Json]) -> None:
    """An absent key would be an empty state: what is not known is null."""
    health = Health("garden-pi", "a1b2c3", SystemClock(), {}).snapshot()
    for entity in entities(told[NODE]).values():
        for template in (entity.get("val_tpl", ""), entity.get("json_attr_tpl", "")):
            for path in re.findall(r"value_json\.([a-z_.]+)", str(template)):
                inner: object = health
                for key in path.split("."):
                    assert isinstance(inner, dict)
                    assert key in inner, path
                    inner = inner[key]


@pytest.mark.parametrize("key", SETTINGS)
def test_a_control_has_the_limits_of_its_setting(told: dict[str, discovery.Json], key: str) -> None:
    control, knob = entities(told[BIRDBOX])[key], SETTINGS[key]
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


def test_every_topic_of_a_template_is_one_that_is_published(told: dict[str, discovery.Json]) -> None:
    """And commands are where we listen."""
    topics = Topics("edgecam/garden-pi")
    published = {*topics.retained(config().cameras), *(topics.camera(id).event for id in ("birdbox", "gate"))}
    heard = {f"edgecam/garden-pi/{camera}/{key}/set" for camera in ("birdbox", "gate") for key in (*SETTINGS, *BUTTONS)}
    heard |= set(map(topics.button, NODE_BUTTONS))
    for message in told.values():
        for entity in entities(message).values():
            for key, value in entity.items():
                if key in {"t", "stat_t", "img_t", "json_attr_t"}:
                    assert value in published
                if key == "cmd_t":
                    assert value in heard


def test_every_setting_and_button_has_a_control(told: dict[str, discovery.Json]) -> None:
    offered = {entity.get("cmd_t") for entity in entities(told[BIRDBOX]).values()}
    assert offered - {None} == {f"edgecam/garden-pi/birdbox/{key}/set" for key in (*SETTINGS, *BUTTONS)}
    node = {entity.get("cmd_t") for entity in entities(told[NODE]).values()}
    assert node - {None} == {f"edgecam/garden-pi/{key}/set" for key in NODE_BUTTONS}


def test_without_a_store_there_is_nothing_about_uploads(told: dict[str, discovery.Json]) -> None:
    """A bare platform removes what an earlier configuration announced."""
    without = messages(config(offload=None), ABOUT)
    assert "last_stored" in entities(told[BIRDBOX])
    for message in (told[GATE], without[BIRDBOX]):
        components = message["cmps"]
        assert isinstance(components, dict)
        assert components["last_stored"] == {"p": "sensor"}
    assert set(entities(without[NODE])) == {"connectivity", "problem", *NODE_BUTTONS}


def test_the_light_is_a_sensor_where_somebody_watches_it(told: dict[str, discovery.Json]) -> None:
    assert "light" not in entities(told[BIRDBOX])
    dusk = {"source": "synthetic", "image": {"day_night": True}}
    watched = messages(config(cameras={"birdbox": dusk}), ABOUT)
    assert entities(watched[BIRDBOX])["light"]["ops"] == ["day", "night"]


def test_each_zone_is_a_motion_sensor_of_its_camera() -> None:
    zones = {name: {"polygon": [[0, 0], [1, 0], [1, 1]]} for name in ("feeder", "old_tree")}
    cameras = {"birdbox": {"source": "synthetic", "motion": {"zones": zones}}, "gate": {"source": "synthetic"}}
    told = messages(config(cameras=cameras), ABOUT)
    assert not [key for key in entities(told[GATE]) if key.startswith("zone_")]
    found = entities(told[BIRDBOX])
    assert found["zone_old_tree"] == {
        "p": "binary_sensor",
        "name": "Old tree",
        "dev_cla": "motion",
        "stat_t": "edgecam/garden-pi/birdbox/zone/old_tree",
        "uniq_id": "edgecam_garden-pi_birdbox__zone_old_tree",
    }
    assert found["zone_feeder"]["name"] == "Feeder"
    topics = Topics("edgecam/garden-pi")
    assert found["zone_feeder"]["stat_t"] in set(topics.retained(config(cameras=cameras).cameras))


def test_where_we_do_not_listen_nothing_can_be_pressed() -> None:
    deaf = messages(config(mqtt={"commands": False}), ABOUT)
    assert not [e for message in deaf.values() for e in entities(message).values() if "cmd_t" in e]


@pytest.mark.parametrize("mqtt", [None, {"discovery": False}])
def test_discovery_off_says_nothing(mqtt: object) -> None:
    assert messages(config(mqtt=mqtt), ABOUT) == {}


def test_another_prefix_and_base_topic_are_used_everywhere() -> None:
    told = messages(config(mqtt={"discovery": "ha", "base_topic": "house/cams"}), ABOUT)
    assert all(topic.startswith("ha/device/") for topic in told)
    assert '"edgecam/' not in json.dumps(told)


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
    for topic, file in ((NODE, "node.json"), (BIRDBOX, "camera.json")):
        (EXAMPLES / file).write_text(json.dumps(messages(config(), ABOUT)[topic], indent=2) + "\n")
