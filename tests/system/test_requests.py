"""The request API over MQTT from outside: each verb is answered, whoever asks, and no answer holds a secret."""

import hashlib
import itertools
import json
import queue
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from cam import Cam
from outside import Ear, Edgecam, Heard, until
from peers import Mosquitto
from pictures import jpeg

pytestmark = pytest.mark.system

BASE = "edgecam/testbox"
_numbers = itertools.count(1)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as up:
        yield up


@pytest.fixture
def ear(broker: Mosquitto) -> Iterator[Ear]:
    with Ear(broker.port) as listening:
        yield listening


def section(broker: Mosquitto, **keys: object) -> dict[str, object]:
    return {"host": broker.host, "port": broker.port, **keys}


def online(ear: Ear, nth: int = 1) -> None:
    ear.wait("online", lambda heard: (heard.topic, heard.payload) == (f"{BASE}/status", b"online"), nth=nth)


def ask(ear: Ear, verb: str, **sent: object) -> dict[str, Any]:
    """The answer that bears our transaction."""
    number = next(_numbers)
    ear.say(f"{BASE}/request/{verb}", json.dumps({"transaction": number, **sent}))
    answer = ear.wait(
        f"the answer to {verb}",
        lambda heard: heard.topic == f"{BASE}/response/{verb}" and heard.json["transaction"] == number,
    )
    assert not answer.retain
    assert set(answer.json) == {"status", "data", "error", "transaction"}
    return answer.json


def is_on(topic: str, heard: Heard, payload: bytes | None = None) -> bool:
    return heard.topic == topic and payload in (None, heard.payload)


def data(ear: Ear, verb: str, **sent: object) -> Any:
    said = ask(ear, verb, **sent)
    assert (said["status"], said["error"]) == ("ok", None), said
    return said["data"]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_every_verb_is_answered_and_what_it_names_is_there(
    tmp_path: Path, broker: Mosquitto, ear: Ear, protocol: str
) -> None:
    config = {
        "mqtt": section(broker, protocol=protocol),
        "cameras": {"meadow": {"source": "synthetic", "record": {"mode": "both", "continuous": {"segment": "2s"}}}},
    }
    with Edgecam(tmp_path / "box", config) as box:
        online(ear)
        until("the camera runs", lambda: box.health()["cameras"]["meadow"]["state"] == "running")

        picture = data(ear, "snapshot", camera="meadow")
        status, headers, found = box.get(picture["path"])
        assert (status, headers["Content-Type"], len(found)) == (200, "image/jpeg", picture["size"])
        assert hashlib.sha256(found).hexdigest() == picture["sha256"]
        assert picture["url"] is None  # nobody said how others reach this box

        clip = data(ear, "clip", camera="meadow", last="2s")
        until("the clip is finished", lambda: box.get(clip["path"])[0] == 200, within=60)
        until("the clip is told", lambda: clip["id"] in [event["id"] for event in ear.events("clip_saved")])

        event = data(ear, "trigger", camera="meadow", duration="1s", cause="pir")
        until("it is told", lambda: event["event_id"] in [one["event_id"] for one in ear.events("motion_started")])

        film = data(ear, "export", camera="meadow", **{"from": clip["begin"], "to": clip["end"]})
        status, headers, found = box.get(film["path"])
        assert (status, headers["Content-Type"], len(found)) == (200, "video/mp4", film["size"])

        ear.say(f"{BASE}/meadow/sensitivity/set", "70")
        ear.wait("the setting", lambda heard: (heard.topic, heard.payload) == (f"{BASE}/meadow/sensitivity", b"70"))
        shown = data(ear, "config")
        assert shown["config"]["cameras"]["meadow"]["motion"]["sensitivity"] == 50
        assert shown["settings"]["meadow"]["sensitivity"] == {"value": 70, "file": 50}

        assert data(ear, "health")["node"] == "testbox"
        assert data(ear, "reload") == {"changed": [], "restarted": []}
        refused = ask(ear, "link", id=clip["id"])
        assert (refused["status"], refused["data"]) == ("error", None)
        assert "http.external_url is not set" in refused["error"]


def test_with_an_external_url_answers_have_links_that_open_without_a_login(
    tmp_path: Path, broker: Mosquitto, ear: Ear
) -> None:
    config = {
        "mqtt": section(broker),
        "http": {
            "listen": "127.0.0.1:0",
            "external_url": "https://cams.example.org/",
            "users": {"anna": {"password": "correct horse", "role": "admin"}},
        },
        "cameras": {"meadow": {"source": "synthetic"}},
    }
    with Edgecam(tmp_path / "box", config) as box:
        online(ear)
        ear.wait("a picture", lambda heard: heard.topic == f"{BASE}/meadow/snapshot")
        picture = data(ear, "snapshot", camera="meadow")
        link = data(ear, "link", id=picture["id"])
        assert link["link"] is None
        for url in (picture["url"], link["url"]):
            base, _, path = url.partition("cams.example.org/")
            assert base == "https://"
            assert box.get(path)[0] == 200
        assert box.get(picture["path"])[0] == 401


def test_nonsense_is_answered_in_words_and_leaves_no_trace_of_python(
    tmp_path: Path, broker: Mosquitto, ear: Ear
) -> None:
    config = {"mqtt": section(broker), "cameras": {"meadow": {"source": "synthetic"}}}
    with Edgecam(tmp_path / "box", config) as box:
        online(ear)
        assert ask(ear, "snapshot", camera="cellar")["error"] == "no such camera: one of meadow"
        assert ask(ear, "snapshot", camra="meadow")["error"].endswith("(did you mean 'camera'?)")
        for verb, payload, topic in (
            ("health", b"\xff\xfe", f"{BASE}/response/health"),
            ("health", b"[" * 4000, f"{BASE}/response/health"),
            ("fly", b"{}", f"{BASE}/response/error"),
        ):
            nth = len(ear.all(topic)) + 1
            ear.say(f"{BASE}/request/{verb}", payload)
            answer = ear.wait("an answer", partial(is_on, topic), nth=nth)
            assert (answer.json["status"], answer.json["transaction"]) == ("error", None)
        assert data(ear, "health")
        assert "Traceback" not in box.log


def test_a_client_of_mqtt_5_is_answered_where_it_wants_to_be_and_never_on_topics_of_ours(
    tmp_path: Path, broker: Mosquitto, ear: Ear
) -> None:
    answers = queue.Queue[tuple[str, bytes, bytes | None]]()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_message = lambda _client, _data, message: answers.put(
        (message.topic, bytes(message.payload), getattr(message.properties, "CorrelationData", None))
    )
    with Edgecam(tmp_path / "box", {"mqtt": section(broker, protocol="5"), "cameras": {}}):
        online(ear)
        client.connect(broker.host, broker.port)
        client.subscribe([("house/answers", 1), (f"{BASE}/response/+", 1)])
        client.loop_start()
        try:
            for wanted, topic, status in (
                ("house/answers", "house/answers", "ok"),
                (f"{BASE}/status", f"{BASE}/response/health", "error"),
                (f"{BASE}/restart/set", f"{BASE}/response/health", "error"),
            ):
                given = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                given.ResponseTopic, given.CorrelationData = wanted, b"\x00mark"
                client.publish(f"{BASE}/request/health", b'{"transaction": "x"}', 1, properties=given)
                heard, payload, mark = answers.get(timeout=20)
                said = json.loads(payload)
                assert (heard, said["status"], said["transaction"], mark) == (topic, status, "x", b"\x00mark")
        finally:
            client.disconnect()
            client.loop_stop()
    assert [heard.payload for heard in ear.all(f"{BASE}/status")] == [b"online", b"offline"]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_retained_requests_and_presses_are_cleared_and_do_nothing(
    tmp_path: Path, broker: Mosquitto, ear: Ear, protocol: str
) -> None:
    asked = {
        f"{BASE}/request/restart": "{}",
        f"{BASE}/request/reload": "{}",
        f"{BASE}/request/health": '{"transaction": 1}',
        f"{BASE}/restart/set": "PRESS",
        f"{BASE}/meadow/restart/set": "PRESS",
    }
    for topic, payload in asked.items():
        ear.say(topic, payload, retain=True)
    until("the broker has them", lambda: len(ear.all("/set")) + len(ear.all("health")) >= 3)
    config = {"mqtt": section(broker, protocol=protocol), "cameras": {"meadow": {"source": "synthetic"}}}
    with Edgecam(tmp_path / "box", config) as box:
        for topic in asked:
            ear.wait(f"{topic} is cleared", partial(is_on, topic, payload=b""))
        assert data(ear, "config")  # asked after all of them
        assert [heard for heard in ear.all("") if "/response/" in heard.topic and "config" not in heard.topic] == []
        assert box.log.count("must not be retained") == len(asked)
        assert "is restarted" not in box.log
    with Ear(broker.port) as late:
        late.wait("the status", lambda heard: heard.topic == f"{BASE}/status")
        assert not [heard for heard in late.all("") if heard.topic in asked]


def test_without_commands_nobody_is_answered(tmp_path: Path, broker: Mosquitto, ear: Ear) -> None:
    with Edgecam(tmp_path / "box", {"mqtt": section(broker, commands=False), "cameras": {}}) as box:
        online(ear)
        for topic in ("request/restart", "request/health"):
            ear.say(f"{BASE}/{topic}", "{}")
        ear.say(f"{BASE}/restart/set", "PRESS")
        ear.wait("the broker passed it", lambda heard: heard.topic == f"{BASE}/restart/set")
        assert box.down() == 0
    assert [heard for heard in ear.all("") if "/response/" in heard.topic] == []


def test_no_secret_is_in_the_configuration_that_is_shown(tmp_path: Path, broker: Mosquitto, ear: Ear) -> None:
    with Cam([jpeg()], 10) as cam:
        address = cam.url.replace("http://", "http://me:canary-login@") + "?token=canary-query"
        config: Mapping[str, object] = {
            "mqtt": section(broker, username="canary", password="canary-mqtt"),
            "http": {
                "listen": "127.0.0.1:0",
                "users": {"anna": {"password": "canary-user", "role": "admin"}},
                "tokens": {"wall": {"token": "canary-token"}},
            },
            "offload": {
                "store": {
                    "type": "s3",
                    "bucket": "b",
                    "endpoint": "http://127.0.0.1:9",
                    "access_key": "canary-access",
                    "secret_key": "canary-secret",
                }
            },
            "cameras": {"meadow": {"source": address}},
        }
        with Edgecam(tmp_path / "box", config, {"EDGECAM__MQTT__PASSWORD": "canary-environment"}) as box:
            online(ear)
            shown = data(ear, "config")["config"]
            assert shown["mqtt"]["password"] == "***"
            assert shown["offload"]["store"]["bucket"] == "b"
            assert shown["mqtt"].pop("username") == "canary"  # a name, as the file says it
            assert "canary" not in json.dumps(shown)
            assert "canary-" not in box.log
