"""What was sealed before it left is fetched as what was recorded, with the right key and not without."""

import hashlib
from pathlib import Path

import pytest

from edgecam.media import Layout, Picture
from edgecam.offload.back.fetch import Outcome, State, delete, fetch
from edgecam.offload.back.listing import Prefixes, Thing, Wanted, select
from edgecam.offload.deliver import deliver
from edgecam.offload.sealing import age
from edgecam.offload.sealing.age import Identities
from edgecam.offload.stores import Stored, Transient
from edgecam.offload.stores.memory import Memory
from edgecam.offload.waiting.spool import Spool
from sealing import Key
from waiting import NOON, content, save

MEDIA, PICTURE = content(1000, seed=int(NOON)), content(300, seed=5)
KEY, OTHER = Key(), Key()


def keys(folder: Path, *pairs: Key) -> Identities:
    file = folder / "identity"
    file.write_text("# mine\n" + "\n".join(key.identity for key in pairs) + "\n")
    return age.identities(file)


@pytest.fixture
def ours(tmp_path: Path) -> Identities:
    return keys(tmp_path, OTHER, KEY)


class Shop(Memory):
    """Counts what is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[str] = []

    def get(self, key: str, file: Path) -> Stored | None:
        self.got.append(key.rpartition("/")[2].partition(".")[2])
        return super().get(key, file)

    @property
    def thing(self) -> Thing:
        (thing,) = select(self.list(""), Prefixes(""), Wanted()).things
        return thing


@pytest.fixture
def store(tmp_path: Path) -> Shop:
    """One event with its picture, sealed."""
    store, spool, root = Shop(), Spool(Layout(tmp_path / "box")), tmp_path / "box"
    sha256, md5 = hashlib.sha256(PICTURE).hexdigest(), hashlib.md5(PICTURE, usedforsecurity=False).hexdigest()
    known = {"size": len(PICTURE), "sha256": sha256, "md5": md5}
    clip = save(root).model_copy(update={"picture": Picture(time=NOON, width=64, height=48, **known)})
    Layout(root).media(clip.media.picture).write_bytes(PICTURE)
    for facts in (clip.model_copy(update={"codec": "jpeg", **known}), clip):
        parcel = spool.parcel(facts, node="garden", prefix="", recipients=[KEY.recipient])
        deliver(store, parcel, lambda _: None)
    store.got.clear()
    return store


def fetched(store: Shop, folder: Path, identities: Identities | None) -> Outcome:
    folder.mkdir(exist_ok=True)
    outcome = fetch(store, store.thing, folder, 0.0, identities)
    assert outcome is not None
    return outcome


def files(folder: Path) -> dict[str, bytes]:
    """What lies there, by the ends of the names."""
    return {path.name.partition(".")[2]: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_clip_and_its_picture_lie_there_as_they_were_recorded(store: Shop, tmp_path: Path, ours: Identities) -> None:
    outcome = fetched(store, tmp_path / "out", ours)
    assert outcome.state is State.FETCHED
    manifest = store.objects[f"{store.thing.stem}.json"]
    assert files(tmp_path / "out") == {"mp4": MEDIA, "jpg": PICTURE, "json": manifest}
    delete(store, outcome)
    assert store.objects == {}


def test_what_is_here_is_neither_fetched_again_nor_needs_a_key(store: Shop, tmp_path: Path, ours: Identities) -> None:
    fetched(store, tmp_path / "out", ours)
    store.got.clear()
    assert fetched(store, tmp_path / "out", None).state is State.ALREADY
    assert store.got == []


def test_without_a_key_nothing_is_fetched_but_the_manifest(store: Shop, tmp_path: Path) -> None:
    outcome = fetched(store, tmp_path / "out", None)
    assert (outcome.state, outcome.verified, store.got) == (State.SEALED, (), ["json"])
    assert "mp4 is sealed with age" in str(outcome.reason)
    assert files(tmp_path / "out") == {}


def test_with_a_wrong_key_nothing_appears(store: Shop, tmp_path: Path) -> None:
    outcome = fetched(store, tmp_path / "out", keys(tmp_path, OTHER))
    assert (outcome.state, outcome.verified) == (State.SEALED, ())
    assert "no key in the identity file opens it" in str(outcome.reason)
    assert files(tmp_path / "out") == {}


@pytest.mark.parametrize("suffix", [".mp4.age", ".jpg.age"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "another's"])
def test_what_was_damaged_or_exchanged_in_the_store_does_not_appear(
    store: Shop, tmp_path: Path, ours: Identities, suffix: str, damage: str
) -> None:
    key = store.thing.stem + suffix
    whole = store.objects[key]
    store.objects[key] = {
        "flipped": whole[:-1] + bytes([whole[-1] ^ 1]),
        "cut": whole[:-1],
        "another's": store.objects[store.thing.stem + {".mp4.age": ".jpg.age", ".jpg.age": ".mp4.age"}[suffix]],
    }[damage]
    outcome = fetched(store, tmp_path / "out", ours)
    assert (outcome.state, outcome.verified, store.got.count(suffix[1:])) == (State.BAD, (), 2)
    assert not [name for name in files(tmp_path / "out") if name.startswith(suffix[1:4]) or name == "json"]


def test_a_sealed_object_that_is_gone_is_missing(store: Shop, tmp_path: Path, ours: Identities) -> None:
    thing = store.thing
    del store.objects[f"{thing.stem}.mp4.age"]
    for known in (thing, store.thing):  # it goes meanwhile; it was not even listed
        outcome = fetch(store, known, tmp_path, 0.0, ours)
        assert outcome is not None
        assert outcome.state is State.MISSING


def test_what_was_downloaded_and_not_opened_is_not_downloaded_again(
    store: Shop, tmp_path: Path, ours: Identities
) -> None:
    """As after a power cut."""
    id = store.thing.id
    place = tmp_path / "out" / "birdbox" / id.day
    place.mkdir(parents=True)
    (place / f"{id}.mp4.age.new").write_bytes(store.objects[f"{store.thing.stem}.mp4.age"])
    assert fetched(store, tmp_path / "out", ours).state is State.FETCHED
    assert store.got == ["json", "jpg.age"]
    assert set(files(tmp_path / "out")) == {"mp4", "jpg", "json"}


def test_a_plain_picture_beside_a_sealed_clip_needs_no_key(store: Shop, tmp_path: Path, ours: Identities) -> None:
    """Encryption was switched on between the two."""
    stem = store.thing.stem
    del store.objects[f"{stem}.jpg.age"]
    store.objects[f"{stem}.jpg"] = PICTURE
    outcome = fetched(store, tmp_path / "out", ours)
    assert outcome.state is State.FETCHED
    delete(store, outcome)
    assert store.objects == {}


def test_what_an_earlier_setting_left_beside_it_goes_with_it(store: Shop, tmp_path: Path, ours: Identities) -> None:
    store.objects[f"{store.thing.stem}.mp4"] = MEDIA[:500]
    outcome = fetched(store, tmp_path / "out", ours)
    assert outcome.state is State.FETCHED
    store.faults.extend([None, None, None, Transient("the power is gone")])
    with pytest.raises(Transient):
        delete(store, outcome)
    assert f"{store.thing.stem}.json" in store.objects, "the manifest goes last"
    delete(store, outcome)
    assert store.objects == {}


def test_of_sealed_films_too_only_the_last_before_the_time_are_asked_for(store: Shop) -> None:
    stem = store.thing.stem
    stills = [stem[:-1] + sign for sign in "abcdefgh"]
    objects = [Stored(still + end, 1) for still in stills for end in (".mp4.age", ".json")]
    objects += [Stored(stem[:-1] + "z" + end, 1) for end in (".jpg.age", ".json")]
    found = select(objects, Prefixes(""), Wanted(begin=NOON + 5)).things
    assert sum(".mp4.age" in thing.objects for thing in found) == 3
    assert sum(".jpg.age" in thing.objects for thing in found) == 1


def test_sealed_media_without_a_manifest_is_unfinished(store: Shop) -> None:
    stem = store.thing.stem
    del store.objects[f"{stem}.json"]
    assert select(store.list(""), Prefixes(""), Wanted()).unfinished == (f"{stem}.jpg.age", f"{stem}.mp4.age")
