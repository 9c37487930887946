"""What is in the library is whole, named, described, and nobody else's."""

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clips import h264, jpegs, opened, probe
from edgecam import durable
from edgecam.events import MotionPicture
from edgecam.frame import Frame, Kind
from edgecam.media import Layout, MediaId, MediaKind, Sidecar
from edgecam.offload.waiting.spool import Spool
from edgecam.record import boxes
from edgecam.record.disk.library import Away, Library
from edgecam.record.disk.recovery import recover
from edgecam.record.draft import Draft
from edgecam.record.mp4 import Mp4
from edgecam.supervisor import Fatal
from pictures import jpeg


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """One whose things no store wants."""
    with opened(tmp_path) as library:
        yield library


@pytest.fixture
def offloading(tmp_path: Path) -> Iterator[Library]:
    """One whose things a store wants."""
    with opened(tmp_path, wanted=lambda _: True) as library:
        yield library


def begun(library: Library, frames: list[Frame] | tuple[Frame, ...], **more: object) -> Draft:
    """A complete draft with its media in spool/open."""
    id = MediaId.new(frames[0].wall, "cam", MediaKind.EVENT)
    draft = Draft(id=id.text, start=frames[0].wall, cause="motion", event_id="e1", complete=True).but(**more)
    with library.begin(draft).open("wb", buffering=0) as file:
        mp4 = Mp4(file, frames[0])
        for frame in frames:
            mp4.write(frame)
        mp4.close()
    return draft


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_finished_clip_lies_under_its_name_with_a_true_sidecar(library: Library) -> None:
    draft = begun(library, h264(30), score=70, zones=("door",), part=2)
    sidecar = library.finish(draft)
    path = library.find(sidecar.id)
    assert path is not None
    data = path.read_bytes()
    assert (sidecar.codec, sidecar.width, sidecar.height, sidecar.duration) == ("h264", 320, 240, 2.0)
    assert (sidecar.size, sidecar.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert sidecar.md5 == hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert (sidecar.event_id, sidecar.part, sidecar.score, sidecar.zones) == ("e1", 2, 70, ("door",))
    assert sidecar.end == pytest.approx(sidecar.start + 2)
    assert not sidecar.interrupted
    assert library.sidecar(MediaId.parse(sidecar.id)) == Sidecar.model_validate_json(sidecar.dump())
    assert names(library.layout.open) == names(library.layout.wait) == []
    assert probe(path).frames == 30


def test_what_a_store_wants_is_marked_and_what_it_does_not_is_not(offloading: Library) -> None:
    sidecar = offloading.finish(begun(offloading, h264(5)))
    assert names(offloading.layout.wait) == [sidecar.id]


def test_an_interrupted_clip_is_cut_to_its_last_whole_fragment(library: Library) -> None:
    draft = begun(library, jpegs(40), interrupted=True)
    with library.layout.part(draft.media).open("r+b") as file:
        file.truncate(file.seek(0, 2) - 500)
    sidecar = library.finish(draft)
    path = library.layout.media(draft.media)
    found = probe(path)
    assert sidecar.interrupted
    assert found.complaints == ""
    assert 30 <= found.frames < 40
    assert sidecar.duration == pytest.approx(found.duration, abs=0.01)
    with path.open("rb") as file:
        assert boxes.read(file).end == sidecar.size


def test_a_snapshot_is_the_cameras_own_jpeg(offloading: Library) -> None:
    library, frame = offloading, jpegs(1)[0]
    sidecar = library.save_picture(frame, "manual")
    path = library.find(sidecar.id)
    assert path is not None
    assert path.read_bytes() == frame.data
    assert path.parent == library.layout.root / "snapshots" / "cam" / "2026-09-21"
    assert (sidecar.kind, sidecar.codec, sidecar.cause) == (MediaKind.SNAPSHOT, "jpeg", "manual")
    assert (sidecar.width, sidecar.height, sidecar.duration) == (320, 240, 0.0)
    assert sidecar.start == sidecar.end == frame.wall
    assert names(library.layout.wait) == [sidecar.id]


def test_two_cameras_that_try_the_disk_at_once_do_not_mislead_each_other(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would go without recording for another ten seconds."""
    sync = durable.sync

    def meanwhile(path: Path) -> None:
        monkeypatch.setattr(durable, "sync", sync)
        library.probe()
        sync(path)

    monkeypatch.setattr(durable, "sync", meanwhile)
    library.probe()
    assert names(library.layout.open) == []


def test_no_stranger_on_the_box_may_read_a_picture(library: Library) -> None:
    before = os.umask(0o022)
    try:
        saved = library.save_picture(Frame("cam", 1, 1.0, 1.79e9, Kind.JPEG, jpeg(1), 320, 240), "manual")
    finally:
        os.umask(before)
    assert library.layout.media(saved.media).stat().st_mode & 0o777 == durable.FILE_MODE


def test_a_day_is_listed_by_names_only_oldest_first(library: Library) -> None:
    late = library.finish(begun(library, h264(2)))
    early = library.save_picture(jpegs(1, wall=1.79e9 - 60)[0], "manual")
    folder = library.layout.folder(MediaId.parse(late.id))
    (folder / "stranger.mp4").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"")
    assert [id.text for id in library.list("cam", folder.name)] == [early.id, late.id]
    assert library.list("cam", "1999-01-01") == library.list("../cam", "..") == []


@pytest.mark.parametrize("text", ["", "../../etc/passwd", "20261121T071530123Z-cam-event-abcdef", "\0"])
def test_what_is_not_there_is_not_found_whatever_the_network_asks(library: Library, text: str) -> None:
    assert library.find(text) is None


def test_an_unreadable_sidecar_is_none(library: Library) -> None:
    sidecar = library.finish(begun(library, h264(2)))
    id = MediaId.parse(sidecar.id)
    library.layout.sidecar(id).write_bytes(b"{")
    assert library.sidecar(id) is None


def test_removing_takes_everything_and_the_empty_day_with_it(offloading: Library) -> None:
    library = offloading
    one, two = (MediaId.parse(library.finish(begun(library, h264(2))).id) for _ in range(2))
    library.remove(one)
    assert names(library.layout.folder(two)) == [f"{two}.json", f"{two}.mp4"]
    assert names(library.layout.wait) == [two.text]
    library.remove(two)
    assert not library.layout.folder(two).exists()
    assert names(library.layout.wait) == []


def test_discarded_media_leaves_nothing(library: Library) -> None:
    draft = begun(library, h264(2))
    library.discard(draft)
    assert names(library.layout.open) == []


def test_a_second_edgecam_on_the_same_storage_is_refused_with_the_holders_number(library: Library) -> None:
    with (
        pytest.raises(Fatal, match=rf"in use by another edgecam \(process {os.getpid()}\)"),
        opened(library.layout.root),
    ):
        pytest.fail("two of them")
    library.close()
    with opened(library.layout.root):
        pass


def test_a_dead_holder_does_not_keep_the_storage(tmp_path: Path) -> None:
    hold = (
        "import os, sys, pathlib; from edgecam.media import Layout; from edgecam.record.disk.library import Library\n"
        "Library(Layout(pathlib.Path(sys.argv[1])), wanted=lambda _: False).open(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", hold, str(tmp_path)], check=False).returncode == 9
    with opened(tmp_path):
        pass


def test_storage_that_cannot_be_written_ends_the_start_in_words(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"a file in the way")
    with (
        pytest.raises(Fatal, match=r"spool cannot be made or written \(File exists\); check storage.path"),
        opened(tmp_path),
    ):
        pytest.fail("opened")


def test_the_probe_leaves_nothing_and_says_when_the_disk_is_gone(library: Library) -> None:
    library.probe()
    assert names(library.layout.open) == []
    library.layout.open.rmdir()
    with pytest.raises(OSError, match="No such file"):
        library.probe()


def test_sidecars_are_plain_json_for_people(library: Library) -> None:
    sidecar = library.finish(begun(library, h264(2)))
    plain = json.loads(library.layout.sidecar(MediaId.parse(sidecar.id)).read_text())
    assert plain["kind"] == "event"
    assert plain["start"].endswith("Z")


def test_a_late_writer_does_not_undress_a_finished_clip(tmp_path: Path) -> None:
    library = Library(Layout(tmp_path), wanted=lambda _: True)
    library.open()
    saved = library.save_picture(Frame("cam", 1, 1.0, 1.79e9, Kind.JPEG, jpeg(1), 320, 240), "manual")
    library.discard(Draft(id=saved.id, start=saved.start, cause="manual"))
    id = MediaId.parse(saved.id)
    assert library.sidecar(id)
    assert library.layout.marker(id).exists()
    library.close()


def test_a_snapshot_that_the_disk_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    def full(step: str) -> None:
        if step == "synced":
            raise OSError(errno.ENOSPC, "No space left on device")

    library = Library(Layout(tmp_path), wanted=lambda _: True, step=full)
    library.open()
    with pytest.raises(OSError, match="No space"):
        library.save_picture(Frame("cam", 1, 1.0, 1.79e9, Kind.JPEG, jpeg(1), 320, 240), "manual")
    assert list(library.layout.open.iterdir()) == []
    library.close()


# -- an event's best picture -----------------------------------------------------------------------------------------


def best_of(draft: Draft) -> MotionPicture:
    return MotionPicture(
        camera="cam", at=draft.start + 1, event_id="e1", jpeg=jpeg(1), score=80, width=320, height=240, final=True
    )


def test_the_best_picture_lies_beside_its_clip_and_waits_for_the_store_before_it(offloading: Library) -> None:
    layout, draft = offloading.layout, begun(offloading, h264(30))
    _, saved = offloading.save_best(draft, best_of(draft))
    path = offloading.find(f"{draft.id}.jpg")
    assert path == layout.media(draft.media).with_suffix(".jpg")
    assert path.read_bytes() == jpeg(1)
    assert saved.media == draft.media.picture
    assert (saved.event_id, saved.codec, saved.sha256) == ("e1", "jpeg", hashlib.sha256(jpeg(1)).hexdigest())
    assert offloading.sidecar(saved.media) == saved, "its marker says what it is"
    assert names(layout.wait) == [f"{draft.id}.jpg"]
    offloading.finish(draft)
    assert names(layout.folder(draft.media)) == [f"{draft.id}.{end}" for end in ("jpg", "json", "mp4")]
    assert [id.name for id in offloading.list("cam", draft.media.day)] == [draft.id, f"{draft.id}.jpg"]


def test_with_its_clip_goes_the_picture(offloading: Library) -> None:
    draft = begun(offloading, h264(30))
    offloading.save_best(draft, best_of(draft))
    offloading.finish(draft)
    offloading.remove(draft.media)
    assert not offloading.layout.folder(draft.media).exists()
    assert names(offloading.layout.wait) == []


def test_a_picture_that_the_disk_refuses_leaves_nothing(offloading: Library) -> None:
    draft = begun(offloading, h264(30))
    (offloading.layout.root / "recordings").rename(offloading.layout.root / "gone")
    (offloading.layout.root / "recordings").touch()
    before = names(offloading.layout.open)
    with pytest.raises(OSError):
        offloading.save_best(draft, best_of(draft))
    assert (names(offloading.layout.open), names(offloading.layout.wait)) == (before, [])


def test_every_name_suits_every_file_system(tmp_path: Path) -> None:
    """FAT and exFAT take no colon, no space in front or behind, and do not tell `A` from `a`."""
    seen: set[str] = set()

    def look(_: str) -> None:
        seen.update(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))

    library = Library(Layout(tmp_path), wanted=lambda _: True, step=look)
    library.open()
    draft = begun(library, h264(5), interrupted=True)
    picture = MotionPicture(
        camera="cam", at=1.79e9, event_id="e1", jpeg=jpeg(1), score=9, width=320, height=240, final=True
    )
    library.save_best(draft, picture)
    id = MediaId.parse(library.finish(draft).id)
    library.save_picture(Frame("cam", 1, 1.0, 1.79e9, Kind.JPEG, jpeg(1), 320, 240), "manual")
    library.pin(id, True)
    look("")
    library.close()
    names = {part for path in seen for part in path.split("/")}
    assert {f"{id}.part.mp4", f"{id}.part.json", f"{id}.jpg.tmp", f"{id}.keep"} <= names
    assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}(?<!\.)", name)] == []
    assert len({path.lower() for path in seen}) == len(seen)


def test_a_file_system_without_modes_does_not_keep_a_clip_from_being_finished() -> None:
    durable.permit(Path("/proc/version"))  # refuses as FAT does


def test_what_a_person_pins_and_deletes(offloading: Library) -> None:
    library = offloading
    id = MediaId.parse(library.finish(begun(library, h264(2))).id)
    assert not library.pinned(id)
    library.pin(id, True)
    library.pin(id, True)
    assert library.pinned(id)
    library.pin(id, False)
    assert not library.pinned(id)
    library.pin(id, True)
    library.layout.media(id.picture).write_bytes(b"")
    library.layout.marker(id.picture).write_bytes(b"{}")
    library.remove(id.picture)
    assert not library.layout.folder(id).exists()
    assert names(library.layout.wait) == []
    with pytest.raises(FileNotFoundError):
        library.pin(id, True)


def test_what_was_sealed_for_the_store_goes_with_what_is_deleted(offloading: Library) -> None:
    layout, id = offloading.layout, MediaId.parse(offloading.finish(begun(offloading, h264(2))).id)
    layout.seals.mkdir()
    for one in (id, id.picture):
        layout.sealed(one).touch()
        layout.seal(one).touch()
    offloading.remove(id)
    assert names(layout.seals) == []


def test_at_start_what_was_sealed_and_waits_no_more_goes(offloading: Library) -> None:
    layout = offloading.layout
    waiting, stored = (MediaId.parse(offloading.finish(begun(offloading, h264(2))).id) for _ in range(2))
    layout.seals.mkdir()
    for one in (waiting, waiting.picture, stored):
        for path in (layout.sealed(one), layout.seal(one), layout.seals / f"{one.name}.age.new"):
            path.touch()
    layout.marker(stored).unlink()
    recover(offloading)
    assert names(layout.seals) == [f"{waiting}.age", f"{waiting}.age.new", f"{waiting}.json"]


def test_what_was_lost_in_the_middle_of_its_upload_is_still_to_be_forgotten_by_the_store(offloading: Library) -> None:
    id = MediaId.parse(offloading.finish(begun(offloading, h264(2))).id)
    offloading.layout.journal(id).touch()
    offloading.layout.media(id).unlink()
    recover(offloading)
    assert Spool(offloading.layout).orphans() == [offloading.layout.journal(id)]
    assert names(offloading.layout.wait) == [f"{id}.parts"]


def test_a_full_disk_does_not_keep_the_lock_from_being_taken(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("/dev/full")
    with opened(tmp_path) as library:
        library.check()


def test_a_slow_disk_that_opens_after_the_end_keeps_nobody_out(tmp_path: Path) -> None:
    library = Library(Layout(tmp_path), wanted=lambda _: False)
    library.close()
    with pytest.raises(Away, match="was closed meanwhile"):
        library.open()
    with opened(tmp_path):
        pass
