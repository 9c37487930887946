"""The spool: markers are the truth, the receipt comes before the marker goes, nothing is ever deleted."""

from pathlib import Path

import pytest

from edgecam.media import Layout, MediaId, MediaKind, Receipt, Sidecar
from edgecam.offload.deliver import Damaged, Gone
from edgecam.offload.waiting.spool import Spool
from waiting import NOON, content, save

RECEIPT = Receipt(store="folder /nas", key="k.mp4", size=1000, at=NOON)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def spool(layout: Layout) -> Spool:
    return Spool(layout)


def test_an_empty_box_has_nothing_waiting(spool: Spool) -> None:
    census = spool.census()
    assert (census.ids, census.new, census.bad) == (frozenset(), (), 0)


def test_only_what_is_complete_and_not_yet_known_is_new(spool: Spool, layout: Layout, tmp_path: Path) -> None:
    known, new, unfinished = (save(tmp_path, start=NOON + hour * 3600, size=hour + 1) for hour in range(3))
    layout.media(MediaId.parse(unfinished.id)).unlink()
    (layout.wait / "somebody's notes").touch()
    census = spool.census({known.id})
    assert census.ids == {known.id, new.id, unfinished.id}
    assert [(thing.id.text, thing.size) for thing in census.new] == [(new.id, 2)]
    assert layout.marker(MediaId.parse(unfinished.id)).exists()


def test_a_parcel_knows_all_that_the_store_shall_know(spool: Spool, layout: Layout, tmp_path: Path) -> None:
    clip = save(tmp_path)
    stored = clip.model_copy(update={"receipt": RECEIPT})
    parcel = spool.parcel(stored, node="garden-pi", prefix="cams/")
    assert parcel.stem == f"cams/garden-pi/birdbox/2026/09/21/{clip.id}"
    assert parcel.file.read_bytes() == content(1000, int(NOON))
    assert (parcel.size, parcel.md5, parcel.sha256) == (1000, clip.md5, clip.sha256)
    assert parcel.content_type == "video/mp4"
    assert parcel.metadata["camera"] == "birdbox"
    assert parcel.metadata["start"] == "2026-09-21T14:13:20.000Z"
    assert parcel.metadata["sha256"] == clip.sha256
    assert all(value.isascii() for value in parcel.metadata.values())
    assert Sidecar.model_validate_json(parcel.manifest) == clip
    picture = save(tmp_path, kind=MediaKind.SNAPSHOT)
    assert spool.parcel(picture, node="n", prefix="").content_type == "image/jpeg"


def test_what_is_stored_keeps_its_receipt_and_waits_no_more(spool: Spool, layout: Layout, tmp_path: Path) -> None:
    clip = save(tmp_path)
    id = MediaId.parse(clip.id)
    assert spool.sidecar(id) == clip
    stored = spool.done(clip, RECEIPT)
    assert stored.receipt == RECEIPT
    assert spool.sidecar(id) == stored
    assert not layout.marker(id).exists()
    assert layout.media(id).exists()


def test_what_was_dropped_meanwhile_stays_dropped(spool: Spool, layout: Layout, tmp_path: Path) -> None:
    clip = save(tmp_path)
    id = MediaId.parse(clip.id)
    layout.media(id).unlink()
    layout.sidecar(id).unlink()
    layout.marker(id).unlink()
    spool.done(clip, RECEIPT)
    assert not layout.sidecar(id).exists()
    with pytest.raises(Gone):
        spool.sidecar(id)


def test_a_bad_clip_is_set_aside_with_the_reason(spool: Spool, layout: Layout, tmp_path: Path) -> None:
    clip = save(tmp_path)
    id = MediaId.parse(clip.id)
    for _ in range(2):  # after a crash it is done once more
        spool.bad(id, "its hash differs")
    assert (layout.bad / f"{clip.id}.mp4").read_bytes() == content(1000, int(NOON))
    noted = Sidecar.model_validate_json((layout.bad / f"{clip.id}.json").read_bytes())
    assert noted == clip.model_copy(update={"note": "its hash differs"})
    assert not layout.media(id).exists()
    assert not layout.sidecar(id).exists()
    census = spool.census()
    assert (census.ids, census.bad) == (frozenset(), 1)


@pytest.mark.parametrize("sidecar", [b"", b"{", b'{"id": 5}', None])
def test_a_clip_without_a_readable_sidecar_is_set_aside_too(
    spool: Spool, layout: Layout, tmp_path: Path, sidecar: bytes | None
) -> None:
    clip = save(tmp_path)
    id = MediaId.parse(clip.id)
    layout.sidecar(id).unlink()
    if sidecar is not None:
        layout.sidecar(id).write_bytes(sidecar)
    with pytest.raises(Damaged, match=r"its hash is not known"):
        spool.sidecar(id)
    spool.bad(id, "its sidecar is unreadable")
    assert (layout.bad / f"{clip.id}.mp4").exists()
    assert (layout.bad / f"{clip.id}.json").exists() == (sidecar is not None)
    assert spool.census().ids == frozenset()


def picture(folder: Path, layout: Layout) -> Sidecar:
    """An event's picture that waits before its clip is finished."""
    clip = save(folder)
    facts = clip.model_copy(update={"codec": "jpeg", "size": 4})
    layout.media(facts.media).write_bytes(b"jpeg")
    layout.marker(facts.media).write_bytes(facts.dump())
    layout.media(clip.media).unlink()
    return facts


def test_an_events_picture_travels_alone_and_its_marker_tells_what_it_is(
    spool: Spool, layout: Layout, tmp_path: Path
) -> None:
    facts = picture(tmp_path, layout)
    (waiting,) = spool.census().new
    assert (waiting.id.name, waiting.size) == (f"{facts.id}.jpg", 4)
    assert spool.sidecar(waiting.id) == facts
    parcel = spool.parcel(facts, node="n", prefix="")
    assert (parcel.file.suffix, parcel.manifest, parcel.content_type) == (".jpg", "", "image/jpeg")
    clip = layout.sidecar(MediaId.parse(facts.id)).read_bytes()
    spool.done(facts, RECEIPT)
    assert not layout.marker(facts.media).exists()
    assert layout.media(facts.media).exists()
    assert layout.sidecar(MediaId.parse(facts.id)).read_bytes() == clip, "the clip's own is not touched"
    assert layout.marker(MediaId.parse(facts.id)).exists()


def test_a_damaged_picture_is_set_aside_without_its_clip(spool: Spool, layout: Layout, tmp_path: Path) -> None:
    facts = picture(tmp_path, layout)
    spool.bad(facts.media, "its hash differs")
    assert sorted(path.name for path in layout.bad.iterdir()) == [f"{facts.id}.jpg", f"{facts.id}.jpg.json"]
    assert layout.marker(MediaId.parse(facts.id)).exists()
