"""What is told of media is made anew from the media: the same key, the same hashes, and nothing twice."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from clips import jpegs, opened
from edgecam.control import Mended
from edgecam.media import MediaId, MediaKind, Receipt, Sidecar
from edgecam.offload.waiting.inspect import Piece, pieces
from edgecam.offload.waiting.spool import Spool
from edgecam.record.disk.library import Library
from edgecam.record.disk.mender import NOTE, Mender
from lost import CASES, event, spoil

RECEIPT = Receipt(store="s3", key="k.mp4", size=1, at=1.79e9)
SAME = ("id", "camera", "kind", "start", "codec", "width", "height", "size", "sha256", "md5", "duration")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with opened(tmp_path, wanted=lambda _: True) as library:
        yield library


@pytest.fixture
def mender(library: Library) -> Mender:
    return Mender(library, lambda _: True)


def waiting(library: Library) -> dict[str, Sidecar]:
    """All that waits and what is told of it, as the uploader sees it."""
    spool = Spool(library.layout)
    return {thing.id.name: spool.sidecar(thing.id) for thing in spool.census().new}


def alike(one: Sidecar, other: Sidecar) -> bool:
    """The store can see no difference."""
    return one.model_dump(include=set(SAME)) == other.model_dump(include=set(SAME))


@pytest.mark.parametrize(("thing", "fate"), CASES)
def test_what_was_lost_of_an_event_is_there_again_and_it_waits(
    library: Library, mender: Mender, thing: str, fate: str
) -> None:
    clip, picture = event(library)
    spoil(library.layout.root, clip, thing, fate)
    mender.mend(clip.media)
    mender.mend(picture.media)
    found = waiting(library)
    assert found.keys() == {clip.id, f"{clip.id}.jpg"}
    assert alike(found[clip.id], clip)
    assert alike(found[f"{clip.id}.jpg"], picture)
    told = found[clip.id].picture
    assert told is not None
    assert told.sha256 == picture.sha256
    assert mender.mend(clip.media) == mender.mend(picture.media) == Mended(), "a second time finds nothing to do"


def test_a_sidecar_made_anew_says_so_and_keeps_what_the_picture_knows(library: Library, mender: Mender) -> None:
    clip, _ = event(library)
    library.layout.sidecar(clip.media).unlink()
    assert mender.mend(clip.media) == Mended("its sidecar is made anew from the media")
    anew = library.sidecar(clip.media)
    assert anew is not None
    assert (anew.note, anew.cause, anew.event_id, anew.picture) == (NOTE, "unknown", clip.event_id, clip.picture)


def test_of_all_that_was_lost_of_an_event_nothing_stays_lost(library: Library, mender: Mender) -> None:
    clip, picture = event(library)
    for path in (*library.layout.wait.iterdir(), library.layout.sidecar(clip.media)):
        path.unlink()
    done = mender.mend(clip.media).done
    again = "it waits for the store again"
    assert done == f"its sidecar is made anew from the media; {again}; its picture: {again}"
    found = waiting(library)
    assert alike(found[clip.id], clip)
    assert found[f"{clip.id}.jpg"].sha256 == picture.sha256  # when it was taken nobody knows any more


def test_what_the_store_has_does_not_wait_again(library: Library, mender: Mender) -> None:
    clip, picture = event(library)
    spool = Spool(library.layout)
    spool.done(picture, RECEIPT)
    spool.done(clip, RECEIPT)
    assert mender.mend(clip.media) == mender.mend(picture.media) == Mended()
    assert not waiting(library)


def test_what_was_recorded_before_there_was_a_store_does_not_wait_for_it(tmp_path: Path) -> None:
    """Who adds a store to a box of some years does not ask for years of uploads."""
    with opened(tmp_path, wanted=lambda _: False) as library:
        clip, picture = event(library)
        mender = Mender(library, lambda _: True)
        assert mender.mend(clip.media) == mender.mend(picture.media) == Mended()
        assert not any(isinstance(one, Piece) and one.unmarked for one in pieces(library.layout, lambda _: True))
        assert not waiting(library)
        library.layout.sidecar(clip.media).unlink()
        assert mender.mend(clip.media).done, "nobody knows of this one"


def test_what_no_store_wants_gets_its_sidecar_and_no_marker(library: Library) -> None:
    clip, picture = event(library)
    for path in (*library.layout.wait.iterdir(), library.layout.sidecar(clip.media)):
        path.unlink()
    mender = Mender(library, lambda _: False)
    assert mender.mend(clip.media).done == "its sidecar is made anew from the media"
    assert mender.mend(picture.media) == Mended()
    assert not waiting(library)


def test_the_sidecar_of_another_thing_counts_as_lost(library: Library, mender: Mender) -> None:
    (clip, _), (other, _) = event(library), event(library, 1)
    library.layout.sidecar(clip.media).write_bytes(other.dump())
    mender.mend(clip.media)
    assert alike(waiting(library)[clip.id], clip)


@pytest.mark.parametrize("kind", [MediaKind.SNAPSHOT, MediaKind.TIMELAPSE])
def test_a_picture_with_a_sidecar_of_its_own_is_mended_like_a_clip(
    library: Library, mender: Mender, kind: MediaKind
) -> None:
    saved = library.save_picture(jpegs(1)[0], "manual", kind)
    library.layout.sidecar(saved.media).write_bytes(b"")
    library.layout.marker(saved.media).unlink()
    mender.mend(saved.media)
    assert alike(waiting(library)[saved.media.name], saved)


def test_media_that_cannot_be_played_is_left_as_it_is_and_told(library: Library, mender: Mender) -> None:
    clip, _ = event(library)
    media = library.layout.media(clip.media)
    media.write_bytes(b"not a film")
    library.layout.sidecar(clip.media).unlink()
    assert mender.mend(clip.media) == Mended(None, "it is not a video of ours, so nothing can be made anew from it")
    assert media.read_bytes() == b"not a film"
    assert not library.layout.sidecar(clip.media).exists()


def test_a_marker_without_media_is_dropped(library: Library, mender: Mender) -> None:
    clip, _ = event(library)
    library.layout.media(clip.media).unlink()
    assert mender.mend(clip.media) == Mended("its marker is dropped")
    assert not library.layout.marker(clip.media).exists()
    assert mender.mend(clip.media) == Mended()


def test_what_is_just_being_written_is_left_alone(library: Library, mender: Mender) -> None:
    clip, _ = event(library)
    library.layout.sidecar(clip.media).unlink()
    library.busy.add(clip.id)
    assert mender.mend(clip.media) == Mended()
    assert not library.layout.sidecar(clip.media).exists()


def test_the_picture_of_a_clip_that_is_just_being_coded_is_mended(library: Library, mender: Mender) -> None:
    clip, picture = event(library)
    for path in (
        library.layout.sidecar(clip.media),
        library.layout.media(clip.media),
        library.layout.marker(clip.media),
    ):
        path.unlink()
    library.busy.add(clip.id)
    library.layout.marker(picture.media).write_bytes(b"")
    assert mender.mend(picture.media) == Mended("its marker is made anew")
    assert waiting(library)[picture.media.name].sha256 == picture.sha256


def test_a_storage_that_is_away_is_not_written_to(library: Library, mender: Mender) -> None:
    clip, _ = event(library)
    library.layout.lock.unlink()
    with pytest.raises(OSError, match="is gone"):
        mender.mend(clip.media)


# -- what was set aside ------------------------------------------------------------------------------------------------


def test_what_the_store_refused_comes_back_as_it_was(library: Library, mender: Mender) -> None:
    clip, picture = event(library)
    before = waiting(library)
    for facts in (picture, clip):
        Spool(library.layout).bad(facts.media, "the store refused it 3 times")
    assert not waiting(library)
    for name in (f"{clip.id}.jpg", f"{clip.id}.mp4"):
        assert mender.bring_back(name).done == "it is back in its place and waits for the store"
    assert waiting(library) == before
    assert not list(library.layout.bad.iterdir())
    assert library.layout.folder(clip.media) in library.touched, "the keeper has to count it"


def test_what_has_lost_its_sidecar_comes_back_with_a_new_one(library: Library, mender: Mender) -> None:
    clip, _ = event(library)
    library.layout.sidecar(clip.media).write_bytes(b"{")
    Spool(library.layout).bad(clip.media, "the sidecar is unreadable")
    assert mender.bring_back(f"{clip.id}.mp4").done
    assert alike(waiting(library)[clip.id], clip)


def test_what_rotted_stays(library: Library, mender: Mender) -> None:
    clip, _ = event(library)
    media = library.layout.media(clip.media)
    data = bytearray(media.read_bytes())
    data[-1] ^= 1
    media.write_bytes(data)
    Spool(library.layout).bad(clip.media, "its hash differs")
    assert mender.bring_back(f"{clip.id}.mp4") == Mended(None, "it is not what was recorded: its hash differs")
    kept = library.layout.bad / f"{clip.id}.mp4"
    assert hashlib.sha256(kept.read_bytes()).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("holiday.mp4", "its name is not one of ours"),
        ("../../etc/passwd.mp4", "its name is not one of ours"),
        ("20260921T141320000Z-cam-event-aaaaaa.part.mp4", "it was never finished"),
        ("20260921T141320000Z-cam-event-aaaaaa.mp4", None),
    ],
)
def test_what_is_not_ours_or_not_there_is_not_touched(mender: Mender, name: str, why: str | None) -> None:
    assert mender.bring_back(name) == Mended(None, why)


def test_nothing_in_the_library_is_ever_written_over(library: Library, mender: Mender) -> None:
    clip, _ = event(library)
    (library.layout.bad / f"{clip.id}.mp4").write_bytes(b"another")
    assert mender.bring_back(f"{clip.id}.mp4").left == "the library has another file of that name"
    assert library.layout.media(clip.media).stat().st_size == clip.size


def test_what_cannot_be_played_and_lost_its_sidecar_stays(library: Library, mender: Mender) -> None:
    id = MediaId.new(1.79e9, "cam", MediaKind.EVENT)
    (library.layout.bad / f"{id}.mp4").write_bytes(b"not a film")
    assert mender.bring_back(f"{id}.mp4") == Mended(None, "it is not a video of ours")
