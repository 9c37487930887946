"""`edgecam test mqtt`: what a person learns of a broker that works, and of one that does not."""

import json
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from authority import Authority
from edgecam.__main__ import main
from edgecam.mqtt.wire import entrance
from edgecam.trial import mqtt
from outside import Ear, until
from peers import Mosquitto, free_port

USERS = {"edgecam": "canary-right", "spy": "canary-spy"}


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """The command sets up the log of the whole process."""
    root, house = logging.getLogger(), logging.getLogger("edgecam")
    handlers, levels = root.handlers[:], (root.level, house.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    house.setLevel(levels[1])


def tried(tmp_path: Path, port: int, *words: str, **keys: object) -> int:
    """The command with this `mqtt` section."""
    section = {"host": "127.0.0.1", "port": port, **keys}
    file = tmp_path / "config.yaml"
    file.touch(mode=0o600)
    file.write_text(
        f"node: pi\nmqtt: {json.dumps(section, default=str)}\nstorage: {{path: {tmp_path}/here}}\n"
        "cameras:\n  birdbox:\n    source: synthetic\n"
    )
    return main(["test", "mqtt", "-c", str(file), *words])


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out = capsys.readouterr()
    assert "canary" not in out.out + out.err
    return out.out.splitlines()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_works_is_left_as_it_was(
    broker: Mosquitto, protocol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(tmp_path, broker.port, protocol=protocol) == 0
    told = lines(capsys)
    assert (told[0], told[-1]) == (f"127.0.0.1:{broker.port} as node pi", "ok")
    steps = [line.split()[0] for line in told[1:-1]]
    assert steps == ["name:", "tcp:", "login:", "listening:", "sending:", "keeping:", "announcing:"]
    assert f"MQTT {protocol}" in told[3]
    with Ear(broker.port) as late:

        def heard_all() -> object:
            late.say("end", "")
            return late.all("end")

        until("what is kept has come", heard_all)
        assert [heard.topic for heard in late.all("") if heard.retain] == []


def test_programs_get_json(broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, broker.port, "--json", discovery=False) == 0
    found = json.loads("\n".join(lines(capsys)))
    assert [step["name"] for step in found["steps"]] == ["name", "tcp", "login", "listening", "sending", "keeping"]
    assert (found["protocol"], found["failed"], found["problem"], found["hint"]) == ("5", None, None, None)


def test_no_broker_configured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"storage: {{path: {tmp_path}/here}}\ncameras:\n  birdbox:\n    source: synthetic\n")
    assert main(["test", "mqtt", "-c", str(file)]) == 2
    assert "there is no `mqtt` section" in capsys.readouterr().err


def test_a_host_that_nobody_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, 1883, host="no-such-host.invalid") == 1
    *_, failed, hint = lines(capsys)
    assert failed == "FAILED at name: nobody knows a host no-such-host.invalid"
    assert hint == "  check mqtt.host, or name its address"


def test_a_broker_that_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert tried(tmp_path, port) == 1
    *_, failed, hint = lines(capsys)
    assert failed == f"FAILED at tcp: 127.0.0.1:{port}: Connection refused"
    assert hint == "  is the broker running there, and mqtt.port right?"


def test_a_broker_that_hangs(
    broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "PATIENT", 0.2)
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        assert tried(tmp_path, broker.port, protocol="5") == 1
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    assert lines(capsys)[-1].startswith("FAILED at login: the broker said nothing for 0.2 s when asked for MQTT 5")


def test_a_wrong_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Mosquitto(tmp_path / "locked", users=USERS) as locked:
        assert tried(tmp_path, locked.port, password="canary-wrong") == 1
        *_, failed, hint = lines(capsys)
        assert failed == "FAILED at login: the broker refused the login (not authorized)"
        assert hint == "  check mqtt.username and mqtt.password"
        assert tried(tmp_path, locked.port, password="canary-right") == 0


def test_tls_that_is_not_to_be_trusted_and_tls_that_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = Authority(tmp_path / "authority")
    cert, key = authority.issue("broker")
    ours = authority.issue("camera")
    lines_ = [f"certfile {cert}", f"keyfile {key}", f"cafile {authority.certificate}", "require_certificate true"]
    with Mosquitto(tmp_path / "tls", lines=lines_) as broker:
        assert tried(tmp_path, broker.port, tls=True) == 1
        *_, failed, hint = lines(capsys)
        assert failed.startswith("FAILED at tls: the broker's certificate is not to be trusted (")
        assert hint == "  mqtt.tls.ca must name the authority behind it"
        assert tried(tmp_path, broker.port, tls={"ca": authority.certificate}) == 1
        *_, failed, hint = lines(capsys)
        assert failed == "FAILED at login: the broker wants a certificate of ours"
        assert hint == "  name it in mqtt.tls.cert"
        assert tried(tmp_path, broker.port, tls={"ca": "nowhere.pem"}) == 1
        assert lines(capsys)[-1] == "FAILED at tls: mqtt.tls.ca: nowhere.pem: No such file or directory"
        assert tried(tmp_path, broker.port, tls={"ca": authority.certificate, "cert": ours[0], "key": ours[1]}) == 0
        assert any(line.startswith("  tls:") for line in lines(capsys))
    with Mosquitto(tmp_path / "plain") as plain:
        assert tried(tmp_path, plain.port, tls=True) == 1
        assert "the broker speaks no TLS on this port" in "\n".join(lines(capsys))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize(
    ("allowed", "step", "hint"),
    [
        ("edgecam/other/#", "sending", "edgecam/pi/#"),
        ("edgecam/#", "announcing", "homeassistant/device/edgecam_pi/#"),
    ],
    ids=["below another node", "no discovery"],
)
def test_what_our_user_may_not_write(
    protocol: str,
    allowed: str,
    step: str,
    hint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mqtt, "PATIENCE", 2.0)
    access = tmp_path / "access"
    access.write_text(f"user edgecam\ntopic readwrite {allowed}\n")
    access.chmod(0o600)
    with Mosquitto(tmp_path / "strict", users=USERS, lines=[f"acl_file {access}"]) as broker:
        assert tried(tmp_path, broker.port, protocol=protocol, password="canary-right") == 1
    *_, failed, cure = lines(capsys)
    said = "the broker does not let us write" if protocol == "5" else "what we wrote to"
    assert failed.startswith(f"FAILED at {step}: {said}")
    assert hint in cure


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_access_list_of_the_documentation_is_enough(protocol: str, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text()
    access = tmp_path / "access"
    access.write_text(page[page.index("user edgecam\n") :].partition("```")[0].replace("garden-pi", "pi"))
    access.chmod(0o600)
    with Mosquitto(tmp_path / "strict", users=USERS, lines=[f"acl_file {access}"]) as broker:
        assert tried(tmp_path, broker.port, protocol=protocol, password="canary-right") == 0


def test_a_limit_that_is_too_small_for_an_announcement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Mosquitto(tmp_path / "small", lines=["max_packet_size 1000"]) as broker:
        assert tried(tmp_path, broker.port) == 1
    *_, limit, failed, hint = lines(capsys)
    assert "messages of 1000 bytes" in limit
    assert "FAILED at announcing: the broker takes packets of 1000 bytes; homeassistant/device/edgecam_pi/" in failed
    assert hint == "  raise its limit"


def test_the_running_daemon_is_not_disturbed(broker: Mosquitto, tmp_path: Path) -> None:
    """It has the same node and client id in its file."""
    with Ear(broker.port):
        assert tried(tmp_path, broker.port, client_id="camera-7") == 0
    assert " as camera-7-test-" in broker.log
    assert " as camera-7 (" not in broker.log
