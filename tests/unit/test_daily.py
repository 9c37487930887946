"""The film of each day: of all its stills, once, whole or not at all, also when the box was off at the time."""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import av
import pytest
import simplejpeg

from clips import counters, jpeg, opened, probe
from edgecam.config import model
from edgecam.config.units import TimeOfDay
from edgecam.events import Bus, ClipSaved
from edgecam.frame import Frame, Kind
from edgecam.media import MediaId, MediaKind, Sidecar
from edgecam.record.coding.transcoder import TranscodeFailed, Transcoder
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import Recovered, recover
from edgecam.record.finisher import Finisher
from edgecam.record.lapse.daily import Daily
from edgecam.record.lapse.timelapse import TICK
from fakes import FakeClock, settle, until

pytestmark = pytest.mark.usefixtures("berlin")

BERLIN = ZoneInfo("Europe/Berlin")


def at(day: int, hour: int = 0, minute: int = 0, *, month: int = 9, fold: int = 0) -> float:
    """Unix seconds of a moment in Berlin, 2026."""
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN, fold=fold).timestamp()


class Studio:
    """Makes small films at once, or what a test makes it do."""

    def __init__(self) -> None:
        self.films: list[int] = []
        self.fails: str | None = None
        self.hangs = False

    async def film(self, stills: Path, target: Path, video: model.Video, fps: float) -> int:
        pictures = [Path(line).read_bytes() for line in stills.read_text().splitlines()]
        target.write_bytes(b"half a film")
        if self.fails:
            raise TranscodeFailed(self.fails)
        if self.hangs:
            await asyncio.Event().wait()
        self.films.append(len(pictures))
        with av.open(str(target), "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov"}) as out:
            stream = out.add_stream("libx264", rate=round(fps), options={"preset": "ultrafast", "bf": "0"})
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, round(fps))
            for number, data in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(simplejpeg.decode_jpeg(data), format="rgb24")
                frame.pts = number
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return 0


def recovered(library: Library) -> Recovered:
    """What the next process finds."""
    library.busy.clear()
    return recover(library)


class House:
    """A library with the stills of some days, and what makes their films."""

    def __init__(self, library: Library, wall: float, studio: Studio | None = None) -> None:
        self.library, self.clock, self.bus = library, FakeClock(wall), Bus()
        self.studio = studio or Studio()
        self.saved: list[Sidecar] = []
        self.bus.on(ClipSaved, lambda event: self.saved.append(event.media))
        self.finisher = Finisher(
            library=library,
            transcoder=Transcoder(self.clock),
            video={},
            bus=self.bus,
            clock=self.clock,
            recovered=Recovered(),
        )
        self.daily = Daily(
            id="cam",
            at=TimeOfDay(0, 5),
            fps=25,
            video=model.Video(),
            library=library,
            filmmaker=self.studio,
            finisher=self.finisher,
            clock=self.clock,
        )

    @property
    def films(self) -> list[str]:
        """The first and the last still of each, in Berlin."""
        return [
            " ".join(datetime.fromtimestamp(wall, BERLIN).strftime("%d %H:%M") for wall in (film.start, film.end))
            for film in self.saved
        ]

    async def until_films(self, count: int) -> None:
        await until(f"{count} films", lambda: len(self.saved) >= count)
        await settle()

    async def made_by_the_next_night(self) -> list[int]:
        """Stills of each film that is made up to the night after the 23rd, of which there are two stills."""
        keep(self.library, at(23, 12), at(23, 13))
        self.clock.step(at(24, 0, 6) - self.clock.wall())
        await until("the next film", lambda: self.studio.films, meanwhile=lambda: self.clock.advance(TICK))
        return self.studio.films


def keep(library: Library, *walls: float, camera: str = "cam") -> list[Sidecar]:
    """Stills of these moments; each shows its number."""
    return [
        library.save_picture(
            Frame(camera, n, 0.0, wall, Kind.JPEG, jpeg(n), 320, 240), "timelapse", MediaKind.TIMELAPSE
        )
        for n, wall in enumerate(walls)
    ]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with opened(tmp_path) as library:
        yield library


@asynccontextmanager
async def at_work(library: Library, wall: float, studio: Studio | None = None) -> AsyncIterator[House]:
    house = House(library, wall, studio)
    lives = [asyncio.create_task(part.run()) for part in (house.finisher, house.daily)]
    await settle()
    try:
        yield house
    finally:
        for life in reversed(lives):
            life.cancel()
            await asyncio.wait({life})


async def test_at_five_past_midnight_the_day_before_becomes_one_film(library: Library) -> None:
    day = [at(22, 0), at(22, 12), at(22, 23, 59)]
    keep(library, *day, at(23, 0))
    keep(library, at(21, 23, 59), camera="other")
    async with at_work(library, at(22, 23, 58)) as house:
        await house.clock.advance(360)
        assert house.studio.films == []
        await house.clock.advance(60)
        await house.until_films(1)
        await house.clock.advance(3600)
        assert house.studio.films == [3]
    [film] = house.saved
    assert house.films == ["22 00:00 22 23:59"]
    assert (film.kind, film.cause, film.codec, film.duration) == (MediaKind.TIMELAPSE, "timelapse", "h264", 0.12)
    assert film.is_news, "people hear of a film"
    path = library.layout.root / "recordings" / "cam" / "2026-09-21" / f"{film.id}.mp4"  # its first still's day, UTC
    assert path == library.find(film.id)
    assert (probe(path).frames, probe(path).complaints, counters(path)) == (3, "", [0, 1, 2])
    assert not list(library.layout.open.iterdir())


async def test_what_was_due_while_the_box_was_off_is_made_at_the_next_start_oldest_first(library: Library) -> None:
    for day in (15, 20, 22):
        keep(library, at(day, 8), at(day, 9))
    async with at_work(library, at(23, 10)) as house:
        await house.until_films(3)
    assert house.films == ["15 08:00 15 09:00", "20 08:00 20 09:00", "22 08:00 22 09:00"]
    async with at_work(library, at(23, 11)) as house:
        assert await house.made_by_the_next_night() == [2], "each earlier day has its film"


async def test_a_start_between_midnight_and_the_time_of_films_waits_for_it(library: Library) -> None:
    keep(library, at(21, 8), at(22, 8))
    async with at_work(library, at(23, 0, 4)) as house:
        await house.until_films(1)
        assert house.films == ["21 08:00 21 08:00"]
        await house.clock.advance(60)
        await house.until_films(2)
        assert house.films[1] == "22 08:00 22 08:00"


async def test_a_day_of_25_hours_is_one_film_in_the_order_of_time(library: Library) -> None:
    day = [at(25, 0, month=10), at(25, 2, 30, month=10), at(25, 2, 10, month=10, fold=1), at(25, 23, 59, month=10)]
    keep(library, at(24, 23, 59, month=10), *day, at(26, 0, month=10))
    async with at_work(library, at(26, 1, month=10)) as house:
        await house.until_films(2)
    assert house.studio.films == [1, 4]
    path = library.find(house.saved[1].id)
    assert path is not None
    assert counters(path) == [1, 2, 3, 4]


async def test_a_film_that_fails_is_told_and_made_with_the_next_one(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    keep(library, at(22, 8))
    async with at_work(library, at(23, 1)) as house:
        house.studio.fails = "no still of it can be decoded"
        await until("it fails", lambda: "trying again" in caplog.text)
        assert "cam: no film of 2026-09-22: no still of it can be decoded; trying again with the next" in caplog.text
        await until("nothing is left of it", lambda: not list(library.layout.open.iterdir()))
        house.studio.fails = None
        keep(library, at(23, 8))
        house.clock.step(at(24, 0, 6) - house.clock.wall())
        await house.clock.advance(TICK)
        await house.until_films(2)
    assert house.films == ["22 08:00 22 08:00", "23 08:00 23 08:00"]


async def test_no_film_is_begun_on_a_full_disk(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    keep(library, at(22, 8))
    library.full = "the storage is full"
    async with at_work(library, at(23, 1)) as house:
        await until("it is told", lambda: "the storage is full; trying again" in caplog.text)
        assert house.studio.films == []


async def test_half_a_film_is_never_finished_but_made_anew(library: Library) -> None:
    keep(library, at(22, 8), at(22, 9))
    studio = Studio()
    studio.hangs = True
    async with at_work(library, at(23, 1), studio) as house:
        await until("half a film", lambda: list(library.layout.open.glob("*.coded.mp4")))
    assert house.saved == []
    assert recovered(library) == Recovered()
    assert not list(library.layout.open.iterdir())
    async with at_work(library, at(23, 2)) as house:
        await house.until_films(1)
        assert house.studio.films == [2]


async def test_a_whole_film_that_a_crash_left_unfinished_is_finished_and_not_made_twice(library: Library) -> None:
    keep(library, at(22, 8), at(22, 9))

    class Killed(BaseException): ...

    def step(name: str) -> None:
        if name == "replaced":
            raise Killed

    library.step = step
    house = House(library, at(23, 1))
    with pytest.raises(Killed):
        await house.daily.run()
    library.step = lambda _: None
    [film] = recovered(library).saved
    assert (film.start, film.end, film.interrupted) == (at(22, 8), at(22, 9), False)
    async with at_work(library, at(23, 2)) as house:
        assert await house.made_by_the_next_night() == [2]


async def test_a_film_that_waits_for_a_disk_that_refuses_it_is_not_made_again(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    keep(library, at(22, 8))

    def refuse(*_: object) -> Sidecar:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(library, "finish", refuse)
        async with at_work(library, at(23, 1)) as house:
            await until("it is refused", lambda: "cannot be finished" in caplog.text)
    async with at_work(library, at(23, 2)) as house:
        assert await house.made_by_the_next_night() == [2]
        await house.until_films(1)
    [waiting] = recovered(library).saved
    assert waiting.start == at(22, 8)


async def test_a_film_that_somebody_deleted_does_not_come_back_in_the_next_night(library: Library) -> None:
    keep(library, at(22, 8))
    async with at_work(library, at(23, 1)) as house:
        await house.until_films(1)
        library.remove(house.saved[0].media)
        house.studio.films.clear()
        assert await house.made_by_the_next_night() == [2]


async def test_stills_that_went_before_their_film_are_no_film(library: Library) -> None:
    [still] = keep(library, at(22, 8))
    library.remove(MediaId.parse(f"{still.id}.jpg"))
    async with at_work(library, at(23, 1)) as house:
        assert await house.made_by_the_next_night() == [2]
