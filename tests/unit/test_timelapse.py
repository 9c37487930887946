"""Stills on the grid: which are taken, which are missed, and that nothing private is among them."""

import asyncio
import errno
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clips import opened
from edgecam.config.cron import cron
from edgecam.config.model import Timelapse as Config
from edgecam.events import Bus, ClipSaved
from edgecam.frame import Frame, Kind
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring, Want
from edgecam.media import MediaId, MediaKind, Sidecar, iso
from edgecam.record.disk.library import Library
from edgecam.record.lapse.timelapse import TICK, Timelapse
from fakes import AtOnce, FakeClock, Switchboard, settle, until
from pictures import jpeg

pytestmark = pytest.mark.usefixtures("berlin")

NOON = 1_790_071_200.0
"""22 September 2026, noon in Berlin, in summer time."""

PATIENCE = 12.0


class House:
    """A camera with a timelapse, on a clock of our own. Records since before the first moment."""

    def __init__(self, library: Library, config: Config, wall: float) -> None:
        self.library, self.clock, self.bus = library, FakeClock(wall), Bus()
        self.hub, self.status = FrameHub("cam", Ring(1.0)), CameraStatus("Cam")
        self.settings = Switchboard(self.bus, self.clock)
        self.settings.set("cam", "recording", True)
        self.saved: list[Sidecar] = []
        self.bus.on(ClipSaved, lambda event: self.saved.append(event.media))
        self.timelapse = Timelapse(
            id="cam",
            config=config,
            hub=self.hub,
            settings=self.settings,
            status=self.status,
            library=library,
            bus=self.bus,
            clock=self.clock,
            pool=AtOnce(),
            quality=80,
            patience=PATIENCE,
        )
        self._number = 0

    def frame(self) -> Frame:
        """The camera gives a picture of now."""
        self._number += 1
        clock = self.clock
        made = Frame("cam", self._number, clock.monotonic(), clock.wall(), Kind.JPEG, jpeg(self._number), 64, 48)
        self.hub.publish(made)
        return made

    async def still(self) -> Sidecar:
        """The one that is due now, of a camera that works."""
        count = len(self.saved)
        assert self.hub.demand[Want.SNAPSHOT], "no still is due"
        self.frame()
        await until("a still", lambda: len(self.saved) > count)
        await settle()
        return self.saved[-1]

    async def pass_by(self, seconds: float) -> None:
        """Time goes on while the camera works; whatever is due is taken."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            await self.clock.advance(1)
            if self.hub.demand[Want.SNAPSHOT]:
                await self.still()

    @property
    def taken(self) -> list[str]:
        return [iso(still.start)[11:19] for still in self.saved]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with opened(tmp_path) as library:
        yield library


@asynccontextmanager
async def at_work(library: Library, wall: float = NOON - 30, **config: object) -> AsyncIterator[House]:
    house = House(library, Config.model_validate(config), wall)
    life = asyncio.create_task(house.timelapse.run())
    await settle()
    try:
        yield house
    finally:
        life.cancel()
        await asyncio.wait({life})


async def test_a_still_lies_among_the_pictures_with_all_that_is_known_of_it(library: Library) -> None:
    async with at_work(library) as house:
        await house.clock.advance(30)
        still = await house.still()
    id = MediaId.parse(f"{still.id}.jpg")
    assert id.kind is MediaKind.TIMELAPSE
    path = library.layout.root / "snapshots" / "cam" / "2026-09-22" / f"{still.id}.jpg"
    assert path.read_bytes() == jpeg(1)
    told = json.loads(path.with_suffix(".json").read_bytes())
    assert (told["start"], told["end"], told["codec"]) == ("2026-09-22T10:00:00.000Z",) * 2 + ("jpeg",)
    assert (told["cause"], told["kind"], told["duration"]) == ("timelapse", "timelapse", 0)
    assert library.find(id.name) == path
    assert house.status.stills == 1
    assert not house.hub.wanted, "a camera may be idle between stills"


async def test_stills_come_at_full_minutes_and_none_twice_over_a_restart(library: Library) -> None:
    async with at_work(library) as house:
        await house.pass_by(95)
        assert house.taken == ["10:00:00", "10:01:00"]
    async with at_work(library, NOON + 65.5) as house:
        await house.pass_by(60)
        assert house.taken == ["10:02:00"]
        still = MediaId.parse(f"{house.saved[0].id}.jpg")
    assert len(library.list("cam", still.day)) == 3


async def test_stills_come_at_the_times_of_day_that_are_named(library: Library) -> None:
    async with at_work(library, NOON - 90, at=(cron("11:59"), cron("0 12 * * mon-fri"), cron("0 12 * * sun"))) as house:
        await house.pass_by(300)
        assert house.taken == ["09:59:00", "10:00:00"]


async def test_a_still_shows_what_was_captured_after_its_moment(library: Library) -> None:
    async with at_work(library) as house:
        await house.clock.advance(29.9)
        house.frame()
        await house.clock.advance(0.2)
        assert house.saved == []
        late = house.frame()
        await until("a still", lambda: house.saved)
        assert house.saved[0].start == pytest.approx(late.wall, abs=0.001)


async def test_a_camera_that_is_away_costs_its_stills_and_one_line(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with at_work(library) as house:
        house.status.trouble = "no frame for 10 s from rtsp://cam.local"
        await house.clock.advance(30 + PATIENCE + 120 + PATIENCE)
        assert (house.status.stills, house.status.stills_missed) == (0, 3)
        assert caplog.text.count("no timelapse still") == 1
        assert "cam: no timelapse still: no frame for 10 s from rtsp://cam.local; the next ones" in caplog.text
        await house.pass_by(60)
        assert (house.status.stills, house.status.stills_missed) == (1, 3)
        assert "cam: timelapse stills again, 3 missed" in caplog.text


async def test_what_a_slow_camera_missed_meanwhile_is_one_still(library: Library) -> None:
    async with at_work(library, every="2s") as house:
        await house.clock.advance(2 * PATIENCE + 8)
        assert house.status.stills_missed == 2
        assert len(house.saved) == 0


@pytest.mark.parametrize(("key", "value"), [("recording", False), ("privacy", True)])
async def test_nothing_is_taken_nor_the_camera_opened_while_it_is_not_to_record(
    library: Library, key: str, value: bool
) -> None:
    async with at_work(library) as house:
        house.settings.set("cam", key, value)
        await house.clock.advance(30)
        assert not house.hub.wanted
        house.frame()
        await settle()
        assert (house.saved, house.status.stills_missed) == ([], 1)
        house.settings.set("cam", key, not value)
        await house.pass_by(60)
        assert house.taken == ["10:01:00"]


async def test_privacy_that_begins_while_a_still_is_coded_keeps_it_from_the_disk(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(library) as house:

        async def private(frame: Frame, *_: object) -> Frame:
            house.hub.clear()
            return frame

        monkeypatch.setattr("edgecam.record.lapse.timelapse.developed", private)
        await house.clock.advance(30)
        house.frame()
        await until("the still is given up", lambda: house.status.stills_missed)
        assert house.saved == []
    assert not list(library.layout.root.rglob("*.jpg"))


async def test_a_full_or_failing_disk_costs_stills_and_no_more(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with at_work(library) as house:
        library.full = "the storage is full"
        await house.clock.advance(30)
        assert house.status.stills_missed == 1
        assert "cam: no timelapse still: the storage is full" in caplog.text
        library.full = None
        with monkeypatch.context() as patch:

            def refuse(_: Path, __: bytes) -> None:
                raise OSError(errno.EIO, "Input/output error")

            patch.setattr("edgecam.durable.write", refuse)
            await house.clock.advance(60)
            house.frame()
            await until("the disk refuses", lambda: house.status.stills_missed == 2)
        await house.pass_by(60)
        assert house.taken == ["10:02:00"]
    assert not list(library.layout.open.iterdir())


async def test_a_clock_that_is_set_makes_one_still_and_none_twice(library: Library) -> None:
    async with at_work(library) as house:
        await house.pass_by(40)
        house.clock.step(600)
        await house.pass_by(TICK)
        assert len(house.taken) == 2, "one for ten moments"
        house.clock.step(-600)
        await house.pass_by(590)
        assert len(house.taken) == 2, "all of these were before"
        await house.pass_by(60)
        assert len(house.taken) == 3
