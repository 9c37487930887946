"""Mqtt over TLS at a real broker: whom each side trusts, and what a person is told when it does not."""

from pathlib import Path

import pytest

from authority import Authority
from fakes import until
from mqttside import HastyClock, Make, Protocol, lost, running, settled
from peers import Mosquitto


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def locked(folder: Path, authority: Authority, server: tuple[Path, Path], *, clients: bool = False) -> Mosquitto:
    """A broker with this certificate; with `clients` they must have one of the `authority`."""
    certificate, key = server
    lines = [f"certfile {certificate}", f"keyfile {key}"]
    if clients:
        lines += [f"cafile {authority.certificate}", "require_certificate true"]
    return Mosquitto(folder, lines=lines)


async def test_tls_with_a_private_authority_and_our_own_certificate(
    tmp_path: Path, make: Make, protocol: Protocol, authority: Authority
) -> None:
    cert, key = authority.issue("camera", password="canary")
    with locked(tmp_path / "tls", authority, authority.issue("broker"), clients=True) as broker:
        tls = {"ca": authority.certificate, "cert": cert, "key": key, "key_password": "canary"}
        mqtt = make(broker.port, protocol=protocol, tls=tls)
        mqtt.complete([])
        async with running(mqtt):
            await settled(mqtt)


async def test_without_our_certificate_a_broker_that_wants_one_is_told_so(
    tmp_path: Path, make: Make, authority: Authority
) -> None:
    with locked(tmp_path / "tls", authority, authority.issue("broker"), clients=True) as broker:
        mqtt = make(broker.port, HastyClock(), tls={"ca": authority.certificate})
        mqtt.complete([])
        async with running(mqtt):
            await until("trouble is told", lambda: mqtt.status.trouble)
        assert mqtt.status.trouble == "the broker wants a certificate of ours; name it in mqtt.tls.cert"


async def test_a_certificate_of_ours_that_the_broker_does_not_trust(
    tmp_path: Path, make: Make, authority: Authority
) -> None:
    cert, key = Authority(tmp_path / "stranger").issue("camera")
    with locked(tmp_path / "tls", authority, authority.issue("broker"), clients=True) as broker:
        mqtt = make(broker.port, HastyClock(), tls={"ca": authority.certificate, "cert": cert, "key": key})
        mqtt.complete([])
        async with running(mqtt):
            await until("trouble is told", lambda: mqtt.status.trouble)
        assert mqtt.status.trouble is not None
        assert "the broker broke off TLS (tls" in mqtt.status.trouble
        assert mqtt.status.trouble.endswith("alert unknown ca); check mqtt.tls.cert and mqtt.tls.key")


@pytest.mark.parametrize(
    ("address", "days", "why"),
    [
        ("127.0.0.1", -1, "(certificate has expired); renew it at the broker; is the clock of this box right?"),
        ("127.0.0.2", 1, "certificate is not valid for '127.0.0.1'.); mqtt.host must be a name that stands in it"),
    ],
    ids=["expired", "of another host"],
)
@pytest.mark.parametrize("verify", [True, False], ids=["looked at", "verify: false"])
async def test_a_certificate_that_does_not_hold(
    address: str, days: int, why: str, verify: bool, tmp_path: Path, make: Make, authority: Authority
) -> None:
    server = authority.issue("broker", address=address, days=days)
    with locked(tmp_path / "tls", authority, server) as broker:
        mqtt = make(broker.port, tls={"ca": authority.certificate, "verify": verify})
        mqtt.complete([])
        async with running(mqtt):
            if verify:
                await until("trouble is told", lambda: mqtt.status.trouble)
                assert mqtt.status.trouble is not None
                assert mqtt.status.trouble.startswith("the broker's certificate is not to be trusted (")
                assert mqtt.status.trouble.endswith(why)
            else:
                await settled(mqtt)


@pytest.mark.parametrize(
    ("tls", "why"),
    [
        ({}, "mqtt.tls.ca must name the authority behind it"),
        ({"ca": "other.pem"}, "mqtt.tls.ca must name the authority behind it"),
        ({"ca": "nowhere.pem"}, "mqtt.tls.ca: nowhere.pem: No such file or directory"),
        ({"verify": False, "cert": "no.pem"}, "mqtt.tls.cert: no.pem with key no.pem: No such file or directory"),
        ({"verify": False, "cert": "cam.pem", "key": "cam.key", "key_password": "canary-2"}, "mqtt.tls.cert: cam.pem"),
        ({"verify": False, "cert": "cam.pem", "key": "cam.key"}, "mqtt.tls.cert: cam.pem with key cam.key: "),
    ],
    ids=["system's authorities", "wrong authority", "no authority", "no certificate", "wrong password", "no password"],
)
async def test_tls_that_cannot_work_says_which_file(
    tmp_path: Path,
    make: Make,
    authority: Authority,
    tls: dict[str, object],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path / "authority")
    authority.issue("cam", password="canary")
    Authority(tmp_path / "other").certificate.rename("other.pem")
    with locked(tmp_path / "tls", authority, authority.issue("broker")) as broker:
        mqtt = make(broker.port, tls=tls)
        mqtt.complete([])
        async with running(mqtt):
            await until("trouble is told", lambda: mqtt.status.trouble)
        assert why in (mqtt.status.trouble or "")
    assert "canary" not in caplog.text


async def test_tls_where_none_is_spoken(broker: Mosquitto, make: Make) -> None:
    mqtt = make(broker.port, tls={})
    mqtt.complete([])
    async with running(mqtt):
        await until("trouble is told", lambda: mqtt.status.trouble)
    assert mqtt.status.trouble == "the broker speaks no TLS on this port; check mqtt.port and mqtt.tls"


async def test_certificates_that_are_renewed_are_used_at_the_next_connect(
    tmp_path: Path, make: Make, authority: Authority
) -> None:
    """Ours has expired, and the broker's authority changes; neither needs a restart of the daemon."""
    cert, key = authority.issue("camera", days=-1)
    server = authority.issue("broker")
    broker = locked(tmp_path / "tls", authority, server, clients=True)
    with broker:
        mqtt = make(broker.port, HastyClock(), tls={"ca": authority.certificate, "cert": cert, "key": key})
        mqtt.complete([])
        async with running(mqtt):
            await until("ours is refused", lambda: "expired" in (mqtt.status.trouble or ""))
            authority.issue("camera")
            await settled(mqtt)
            broker.down()
            await lost(mqtt)
            renewed = Authority(tmp_path / "authority")  # the same files, another key
            renewed.issue("broker")
            renewed.issue("camera")
            broker.up()
            await settled(mqtt)
