"""`edgecam test storage`: what a person learns of a store that works, and of one that does not."""

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from edgecam.__main__ import main
from edgecam.config.store import FolderStore
from edgecam.offload.stores import Stored, Transient
from edgecam.offload.stores.memory import Memory
from edgecam.trial import storage
from fakes import FakeClock
from peers import S3, Azurite, free_port
from sealing import Key

CAMERAS = "cameras:\n  birdbox:\n    source: synthetic\n"
WRONG = "d3ad-be3f-wrong-secret"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with S3(tmp_path_factory.mktemp("s3")) as server:
        server.bucket("birdbox")
        yield server


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def servers(s3: S3, azurite: Azurite) -> None:
    """Up before the first test, so that no test is blamed for leaving them behind."""


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """The command sets up the log of the whole process."""
    root, house = logging.getLogger(), logging.getLogger("edgecam")
    handlers, levels = root.handlers[:], (root.level, house.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    house.setLevel(levels[1])


def tried(tmp_path: Path, store: str, *words: str) -> int:
    """The command with this store, which is a YAML flow mapping."""
    path = tmp_path / "config.yaml"
    path.write_text(f"{CAMERAS}storage: {{path: {tmp_path}/here}}\noffload: {{store: {store}}}\n")
    return main(["test", "storage", "-c", str(path), *words])


def bucket(server: S3, name: str, secret: str = S3.secret_key, port: int | None = None) -> str:
    endpoint = f"http://127.0.0.1:{port}" if port else server.endpoint
    keys = f"access_key: {server.access_key}, secret_key: {secret}"
    return f'{{type: s3, bucket: {name}, endpoint: "{endpoint}", {keys}, prefix: cams/}}'


def container(server: Azurite, name: str, login: str | None = None) -> str:
    login = login or f'account_key: "{server.account_key}"'
    return f'{{type: azure, container: {name}, account: {server.account}, {login}, endpoint: "{server.endpoint}"}}'


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_bucket_that_works_is_left_as_it_was(s3: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, bucket(s3, "birdbox")) == 0
    told = lines(capsys)
    assert (told[0], told[-1]) == ("s3 bucket birdbox at 127.0.0.1", "ok")
    assert [line.split()[:2] for line in told[1:-1]] == [
        [f"{verb}:", "ok,"] for verb in ("put", "head", "get", "delete")
    ]
    assert not [path for path in s3.bucket("birdbox").rglob("*") if path.is_file()]


def test_programs_get_json(s3: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, bucket(s3, "birdbox"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["key"].startswith("cams/_edgecam/probe-")
    assert [step["name"] for step in found["steps"]] == ["opening", "putting", "asking", "getting", "deleting"]
    assert (found["failed"], found["problem"], found["hint"]) == (None, None, None)


@pytest.mark.parametrize("kind", ["s3", "azure", "folder"])
def test_what_is_missing_is_named_and_made_when_asked_for(
    kind: str, s3: S3, azurite: Azurite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nas = tmp_path / "nas"
    store = {
        "s3": bucket(s3, "not-yet-there"),
        "azure": container(azurite, "not-yet-there"),
        "folder": f"{{type: folder, path: {nas}}}",
    }[kind]
    if kind == "s3":
        assert tried(tmp_path, store) == 1
        told = lines(capsys)
        assert "FAILED at putting" in told[-2]
        assert "does not exist" in told[-2]
        assert "edgecam test storage --create" in told[-1]
    if kind == "azure":
        assert tried(tmp_path, store.replace("not-yet-there", "made-by-the-put")) == 0
        assert lines(capsys)[-1] == "ok"
    for _ in range(2):  # the second time it is there already
        assert tried(tmp_path, store, "--create") == 0
        told = lines(capsys)
        assert told[1].startswith("  make:    ok")
    assert tried(tmp_path, store) == 0


def test_a_wrong_key_is_told_with_its_cure_and_not_shown(
    s3: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(tmp_path, bucket(s3, "birdbox", WRONG)) == 1
    told = capsys.readouterr()
    assert "FAILED at putting: the store refused the key" in told.out
    assert "check offload.store.secret_key" in told.out
    assert WRONG not in told.out + told.err


def test_a_store_that_does_not_answer(s3: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, bucket(s3, "birdbox", port=free_port())) == 1
    assert lines(capsys)[-1] == "FAILED at putting: 127.0.0.1 cannot be reached: Connection refused"


def test_a_token_that_may_only_write_is_enough_and_what_it_may_not_is_told(
    azurite: Azurite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ContainerClient.from_connection_string(azurite.connection_string, "put-only") as there:
        there.create_container()
        token = generate_container_sas(
            azurite.account,
            "put-only",
            account_key=azurite.account_key,
            permission=ContainerSasPermissions(write=True, create=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        assert tried(tmp_path, container(azurite, "put-only", f'sas_token: "{token}"'), "--create") == 0
        [left] = there.list_blob_names()
    told = capsys.readouterr().out
    assert told.count("not allowed: ") == 4
    assert "the daemon trusts the store's answer" in told
    assert f"{left} stays there" in told
    assert "\nok; but the SAS token ends within two hours (" in told
    assert token not in told


def test_a_folder_that_is_not_mounted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = f"{{type: folder, path: {tmp_path}/nas, require_mount: true}}"
    for words in ((), ("--create",)):
        assert tried(tmp_path, store, *words) == 1
        assert f"nothing is mounted at {tmp_path}/nas" in capsys.readouterr().out
    assert not (tmp_path / "nas").exists()


def test_whether_media_can_be_sealed_is_tried_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = f"{{type: folder, path: {tmp_path / 'nas'}}}, encrypt: {Key().recipient}"
    assert tried(tmp_path, store) == 0
    assert lines(capsys)[1].split()[:2] == ["seal:", "ok,"]
    monkeypatch.setitem(sys.modules, "pyrage", None)
    assert tried(tmp_path, store) == 1
    assert lines(capsys)[-2:] == [
        "FAILED at sealing: the Python package 'pyrage' is missing, offload.encrypt needs it",
        "  pip install 'edgecam[encrypt]'",
    ]


def test_without_a_store_it_is_a_matter_of_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CAMERAS)
    assert main(["test", "storage", "-c", str(path)]) == 2
    assert "no `offload` section" in capsys.readouterr().err


class Forgetful(Memory):
    """Says yes and keeps nothing."""

    def stat(self, key: str, pulse: Callable[[], object] = lambda: None) -> Stored | None:
        return None


class Stale(Memory):
    """Something in between answers from an older time."""

    def get(self, key: str, file: Path) -> Stored | None:
        file.write_bytes(b"an older probe")
        return self._stored(key)


@pytest.mark.parametrize(
    ("store", "failed", "problem"),
    [
        (Forgetful(), "asking", "the store took the object, and does not have it"),
        (Stale(), "getting", "what came back is not what was put"),
    ],
)
async def test_a_store_that_says_yes_and_lies(store: Memory, failed: str, problem: str, tmp_path: Path) -> None:
    report = await storage.trial(FolderStore(path=tmp_path), FakeClock(), opener=lambda _: store)
    assert (report.failed, report.problem) == (failed, problem)
    assert report.hint


async def test_a_fault_that_passes_is_no_missing_permission(tmp_path: Path) -> None:
    store = Memory()
    store.faults.extend([None, Transient("the store is busy (503)")])
    report = await storage.trial(FolderStore(path=tmp_path), FakeClock(), opener=lambda _: store)
    assert (report.failed, report.problem) == ("asking", "the store is busy (503)")


class Silent(Memory):
    """Takes the question and never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.over = threading.Event(), threading.Event()

    def stat(self, key: str, pulse: Callable[[], object] = lambda: None) -> Stored | None:
        self.asked.set()
        self.over.wait(30)
        return super().stat(key)


async def test_a_store_that_falls_silent_is_given_up_after_a_minute(tmp_path: Path) -> None:
    store, clock = Silent(), FakeClock()
    trying = asyncio.create_task(storage.trial(FolderStore(path=tmp_path), clock, opener=lambda _: store))
    await asyncio.to_thread(store.asked.wait, 30)
    await clock.advance(59)
    assert not trying.done()
    await clock.advance(1)
    report = await trying
    store.over.set()
    assert (report.failed, report.problem) == ("asking", "no answer within 60 s")
