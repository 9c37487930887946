"""Each rule that Home Assistant, or who uses it, has for a discovery message, one test a rule.

What breaks a rule at the root, in `dev` or in `o` throws the whole device away; elsewhere it costs that entity, or
somebody's evening.
"""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml

from edgecam.config import model
from edgecam.mqtt.announcing.discovery import NEEDS_SENSE, About, Json, messages, whole
from edgecam.mqtt.topics import Topics

GOLDEN = Path(__file__).parents[1] / "golden"
TOLD: dict[str, Json] = json.loads((GOLDEN / "discovery.json").read_text())
"""What is published for discovery.yaml; test_discovery.py says that it is."""
NODE, BIRDBOX, GATE = TOLD
DEVICES = [pytest.param(message, id=topic.split("/")[2]) for topic, message in TOLD.items()]


def section(message: Json, name: str) -> dict[str, object]:
    found = message[name]
    assert isinstance(found, dict)
    return found


def undrawn(message: Json) -> dict[str, Json]:
    """Without zones: those are there because somebody drew them."""
    return {key: entity for key, entity in entities(message).items() if not key.startswith("zone_")}


def entities(message: Json) -> dict[str, Json]:
    """What a person sees as an entity: not the triggers."""
    return {key: entity for key, entity in whole(message).items() if entity["p"] != "device_automation"}


def shown(entity: Json) -> bool:
    return entity.get("en", True) is True


def every(*platforms: str) -> list[object]:
    """Components of these platforms, or all of them."""
    return [
        pytest.param(entity, id=f"{topic.split('/')[2]} {key}")
        for topic, message in TOLD.items()
        for key, entity in whole(message).items()
        if not platforms or entity["p"] in platforms
    ]


def config(**sections: object) -> model.Config:
    """The configuration, or one with other sections."""
    file = yaml.safe_load((GOLDEN / "discovery.yaml").read_text())
    return model.Config.model_validate({**file, **sections})


def told(about: About, **sections: object) -> dict[str, Json]:
    return messages(config(**sections), about)


HERE = About("garden-pi", "a1b2c3", "0.1.0", "http://garden-pi:8000/")
UNITS = {
    "temperature": {"°C", "°F", "K"},
    "data_size": {"B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"},
    "data_rate": {"B/s", "kB/s", "MB/s", "GB/s", "bit/s", "kbit/s", "Mbit/s", "Gbit/s"},
    "signal_strength": {"dB", "dBm"},
    "duration": {"d", "h", "min", "s", "ms"},
}
"""What Home Assistant takes for a device class."""


@pytest.mark.parametrize("prefix", ["homeassistant", "my-ha_2"])
def test_a_topic_has_only_the_characters_that_are_heard(prefix: str) -> None:
    """A dot or a space in it, and nobody listens."""
    found = told(HERE, mqtt={"host": "broker.local", "discovery": prefix})
    for topic in found:
        assert re.fullmatch(rf"{prefix}/device/[a-zA-Z0-9_-]+/config", topic)
    for message in found.values():
        assert message["qos"] == 1
        assert all(re.fullmatch("[a-zA-Z0-9_-]+", key) for key in whole(message))


@pytest.mark.parametrize("message", DEVICES)
def test_a_device_says_what_it_is_and_nothing_empty(message: Json) -> None:
    """Without `ids`, or with an address that is none, the device is refused; an empty version is shown as such."""
    device, origin = section(message, "dev"), section(message, "o")
    assert {"ids", "name", "mf", "mdl", "sw", "cu"} <= device.keys()
    assert all([*device.values(), *origin.values()])
    assert origin.keys() == {"name", "sw", "url"}
    assert str(device["cu"]).startswith("http://")


def test_hardware_and_serial_number_are_told_when_they_are_known() -> None:
    node = section(TOLD[NODE], "dev")
    assert (node["hw"], node["sn"]) == ("Raspberry Pi 4 Model B Rev 1.4", "a1b2c3")
    assert not {"hw", "sn"} & section(TOLD[BIRDBOX], "dev").keys()
    unknown = told(dataclasses.replace(HERE, instance=""))[NODE]
    assert not {"hw", "sn"} & section(unknown, "dev").keys()


@pytest.mark.parametrize("message", DEVICES)
def test_there_are_only_keys_that_an_old_home_assistant_knows(message: Json) -> None:
    assert message.keys() <= {"dev", "o", "avty", "avty_mode", "stat_t", "qos", "cmps"}
    assert section(message, "dev").keys() <= {"ids", "name", "mf", "mdl", "hw", "sw", "sn", "cu", "via_device"}
    assert "~" not in json.dumps(message)
    for entity in whole(message).values():
        assert not entity.keys() & {"obj_id", "object_id", "cdevs", "msg_exp_int"}


def test_an_id_is_made_of_what_is_configured_once_and_never_twice() -> None:
    """Neither of a name nor of an address: those change, and with them every entity would."""
    ids = [entity["uniq_id"] for message in TOLD.values() for entity in entities(message).values()]
    assert len(set(ids)) == len(ids)
    for topic, message in TOLD.items():
        device = topic.split("/")[2]
        assert section(message, "dev")["ids"] == [device]
        for key, entity in whole(message).items():
            if entity["p"] != "device_automation":
                assert entity["uniq_id"] == f"{device}__{key}"
    elsewhere = told(About("garden-pi", "ffffff", "9.9.9", "https://other/", "Raspberry Pi 5", NEEDS_SENSE))
    assert ids == [entity["uniq_id"] for message in elsewhere.values() for entity in entities(message).values()]


@pytest.mark.parametrize("message", DEVICES)
def test_a_name_is_a_sentence_without_the_device(message: Json) -> None:
    """Home Assistant puts the device's name before it. The camera is the device; motion is named by its class."""
    device = str(section(message, "dev")["name"])
    for key, entity in entities(message).items():
        name = entity.get("name")
        if key == "camera":
            assert "name" in entity
            assert name is None
        elif name is None:
            assert "dev_cla" in entity
        else:
            assert isinstance(name, str)
            assert device.lower() not in name.lower()
            assert name == name[0].upper() + name[1:].replace("wi-fi", "Wi-Fi")
            assert name[1:].removeprefix("i-Fi") == name[1:].removeprefix("i-Fi").lower()
    if "motion" in whole(message):
        assert "name" not in whole(message)["motion"]


@pytest.mark.parametrize("entity", every())
def test_who_names_an_entity_is_home_assistant(entity: Json) -> None:
    """Without a domain a wished id becomes `unnamed_device`; without a wish the names give good ones."""
    assert "def_ent_id" not in entity


@pytest.mark.parametrize("message", DEVICES)
def test_no_area_is_suggested(message: Json) -> None:
    """It would be put before every entity's id."""
    assert "sa" not in section(message, "dev")
    assert "suggested_area" not in section(message, "dev")


@pytest.mark.parametrize("topic", [BIRDBOX, GATE])
def test_motion_is_on_and_off_and_never_expires(topic: str) -> None:
    motion = whole(TOLD[topic])["motion"]
    assert motion["dev_cla"] == "motion"
    assert not motion.keys() & {"exp_aft", "off_dly", "pl_on", "pl_off", "val_tpl"}
    assert "json_attr_t" in motion


@pytest.mark.parametrize("topic", [BIRDBOX, GATE])
def test_events_are_declared_and_come_from_a_topic_that_is_never_retained(topic: str) -> None:
    """A type that is not declared is dropped; a retained event would happen again at every start."""
    event = whole(TOLD[topic])["event"]
    types = ["motion_started", "motion_updated", "motion_ended", "clip_saved", "clip_stored", "snapshot_taken"]
    assert event["evt_typ"] == types
    assert event["stat_t"] not in set(Topics("edgecam/garden-pi").retained(config().cameras))


@pytest.mark.parametrize("topic", [BIRDBOX, GATE])
def test_pictures_come_with_their_attributes(topic: str) -> None:
    """The state of an image is the time at which Home Assistant saw it: true times are attributes."""
    for key in ("camera", "last_motion_picture"):
        entity = whole(TOLD[topic])[key]
        assert entity["json_attr_t"] == f"{entity.get('t', entity.get('img_t'))}/attributes"


@pytest.mark.parametrize("entity", every("number"))
def test_a_number_has_limits_a_step_and_a_unit(entity: Json) -> None:
    """One without is 1..100; what lies outside is an error at each message."""
    assert float(str(entity["min"])) < float(str(entity["max"]))
    assert entity["step"]
    assert entity["unit_of_meas"]
    assert entity["mode"] in {"slider", "box"}


@pytest.mark.parametrize("entity", every("switch", "number", "select"))
def test_no_control_assumes_its_state(entity: Json) -> None:
    assert entity["cmd_t"] == f"{entity['stat_t']}/set"


@pytest.mark.parametrize("entity", every())
def test_what_is_set_is_config_and_what_is_measured_diagnostic(entity: Json) -> None:
    """A sensor that calls itself config is refused."""
    if entity["p"] in {"switch", "number", "select", "update"}:
        assert entity["ent_cat"] == "config"
    elif entity["p"] in {"sensor", "binary_sensor"}:
        assert entity.get("ent_cat", "diagnostic") == "diagnostic"
    elif entity["p"] == "button":
        assert entity.get("ent_cat", "config") == "config"


def test_few_entities_are_in_the_first_row() -> None:
    for topic in (BIRDBOX, GATE):
        primary = {key for key, entity in undrawn(TOLD[topic]).items() if "ent_cat" not in entity and shown(entity)}
        assert primary == {"camera", "motion", "last_motion_picture", "event", "take_snapshot", "save_clip"}
    assert all("ent_cat" in entity for entity in entities(TOLD[NODE]).values())


@pytest.mark.parametrize("message", DEVICES)
def test_what_few_need_is_switched_off(message: Json) -> None:
    assert sum(shown(entity) for entity in undrawn(message).values()) <= 15
    rare = {"state", "clients", "fps", "light", "load", "memory", "wifi_signal", "disk_used", "started", "throttled"}
    for key in rare & entities(message).keys():
        assert not shown(entities(message)[key]), key


@pytest.mark.parametrize("entity", every("sensor"))
def test_a_sensor_has_a_legal_unit_and_a_graph_where_one_is_wanted(entity: Json) -> None:
    """A class with a wrong unit is refused; a number without a state class has no history worth the name."""
    kind, unit = entity.get("dev_cla"), entity.get("unit_of_meas")
    assert ("stat_cla" in entity) == (unit is not None) == ("sug_dsp_prc" in entity)
    if kind == "timestamp":
        assert unit is None
    elif kind == "enum":
        assert entity["ops"]
    elif kind is not None:
        assert unit in UNITS[str(kind)]
    else:
        assert "ic" in entity
    assert "ops" not in entity or kind == "enum"
    assert entity.get("stat_cla", "measurement") in {"measurement", "total_increasing"}


@pytest.mark.parametrize("entity", every())
def test_no_icon_is_of_another_family(entity: Json) -> None:
    """Without `mdi:` the entity is refused."""
    assert re.fullmatch("mdi:[a-z0-9-]+", str(entity.get("ic", "mdi:eye")))


@pytest.mark.parametrize("message", DEVICES)
def test_whoever_restarts_something_says_so(message: Json) -> None:
    for key, entity in entities(message).items():
        if entity["p"] == "button" and key == "restart":
            assert (entity["dev_cla"], entity["ent_cat"]) == ("restart", "config")


@pytest.mark.parametrize("topic", [BIRDBOX, GATE])
def test_an_automation_can_begin_with_what_the_camera_does(topic: str) -> None:
    triggers = {entity["type"]: entity for entity in whole(TOLD[topic]).values() if "atype" in entity}
    assert triggers.keys() == {"motion_started", "motion_ended"}
    event = whole(TOLD[topic])["event"]
    for name, trigger in triggers.items():
        assert trigger["p"] == "device_automation"
        assert "uniq_id" not in trigger
        assert (trigger["atype"], trigger["stype"]) == ("trigger", "camera")
        assert (trigger["t"], trigger["pl"]) == (event["stat_t"], name)
        assert name in event["evt_typ"]  # type: ignore[operator]


@pytest.mark.parametrize("message", DEVICES)
def test_a_message_is_small(message: Json) -> None:
    """Brokers refuse what is large, with the whole device in it; eight cameras' worth of text must be no burden."""
    assert len(json.dumps(message, separators=(",", ":"))) < 8000


def test_the_version_is_told_everywhere() -> None:
    assert {section(message, "dev")["sw"] for message in TOLD.values()} == {HERE.version}
