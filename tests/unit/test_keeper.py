"""What is removed when: by age, and when room is needed. Real files, a clock and a free space of our own."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clips import jpegs, opened
from edgecam.config import model
from edgecam.events import Bus, ClipLost, ClipSaved, ClipStored
from edgecam.health import DiskStatus
from edgecam.media import MediaId, MediaKind, Sidecar
from edgecam.record.disk.keeper import DAYS_AT_ONCE, EXPIRE, SLACK, TRUST, WATCH, Keeper, Space
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import Recovered
from edgecam.record.disk.shelf import Shelf, worth
from fakes import FakeClock, RestingClock

KB = 1000
DAY = 86400.0


def put(library: Library, kind: MediaKind, start: float, *, size: int = 100 * KB, waiting: bool = False) -> Sidecar:
    """Finished media of `size` bytes, sidecar and all, ten seconds long."""
    id = MediaId.new(start, "cam", kind)
    path = library.layout.media(id)
    path.parent.mkdir(parents=True, exist_ok=True)
    sidecar = Sidecar(
        id=id.text,
        camera="cam",
        kind=kind,
        start=start,
        end=start + 10,
        duration=10,
        codec="h264",
        width=1,
        height=1,
        size=size,
        sha256="",
        md5="",
        cause="motion",
    )
    library.layout.sidecar(id).write_bytes(sidecar.dump())
    path.write_bytes(bytes(size - len(sidecar.dump())))
    os.utime(path, (start + 10, start + 10))
    if waiting:
        library.layout.marker(id).touch()
    return sidecar


class House:
    """A keeper at work, on a disk with as much free space as `free` says."""

    def __init__(self, library: Library, *, keep: str = "2d", keep_size: str | None = None, **storage: object) -> None:
        self.library, self.clock, self.bus = library, RestingClock(), Bus()
        self.free, self.total = 10**12, 10**13
        self.lost: list[str] = []
        self.carrying: str | None = None
        self.status = DiskStatus()
        self.back: list[Recovered] = []
        self.bus.on(ClipLost, lambda event: self.lost.append(event.media.media.name))
        continuous = model.Continuous.model_validate({"keep_size": keep_size})
        record = model.Record.model_validate({"event": {"keep": keep}, "manual": {"keep": "forever"}})
        record = record.model_copy(update={"continuous": continuous})
        camera = model.Camera.model_validate({"source": "synthetic", "snapshot": {"keep": "0s"}})
        self.keeper = Keeper(
            config=model.Storage.model_validate({"limit": 10**12, "reserve": 0} | storage),
            cameras={"cam": camera.model_copy(update={"record": record})},
            library=library,
            bus=self.bus,
            clock=self.clock,
            status=self.status,
            back=self.back.append,
            space=lambda _: Space(self.total, self.free),
            carrying=lambda: self.carrying,
        )

    async def look(self, seconds: float = WATCH) -> None:
        """Let the keeper look until it rests again, then let `seconds` pass."""
        await self.clock.rested.wait()
        await self.clock.advance(seconds)
        await self.clock.rested.wait()

    def there(self, *media: Sidecar) -> str:
        return "".join("-x"[self.library.find(one.id) is not None] for one in media)

    @property
    def now(self) -> float:
        return self.clock.wall()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with opened(tmp_path) as library:
        yield library


@contextlib.asynccontextmanager
async def at_work(library: Library, *, free: int = 10**12, **options: object) -> AsyncIterator[House]:
    """After the first look. Something was recorded just now, so the clock is believed."""
    library.layout.folder(MediaId.new(FakeClock().wall(), "yard", MediaKind.EVENT)).mkdir(parents=True)
    house = House(library, **options)  # type: ignore[arg-type]  # the same keywords
    house.free = free
    task = asyncio.create_task(house.keeper.run())
    try:
        await house.clock.rested.wait()
        yield house
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_clip_from_before_the_clock_was_set_is_not_thought_to_be_ages_old(library: Library) -> None:
    unset = put(library, MediaKind.EVENT, 3600.0)  # an hour after 1970 began: a Pi without a clock of its own
    async with at_work(library) as house:
        await house.look()
        assert house.there(unset) == "x"


async def test_clips_go_when_they_are_older_than_their_keep_and_manual_ones_stay(library: Library) -> None:
    now = FakeClock().wall()
    old, young = put(library, MediaKind.EVENT, now - 3 * DAY), put(library, MediaKind.EVENT, now - DAY)
    waiting = put(library, MediaKind.EVENT, now - 9 * DAY, waiting=True)
    asked = put(library, MediaKind.MANUAL, now - 900 * DAY)
    async with at_work(library) as house:
        await house.look()
        assert house.there(old, young, waiting, asked) == "-xxx"
        assert not library.layout.folder(MediaId.parse(old.id)).exists()
        await house.look(DAY + 11)
        await house.look()
        assert house.there(young) == "-"
        assert house.lost == []


async def test_keep_counts_from_the_end_of_the_clip(library: Library) -> None:
    clip = put(library, MediaKind.EVENT, FakeClock().wall() - 2 * DAY - 5)  # ends 5 s too late
    async with at_work(library) as house:
        await house.look(EXPIRE - 1)
        assert house.there(clip) == "x"
        await house.look(WATCH)
        assert house.there(clip) == "-"


async def test_an_unreadable_sidecar_and_a_lone_one_go_with_their_age(library: Library) -> None:
    clip, lone = (put(library, MediaKind.EVENT, FakeClock().wall() - 3 * DAY) for _ in range(2))
    library.layout.sidecar(MediaId.parse(clip.id)).write_bytes(b"{")
    library.layout.media(MediaId.parse(lone.id)).unlink()
    async with at_work(library) as house:
        await house.look()
        assert house.there(clip) == "-"
        assert not library.layout.sidecar(MediaId.parse(lone.id)).exists()


async def test_keep_of_zero_means_gone_as_soon_as_it_is_stored(library: Library) -> None:
    async with at_work(library) as house:
        picture = put(library, MediaKind.SNAPSHOT, house.now, waiting=True)
        house.bus.publish(ClipSaved(camera="cam", at=house.now, media=picture))
        await house.look()
        assert house.there(picture) == "x"
        library.layout.marker(MediaId.parse(picture.id)).unlink()
        house.bus.publish(ClipStored(camera="cam", at=house.now, media=picture, link=None, link_expires=None))
        await house.look()
        assert house.there(picture) == "-"


async def test_a_segment_that_shows_an_event_is_worth_as_much_as_the_events_clip(library: Library) -> None:
    now = FakeClock().wall()
    segments = [put(library, MediaKind.CONTINUOUS, now - 10 * n, waiting=True) for n in range(9, 0, -1)]
    clip = put(library, MediaKind.EVENT, now - 55, waiting=True)  # for ten seconds
    async with at_work(library) as house:
        house.total = 20
        await house.look()
        house.free = -6 * 100 * KB
        await house.look()
        assert (house.there(*segments), house.there(clip)) == ("---xx----", "x")
        house.free = 0
        await house.look()
        assert (house.there(*segments), house.there(clip)) == ("----x----", "x")
        assert len(house.lost) == 8


async def test_what_is_pinned_stays_until_only_manual_clips_are_left(library: Library) -> None:
    now = FakeClock().wall()
    old, pinned, manual = (
        put(library, kind, now - 3 * DAY) for kind in (MediaKind.EVENT, MediaKind.EVENT, MediaKind.MANUAL)
    )
    library.pin(MediaId.parse(pinned.id), True)
    async with at_work(library) as house:
        await house.look()
        assert house.there(old, pinned, manual) == "-xx"
        library.pin(MediaId.parse(pinned.id), False)
        await house.look(EXPIRE)
        await house.look()
        assert house.there(pinned, manual) == "-x"


async def test_a_kind_that_may_take_only_so_much_loses_its_oldest_stored_ones(library: Library) -> None:
    now = FakeClock().wall()
    event = put(library, MediaKind.EVENT, now - 1000)
    waiting = put(library, MediaKind.CONTINUOUS, now - 900, waiting=True)
    segments = [put(library, MediaKind.CONTINUOUS, now - 10 * n) for n in range(5, 0, -1)]
    library.pin(MediaId.parse(segments[0].id), True)
    async with at_work(library, keep_size="400kB") as house:
        await house.look()
        await house.look()
        assert house.there(event, waiting, *segments) == "xxx--xx"
        segments.append(put(library, MediaKind.CONTINUOUS, now))
        house.bus.publish(ClipSaved(camera="cam", at=now, media=segments[-1]))
        await house.look()
        await house.look()
        assert house.there(event, waiting, *segments) == "xxx---xx"
        assert (house.status.removed, house.status.lost, house.lost) == (3, 0, [])


async def test_the_picture_of_an_event_goes_with_its_clip_and_each_of_them_counts_as_lost(library: Library) -> None:
    clip = put(library, MediaKind.EVENT, FakeClock().wall(), waiting=True)
    id = MediaId.parse(clip.id)
    library.layout.media(id.picture).write_bytes(b"jpeg")
    library.layout.marker(id.picture).write_bytes(b"{")
    async with at_work(library) as house:
        house.free = 0
        await house.look()
        assert house.lost == [id.name, id.picture.name]
        assert list(library.layout.wait.iterdir()) == []
        assert not library.layout.folder(id).exists()
        assert (house.status.removed, house.status.lost) == (1, 2)


async def test_the_picture_that_comes_before_its_clip_waits_for_it_on_the_disk(library: Library) -> None:
    """`keep: 0s`, and the picture is stored while the clip is still being written."""
    clip = put(library, MediaKind.CONTINUOUS, FakeClock().wall() + 1)
    id = MediaId.new(FakeClock().wall(), "cam", MediaKind.EVENT)
    library.layout.part(id).write_bytes(b"")
    library.layout.media(id.picture).write_bytes(b"jpeg")
    picture = clip.model_copy(update={"id": id.text, "kind": MediaKind.EVENT, "codec": "jpeg", "cause": "motion"})
    async with at_work(library, keep="0s") as house:
        house.keeper._ages["cam"] = dict.fromkeys(MediaKind, 0.0)
        house.bus.publish(ClipStored(camera="cam", at=house.now, media=picture, link=None, link_expires=None))
        await house.look()
        assert library.layout.media(id.picture).exists()
        library.layout.part(id).rename(library.layout.media(id))
        house.bus.publish(ClipStored(camera="cam", at=house.now, media=picture, link=None, link_expires=None))
        await house.look()
        assert not library.layout.media(id.picture).exists()


async def test_an_event_that_is_saved_with_its_picture_is_counted_once(library: Library) -> None:
    async with at_work(library) as house:
        await house.look()
        clip = put(library, MediaKind.EVENT, house.now)
        id = MediaId.parse(clip.id)
        library.layout.media(id.picture).write_bytes(bytes(5 * KB))
        for media in (clip.model_copy(update={"codec": "jpeg"}), clip):
            house.bus.publish(ClipSaved(camera="cam", at=house.now, media=media))
        await house.look()
        assert house.keeper.bytes == 105 * KB


@pytest.mark.parametrize(("kind", "gone"), [(MediaKind.CONTINUOUS, 16 + 20), (MediaKind.EVENT, 16)])
async def test_room_for_a_while_is_made_of_segments_that_wait_but_not_of_events(
    kind: MediaKind, gone: int, library: Library
) -> None:
    """There are many segments, in a library that is read for each round, and one more is lost every few seconds."""
    for n in range(40):
        put(library, kind, FakeClock().wall() - 1000 + 10 * n, waiting=True)
    async with at_work(library) as house:
        house.total = 10_000 * KB
        await house.look()
        house.free = 450 * KB  # 1550 kB less than the slack
        await house.look()
        assert (house.keeper.slack, house.status.removed) == (2000 * KB, gone)


async def test_many_losses_are_one_line_in_the_log(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    clips = [put(library, MediaKind.EVENT, FakeClock().wall() - n, waiting=True) for n in range(12, 0, -1)]
    async with at_work(library) as house:
        house.free = 0
        await house.look()
        assert house.lost == [clip.id for clip in clips]
    (line,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert line == f"library: {clips[0].id} and 11 more were never stored and had to go: the disk is full"


async def test_a_clock_that_is_ahead_already_at_start_expires_nothing_for_an_hour(library: Library) -> None:
    clip = put(library, MediaKind.EVENT, FakeClock().wall() - 3 * DAY)
    house = House(library)
    task = asyncio.create_task(house.keeper.run())
    for _ in range(int(TRUST / EXPIRE) - 1):
        await house.look(EXPIRE)
        assert house.there(clip) == "x"
    await house.look(EXPIRE)
    await house.look(EXPIRE)
    assert house.there(clip) == "-"
    task.cancel()
    await asyncio.wait({task})


async def test_a_disk_that_refuses_to_delete_is_a_problem_and_what_is_gone_is_counted(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = FakeClock().wall()
    clips = [put(library, MediaKind.EVENT, now - 3 * DAY + n) for n in range(3)]
    drop = library.drop

    def refuse(id: MediaId) -> None:
        if id.text == clips[1].id:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        drop(id)

    monkeypatch.setattr(library, "drop", refuse)
    async with at_work(library) as house:
        await house.look()
        assert house.there(*clips) == "-xx"
        assert house.status.removed == 1
        assert house.keeper.trouble is None or "Read-only file system" in house.keeper.trouble
        monkeypatch.undo()
        await house.look(EXPIRE)
        await house.look()
        assert house.there(*clips) == "---"
        assert (house.status.removed, house.keeper.trouble) == (3, None)


async def test_without_a_store_keep_of_zero_means_gone_at_once(library: Library) -> None:
    async with at_work(library) as house:
        picture, clip = (put(library, kind, house.now) for kind in (MediaKind.SNAPSHOT, MediaKind.EVENT))
        for media in (picture, clip):
            house.bus.publish(ClipSaved(camera="cam", at=house.now, media=media))
        await house.look()
        assert house.there(picture, clip) == "-x"


async def test_over_the_limit_the_oldest_go_first_and_the_limit_counts_everything(library: Library) -> None:
    now = FakeClock().wall()
    clips = [put(library, MediaKind.EVENT, now - 60 * n) for n in range(5, 0, -1)]
    (library.layout.bad / "junk").write_bytes(bytes(140 * KB))
    async with at_work(library, limit=500 * KB) as house:
        for _ in clips:
            await house.look()
        assert house.there(*clips) == "--xxx"  # 300 KB, 140 KB of junk, 25 KB of slack
        assert house.keeper.bytes == 300 * KB
        assert house.lost == []
        assert library.full is None


async def test_what_people_delete_makes_room_at_once_and_by_hand_a_little_later(library: Library) -> None:
    now = FakeClock().wall()
    clips = [put(library, MediaKind.MANUAL, now - n) for n in range(4, 0, -1)]
    async with at_work(library) as house:
        await house.look()
        assert house.keeper.bytes == 400 * KB
        library.pin(MediaId.parse(clips[0].id), True)
        library.remove(MediaId.parse(clips[0].id))
        await house.look()
        assert house.keeper.bytes == 300 * KB
        library.layout.media(MediaId.parse(clips[1].id)).unlink()
        library.layout.sidecar(MediaId.parse(clips[1].id)).unlink()
        await house.look(EXPIRE)
        await house.look()
        assert house.keeper.bytes == 200 * KB
        assert house.status.removed == 0


async def test_what_people_delete_before_a_store_has_it_is_told_as_lost(library: Library) -> None:
    waits = put(library, MediaKind.EVENT, FakeClock().wall() - 60, waiting=True)
    stored = put(library, MediaKind.EVENT, FakeClock().wall() - 30)
    async with at_work(library) as house:
        for clip in (waits, stored):
            library.remove(MediaId.parse(clip.id))
        await house.look()
        await house.look()
        assert house.lost == [waits.id]


@pytest.mark.parametrize("arrives", [True, False])
async def test_what_people_delete_on_its_way_to_the_store_is_lost_only_if_it_does_not_arrive(
    library: Library, arrives: bool
) -> None:
    clip = put(library, MediaKind.EVENT, FakeClock().wall() - 60, waiting=True)
    async with at_work(library) as house:
        house.carrying = clip.id
        library.remove(MediaId.parse(clip.id))
        await house.look()
        assert house.lost == []
        if arrives:
            house.bus.publish(ClipStored(camera="cam", at=house.now, media=clip, link=None, link_expires=None))
        house.carrying = None
        await house.look()
        assert house.lost == ([] if arrives else [clip.id])


async def test_room_is_made_of_something_else_than_what_is_on_its_way_to_the_store(library: Library) -> None:
    now = FakeClock().wall()
    carried, other = (put(library, MediaKind.EVENT, now - n, waiting=True) for n in (60, 30))
    async with at_work(library, reserve=10**6) as house:
        house.carrying, house.free = carried.id, 0
        await house.look()
        assert (house.there(carried, other), house.lost) == ("x-", [other.id])
        house.carrying = None
        await house.look()
        assert (house.there(carried), house.lost) == ("-", [other.id, carried.id])


async def test_new_clips_push_out_old_ones(library: Library) -> None:
    async with at_work(library, limit=500 * KB) as house:
        await house.look()
        clips = []
        for _ in range(12):
            clips.append(put(library, MediaKind.EVENT, house.now))
            house.bus.publish(ClipSaved(camera="cam", at=house.now, media=clips[-1]))
            await house.look()
            assert (house.keeper.bytes or 0) <= 500 * KB
        assert house.there(*clips) == "--------xxxx"


async def test_the_order_is_stored_first_then_what_waits_manual_last(library: Library) -> None:
    now = FakeClock().wall()
    kinds = (MediaKind.CONTINUOUS, MediaKind.TIMELAPSE, MediaKind.EVENT)
    ranks = [put(library, kind, now - n, waiting=False) for n, kind in enumerate(kinds)]
    ranks += [put(library, kind, now - 100 - 60 * n, waiting=True) for n, kind in enumerate(kinds)]
    ranks += [put(library, MediaKind.MANUAL, now - 200, waiting=waiting) for waiting in (False, True)]
    async with at_work(library, limit=10**12) as house:
        house.total = 20  # so small that one byte is enough slack
        await house.look()
        for gone in range(1, len(ranks) + 1):
            house.free = house.keeper.slack - 1
            await house.look()
            house.free = 10**12
            await house.look()
            assert house.there(*ranks) == "-" * gone + "x" * (len(ranks) - gone)
        assert (
            house.lost
            == [media.id for media in ranks if media.id in house.lost]
            == [
                *(media.id for media in ranks[3:6]),
                ranks[7].id,
            ]
        )


async def test_the_reserve_holds_before_anything_is_counted(library: Library) -> None:
    now = FakeClock().wall()
    clips = [put(library, MediaKind.MANUAL, now - DAY * n) for n in range(2 * DAYS_AT_ONCE, 0, -1)]
    async with at_work(library, reserve=10**6, free=10**6 + SLACK - 150 * KB) as house:
        assert house.keeper.bytes is None
        assert house.there(*clips) == "--" + "x" * (len(clips) - 2)
        house.free = 10**12
        await house.look()
        await house.look()
        assert house.keeper.bytes == (len(clips) - 2) * 100 * KB


async def test_a_loss_nobody_can_describe_is_told_all_the_same(library: Library) -> None:
    clip = put(library, MediaKind.EVENT, FakeClock().wall(), waiting=True)
    library.layout.sidecar(MediaId.parse(clip.id)).write_bytes(b"{")
    async with at_work(library) as house:
        house.free = 0
        await house.look()
        assert house.lost == [clip.id]


async def test_when_nothing_is_left_to_drop_recording_is_told_to_stop_until_there_is_room(library: Library) -> None:
    async with at_work(library, reserve=10**6) as house:
        house.free = 0
        await house.look()
        assert library.full is not None
        assert "nothing more can be dropped" in library.full
        house.free = 10**12
        await house.look()
        assert library.full is None


async def test_when_full_is_stop_nothing_is_dropped(library: Library) -> None:
    clip = put(library, MediaKind.EVENT, FakeClock().wall())
    async with at_work(library, when_full="stop", limit=100 * KB) as house:
        for _ in range(3):
            await house.look()
        assert house.there(clip) == "x"
        assert library.full == "the storage is full (storage.limit 0 MB, storage.reserve 0 MB; when_full: stop)"


async def test_what_is_just_being_finished_is_left_alone(library: Library) -> None:
    clip = put(library, MediaKind.EVENT, FakeClock().wall())
    id = MediaId.parse(clip.id)
    library.layout.media(id).rename(library.layout.part(id))
    async with at_work(library) as house:
        house.free = 0
        await house.look()
        assert library.sidecar(id) is not None


def test_a_camera_that_is_no_longer_configured_keeps_the_default_time(library: Library) -> None:
    house = House(library)
    assert house.keeper.keeps("gone")[MediaKind.EVENT] == 14 * DAY
    assert house.keeper.keeps("cam")[MediaKind.EVENT] == 2 * DAY


def test_strangers_in_the_library_are_neither_counted_nor_removed(library: Library) -> None:
    folder = library.layout.root / "recordings" / "cam" / "holiday"
    folder.mkdir(parents=True)
    (folder / "film.mp4").write_bytes(b"x")
    shelf = Shelf(library.layout)
    assert not list(shelf.cheapest_first())
    assert not list(shelf.older(House(library).keeper.keeps, 1e12))
    assert shelf.count(folder).total() == shelf.count(folder / "gone").total() == 0


def test_every_worth_is_different() -> None:
    worths = [worth(kind, waiting) for kind in MediaKind for waiting in (False, True)]
    assert sorted(worths) == list(range(10))


async def test_a_real_disk_has_room(library: Library) -> None:
    config, clock = model.Storage.model_validate({"reserve": 1}), RestingClock()
    status, bus = DiskStatus(), Bus()
    keeper = Keeper(
        config=config, cameras={}, library=library, bus=bus, clock=clock, status=status, back=list[Recovered]().append
    )
    library.full = "not looked at yet"
    task = asyncio.create_task(keeper.run())
    await clock.rested.wait()
    task.cancel()
    await asyncio.wait({task})
    assert library.full is None
    assert status.free is not None
    assert status.total is not None
    assert 0 < status.free < status.total


@pytest.mark.parametrize("back_after", [None, 600.0])
async def test_a_clock_that_is_set_far_ahead_expires_nothing_for_an_hour(
    library: Library, back_after: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work(library) as house:
        clip = put(library, MediaKind.EVENT, house.now)
        house.clock.step(10 * 365 * DAY)
        for _ in range(5):
            await house.look(EXPIRE)
        assert house.there(clip) == "x"
        assert "the clock was set; nothing expires by age for the next hour" in caplog.text
        if back_after is not None:
            house.clock.step(-10 * 365 * DAY)
        for _ in range(5):
            await house.look(EXPIRE)
        assert house.there(clip) == ("-" if back_after is None else "x")


async def test_a_clock_that_is_slewed_or_set_a_little_is_believed(library: Library) -> None:
    async with at_work(library) as house:
        clip = put(library, MediaKind.EVENT, house.now - 2 * DAY)
        house.clock.step(60.0)
        await house.look(EXPIRE)
        await house.look(EXPIRE)
        assert house.there(clip) == "-"


async def test_stills_of_a_timelapse_go_like_its_films(library: Library) -> None:
    ages = (31 * DAY, 29 * DAY)
    stills = [
        library.save_picture(replace(frame, wall=FakeClock().wall() - age), "timelapse", MediaKind.TIMELAPSE)
        for frame, age in zip(jpegs(2), ages, strict=True)
    ]
    films = [put(library, MediaKind.TIMELAPSE, FakeClock().wall() - age) for age in ages]
    async with at_work(library) as house:
        await house.look()
        assert [library.find(still.media.name) is not None for still in stills] == [False, True]
        assert house.there(*films) == "-x"
