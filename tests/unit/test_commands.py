"""Commands from the network: obeyed when they make sense, refused in words when they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.mqtt.asked.commands import Refused, Request, RestartCamera, SetSetting, parse
from edgecam.mqtt.asked.deeds import Reload, Replay, Restart, SaveClip, TakeSnapshot, Trigger
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire.messages import Incoming

TOPICS = Topics("edgecam/garden-pi")
CAMERAS = ("birdbox", "gate")


def ask(what: str, payload: bytes, *, retain: bool = False) -> Request | None:
    return parse(Incoming(f"edgecam/garden-pi/{what}/set", payload, retain), TOPICS, CAMERAS)


@pytest.mark.parametrize(
    ("what", "payload", "request_"),
    [
        ("birdbox/motion_detection", b"OFF", SetSetting("birdbox", "motion_detection", False)),
        ("gate/recording", b"on", SetSetting("gate", "recording", True)),
        ("gate/sensitivity", b"100", SetSetting("gate", "sensitivity", 100)),
        ("gate/sensitivity", b"60.0", SetSetting("gate", "sensitivity", 60)),
        ("gate/min_area", b"0.30000000000000004", SetSetting("gate", "min_area", 0.3)),
        ("gate/snapshot_interval", b"0", SetSetting("gate", "snapshot_interval", 0)),
        ("gate/record_mode", b"both", SetSetting("gate", "record_mode", "both")),
        ("gate/take_snapshot", b"PRESS", TakeSnapshot("gate")),
        ("gate/save_clip", b"PRESS", SaveClip("gate", 60.0)),
        ("gate/save_clip", b"90s", SaveClip("gate", 90.0)),
        ("gate/save_clip", b"24h", SaveClip("gate", 86400.0)),
        ("gate/trigger", b"PRESS", Trigger("gate", 30.0)),
        ("gate/trigger", b"1s", Trigger("gate", 1.0)),
        ("gate/trigger", b"10m", Trigger("gate", 600.0)),
        ("gate/take_snapshot", b"", None),
        ("gate/restart", b"PRESS", RestartCamera("gate")),
        ("reload", b"PRESS", Reload()),
        ("restart", b"PRESS", Restart()),
        ("restart", b"", None),
    ],
)
def test_what_home_assistant_sends_is_understood(what: str, payload: bytes, request_: Request | None) -> None:
    assert ask(what, payload) == request_


DAY = "must be PRESS or a duration up to 24h such as 60s"
EVENT = "must be a duration from 1s to 10m such as 30s, or PRESS"
RANGE = "must be a whole number from 1 to 100"


@pytest.mark.parametrize(
    ("what", "payload", "refusal"),
    [
        ("cellar/recording", b"ON", Refused("no such camera")),
        ("gate/shutter", b"ON", Refused("nothing of that name can be set")),
        ("gate/recording", b"maybe", Refused("must be ON or OFF", "gate", "recording")),
        ("gate/recording", b"ON\0", Refused("must be ON or OFF", "gate", "recording")),
        ("gate/recording", b"\xff\xfe", Refused("is not UTF-8 text", "gate", "recording")),
        ("gate/sensitivity", b"0", Refused(RANGE, "gate", "sensitivity")),
        ("gate/sensitivity", b"101", Refused(RANGE, "gate", "sensitivity")),
        ("gate/sensitivity", b"50.5", Refused(RANGE, "gate", "sensitivity")),
        ("gate/sensitivity", b"NaN", Refused(RANGE, "gate", "sensitivity")),
        ("gate/sensitivity", b"inf", Refused(RANGE, "gate", "sensitivity")),
        ("gate/sensitivity", b"1e999", Refused(RANGE, "gate", "sensitivity")),
        ("gate/sensitivity", b"[1]", Refused(RANGE, "gate", "sensitivity")),
        (
            "gate/sensitivity",
            b"9" * 5_000_000,
            Refused("5000000 bytes are too many, 256 would do", "gate", "sensitivity"),
        ),
        ("gate/cooldown", b"0", Refused("must be a whole number from 1 to 3600", "gate", "cooldown")),
        ("gate/record_mode", b"never", Refused("must be one of event, continuous, both", "gate", "record_mode")),
        ("gate/take_snapshot", b"GO", Refused("must be PRESS", "gate")),
        ("restart", b"ON", Refused("must be PRESS")),
        ("shutdown", b"PRESS", Refused("nothing of that name can be set")),
        ("gate/take_snapshot", b"60s", Refused("must be PRESS", "gate")),
        ("gate/trigger", b"30", Refused(EVENT, "gate")),
        ("gate/trigger", b"999ms", Refused(EVENT, "gate")),
        ("gate/trigger", b"601s", Refused(EVENT, "gate")),
        ("gate/trigger", b"forever", Refused(EVENT, "gate")),
        ("gate/save_clip", b"0s", Refused(DAY, "gate")),
        ("gate/save_clip", b"25h", Refused(DAY, "gate")),
        ("gate/save_clip", b"forever", Refused(DAY, "gate")),
    ],
)
def test_absurd_payloads_are_refused_and_name_the_setting_that_stays(
    what: str, payload: bytes, refusal: Refused
) -> None:
    assert ask(what, payload) == refusal


@pytest.mark.parametrize("payload", [b"ON", b"PRESS", b"\xff", b"x" * 1000])
@pytest.mark.parametrize("what", ["gate/recording", "gate/restart", "restart"])
def test_a_retained_command_is_a_replay_whatever_it_says(what: str, payload: bytes) -> None:
    assert ask(what, payload, retain=True) == Replay()


def test_clearing_a_replay_is_no_command() -> None:
    assert ask("gate/recording", b"", retain=True) is None


@given(
    st.sampled_from(
        [
            "restart",
            "gate/recording",
            "gate/sensitivity",
            "gate/take_snapshot",
            "gate/save_clip",
            "gate/trigger",
            "x/y",
        ]
    ),
    st.binary(max_size=300),
)
def test_no_bytes_make_it_fail(what: str, payload: bytes) -> None:
    ask(what, payload)
