"""What is fetched is whole or not there, and nothing goes from the store that is not here."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecam.media import MediaId, MediaKind, Picture, Sidecar
from edgecam.offload.back.fetch import Outcome, State, delete, fetch
from edgecam.offload.back.listing import Prefixes, Wanted, select
from edgecam.offload.stores import Transient
from edgecam.offload.stores.memory import Memory
from waiting import NOON, content, save

PICTURE = content(300, seed=5)


@pytest.fixture
def store(tmp_path: Path) -> Memory:
    """One event with its picture."""
    store = Memory()
    sidecar = save(tmp_path / "box")
    sha256, md5 = hashlib.sha256(PICTURE).hexdigest(), hashlib.md5(PICTURE, usedforsecurity=False).hexdigest()
    picture = Picture(time=NOON, width=64, height=48, size=len(PICTURE), sha256=sha256, md5=md5)
    put(store, sidecar.model_copy(update={"picture": picture}), content(1000, seed=int(NOON)))
    store.objects[key(store, ".jpg")] = PICTURE
    return store


def put(store: Memory, sidecar: Sidecar, media: bytes) -> None:
    stem = sidecar.media.key("", "garden")
    store.objects[stem + sidecar.media.suffix] = media
    store.objects[f"{stem}.json"] = sidecar.dump()


def key(store: Memory, suffix: str) -> str:
    return next(iter(store.objects)).rpartition(".")[0] + suffix


def run(store: Memory, folder: Path, begin: float = 0.0) -> Outcome | None:
    """Fetch the only thing that there is."""
    folder.mkdir(exist_ok=True)
    (thing,) = select(store.list(""), Prefixes(""), Wanted()).things
    return fetch(store, thing, folder, begin)


def fetched(store: Memory, folder: Path) -> Outcome:
    outcome = run(store, folder)
    assert outcome is not None
    return outcome


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_clip_its_picture_and_its_manifest_lie_as_on_the_box(store: Memory, tmp_path: Path) -> None:
    outcome = fetched(store, tmp_path / "out")
    id = outcome.thing.id
    assert outcome.state is State.FETCHED
    assert files(tmp_path / "out") == {
        f"birdbox/{id.day}/{id}{suffix}": store.objects[key(store, suffix)] for suffix in (".mp4", ".jpg", ".json")
    }


def test_what_is_here_and_whole_is_not_fetched_again(store: Memory, tmp_path: Path) -> None:
    fetched(store, tmp_path / "out")
    store.faults.extend([None, Transient("asked for something that is here")])  # the first call lists
    assert fetched(store, tmp_path / "out").state is State.ALREADY


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: bytes([data[0] ^ 1]) + data[1:]])
def test_what_is_here_and_damaged_is_fetched_again(
    store: Memory, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    file = fetched(store, tmp_path / "out").file
    assert file is not None
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert fetched(store, tmp_path / "out").state is State.FETCHED
    assert file.read_bytes() == whole


@pytest.mark.parametrize("suffix", [".mp4", ".jpg"])
def test_what_is_not_what_its_manifest_says_is_told_and_does_not_appear(
    store: Memory, tmp_path: Path, suffix: str
) -> None:
    store.objects[key(store, suffix)] = content(len(store.objects[key(store, suffix)]), seed=99)
    outcome = fetched(store, tmp_path / "out")
    assert (outcome.state, outcome.verified) == (State.BAD, ())
    assert f"{suffix} is not what its manifest says" in str(outcome.reason)
    assert not [name for name in files(tmp_path / "out") if name.endswith((suffix, ".json", ".new"))]


@pytest.mark.parametrize("suffix", [".mp4", ".jpg"])
def test_a_manifest_whose_media_is_not_there_is_told_as_missing(store: Memory, tmp_path: Path, suffix: str) -> None:
    del store.objects[key(store, suffix)]
    outcome = fetched(store, tmp_path / "out")
    assert (outcome.state, outcome.verified) == (State.MISSING, ())
    assert f"{suffix} is not in the store" in str(outcome.reason)


@pytest.mark.parametrize("suffix", [".mp4", ".json"])
def test_what_goes_while_it_is_fetched_is_told_as_missing(store: Memory, tmp_path: Path, suffix: str) -> None:
    (thing,) = select(store.list(""), Prefixes(""), Wanted()).things
    del store.objects[key(store, suffix)]
    outcome = fetch(store, thing, tmp_path, 0.0)
    assert outcome is not None
    assert (outcome.state, outcome.verified) == (State.MISSING, ())


def test_a_manifest_that_was_changed_here_does_not_count(store: Memory, tmp_path: Path) -> None:
    outcome = fetched(store, tmp_path / "out")
    assert outcome.file is not None
    manifest = outcome.file.with_suffix(".json")
    manifest.write_text("{}")
    assert fetched(store, tmp_path / "out").state is State.ALREADY
    assert manifest.read_bytes() == store.objects[key(store, ".json")]


@pytest.mark.parametrize("manifest", [b"", b"{", b'{"id": "x"}', None])
def test_a_manifest_that_makes_no_sense_or_is_anothers_is_told_as_bad(
    store: Memory, tmp_path: Path, manifest: bytes | None
) -> None:
    other = MediaId.new(NOON, "birdbox", MediaKind.EVENT).text
    ours = store.objects[key(store, ".json")]
    own = key(store, ".json").rpartition("/")[2].removesuffix(".json")
    store.objects[key(store, ".json")] = ours.replace(own.encode(), other.encode()) if manifest is None else manifest
    assert fetched(store, tmp_path / "out").state is State.BAD
    assert files(tmp_path / "out") == {}


@pytest.mark.parametrize(("begin", "wanted"), [(NOON + 9, True), (NOON + 10, False)])
def test_what_reaches_into_the_time_is_wanted(store: Memory, tmp_path: Path, begin: float, wanted: bool) -> None:
    assert (run(store, tmp_path / "out", begin) is not None) is wanted


def test_after_a_crash_amid_deleting_the_next_run_finds_and_deletes_the_rest(store: Memory, tmp_path: Path) -> None:
    objects = dict(store.objects)
    for calls in range(3):
        store.objects = dict(objects)
        outcome = fetched(store, tmp_path / "out")
        store.faults.extend([None] * calls + [Transient("the power is gone")])
        with pytest.raises(Transient):
            delete(store, outcome)
        assert len(store.objects) == 3 - calls
        again = fetched(store, tmp_path / "out")
        assert again.state is State.ALREADY
        delete(store, again)
        assert store.objects == {}


def test_a_still_of_a_timelapse_is_fetched_as_a_picture(tmp_path: Path) -> None:
    store = Memory()
    sidecar = save(tmp_path / "box", kind=MediaKind.TIMELAPSE).model_copy(update={"codec": "jpeg"})
    put(store, sidecar, content(1000, seed=int(NOON)))
    outcome = fetched(store, tmp_path / "out")
    assert outcome.file is not None
    assert (outcome.state, outcome.file.suffix) == (State.FETCHED, ".jpg")
