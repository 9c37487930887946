"""Large files on their way to Azure Blob Storage (Azurite): in blocks, and what becomes of one when things fail."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from doorway import LOST, PASS, UNHEARD, Doorway, Rule
from edgecam.config.secret import Secret, Url
from edgecam.config.store import AzureStore
from edgecam.offload.deliver import Parcel, deliver
from edgecam.offload.stores import BadCredentials, Corrupt, Transient
from edgecam.offload.stores.azure import Azure
from edgecam.offload.stores.body import Unlike
from edgecam.offload.stores.journal import Begun
from peers import Azurite
from waiting import content, media, parcel

BLOCK = 1 << 20
SIZE = 3 * BLOCK + 5000
"""Of the clips here: four blocks."""


def silent(_: int) -> None: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("blobs")) as server:
        with ContainerClient.from_connection_string(server.connection_string, "birdbox") as container:
            container.create_container()
        yield server


@pytest.fixture(scope="module", autouse=True)
def up(server: Azurite) -> None:
    """Before the first test, so that no test is blamed for leaving it behind."""


@pytest.fixture
def doorway(server: Azurite) -> Iterator[Doorway]:
    with Doorway(server.port) as doorway:
        yield doorway


def opened(port: int, sas_token: Secret | None = None) -> Azure:
    """The container at `port` as a fresh worker opens it, with the account's key or a token."""
    config = AzureStore(
        container="birdbox",
        account=Azurite.account,
        account_key=None if sas_token else Secret(Azurite.account_key),
        sas_token=sas_token,
        endpoint=Url(f"http://127.0.0.1:{port}/{Azurite.account}"),
    )
    return Azure(config, block=BLOCK)


_numbers = itertools.count(1)


@pytest.fixture
def clip(tmp_path: Path) -> Parcel:
    """A clip of four blocks, under a key that no other test uses."""
    return parcel(f"cams/garden-pi/birdbox/clip-{next(_numbers)}", tmp_path / "clip.mp4", content(SIZE))


def begun(clip: Parcel) -> Begun:
    assert clip.journal is not None
    return Begun.model_validate_json(clip.journal.read_bytes())


def lies_there(server: Azurite, clip: Parcel, folder: Path) -> bool:
    """Whether the media is in the container. If so it is whole, with its MD5."""
    store, key = opened(server.port), f"{clip.stem}.mp4"
    found = store.stat(key)
    if found is None:
        return False
    assert (found.size, found.md5) == (clip.size, clip.md5)
    store.get(key, folder / "fetched")
    return (folder / "fetched").read_bytes() == clip.file.read_bytes()


def after_blocks(count: int, verdict: int, doorway: Doorway) -> Rule:
    """`count` blocks pass; the next one is spoilt."""
    return lambda method, path: (
        verdict if "comp=block&" in f"{path}&" and doorway.count("PUT", "comp=block&") > count else PASS
    )


def committing(verdict: int) -> Rule:
    return lambda method, path: verdict if "comp=blocklist" in path else PASS


def blocks(doorway: Doorway) -> int:
    return doorway.count("PUT", "comp=block&")


def test_a_large_file_goes_in_blocks_and_is_one_blob(
    server: Azurite, doorway: Doorway, clip: Parcel, tmp_path: Path
) -> None:
    told = list[int]()
    assert deliver(opened(doorway.port), clip, told.append).sent
    assert (blocks(doorway), max(told)) == (4, SIZE)
    assert lies_there(server, clip, tmp_path)


@pytest.mark.parametrize(("before", "verdict"), [(0, 503), (2, LOST), (2, UNHEARD), (3, LOST)])
def test_a_new_worker_goes_on_with_the_block_at_which_the_line_broke(
    server: Azurite, doorway: Doorway, clip: Parcel, before: int, verdict: int, tmp_path: Path
) -> None:
    doorway.rule = after_blocks(before, verdict, doorway)
    with pytest.raises(Transient):
        deliver(opened(doorway.port), clip, silent)
    assert not lies_there(server, clip, tmp_path)
    doorway.heal()
    assert deliver(opened(doorway.port), clip, silent).sent
    assert blocks(doorway) == 4 - before
    assert lies_there(server, clip, tmp_path)


@pytest.mark.parametrize("verdict", [LOST, 500])
def test_blocks_that_are_not_committed_are_not_seen_and_not_sent_again(
    server: Azurite, doorway: Doorway, clip: Parcel, verdict: int, tmp_path: Path
) -> None:
    doorway.rule = committing(verdict)
    with pytest.raises(Transient):
        deliver(opened(doorway.port), clip, silent)
    assert not lies_there(server, clip, tmp_path)
    doorway.heal()
    assert deliver(opened(doorway.port), clip, silent).sent
    assert blocks(doorway) == 0
    assert lies_there(server, clip, tmp_path)


@pytest.mark.parametrize("may_ask", [True, False])
def test_a_commit_whose_answer_was_lost_sends_no_block_again(
    server: Azurite, doorway: Doorway, clip: Parcel, may_ask: bool, tmp_path: Path
) -> None:
    token = generate_container_sas(
        server.account,
        "birdbox",
        account_key=server.account_key,
        permission=ContainerSasPermissions(write=True, create=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    store = opened(doorway.port, None if may_ask else Secret(token))
    doorway.rule = committing(UNHEARD)
    with pytest.raises(Transient):
        deliver(store, clip, silent)
    doorway.heal()
    assert deliver(store, clip, silent).sent is not may_ask
    assert blocks(doorway) == 0
    assert lies_there(server, clip, tmp_path)


def test_a_key_that_may_only_write_does_not_ask_again_and_again(
    server: Azurite, doorway: Doorway, clip: Parcel, tmp_path: Path
) -> None:
    doorway.rule = lambda method, path: PASS if method == "PUT" else 403
    store = opened(doorway.port)
    for number in range(4):
        assert deliver(store, clip.model_copy(update={"stem": f"{clip.stem}-{number}"}), silent).sent
    assert doorway.count("HEAD") == 2
    assert doorway.count("GET") == 0


def test_blocks_that_the_store_lost_are_sent_anew(
    server: Azurite, doorway: Doorway, clip: Parcel, tmp_path: Path
) -> None:
    doorway.rule = after_blocks(0, 201, doorway)  # it says yes, and keeps nothing
    with pytest.raises(Transient, match="forgotten an upload"):
        opened(doorway.port).put(media(clip), silent)
    assert clip.journal is not None
    assert not clip.journal.exists()
    doorway.rule = lambda method, path: 201 if "comp=block&" in path else 503
    with pytest.raises(Transient, match="busy"):
        opened(doorway.port).put(media(clip), silent)
    assert len(begun(clip).parts) == 4
    doorway.heal()
    assert deliver(opened(doorway.port), clip, silent).sent
    assert blocks(doorway) == 4
    assert lies_there(server, clip, tmp_path)


def test_a_block_that_was_changed_on_its_way_is_sent_once_more(
    server: Azurite, doorway: Doorway, clip: Parcel, tmp_path: Path
) -> None:
    doorway.spoils = lambda path: blocks(doorway) == 3
    with pytest.raises(Corrupt):
        deliver(opened(doorway.port), clip, silent)
    assert not lies_there(server, clip, tmp_path)
    doorway.heal()
    deliver(opened(doorway.port), clip, silent)
    assert blocks(doorway) == 2
    assert lies_there(server, clip, tmp_path)


def test_bytes_that_are_not_the_recorded_ones_are_never_committed(
    server: Azurite, doorway: Doorway, clip: Parcel, tmp_path: Path
) -> None:
    for wrong in (content(SIZE, seed=5), content(SIZE - 1), content(SIZE) + b"more"):
        clip.file.write_bytes(wrong)
        with pytest.raises(Unlike):
            opened(doorway.port).put(media(clip), silent)
    assert doorway.count("PUT", "comp=blocklist") == 0
    assert not lies_there(server, clip, tmp_path)


def test_a_key_that_ends_in_the_middle_loses_no_block(
    server: Azurite, doorway: Doorway, clip: Parcel, tmp_path: Path
) -> None:
    doorway.rule = after_blocks(2, 403, doorway)
    with pytest.raises(BadCredentials):
        deliver(opened(doorway.port), clip, silent)
    doorway.heal()
    deliver(opened(doorway.port), clip, silent)
    assert blocks(doorway) == 2
    assert lies_there(server, clip, tmp_path)


def test_what_will_never_be_sent_is_forgotten_here(server: Azurite, doorway: Doorway, clip: Parcel) -> None:
    doorway.rule = after_blocks(2, LOST, doorway)
    with pytest.raises(Transient):
        deliver(opened(doorway.port), clip, silent)
    assert clip.journal is not None
    opened(doorway.port).abandon(clip.journal)
    assert not clip.journal.exists()
