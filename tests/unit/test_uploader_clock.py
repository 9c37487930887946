"""While the clock is wrong: nothing goes to the store under a wrong date, and nothing waits for ever."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from edgecam.almanac import PATIENCE, Almanac, Birth
from edgecam.config.store import FolderStore, Offload, StoreConfig
from edgecam.events import Bus, ClipSaved
from edgecam.health import SpoolStatus, StoreState
from edgecam.media import Layout, MediaId, MediaKind, Sidecar
from edgecam.offload.deliver import Delivered, Parcel, deliver
from edgecam.offload.probe import Tried, probe
from edgecam.offload.stores import Permanent, StoreError, Transient
from edgecam.offload.stores.memory import Memory
from edgecam.offload.uploader import ASK, HELD, Uploader
from edgecam.offload.waiting.spool import Spool
from edgecam.record.disk.dating import Dating
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import enter
from fakes import FakeClock, settle
from waiting import save

T = TypeVar("T")

BOOT = "1a2b3c4d"
YEARS = 1.79e9
HOUR = 3600.0


@pytest.fixture(autouse=True)
def _disk_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disk work is done in line: the fake clock cannot wait for threads."""

    async def at_once(work: Callable[..., T], *args: object) -> T:
        return work(*args)

    monkeypatch.setattr("edgecam.aside.run", at_once)


class Waking:
    """A box whose clock shows `wall` and is `late` by the store's, which is in memory; and what keeps names right."""

    def __init__(self, root: Path, wall: float, late: float = 0.0) -> None:
        self.root, self.layout, self.store = root, Layout(root), Memory()
        self.bus, self.clock, self.status = Bus(), FakeClock(wall), SpoolStatus()
        self.looked: list[str] = []
        self._true = wall + late - self.clock.boottime()
        self.carried: list[str | None] = []
        self.shut: str | None = None
        self.almanac = Almanac(self.clock, boot=BOOT)
        self.library = Library(self.layout, wanted=lambda _: True)
        enter(self.library)
        self.uploader = Uploader(
            config=Offload(store=FolderStore(path=root / "nas", prefix="cams/"), link_expiry=None),
            wanted=lambda _: True,
            node="garden-pi",
            prefix=lambda _: "cams/",
            spool=Spool(self.layout),
            worker=self,
            bus=self.bus,
            status=self.status,
            cameras_status={},
            clock=self.clock,
            hold=lambda: self.almanac.hold,
            shut=lambda: self.shut,
        )
        self.dating = Dating(
            library=self.library, almanac=self.almanac, bus=self.bus, carried=lambda: self.uploader.carrying
        )
        self._task: asyncio.Task[None] | None = None

    # -- the worker without its process ------------------------------------------------------------------------------

    async def deliver(self, store: StoreConfig, parcel: Parcel) -> Delivered:
        self.carried.append(self.uploader.carrying)
        return deliver(self.store, parcel, lambda _: None)

    async def link(self, store: StoreConfig, key: str, expiry: float) -> None: ...

    async def abandon(self, store: StoreConfig, journal: Path) -> None: ...

    async def look(self, store: StoreConfig, key: str) -> None:
        self.looked.append(key)
        fault = self.store.faults.popleft() if self.store.faults else None
        if not isinstance(fault, Transient):  # somebody is there
            self.almanac.heard(self._true + self.clock.boottime() - self.clock.wall())
        if fault:
            raise fault

    async def probe(self, store: StoreConfig, key: str) -> Tried:
        return probe(self.store, key)

    async def close(self) -> None: ...

    # -- what happens -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._task = asyncio.create_task(self.uploader.run())
        await settle()

    async def end(self) -> None:
        assert self._task
        self._task.cancel()
        await asyncio.wait({self._task})
        self.library.close()

    async def live(self, seconds: float = HELD) -> None:
        """The keeper looks, and time passes."""
        await self.dating.turn()
        await self.clock.advance(seconds)

    def records(self) -> Sidecar:
        birth = self.almanac.birth(self.clock.wall(), self.clock.monotonic())
        clip = save(self.root, birth=birth)
        self.bus.publish(ClipSaved(camera="birdbox", at=clip.end, media=clip))
        return clip

    @property
    def keys(self) -> list[str]:
        return sorted(self.store.objects)


def both(stem: str) -> list[str]:
    return [f"cams/garden-pi/birdbox/{stem}{suffix}" for suffix in (".json", ".mp4")]


async def test_nothing_is_uploaded_until_the_clock_is_set_and_then_under_its_right_date(tmp_path: Path) -> None:
    box = Waking(tmp_path, 100.0, late=YEARS)
    clip = box.records()
    await box.start()
    await box.live(PATIENCE / 2)
    assert (box.keys, box.status.files) == ([], 1)
    assert (box.status.state, box.status.reason) == (StoreState.HELD, box.almanac.hold)
    assert str(box.status.reason).startswith("the clock is 56 years 277 d behind the store's; ")
    box.clock.step(YEARS)
    await box.live()
    await box.live(ASK)
    right = MediaId.new(clip.start + YEARS, "birdbox", MediaKind.EVENT, random=clip.media.random)
    assert box.keys == both(f"{right.day.replace('-', '/')}/{right}")
    manifest = Sidecar.model_validate_json(box.store.objects[box.keys[0]])
    assert (manifest.id, manifest.clock, manifest.start) == (right.text, "synced", clip.start + YEARS)
    assert (box.status.state, box.status.files) == (StoreState.OK, 0)
    await box.end()


async def test_without_a_clock_for_a_quarter_of_an_hour_it_goes_without_a_date(tmp_path: Path) -> None:
    box = Waking(tmp_path, 100.0, late=YEARS)
    clip = box.records()
    await box.start()
    await box.live(PATIENCE - HELD)
    assert box.keys == []
    await box.live(2 * HELD)
    assert box.keys == both(f"unsynced/{clip.id}")
    late = box.records()  # from now on at once
    await box.live()
    assert box.keys == sorted(both(f"unsynced/{clip.id}") + both(f"unsynced/{late.id}"))
    box.clock.step(YEARS)
    await box.live()
    await box.live(PATIENCE)
    assert len(box.store.puts) == 4  # what is stored is stored
    here = MediaId.new(clip.start + YEARS, "birdbox", MediaKind.EVENT, random=clip.media.random)
    assert box.library.find(here.text)  # and has its date here all the same
    await box.end()


async def test_what_no_clock_can_date_any_more_goes_at_once(tmp_path: Path) -> None:
    clip = save(tmp_path, birth=Birth(100.0, "unsynced", "ffffffff", 42.0))
    box = Waking(tmp_path, YEARS)
    await box.start()
    await box.live()
    assert box.keys == both(f"unsynced/{clip.id}")
    await box.end()


async def test_a_store_that_knows_better_keeps_wrong_dates_out_of_it(tmp_path: Path) -> None:
    """The first answer of a store says that our clock is an hour behind."""
    box = Waking(tmp_path, YEARS, late=HOUR)
    await box.dating.turn()
    assert box.almanac.hold is None  # as far as we know
    box.store.faults.extend([Transient("no network"), Permanent("403")])  # a key that may only put
    clips = [box.records()]
    await box.start()
    await box.live(10)
    assert len(box.looked) == 2
    clips.append(box.records())
    await box.live(PATIENCE / 2)
    assert box.keys == []
    assert all(name.startswith(f"unsynced-{BOOT}-") for name in (path.name for path in box.layout.wait.iterdir()))
    box.clock.step(HOUR)
    await box.live()
    await box.live()
    right = [MediaId.new(clip.start + HOUR, "birdbox", MediaKind.EVENT, random=clip.media.random) for clip in clips]
    assert box.keys == sorted(key for id in right for key in both(f"{id.day.replace('-', '/')}/{id}"))
    await box.end()


@pytest.mark.parametrize("fault", [None, Permanent("403"), Transient("no network")])
async def test_while_it_is_held_the_store_is_asked_for_the_time_once_a_minute(
    fault: StoreError | None, tmp_path: Path
) -> None:
    box = Waking(tmp_path, 100.0, late=YEARS)
    box.records()
    box.store.faults.extend([fault] * 3)
    await box.start()
    await box.live(2 * ASK + HELD)
    assert box.looked == ["cams/_edgecam/probe-garden-pi"] * 3
    assert box.status.state is StoreState.HELD
    await box.end()


async def test_while_not_a_byte_may_leave_nobody_is_asked_for_the_time_either(tmp_path: Path) -> None:
    box = Waking(tmp_path, 100.0, late=YEARS)
    box.records()
    box.shut = "the window opens at 13:00"
    await box.start()
    await box.live(2 * ASK)
    assert (box.looked, box.status.state, box.status.reason) == ([], StoreState.HELD, box.shut)
    box.shut = None
    await box.live()
    assert len(box.looked) == 1
    await box.end()


async def test_what_is_on_its_way_is_known_so_that_nobody_renames_it(tmp_path: Path) -> None:
    box = Waking(tmp_path, 100.0, late=YEARS)
    clip = box.records()
    await box.start()
    await box.live(PATIENCE + HELD)
    assert box.carried == [clip.id]
    assert box.uploader.carrying is None
    await box.end()


async def test_the_age_of_the_oldest_is_of_what_has_a_date(tmp_path: Path) -> None:
    box = Waking(tmp_path, 100.0, late=YEARS)
    box.records()
    await box.start()
    await box.live()
    assert (box.status.files, box.status.oldest) == (1, None)
    await box.end()
