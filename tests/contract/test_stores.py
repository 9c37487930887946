"""What every store promises, over all of them: memory, a folder, S3 (rclone) and Azure Blob Storage (Azurite)."""

import dataclasses
import hashlib
import itertools
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from edgecam.config.secret import Secret, Url
from edgecam.config.store import AzureStore, FolderStore, S3Store
from edgecam.config.timetable import ELSE
from edgecam.media import Layout
from edgecam.offload.deliver import Damaged, Gone, deliver
from edgecam.offload.stores import (
    BadCredentials,
    BadSettings,
    Corrupt,
    Permanent,
    Store,
    StoreError,
    Transient,
    Upload,
    open_store,
)
from edgecam.offload.stores.memory import Memory
from edgecam.offload.valve import LEAST, Closed, Valve
from edgecam.offload.waiting.spool import Spool
from edgecam.offload.worker import Upstream
from fakes import FakeClock
from faultproxy import Fault, Proxy, Strike
from peers import S3, Azurite, free_port
from sealing import Key
from waiting import content, parcel, save

BIG = 9 << 20
"""More than two blocks of Azure's."""
WRONG = "d3ad-be3f-wrong-secret"


def silent(_: int) -> None: ...


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with S3(tmp_path_factory.mktemp("s3")) as server:
        server.bucket("birdbox")
        yield server


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as server:
        with ContainerClient.from_connection_string(server.connection_string, "birdbox") as container:
            container.create_container()
        yield server


@pytest.fixture(scope="module", autouse=True)
def servers(s3_server: S3, azurite: Azurite) -> None:
    """Up before the first test, so that no test is blamed for leaving them behind."""


class Memories:
    """Every place can open a good store, and the ones that users get wrong."""

    def __init__(self) -> None:
        self._memory = Memory()

    def open(self) -> Store:
        return self._memory


class Folders:
    def __init__(self, path: Path) -> None:
        self._path = path / "nas"

    def open(self) -> Store:
        return open_store(FolderStore(path=self._path))

    def missing(self) -> Store:
        """Something else is where the folder should be."""
        file = self._path.with_name("not-a-folder")
        file.touch()
        return open_store(FolderStore(path=file / "nas"))


class Buckets:
    def __init__(self, server: S3) -> None:
        self._config = S3Store(
            bucket="birdbox",
            endpoint=Url(server.endpoint),
            access_key=Secret(server.access_key),
            secret_key=Secret(server.secret_key),
        )

    def open(self) -> Store:
        return open_store(self._config)

    def missing(self) -> Store:
        return open_store(self._config.changed(bucket="no-such-bucket"))

    def wrong_key(self) -> Store:
        return open_store(self._config.changed(secret_key=Secret(WRONG)))

    def at(self, port: int) -> Store:
        return open_store(self._config.changed(endpoint=Url(f"http://127.0.0.1:{port}")))

    def trusting(self, ca: Path, **more: str) -> Store:
        return open_store(self._config.changed(ca=ca, **more))


class Containers:
    def __init__(self, server: Azurite) -> None:
        self._config = AzureStore(
            container="birdbox",
            account=server.account,
            account_key=Secret(server.account_key),
            endpoint=Url(server.endpoint),
        )

    def open(self) -> Store:
        return open_store(self._config)

    def missing(self) -> Store:
        return open_store(self._config.changed(container="no-such-container"))

    def wrong_key(self) -> Store:
        return open_store(self._config.changed(account_key=Secret("d3Jvbmcga2V5IGluZGVlZA==")))

    def at(self, port: int) -> Store:
        account = self._config.account
        return open_store(self._config.changed(endpoint=Url(f"http://127.0.0.1:{port}/{account}")))


ALL = ("memory", "folder", "s3", "azure")
REMOTE = ("s3", "azure")


@pytest.fixture
def place(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Memories | Folders | Buckets | Containers:
    if kind == "memory":
        return Memories()
    if kind == "folder":
        return Folders(tmp_path)
    if kind == "s3":
        return Buckets(request.getfixturevalue("s3_server"))
    return Containers(request.getfixturevalue("azurite"))


@pytest.fixture
def remote(kind: str, place: object) -> Buckets | Containers:
    assert isinstance(place, Buckets | Containers)
    return place


@pytest.fixture
def store(place: Memories | Folders | Buckets | Containers) -> Store:
    return place.open()


_numbers = itertools.count(1)


@pytest.fixture
def stem() -> str:
    """A key that no other test uses, without its suffix."""
    return f"cams/garden-pi/birdbox/2026/11/21/clip-{next(_numbers)}"


def sent(key: str, body: Path | bytes, **wrong: str) -> Upload:
    data = body if isinstance(body, bytes) else body.read_bytes()
    upload = Upload(
        body=body,
        key=key,
        size=len(data),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(data).hexdigest(),
        content_type="video/mp4",
        metadata={"camera": "birdbox"},
    )
    return dataclasses.replace(upload, **wrong)  # type: ignore[arg-type]  # texts only


def fetched(store: Store, key: str, folder: Path) -> bytes | None:
    file = folder / "fetched"
    return file.read_bytes() if store.get(key, file) else None


over_all = pytest.mark.parametrize("kind", ALL)
over_limited = pytest.mark.parametrize("kind", ["folder", *REMOTE])
over_remote = pytest.mark.parametrize("kind", REMOTE)


@over_all
@pytest.mark.parametrize("size", [0, 1000, BIG])
def test_what_was_put_comes_back_byte_for_byte(store: Store, stem: str, size: int, tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(content(size))
    stored = store.put(sent(f"{stem}.mp4", file), silent)
    assert (stored.key, stored.size) == (f"{stem}.mp4", size)
    there = store.stat(f"{stem}.mp4")
    assert there is not None
    assert there.size == size
    assert hashlib.md5(content(size), usedforsecurity=False).hexdigest() == there.md5
    assert fetched(store, f"{stem}.mp4", tmp_path) == content(size)
    assert not list(tmp_path.glob("*.part"))


@over_all
def test_what_is_not_there_is_none(store: Store, stem: str, tmp_path: Path) -> None:
    assert store.stat(f"{stem}.mp4") is None
    assert store.get(f"{stem}.mp4", tmp_path / "file") is None
    assert not list(tmp_path.glob("file*"))
    store.delete(f"{stem}.mp4")


@over_all
def test_a_listing_holds_what_begins_with_the_prefix_in_order_and_a_deleted_object_is_gone(
    store: Store, stem: str
) -> None:
    for name in ("b.mp4", "a.mp4", "a.json"):
        store.put(sent(f"{stem}/{name}", name.encode()), silent)
    store.put(sent(f"{stem}0.mp4", b"another"), silent)
    assert [(found.key, found.size) for found in store.list(f"{stem}/")] == [
        (f"{stem}/a.json", 6),
        (f"{stem}/a.mp4", 5),
        (f"{stem}/b.mp4", 5),
    ]
    store.delete(f"{stem}/a.mp4")
    assert [found.key for found in store.list(f"{stem}/a")] == [f"{stem}/a.json"]
    assert list(store.list(f"{stem}/nothing/here")) == []


@over_all
def test_our_own_disk_is_not_blamed_on_the_store(store: Store, stem: str, tmp_path: Path) -> None:
    store.put(sent(f"{stem}.mp4", b"a short clip"), silent)
    with pytest.raises(FileNotFoundError):
        store.get(f"{stem}.mp4", tmp_path / "no such folder" / "clip.mp4")


@over_all
def test_what_is_not_to_be_sent_any_more_is_abandoned(store: Store, tmp_path: Path) -> None:
    journal = tmp_path / "clip.mp4.parts"
    journal.write_bytes(b"whatever an older release wrote")
    for _ in range(2):
        store.abandon(journal)
        assert not journal.exists()


def test_what_a_crash_left_in_the_folder_is_not_listed_and_taken_again(stem: str, tmp_path: Path) -> None:
    store = Folders(tmp_path).open()

    seen = list[str]()

    def watch(count: int) -> None:
        seen[:] = [path.name for path in (tmp_path / "nas").rglob("*.part")]

    store.put(sent(f"{stem}.mp4", content(3 << 20)), watch)
    [part] = seen
    left = (tmp_path / "nas" / f"{stem}.mp4").with_name(part)
    left.write_bytes(b"half of it")
    assert [found.key for found in store.list(stem)] == [f"{stem}.mp4"]
    store.put(sent(f"{stem}.mp4", content(3 << 20)), silent)
    assert not left.exists()


@over_all
def test_a_second_put_replaces_the_first(store: Store, stem: str, tmp_path: Path) -> None:
    store.put(sent(f"{stem}.mp4", b"first"), silent)
    store.put(sent(f"{stem}.mp4", b"and second"), silent)
    assert fetched(store, f"{stem}.mp4", tmp_path) == b"and second"


@over_all
@pytest.mark.parametrize("size", [1000, BIG])
def test_bytes_that_are_not_the_hashed_ones_are_never_stored(store: Store, stem: str, size: int) -> None:
    wrong = hashlib.md5(b"other", usedforsecurity=False).hexdigest()
    with pytest.raises(Corrupt):
        store.put(sent(f"{stem}.mp4", content(size), md5=wrong), silent)
    assert store.stat(f"{stem}.mp4") is None


@over_all
def test_nothing_is_visible_before_it_is_whole_and_progress_is_told(
    place: Memories | Folders | Buckets | Containers, stem: str, tmp_path: Path
) -> None:
    store, watcher, key = place.open(), place.open(), f"{stem}.mp4"
    told, seen = list[int](), list[object]()

    def watch(count: int) -> None:
        if not told or count >= told[-1] + (2 << 20):
            seen.append(watcher.stat(key))
        told.append(count)

    store.put(sent(key, content(BIG)), watch)
    assert not any(seen)
    assert max(told) >= BIG
    assert fetched(watcher, key, tmp_path) == content(BIG)


class Slow:
    """A way out that lets bytes through at a rate, by a clock that only its own sleep moves."""

    def __init__(self, rate: float, plan: Mapping[str, float] | None = None) -> None:
        self.clock = FakeClock()
        self.left: list[tuple[float, int]] = []
        """When a piece left, and its bytes."""
        valve = Valve(self.clock, self.clock.tick)
        valve.turn(plan or {ELSE: rate})
        self.way = Upstream(BIG, valve, self._report)

    def _report(self, sent: int, left: int, whole: bool) -> None:
        if left:
            self.left.append((self.clock.monotonic() - FakeClock().monotonic(), left))

    @property
    def most_in_a_second(self) -> int:
        return max(sum(count for other, count in self.left if at <= other < at + 1) for at, _ in self.left)


@over_limited
@pytest.mark.parametrize(("size", "rate"), [(BIG, 1_000_000.0), (40_000, 1000.0)])
def test_bytes_leave_as_fast_as_they_may_and_no_faster(
    store: Store, stem: str, size: int, rate: float, tmp_path: Path
) -> None:
    slow = Slow(rate)
    store.put(sent(f"{stem}.mp4", content(size)), slow.way)
    assert size <= sum(count for _, count in slow.left) <= size + 1000  # Azure's list of blocks
    assert slow.clock.monotonic() - FakeClock().monotonic() == pytest.approx(size / rate, rel=0.02)
    assert slow.most_in_a_second <= 1.6 * rate + LEAST
    assert max(count for _, count in slow.left) <= max(rate / 4, LEAST)
    assert fetched(store, f"{stem}.mp4", tmp_path) == content(size)


@over_limited
def test_an_upload_ends_where_nothing_may_leave_any_more_and_nothing_is_visible(store: Store, stem: str) -> None:
    clock = FakeClock()
    now, soon = (datetime.fromtimestamp(clock.wall() + wait) for wait in (0, 120))
    slow = Slow(0, {f"{now:%H:%M}-{soon:%H:%M}": 10_000.0, ELSE: 0})
    with pytest.raises(Closed, match=r"the window of offload\.bandwidth opens at"):
        store.put(sent(f"{stem}.mp4", content(BIG)), slow.way)
    assert 900_000 < sum(count for _, count in slow.left) < 1_200_000  # of 100 s
    assert store.stat(f"{stem}.mp4") is None


@over_all
def test_links_are_readable_by_anybody_or_there_are_none(store: Store, stem: str, kind: str) -> None:
    store.put(sent(f"{stem}.mp4", b"a short clip"), silent)
    link = store.link(f"{stem}.mp4", 3600)
    if kind == "folder":
        assert link is None
    elif kind != "memory":
        assert link is not None
        with urllib.request.urlopen(link[0], timeout=10) as answer:  # noqa: S310  our own server
            assert answer.read() == b"a short clip"


@over_all
def test_a_store_says_where_it_is_without_a_secret(store: Store, kind: str) -> None:
    assert kind in store.describe()
    assert "key" not in store.describe()


# Delivery: media and manifest, first time or again (contract, section 6)


@over_all
def test_the_manifest_follows_the_media(store: Store, stem: str, tmp_path: Path) -> None:
    clip = parcel(stem, tmp_path / "clip.mp4", content(5000))
    delivered = deliver(store, clip, silent)
    assert (delivered.key, delivered.size, delivered.sent) == (f"{stem}.mp4", 5000, True)
    assert fetched(store, f"{stem}.mp4", tmp_path) == content(5000)
    assert fetched(store, f"{stem}.json", tmp_path) == clip.manifest.encode()


@over_all
@pytest.mark.parametrize("lost", ["nothing", "manifest"])
def test_delivering_twice_leaves_one_object_and_sends_the_media_once(
    store: Store, stem: str, lost: str, tmp_path: Path
) -> None:
    clip = parcel(stem, tmp_path / "clip.mp4", content(5000))
    deliver(store, clip, silent)
    if lost == "manifest":
        store.delete(f"{stem}.json")
    again = deliver(store, clip, silent)
    assert (again.key, again.sent, again.torn, again.conflicts) == (f"{stem}.mp4", False, False, 0)
    assert [found.key for found in store.list(stem)] == [f"{stem}.json", f"{stem}.mp4"]


def test_comparing_what_lies_in_a_folder_shows_signs_of_life(tmp_path: Path) -> None:
    """A slow NAS may take minutes to read it, and a silent worker is replaced."""
    store, clip = open_store(FolderStore(path=tmp_path / "nas")), parcel("k", tmp_path / "clip.mp4", content(BIG))
    deliver(store, clip, silent)
    told = list[int]()
    assert not deliver(store, clip, told.append).sent
    assert told == [0] * 18, "9 MiB here, and again there"


@over_all
def test_sealed_media_is_recognised_the_next_time(store: Store, stem: str, tmp_path: Path) -> None:
    """Also once the sealed file is lost here, and sealed anew it would be other bytes."""
    key, spool, clip = Key(), Spool(Layout(tmp_path)), save(tmp_path)
    sealed = spool.parcel(clip, node="n", prefix="", recipients=[key.recipient]).model_copy(update={"stem": stem})
    assert deliver(store, sealed, silent).sent
    for lost in (False, True):
        if lost:
            spool.release(clip.media)
        again = deliver(store, sealed, silent)
        assert (again.key, again.sent, again.torn, again.conflicts) == (f"{stem}.mp4.age", False, False, 0)
    found = fetched(store, f"{stem}.mp4.age", tmp_path)
    assert found is not None
    assert hashlib.sha256(key.opens(found)).hexdigest() == clip.sha256
    assert [there.key for there in store.list(stem)] == [f"{stem}.json", f"{stem}.mp4.age"]


@over_all
def test_the_picture_of_an_event_arrives_before_its_clip_and_leaves_that_its_manifest(
    store: Store, stem: str, tmp_path: Path
) -> None:
    clip = parcel(stem, tmp_path / "clip.mp4", content(5000))
    picture = parcel(stem, tmp_path / "clip.jpg", content(700)).model_copy(update={"manifest": ""})
    assert deliver(store, picture, silent).key == f"{stem}.jpg"
    assert fetched(store, f"{stem}.json", tmp_path) is None
    assert deliver(store, clip, silent).key == f"{stem}.mp4"
    again = deliver(store, picture, silent)
    assert (again.key, again.torn, again.conflicts) == (f"{stem}.jpg", False, 0)
    assert fetched(store, f"{stem}.json", tmp_path) == clip.manifest.encode()


@over_all
@pytest.mark.parametrize("manifest", [None, b"", b"{torn", b'{"sha256": 5}'])
def test_a_torn_upload_of_ours_is_replaced(store: Store, stem: str, manifest: bytes | None, tmp_path: Path) -> None:
    clip = parcel(stem, tmp_path / "clip.mp4", content(5000))
    store.put(sent(f"{stem}.mp4", content(3000)), silent)
    if manifest is not None:
        store.put(sent(f"{stem}.json", manifest), silent)
    delivered = deliver(store, clip, silent)
    assert (delivered.key, delivered.torn, delivered.conflicts) == (f"{stem}.mp4", True, 0)
    assert fetched(store, f"{stem}.mp4", tmp_path) == content(5000)
    assert fetched(store, f"{stem}.json", tmp_path) == clip.manifest.encode()


@over_all
def test_somebody_elses_finished_object_is_never_touched(store: Store, stem: str, tmp_path: Path) -> None:
    theirs = parcel(stem, tmp_path / "theirs.mp4", content(5000, seed=1))
    deliver(store, theirs, silent)
    ours = parcel(stem, tmp_path / "ours.mp4", content(5000, seed=2))
    for again in (False, True):
        delivered = deliver(store, ours, silent)
        assert (delivered.key, delivered.conflicts, delivered.sent) == (f"{stem}-2.mp4", 1, not again)
    third = parcel(stem, tmp_path / "third.mp4", content(5000, seed=3))
    assert deliver(store, third, silent).key == f"{stem}-3.mp4"
    assert fetched(store, f"{stem}.mp4", tmp_path) == content(5000, seed=1)
    assert fetched(store, f"{stem}.json", tmp_path) == theirs.manifest.encode()
    assert fetched(store, f"{stem}-2.mp4", tmp_path) == content(5000, seed=2)
    assert fetched(store, f"{stem}-2.json", tmp_path) == ours.manifest.encode()


@over_all
def test_a_file_that_rotted_on_the_card_is_not_uploaded(store: Store, stem: str, tmp_path: Path) -> None:
    clip = parcel(stem, tmp_path / "clip.mp4", content(5000))
    clip.file.write_bytes(content(5000, seed=9))
    with pytest.raises(Damaged, match=r"clip\.mp4 is not what was recorded"):
        deliver(store, clip, silent)
    clip.file.unlink()
    with pytest.raises(Gone):
        deliver(store, clip, silent)
    clip.file.mkdir()
    with pytest.raises(Damaged, match="cannot be read"):
        deliver(store, clip, silent)
    assert list(store.list(stem)) == []


def test_a_key_that_may_only_put_is_enough(stem: str, tmp_path: Path) -> None:
    store = Memory()
    store.put_only = Permanent("403")
    delivered = deliver(store, parcel(stem, tmp_path / "clip.mp4", content(5000)), silent)
    assert delivered.sent
    assert sorted(store.objects) == [f"{stem}.json", f"{stem}.mp4"]


def sas(azurite: Azurite, container: str, *, hours: float = 1, **may: bool) -> Secret:
    """A token for what it `may`, that ends in some hours, or has."""
    token = generate_container_sas(
        azurite.account,
        container,
        account_key=azurite.account_key,
        permission=ContainerSasPermissions(**may),
        expiry=datetime.now(UTC) + timedelta(hours=hours),
    )
    return Secret(token)


def test_a_sas_token_that_has_ended_says_so(azurite: Azurite, stem: str) -> None:
    token = sas(azurite, "birdbox", hours=-1, write=True)
    config = AzureStore(container="birdbox", endpoint=Url(azurite.endpoint), account="edgecam", sas_token=token)
    error = failure(open_store(config), stem)
    assert isinstance(error, BadCredentials)
    assert str(error).startswith("the SAS token ended on 20")
    assert "403" in str(error)
    assert "offload.store.sas_token" in (error.hint or "")


def test_a_sas_token_that_may_only_write_is_enough(azurite: Azurite, stem: str, tmp_path: Path) -> None:
    token = sas(azurite, "birdbox", write=True, create=True)
    config = AzureStore(container="birdbox", endpoint=Url(azurite.endpoint), account="edgecam", sas_token=token)
    store = open_store(config)
    with pytest.raises(Permanent):
        store.stat(f"{stem}.mp4")
    assert deliver(store, parcel(stem, tmp_path / "clip.mp4", content(BIG)), silent).sent
    assert store.link(f"{stem}.mp4", 60) is None
    whole = open_store(AzureStore(container="birdbox", connection_string=Secret(azurite.connection_string)))
    assert fetched(whole, f"{stem}.mp4", tmp_path) == content(BIG)
    assert whole.link(f"{stem}.mp4", 60) is not None


# What users get wrong, and what networks do


def failure(store: Store, stem: str) -> StoreError:
    with pytest.raises(StoreError) as caught:
        store.put(sent(f"{stem}.mp4", b"a short clip"), silent)
    return caught.value


@over_remote
def test_a_wrong_key_needs_a_person_and_says_what_to_check(remote: Buckets | Containers, stem: str) -> None:
    error = failure(remote.wrong_key(), stem)
    assert isinstance(error, Permanent)
    assert "403" in str(error)
    assert "check offload.store." in (error.hint or "")
    for secret in (WRONG, "wrong-secret", "d3Jvbmc", S3.secret_key, S3.access_key, Azurite.account_key):
        assert secret not in f"{error!r} {error.hint}"


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_missing_bucket_needs_a_person(place: Folders | Buckets, stem: str) -> None:
    error = failure(place.missing(), stem)
    assert isinstance(error, Permanent)
    assert error.hint


def test_a_missing_container_is_made_where_the_key_may(
    azurite: Azurite, stem: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(Containers(azurite).missing(), parcel(stem, tmp_path / "clip.mp4", content(BIG)), silent).sent
    assert "there was no container no-such-container: it is made now" in caplog.text


def test_a_missing_container_needs_a_person_where_the_key_may_not_make_it(azurite: Azurite, stem: str) -> None:
    token = sas(azurite, "never-made", write=True, create=True)
    config = AzureStore(container="never-made", endpoint=Url(azurite.endpoint), account="edgecam", sas_token=token)
    error = failure(open_store(config), stem)
    assert isinstance(error, BadSettings)
    assert "the container does not exist (404 ContainerNotFound)" in str(error)
    assert "edgecam test storage --create" in (error.hint or "")


def test_over_tls_only_a_certificate_that_is_trusted_will_do(tmp_path: Path, stem: str) -> None:
    with S3(tmp_path / "s3", tls=True) as server:
        server.bucket("birdbox")
        strange = Buckets(server)
        error = failure(strange.open(), stem)
        assert isinstance(error, Permanent)
        assert "the certificate of 127.0.0.1 is not to be trusted: self-signed certificate" in str(error)
        assert error.hint == "check offload.store.ca"
        store = strange.trusting(server.certificate)
        assert deliver(store, parcel(stem, tmp_path / "clip.mp4", content(5000)), silent).sent
        wrong = hashlib.md5(b"other", usedforsecurity=False).hexdigest()
        with pytest.raises(Corrupt):
            store.put(sent(f"{stem}-3.mp4", b"some bytes", md5=wrong), silent)
        assert fetched(store, f"{stem}.mp4", tmp_path) == content(5000)
        store = strange.trusting(server.certificate, checksums="sdk")  # no aws-chunked, which this server refuses
        assert deliver(store, parcel(f"{stem}-4", tmp_path / "clip.mp4", content(5000)), silent).sent


@over_remote
def test_a_store_that_is_down_is_only_a_matter_of_time(remote: Buckets | Containers, stem: str) -> None:
    error = failure(remote.at(free_port()), stem)
    assert isinstance(error, Transient)
    assert "127.0.0.1 cannot be reached: Connection refused" in str(error)


@over_remote
@pytest.mark.parametrize(("fault", "verdict"), [(Fault(flip=500_000), Corrupt), (Fault(cut=500_000), Transient)])
@pytest.mark.parametrize("size", [1 << 20, BIG])
def test_a_spoilt_upload_is_noticed_and_never_visible(
    remote: Buckets | Containers,
    stem: str,
    size: int,
    fault: Fault,
    verdict: type[StoreError],
    request: pytest.FixtureRequest,
) -> None:
    server = request.getfixturevalue("s3_server" if isinstance(remote, Buckets) else "azurite")
    with Proxy(server.port) as proxy:
        proxy.suffer(Strike(fault))
        with pytest.raises(verdict):
            remote.at(proxy.port).put(sent(f"{stem}.mp4", content(size)), silent)
    assert remote.open().stat(f"{stem}.mp4") is None
