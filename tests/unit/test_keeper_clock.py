"""What has no date, in the library: how old it is thought to be, and that no wrong clock makes things old."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from clips import opened
from edgecam.almanac import Almanac, Birth
from edgecam.config import model
from edgecam.events import Bus, ClipSaved
from edgecam.health import DiskStatus
from edgecam.media import Layout, MediaId, MediaKind, Receipt, Sidecar
from edgecam.record.cut import archive
from edgecam.record.disk.dating import Dating
from edgecam.record.disk.keeper import EXPIRE, TRUST, WATCH, Keeper, Space
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import Recovered, recover
from edgecam.record.disk.renaming import rename, renaming
from edgecam.record.disk.shelf import Shelf
from fakes import FakeClock, RestingClock
from waiting import save

BOOT = "1a2b3c4d"
DAY = 86400.0
NOW = FakeClock().wall()


class House:
    """A keeper that keeps events for two days, and what keeps names right."""

    def __init__(self, library: Library, wall: float, limit: int = 10**12) -> None:
        self.library, self.clock, self.bus, self.status = library, RestingClock(), Bus(), DiskStatus()
        self.clock.step(wall - self.clock.wall())
        self.almanac = Almanac(self.clock, boot=BOOT)
        record = model.Record.model_validate({"event": {"keep": "2d"}})
        camera = model.Camera.model_validate({"source": "synthetic"}).model_copy(update={"record": record})
        self.keeper = Keeper(
            config=model.Storage.model_validate({"limit": limit, "reserve": 0}),
            cameras={"birdbox": camera},
            library=library,
            bus=self.bus,
            clock=self.clock,
            status=self.status,
            back=list[Recovered]().append,
            space=lambda _: Space(10**13, 10**12),
            dating=Dating(library=library, almanac=self.almanac, bus=self.bus),
        )

    async def look(self, seconds: float = WATCH) -> None:
        """Let the keeper look until it rests again, then let `seconds` pass."""
        await self.clock.rested.wait()
        await self.clock.advance(seconds)
        await self.clock.rested.wait()

    def there(self, *media: Sidecar) -> str:
        return "".join("-x"[self.library.find(one.id) is not None] for one in media)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with opened(tmp_path) as library:
        yield library


@contextlib.asynccontextmanager
async def at_work(library: Library, wall: float = NOW, limit: int = 10**12) -> AsyncIterator[House]:
    """After the first look, and an hour later: the clock was doubted when nothing was recorded lately."""
    house = House(library, wall, limit)
    task = asyncio.create_task(house.keeper.run())
    try:
        await house.look(TRUST)
        yield house
    finally:
        task.cancel()
        await asyncio.wait({task})


def stored(library: Library, *, written: float, received: float | None = None, boot: str = "ffffffff") -> Sidecar:
    """Something of a boot that never had a clock, last `written` and `received` by the store then."""
    clip = save(library.layout.root, birth=Birth(100.0, "unsynced", boot, 42.0))
    library.layout.marker(clip.media).unlink()
    if received is not None:
        receipt = Receipt(store="nas", key="k", size=1, at=received)
        clip = clip.model_copy(update={"receipt": receipt})
        library.layout.sidecar(clip.media).write_bytes(clip.dump())
    os.utime(library.layout.media(clip.media), (written, written))
    return clip


async def test_what_has_no_date_grows_old_from_when_it_was_stored_or_written_and_is_never_of_1970(
    library: Library,
) -> None:
    unknown = stored(library, written=100.0)
    nonsense = stored(library, written=100.0, received=200.0)
    young = stored(library, written=NOW - 3 * DAY, received=NOW - DAY)
    old = stored(library, written=100.0, received=NOW - 3 * DAY)
    written = stored(library, written=NOW - 3 * DAY)
    async with at_work(library) as house:
        await house.look(EXPIRE)
        assert house.there(unknown, nonsense, young, old, written) == "xxx--"


async def test_nothing_grows_old_while_the_clock_is_wrong(library: Library) -> None:
    async with at_work(library) as house:
        clip = save(library.layout.root, start=NOW - 3 * DAY)
        library.layout.marker(clip.media).unlink()
        house.almanac.heard(3600.0)
        for _ in range(3):
            await house.look(2 * EXPIRE)
        assert house.there(clip) == "x"
        house.almanac.heard(0.0)
        await house.look(EXPIRE)
        await house.look(EXPIRE)
        assert house.there(clip) == "-"


def test_when_room_is_needed_what_has_no_date_goes_after_what_has_one_the_first_written_first(
    library: Library,
) -> None:
    late = stored(library, written=NOW - 5, boot="00000000")
    early = stored(library, written=NOW - 9, boot="ffffffff")
    dated = save(library.layout.root, start=NOW)
    library.layout.marker(dated.media).unlink()
    assert [item.id.text for _, item in Shelf(library.layout).cheapest_first()] == [dated.id, early.id, late.id]


def test_a_segment_without_a_date_that_shows_an_event_is_worth_as_much(library: Library) -> None:
    segments = [
        save(library.layout.root, kind=MediaKind.CONTINUOUS, birth=Birth(0.0, "unsynced", BOOT, float(at)))
        for at in (0, 100, 110, 500)
    ]
    other = save(library.layout.root, kind=MediaKind.CONTINUOUS, birth=Birth(0.0, "unsynced", "ffffffff", 110.0))
    clip = save(library.layout.root, birth=Birth(0.0, "unsynced", BOOT, 105.0))
    ranks = {item.id.text: rank for rank, item in Shelf(library.layout).cheapest_first()}
    assert [ranks[one.id] == ranks[clip.id] for one in (*segments, other)] == [False, True, True, False, False]


async def test_what_got_its_date_is_counted_where_it_lies(library: Library) -> None:
    clip = save(library.layout.root, birth=Birth(100.0, "unsynced", BOOT, 1500.0))
    async with at_work(library, wall=100.0) as house:
        await house.look()
        before = house.status.media
        house.clock.step(NOW)
        for _ in range(3):
            await house.look()
        assert house.there(clip) == "-"
        assert before
        assert house.status.media == pytest.approx(before, abs=20)  # the sidecar says another word
        assert {path.parent.name for path in library.layout.root.rglob("*.mp4")} == {"2026-09-21"}


async def test_what_is_finished_last_gets_its_date_before_the_daemon_ends(library: Library) -> None:
    """After the next boot nobody could date it."""
    async with at_work(library, wall=100.0) as house:
        house.clock.step(NOW)
        await house.look()
        clip = save(library.layout.root, birth=Birth(100.0, "unsynced", BOOT, 1500.0))
        house.bus.publish(ClipSaved(camera="birdbox", at=0.0, media=clip))
    assert not list(library.layout.root.rglob("unsynced-*"))


def test_what_has_no_date_is_found_by_the_clock_of_now(tmp_path: Path) -> None:
    """The last minute can be saved though nobody knows what time it is."""
    clock = FakeClock(100.0, monotonic=1000.0)
    almanac = Almanac(clock, boot=BOOT)
    clip = save(tmp_path, birth=Birth(90.0, "unsynced", BOOT, clock.boottime() - 10))
    foreign = save(tmp_path, birth=Birth(90.0, "unsynced", "ffffffff", clock.boottime() - 10))
    library = Library(Layout(tmp_path), wanted=lambda _: True, when=almanac.when)
    library.open()
    try:
        found = archive.recordings(library, "birdbox", 95.0, 100.0)
        assert [(one.start, one.source) for one in found] == [(90.0, library.layout.media(clip.media))]
        clock.step(NOW)
        found = archive.recordings(library, "birdbox", NOW + 95, NOW + 100)
        assert [(one.start, one.source) for one in found] == [(NOW + 90, library.layout.media(clip.media))]
        assert almanac.when(foreign.media) == foreign.media.start
        assert almanac.when(MediaId.new(NOW, "birdbox", MediaKind.EVENT)) == NOW
    finally:
        library.close()


def full(library: Library, step: str) -> Callable[[str], None]:
    """Whoever comes to that step finds the disk full, until something was deleted."""
    there = len(list(library.layout.root.rglob("*.mp4")))

    def refuse(name: str) -> None:
        if name == step and len(list(library.layout.root.rglob("*.mp4"))) == there:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return refuse


async def test_a_disk_too_full_for_new_names_gets_room_all_the_same(library: Library) -> None:
    old = save(library.layout.root, start=NOW - 3600)
    library.layout.marker(old.media).unlink()
    save(library.layout.root, birth=Birth(100.0, "unsynced", BOOT, 1500.0))
    async with at_work(library, 100.0, 1_000_000) as house:
        library.step = full(library, "new sidecar")
        (library.layout.root / "of somebody else").write_bytes(bytes(947_500))
        house.clock.step(NOW)
        for _ in range(3):
            await house.look()
        assert house.there(old) == "-"
        assert [path.parent.name for path in library.layout.root.rglob("*.mp4")] == ["2026-09-21"]
        assert (house.keeper.trouble, house.almanac.hold) == (None, None)


async def test_a_start_with_a_disk_too_full_for_a_name_goes_on_and_gives_it_later(library: Library) -> None:
    clip = save(library.layout.root, birth=Birth(100.0, "unsynced", BOOT, 1500.0))
    birth = Birth(NOW, "synced", BOOT, 1500.0)
    library.step = full(library, "new sidecar")
    with pytest.raises(OSError, match="No space"):
        rename(library, renaming(clip, birth))
    found = recover(library)
    assert (found.renamed, found.refused and found.refused.errno) == ([], errno.ENOSPC)
    library.step = lambda _: None
    async with at_work(library) as house:
        assert house.there(clip) == "-"
        assert not library.untidy
