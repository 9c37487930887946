"""A clock that is wrong by an hour or a day keeps nothing from a store: the store's own time is signed with."""

import hashlib
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from azure.storage.blob import ContainerClient

from edgecam.clock import SystemClock
from edgecam.config.secret import Secret, Url
from edgecam.config.store import AzureStore, S3Store
from edgecam.offload.stores import BadClock, BadCredentials, Permanent, Store, Upload
from edgecam.offload.stores import s3 as buckets
from edgecam.offload.stores.azure import Azure
from peers import S3, Azurite
from waiting import content

HOUR, DAY = 3600.0, 86400.0
BIG = 5 << 20
"""More than one block of Azure's."""


class Wrong(SystemClock):
    """A clock that is so many seconds ahead."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def wall(self) -> float:
        return super().wall() + self.seconds


@pytest.fixture(scope="module", autouse=True)
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with S3(tmp_path_factory.mktemp("s3")) as server:
        server.bucket("birdbox")
        yield server


@pytest.fixture(scope="module", autouse=True)
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as server:
        with ContainerClient.from_connection_string(server.connection_string, "birdbox") as container:
            container.create_container()
        yield server


class Strict(BaseHTTPRequestHandler):
    """Azure as it is and Azurite is not: what was signed at another time is refused. Keeps what it takes."""

    objects: ClassVar[dict[str, bytes]] = {}
    refused = 0

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        off = abs(parsedate_to_datetime(self.headers["x-ms-date"]).timestamp() - time.time())
        if off > 900:
            Strict.refused += 1
        else:
            self.objects[self.path] = body
        self.send_response(403 if off > 900 else 201)
        if off > 900:
            self.send_header("x-ms-error-code", "AuthenticationFailed")
        else:
            self.send_header("ETag", '"0x1"')
            self.send_header("Content-MD5", b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize("wrong", [HOUR, -DAY])
def test_azure_refuses_a_wrong_date_once(wrong: float) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Strict) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = Url(f"http://127.0.0.1:{server.server_port}/box")
        config = AzureStore(container="birdbox", account="box", account_key=Secret("a2V5"), endpoint=endpoint)
        store, there, before = Azure(config, Wrong(wrong)), upload("strict.mp4"), Strict.refused
        for _ in range(2):
            assert store.put(there, lambda _: None).size == there.size
        server.shutdown()
    assert Strict.refused - before == 1
    assert list(Strict.objects.values()) == [there.body]
    assert store.ahead == pytest.approx(-wrong, abs=5)


def opened(kind: str, clock: Wrong, server: S3, azurite: Azurite, *, key: str | None = None) -> Store:
    if kind == "s3":
        config = S3Store(
            bucket="birdbox",
            endpoint=Url(server.endpoint),
            access_key=Secret(server.access_key),
            secret_key=Secret(key or server.secret_key),
        )
        return buckets.S3(config, clock)
    account_key = Secret(key or azurite.account_key)
    return Azure(
        AzureStore(
            container="birdbox", account=azurite.account, account_key=account_key, endpoint=Url(azurite.endpoint)
        ),
        clock,
    )


def upload(key: str, size: int = 1000) -> Upload:
    data = content(size)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Upload(data, key, size, md5, hashlib.sha256(data).hexdigest(), "video/mp4", {"camera": "birdbox"})


@pytest.mark.parametrize("wrong", [HOUR, -DAY, 0.0], ids=["+1h", "-1d", "right"])
@pytest.mark.parametrize("size", [1000, BIG])
@pytest.mark.parametrize("kind", ["s3", "azure"])
def test_a_wrong_clock_keeps_nothing_from_the_store(
    kind: str, size: int, wrong: float, s3_server: S3, azurite: Azurite, tmp_path: Path
) -> None:
    store = opened(kind, Wrong(wrong), s3_server, azurite)
    assert store.ahead is None
    there = upload(f"cams/{kind}-{wrong:.0f}-{size}.mp4", size)
    assert store.put(there, lambda _: None).size == size  # the very first request
    assert store.get(there.key, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == there.body
    assert store.ahead == pytest.approx(-wrong, abs=5)


@pytest.mark.parametrize("kind", ["s3", "azure"])
def test_a_clock_that_is_set_meanwhile_makes_what_was_learned_neither_wrong_nor_old(
    kind: str, s3_server: S3, azurite: Azurite
) -> None:
    clock = Wrong(-DAY)
    store = opened(kind, clock, s3_server, azurite)
    assert store.stat("cams/nothing.mp4") is None
    clock.seconds = HOUR
    assert store.ahead == pytest.approx(-HOUR, abs=5)
    assert store.stat("cams/nothing.mp4") is None


@pytest.mark.parametrize("kind", ["s3", "azure"])
def test_a_wrong_key_stays_a_wrong_key_and_tells_the_time(kind: str, s3_server: S3, azurite: Azurite) -> None:
    store = opened(kind, Wrong(HOUR), s3_server, azurite, key="d3Jvbmcga2V5IGluZGVlZA==")
    with pytest.raises(Permanent) as refused:
        store.put(upload("cams/refused.mp4"), lambda _: None)
    assert isinstance(refused.value, BadCredentials)
    assert store.ahead == pytest.approx(-HOUR, abs=5)


def test_a_link_works_though_the_clock_is_wrong(s3_server: S3, azurite: Azurite) -> None:
    store = opened("s3", Wrong(-DAY), s3_server, azurite)
    there = upload("cams/linked.mp4")
    store.put(there, lambda _: None)
    link = store.link(there.key, 60.0)
    assert link
    with urllib.request.urlopen(link[0], timeout=5) as answer:  # noqa: S310
        assert answer.read() == there.body


def test_a_server_that_never_saw_our_clock_would_have_refused_it(
    s3_server: S3, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or these tests would prove nothing."""
    store = opened("s3", Wrong(HOUR), s3_server, azurite)
    monkeypatch.setattr("edgecam.offload.stores.skew.Skew.hear", lambda self, headers: False)
    with pytest.raises((BadClock, BadCredentials)):
        store.put(upload("cams/skewed.mp4"), lambda _: None)
