"""Requests from the network: understood as they are meant, or refused with a sentence that says what would be right."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.mqtt.asked import requests
from edgecam.mqtt.asked.deeds import Reload, Replay, Restart, SaveClip, TakeSnapshot, Trigger
from edgecam.mqtt.asked.requests import VERBS, Asked, Config, Envelope, Export, Health, Link, Question, Refused, parse
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire.messages import Incoming

TOPICS = Topics("edgecam/garden-pi")
CAMERAS = ("birdbox", "gate")


def ask(
    verb: str,
    payload: bytes,
    *,
    retain: bool = False,
    response_topic: str | None = None,
    correlation: bytes | None = None,
) -> Asked | Refused | Replay | None:
    message = Incoming(TOPICS.request(verb), payload, retain, response_topic, correlation)
    return parse(message, TOPICS, CAMERAS)


@pytest.mark.parametrize(
    ("verb", "payload", "question"),
    [
        ("snapshot", b'{"camera": "birdbox"}', TakeSnapshot("birdbox")),
        ("clip", b'{"camera": "gate"}', SaveClip("gate", 60.0)),
        ("clip", b'{"camera": "gate", "last": "5m"}', SaveClip("gate", 300.0)),
        ("clip", b'{"camera": "gate", "last": 2.5}', SaveClip("gate", 2.5)),
        ("trigger", b'{"camera": "gate"}', Trigger("gate", 30.0, "mqtt")),
        ("trigger", b'{"camera": "gate", "duration": "10s", "cause": "pir"}', Trigger("gate", 10.0, "pir")),
        (
            "export",
            b'{"camera": "gate", "from": "2026-09-21T14:13:20Z", "to": "2026-09-21T16:13:30+02:00"}',
            Export("gate", 1_790_000_000.0, 1_790_000_010.0),
        ),
        ("reload", b"", Reload()),
        ("reload", b"{}", Reload()),
        ("restart", b"{}", Restart()),
        ("config", b" {} ", Config()),
        ("health", b"", Health()),
        ("link", b'{"id": "x"}', Link("x")),
    ],
)
def test_every_verb_is_understood(verb: str, payload: bytes, question: Question) -> None:
    assert ask(verb, payload) == Asked(question, Envelope(TOPICS.response(verb)))


CAMERA = "camera must be the id of a camera"
LAST = 'last must be a duration up to 24h such as "60s", or a number of seconds'
FROM, TO = (f'{key} must be a time such as "2026-11-21T07:15:30Z"' for key in ("from", "to"))
CAUSE = "cause must be a word of up to 32 letters, digits, _ . and -, such as pir"
EVENT = "duration must be a duration from 1s to 10m such as 30s"
OBJECT = 'must be a JSON object such as {"transaction": 1}'
MARK = "transaction must be text, a number, true, false or null, at most 256 characters"
CLIP = "clip takes camera, last, transaction, and nothing else"


@pytest.mark.parametrize(
    ("verb", "payload", "why"),
    [
        ("photo", b"{}", f"no such request: one of {', '.join(VERBS)}"),
        ("snapshot", b"", CAMERA),
        ("snapshot", b'{"camera": 5}', CAMERA),
        ("snapshot", b'{"camera": ""}', CAMERA),
        ("snapshot", b'{"camera": "cellar"}', "no such camera: one of birdbox, gate"),
        ("snapshot", b"birdbox", OBJECT),
        ("snapshot", b"[]", OBJECT),
        ("snapshot", b"\xff", OBJECT),
        ("snapshot", b'{"camera": NaN}', OBJECT),
        ("snapshot", b"[" * 4000, OBJECT),
        ("snapshot", b"9" * 5_000_000, "5000000 bytes are too many, at most 4096"),
        ("clip", b'{"camera": "gate", "last": "2d"}', LAST),
        ("clip", b'{"camera": "gate", "last": 0}', LAST),
        ("clip", b'{"camera": "gate", "last": true}', LAST),
        ("clip", b'{"camera": "gate", "last": null}', LAST),
        ("clip", b'{"camera": "gate", "lsat": "60s"}', f"{CLIP} (did you mean 'last'?)"),
        ("clip", b'{"camera": "gate", "xyzzy": 1}', CLIP),
        ("trigger", b'{"camera": "gate", "cause": 5}', CAUSE),
        ("trigger", b'{"camera": "gate", "cause": "a\\nb"}', CAUSE),
        ("trigger", b'{"camera": "gate", "cause": "%s"}' % (b"x" * 33), CAUSE),
        ("trigger", b'{"camera": "gate", "duration": "11m"}', EVENT),
        ("trigger", b'{"camera": "cellar", "duration": "10s"}', "no such camera: one of birdbox, gate"),
        ("export", b'{"camera": "gate"}', FROM),
        ("export", b'{"camera": "gate", "from": "2026-09-21T14:13:20Z", "to": "soon"}', TO),
        ("export", b'{"camera": "gate", "from": "0001-01-01", "to": "2026-09-21"}', FROM),
        (
            "export",
            b'{"camera": "gate", "from": "2026-09-21T14:13:20Z", "to": "2026-09-21T14:13:20Z"}',
            "from must be earlier than to",
        ),
        ("restart", b"", "an empty message may be the clearing of a retained one: send {} to restart"),
        ("link", b"{}", "id must be that of a clip or a picture"),
        ("health", b'{"transaction": {}}', MARK),
        ("health", b'{"transaction": 1e999}', MARK),
        ("health", b'{"transaction": "%s"}' % (b"x" * 257), MARK),
    ],
)
def test_nonsense_is_refused_in_words(verb: str, payload: bytes, why: str) -> None:
    topic = TOPICS.response(verb if verb in VERBS else "error")
    assert ask(verb, payload) == Refused(why, Envelope(topic))


def test_a_house_without_cameras_says_so() -> None:
    message = Incoming(TOPICS.request("snapshot"), b'{"camera": "gate"}', False)
    assert parse(message, TOPICS, ()) == Refused("no such camera: one of none", Envelope(TOPICS.response("snapshot")))


@pytest.mark.parametrize("transaction", ["abc", "", 7, 1.5, True, False, None])
def test_the_transaction_comes_back_with_an_answer_and_with_a_refusal(transaction: requests.Scalar) -> None:
    good, bad = ({"camera": camera, "transaction": transaction} for camera in ("gate", "cellar"))
    for sent in (good, bad):
        heard = ask("snapshot", json.dumps(sent).encode())
        assert isinstance(heard, Asked | Refused)
        for said in (requests.answer({}, heard.envelope), requests.refusal("no", heard.envelope)):
            assert said["transaction"] == transaction


def test_the_answer_goes_where_an_asker_of_mqtt_5_wants_it_with_his_correlation() -> None:
    heard = ask("health", b'{"transaction": 1}', response_topic="house/answers/7", correlation=b"\x00\xff")
    assert heard == Asked(Health(), Envelope("house/answers/7", 1, b"\x00\xff"))
    own = ask("health", b"", response_topic="edgecam/garden-pi/response/anna")
    assert own == Asked(Health(), Envelope("edgecam/garden-pi/response/anna"))
    nonsense = ask("health", b"?", response_topic="house/answers/7", correlation=b"1")
    assert nonsense == Refused(OBJECT, Envelope("house/answers/7", None, b"1"))


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "house/+/answers",
        "house/#",
        "house/\0",
        "$SYS/broker/uptime",
        "$share/group/x",
        "edgecam/garden-pi",
        "edgecam/garden-pi/",
        "edgecam/garden-pi/status",
        "edgecam/garden-pi/health",
        "edgecam/garden-pi/birdbox/privacy",
        "edgecam/garden-pi/birdbox/privacy/set",
        "edgecam/garden-pi/restart/set",
        "edgecam/garden-pi/request/restart",
        "edgecam/garden-pi/response",
        "x" * 257,
    ],
)
def test_nobody_makes_us_speak_on_a_topic_of_our_own_or_of_the_broker(topic: str) -> None:
    heard = ask("health", b'{"transaction": 1}', response_topic=topic, correlation=b"c")
    assert isinstance(heard, Refused)
    assert heard.why.startswith("the response topic must be a plain topic")
    assert heard.envelope == Envelope("edgecam/garden-pi/response/health", 1, b"c")


def test_correlation_data_of_a_kilobyte_is_refused_without_it() -> None:
    heard = ask("health", b"{}", response_topic="house/answers", correlation=b"x" * 1000)
    why = "1000 bytes of correlation data are too many, at most 256"
    assert heard == Refused(why, Envelope("edgecam/garden-pi/response/health"))


@pytest.mark.parametrize("payload", [b"{}", b"\xff", b"x" * 5000])
def test_a_retained_request_is_a_replay_whatever_it_says(payload: bytes) -> None:
    assert ask("restart", payload, retain=True) == Replay()


def test_clearing_a_replay_is_no_request() -> None:
    assert ask("restart", b"", retain=True) is None


@given(st.sampled_from([*VERBS, "x"]), st.binary(max_size=300), st.none() | st.text(max_size=20))
def test_no_bytes_make_it_fail(verb: str, payload: bytes, response_topic: str | None) -> None:
    ask(verb, payload, response_topic=response_topic)


_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.integers())
_keys = st.sampled_from(["camera", "last", "from", "to", "duration", "cause", "id", "transaction"])


@given(st.sampled_from([*VERBS]), st.dictionaries(_keys, _values))
def test_no_object_makes_it_fail_and_every_answer_is_json(verb: str, sent: dict[str, object]) -> None:
    heard = ask(verb, json.dumps(sent).encode())
    assert isinstance(heard, Asked | Refused)
    json.dumps(requests.refusal("no", heard.envelope), allow_nan=False)
