"""What was recorded while the clock was wrong: dated once it is right, whatever crashes meanwhile. Real files."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from clips import h264
from edgecam.almanac import FAR, PATIENCE, Almanac
from edgecam.events import Bus, ClipSaved, MediaRenamed, MotionPicture
from edgecam.frame import Frame, Kind
from edgecam.media import Layout, Looks, MediaId, MediaKind, Sidecar
from edgecam.record.disk import dating
from edgecam.record.disk.dating import Dating
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import recover
from edgecam.record.disk.renaming import renaming
from edgecam.record.draft import Draft, born
from edgecam.record.mp4 import Mp4
from fakes import FakeClock
from pictures import jpeg

BOOT = "1a2b3c4d"
YEARS = 1.79e9
"""Seconds by which a clock of 1970 has to be set."""


class Crash(BaseException):
    """The power is gone: nothing of ours runs any more."""


class Box:
    """A library, a clock, and what keeps names right."""

    def __init__(self, root: Path, *, wall: float = 1000.0, boot: str = BOOT) -> None:
        self.clock, self.bus = FakeClock(wall), Bus()
        self.almanac = Almanac(self.clock, boot=boot)
        self.library = Library(
            Layout(root), wanted=lambda _: True, births=self.almanac.birth, step=lambda name: self.step(name)
        )
        self.carried: str | None = None
        self.dating = Dating(library=self.library, almanac=self.almanac, bus=self.bus, carried=lambda: self.carried)
        self.renamed: list[MediaRenamed] = []
        self.bus.on(MediaRenamed, self.renamed.append)
        self.left = -1

    def step(self, _: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash

    def begin(self, **more: object) -> Draft:
        """An event's clip of two seconds that begins now, complete, with its best picture."""
        frames = h264(30)
        birth = self.library.births(self.clock.wall(), self.clock.monotonic())
        draft = born(birth, birth.id("cam", MediaKind.EVENT), "motion").but(complete=True, **more)
        with self.library.begin(draft).open("wb", buffering=0) as file:
            mp4 = Mp4(file, frames[0])
            for frame in frames:
                mp4.write(frame)
            mp4.close()
        best = MotionPicture(
            camera="cam", at=birth.start + 1, event_id="e", jpeg=jpeg(1), score=9, width=320, height=240, final=True
        )
        return self.library.save_best(draft, best)[0]

    def clip(self) -> Sidecar:
        """One that is finished, and kept for ever."""
        sidecar = self.library.finish(self.begin())
        self.library.pin(sidecar.media, True)
        return sidecar

    def files(self) -> list[str]:
        """Below the library and in the spool."""
        root = self.library.layout.root
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != "lock")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    with at(box):
        yield box


@contextmanager
def at(box: Box) -> Iterator[None]:
    box.library.open()
    try:
        yield
    finally:
        box.library.close()


def expected(new: MediaId) -> list[str]:
    """All there is of the clip under its new name."""
    stem = f"recordings/cam/{new.day}/{new}"
    return [*(stem + end for end in (".jpg", ".json", ".keep", ".mp4")), f"spool/wait/{new}", f"spool/wait/{new}.jpg"]


def dated(box: Box, old: Sidecar) -> MediaId:
    """What it is called after the clock was set by YEARS."""
    return MediaId.new(old.start + YEARS, "cam", MediaKind.EVENT, random=old.media.random)


async def test_once_the_clock_is_right_everything_of_this_boot_gets_its_date(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    old = box.clip()
    box.clock.tick(1.5)
    shown = Frame("cam", 1, box.clock.monotonic(), box.clock.wall(), Kind.JPEG, jpeg(1), 320, 240)
    still = box.library.save_picture(shown, "manual")
    await box.dating.turn()
    assert (old.clock, old.media.unsynced, box.renamed) == ("unsynced", True, [])
    box.clock.tick(60)
    box.clock.step(YEARS)
    await box.dating.turn()
    new, picture = (
        dated(box, old),
        MediaId.new(still.start + YEARS, "cam", MediaKind.SNAPSHOT, random=still.media.random),
    )
    assert box.files() == sorted(
        [
            *expected(new),
            *(f"snapshots/cam/{picture.day}/{picture}{end}" for end in (".jpg", ".json")),
            f"spool/wait/{picture}",
        ]
    )
    facts = box.library.sidecar(new)
    assert facts is not None
    assert (facts.id, facts.clock) == (new.text, "synced")
    assert (facts.start, facts.end, facts.duration) == (old.start + YEARS, old.end + YEARS, old.duration)
    assert facts.picture
    assert facts.picture.time == old.start + 1 + YEARS
    marker = Sidecar.model_validate_json(box.library.layout.marker(new.picture).read_bytes())
    assert (marker.id, marker.start, marker.end, marker.clock) == (new.text, *[old.start + 1 + YEARS] * 2, "synced")
    assert {(event.old.text, event.media.id) for event in box.renamed} == {(old.id, new.text), (still.id, picture.text)}
    assert not (box.library.layout.root / "recordings/cam/1970-01-01").exists()
    assert box.almanac.hold is None
    assert [record.message for record in caplog.records if record.message.startswith("clock")] == [
        "clock: the clock is earlier than edgecam itself; until it is set what is recorded has no date, "
        "and uploads are held for at most 15 min",
        "clock: it is right now",
        "clock: 2 recordings got their date",
    ]


STEPS = 12
"""How many durable steps the renaming of a clip has."""


@pytest.mark.parametrize("number", range(1, STEPS + 1))
@pytest.mark.parametrize("again", [None, 3])
@pytest.mark.parametrize("pictured", [False, True])
async def test_a_crash_at_any_step_of_it_costs_nothing_and_doubles_nothing(
    number: int, again: int | None, pictured: bool, tmp_path: Path
) -> None:
    """Perhaps another one follows while the next start goes on with it. That one has no clock at first."""
    box = Box(tmp_path)
    with at(box):
        old = box.clip()
        await box.dating.turn()
        if pictured:  # the store has its picture already
            box.library.layout.marker(old.media.picture).unlink()
        box.clock.step(YEARS)
        box.left = number
        with pytest.raises(Crash):
            await box.dating.turn()
    later = Box(tmp_path, boot="ffffffff")
    if again:
        later.left = again
        with at(later), suppress(Crash):
            recover(later.library)
        later = Box(tmp_path, boot="ffffffff")
    with at(later):
        assert recover(later.library).saved == []
        new = dated(box, old)
        assert later.files() == expected(new)
        facts = later.library.sidecar(new)
        assert facts
        assert (facts.start, facts.sha256, facts.picture and facts.picture.sha256) == (
            old.start + YEARS, old.sha256, old.picture and old.picture.sha256
        )  # fmt: skip


async def test_there_are_no_more_steps_than_are_tried(box: Box) -> None:
    box.clip()
    await box.dating.turn()
    box.clock.step(YEARS)
    box.left = 1000
    await box.dating.turn()
    assert 1000 - box.left == STEPS


async def test_what_waits_under_a_date_that_a_store_knows_to_be_wrong_loses_it_and_gets_a_right_one_later(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    box.clock.step(YEARS)
    await box.dating.turn()
    old, stored = box.clip(), box.clip()
    for id in (stored.media, stored.media.picture):
        box.library.layout.marker(id).unlink()
    box.almanac.heard(3600.0)
    assert box.almanac.hold
    await box.dating.turn()
    [event] = box.renamed  # what the store has already stays what it is
    undated = event.media.media
    assert undated == MediaId.undated(BOOT, 1500.0, "cam", MediaKind.EVENT, random=old.media.random)
    assert (event.media.clock, event.media.start, event.media.boottime) == ("unsynced", old.start, 1500.0)
    assert [name for name in box.files() if stored.id not in name] == expected(undated)
    box.clock.step(3600)
    await box.dating.turn()
    right = MediaId.new(old.start + 3600, "cam", MediaKind.EVENT, random=old.media.random)
    assert [name for name in box.files() if stored.id not in name] == expected(right)
    assert [record.message for record in caplog.records if record.message.startswith("clock")] == [
        "clock: the clock is 1 h behind the store's; until it is set what is recorded has no date, "
        "and uploads are held for at most 15 min",
        "clock: 1 recordings lost a wrong date",
        "clock: it is right now",
        "clock: 1 recordings got their date",
    ]


async def test_a_clock_that_is_set_before_any_store_was_asked_takes_what_waits_along(box: Box) -> None:
    """A box that kept the time of its last day until the network came."""
    box.clock.step(YEARS)
    await box.dating.turn()
    old = box.clip()
    box.clock.step(86400)
    await box.dating.turn()
    new = MediaId.new(old.start + 86400, "cam", MediaKind.EVENT, random=old.media.random)
    assert box.files() == expected(new)


async def test_what_is_being_finished_is_named_once_it_is_and_its_picture_waits_for_that(box: Box) -> None:
    draft = box.begin()
    await box.dating.turn()
    box.clock.step(YEARS)
    await box.dating.turn()
    assert box.almanac.hold  # or the picture would go, without a date
    box.clock.tick(PATIENCE)
    await box.dating.turn()
    assert box.almanac.hold is None  # after that it may
    old = box.library.finish(draft)
    box.bus.publish(ClipSaved(camera="cam", at=0.0, media=old))
    assert box.almanac.hold
    await box.dating.turn()
    assert box.almanac.hold is None
    assert box.files() == [name for name in expected(dated(box, old)) if not name.endswith(".keep")]


async def test_what_began_before_the_clock_was_right_and_is_finished_long_after_holds_the_uploads(box: Box) -> None:
    await box.dating.turn()
    birth = box.library.births(box.clock.wall(), box.clock.monotonic())
    box.clock.step(YEARS)
    await box.dating.turn()
    assert box.almanac.hold is None
    late = box.library.finish(box.begin(clock=birth.clock, id=birth.id("cam", MediaKind.EVENT).text))
    box.bus.publish(ClipSaved(camera="cam", at=0.0, media=late))
    assert box.almanac.hold
    await box.dating.turn()
    assert box.almanac.hold is None
    assert [event.old.text for event in box.renamed] == [late.id]


async def test_what_is_on_its_way_to_the_store_keeps_its_name_until_it_is_there(box: Box) -> None:
    old = box.clip()
    await box.dating.turn()
    box.clock.step(YEARS)
    box.carried = old.media.picture.name
    await box.dating.turn()
    assert box.renamed == []
    assert box.almanac.hold
    box.carried = None
    await box.dating.turn()
    assert box.files() == expected(dated(box, old))


async def test_what_was_sealed_under_its_old_name_goes_and_the_stores_own_note_of_parts_stays(box: Box) -> None:
    old = box.clip()
    layout = box.library.layout
    layout.seals.mkdir(parents=True)
    for path in (layout.journal(old.media), layout.seal(old.media), layout.sealed(old.media.picture)):
        path.touch()
    await box.dating.turn()
    box.clock.step(YEARS)
    await box.dating.turn()
    assert box.files() == [*expected(dated(box, old)), f"spool/wait/{old.id}.parts"]


async def test_an_events_picture_whose_clip_is_gone_gets_its_date_alone(box: Box) -> None:
    old = box.clip()
    for path in (*box.library.layout.root.rglob("*.mp4"), *box.library.layout.root.rglob(f"{old.id}.json")):
        path.unlink()
    box.library.layout.marker(old.media).unlink()
    box.library.layout.pin(old.media).unlink()
    await box.dating.turn()
    box.clock.step(YEARS)
    await box.dating.turn()
    [event] = box.renamed
    new = event.media.media
    assert (new.beside, event.media.start) == (True, old.start + 1 + YEARS)
    assert box.files() == [f"recordings/cam/{new.day}/{new}.jpg", f"spool/wait/{new}.jpg"]


async def test_nobody_can_date_what_is_of_another_boot_or_has_lost_its_sidecar(tmp_path: Path) -> None:
    before = Box(tmp_path, boot="ffffffff")
    with at(before):
        before.clip()
        files = before.files()
    box = Box(tmp_path)
    with at(box):
        lost = box.clip()
        box.library.layout.sidecar(lost.media).write_bytes(b"{")
        files = box.files()
        await box.dating.turn()
        box.clock.step(YEARS)
        await box.dating.turn()
        assert (box.files(), box.renamed, box.almanac.hold) == (files, [], None)


async def test_many_are_renamed_a_few_at_a_time(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dating, "AT_ONCE", 2)
    for _ in range(3):
        box.clip()
    await box.dating.turn()
    box.clock.step(YEARS)
    await box.dating.turn()
    assert (len(box.renamed), bool(box.almanac.hold)) == (2, True)
    await box.dating.turn()
    assert (len(box.renamed), box.almanac.hold) == (3, None)


async def test_a_disk_that_refuses_in_the_middle_of_it_leaves_it_to_recovery(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = box.clip()
    await box.dating.turn()
    box.clock.step(YEARS)

    def refuse(name: str) -> None:
        if name == "new name":
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(box, "step", refuse)
        with pytest.raises(OSError, match="Input/output"):
            await box.dating.turn()
    assert box.library.untidy
    recover(box.library)
    assert box.files() == expected(dated(box, old))
    await box.dating.turn()
    assert box.almanac.hold is None


async def test_a_picture_that_was_stored_without_a_date_goes_once_more_with_its_clip(box: Box) -> None:
    """Pictures go first, and a clip's manifest names the one beside it."""
    old = box.clip()
    await box.dating.turn()
    box.library.layout.marker(old.media.picture).unlink()
    box.clock.step(YEARS)
    await box.dating.turn()
    new = dated(box, old)
    assert box.files() == expected(new)
    marker = Sidecar.model_validate_json(box.library.layout.marker(new.picture).read_bytes())
    assert old.picture
    assert (marker.media, marker.sha256, marker.start) == (new.picture, old.picture.sha256, old.start + 1 + YEARS)


async def test_one_that_the_disk_refuses_keeps_neither_the_others_from_their_date_nor_uploads_for_ever(
    box: Box,
) -> None:
    olds = [box.clip(), box.clip()]
    await box.dating.turn()
    box.clock.step(YEARS)
    bad = dated(box, olds[0])
    box.library.layout.sidecar(bad).mkdir(parents=True)  # nothing can be written there
    with pytest.raises(OSError, match="directory"):
        await box.dating.turn()
    assert [event.media.id for event in box.renamed] == [dated(box, olds[1]).text]
    assert box.almanac.hold
    box.clock.tick(PATIENCE)
    with pytest.raises(OSError, match="directory"):
        await box.dating.turn()
    await box.dating.turn()
    assert box.almanac.hold is None


async def test_what_a_disk_refused_half_way_is_not_begun_under_another_name(box: Box) -> None:
    """The clock is set a little meanwhile: its picture would stay where it was brought first."""
    old = box.clip()
    await box.dating.turn()
    box.clock.step(YEARS)
    stone = box.library.layout.media(dated(box, old))
    stone.mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        await box.dating.turn()
    stone.rmdir()
    box.clock.step(0.7)
    await box.dating.turn()
    assert [event.media.id for event in box.renamed] == [dated(box, old).text]
    assert box.files() == expected(dated(box, old))


async def test_what_was_deleted_meanwhile_stays_deleted(box: Box) -> None:
    old = box.clip()
    await box.dating.turn()
    box.clock.step(YEARS)
    box.left = 2
    with pytest.raises(Crash):
        await box.dating.turn()
    box.library.drop(old.media)
    recover(box.library)
    assert box.files() == []


def test_moments_by_the_new_clock_are_brought_into_the_clip(box: Box) -> None:
    """The clock was set while the event went on: its picture bears the right time already."""
    old = box.clip()
    assert old.picture
    looks = Looks(looks=2, moving=1, peak_score=9, peak_area=1, box=None, best=old.start + 1, suppressed={})
    shown = old.picture.model_copy(update={"time": old.start + YEARS})
    late = old.model_copy(update={"picture": shown, "motion": looks})
    box.clock.step(YEARS)
    box.almanac.look()
    birth = box.almanac.better(late)
    assert birth
    facts = renaming(late, birth).facts
    assert facts.picture
    assert facts.start <= facts.picture.time <= facts.end
    assert facts.motion
    assert facts.motion.best == pytest.approx(facts.start + 1)
    assert birth.start > old.start + FAR
