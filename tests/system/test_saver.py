"""`Save the last N seconds` and exports: every frame that is asked for, once, wherever it lies.

Hub, recorder, writer, library and film are real; the clock and the frames' times are the test's.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from clips import counters, h264, jpegs, opened, probe
from edgecam.config import model
from edgecam.control import Film, Saved, Unavailable
from edgecam.events import Bus, ClipSaved
from edgecam.frame import Frame
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring
from edgecam.media import MediaId, MediaKind, Sidecar
from edgecam.record.coding.transcoder import Transcoder
from edgecam.record.cut import archive
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import recover
from edgecam.record.draft import Draft
from edgecam.record.finisher import Finisher
from edgecam.record.mp4 import Mp4
from edgecam.record.recorder import Recorder
from edgecam.record.saver import Saver
from edgecam.settings import Settings
from fakes import FakeClock, until
from sounds import beeps, decodes, sounds, voice

pytestmark = pytest.mark.system

START = 1.79e9
PATIENCE = 30.0


class Booth:
    """One camera that records continuously, or nothing at all, and its saver."""

    def __init__(self, library: Library, *, mode: str, reach: float, codec: str) -> None:
        self.library, self.clock, self.bus = library, FakeClock(monotonic=1000.0, wall=START), Bus()
        record = {"mode": mode, "continuous": {"segment": "2s"}}
        camera = model.Camera.model_validate({"source": "synthetic", "video": {"codec": codec}, "record": record})
        self.hub, self.status = FrameHub("cam", Ring(1.0, reach, 50_000_000)), CameraStatus("Cam")
        self.finisher = Finisher(
            library=library,
            transcoder=Transcoder(self.clock),
            video={"cam": camera.video},
            bus=self.bus,
            clock=self.clock,
            recovered=recover(library),
        )
        self.recorder = Recorder(
            id="cam",
            config=camera.record,
            video=camera.video,
            hub=self.hub,
            bus=self.bus,
            settings=Settings({"cam": camera}, library.layout.root / "settings.json", self.bus, self.clock),
            status=self.status,
            library=library,
            finisher=self.finisher,
            clock=self.clock,
        )
        self.saver = Saver(
            hubs={"cam": self.hub},
            video={"cam": camera.video},
            library=library,
            finisher=self.finisher,
            clock=self.clock,
        )
        self.saved: asyncio.Queue[Sidecar] = asyncio.Queue()
        self.bus.on(ClipSaved, lambda event: self.saved.put_nowait(event.media))

    async def film(self, frames: Sequence[Frame]) -> None:
        """At the pace of the disk; afterwards it is one frame later than the last one."""
        for frame in frames:
            self.clock.tick(frame.mono - self.clock.monotonic())
            self.hub.publish(frame)
            await until("the disk has it", lambda: not self.recorder.backlog and self.on_their_way <= 1)
        self.clock.tick(1 / 15)

    @property
    def on_their_way(self) -> int:
        """Files that are open or being closed."""
        return sum(len(tape._tasks) for tape in self.recorder._tapes)

    async def manual(self) -> Sidecar:
        async with asyncio.timeout(PATIENCE):
            while (media := await self.saved.get()).kind is not MediaKind.MANUAL:
                pass
        return media


@contextlib.asynccontextmanager
async def booth(path: Path, *, mode: str = "event", reach: float = 60.0, codec: str = "auto") -> AsyncIterator[Booth]:
    with opened(path) as library:
        booth = Booth(library, mode=mode, reach=reach, codec=codec)
        lives = [asyncio.create_task(room.run()) for room in (booth.finisher, booth.recorder)]
        await asyncio.sleep(0)
        try:
            yield booth
        finally:
            for life in reversed(lives):
                life.cancel()
                await asyncio.wait({life})


async def clip_of(booth: Booth, saved: Saved) -> tuple[Sidecar, Path]:
    media = await booth.manual()
    path = booth.library.find(saved.id)
    assert media.id == saved.id
    assert path is not None
    assert probe(path).complaints == ""
    return media, path


def coded_clip(library: Library) -> None:
    """A finished event clip of six seconds from START on, in H.264."""
    frames = h264(90)
    draft = Draft(id=MediaId.new(START, "cam", MediaKind.EVENT).text, start=START, cause="motion", complete=True)
    with library.begin(draft).open("wb", buffering=0) as file:
        mp4 = Mp4(file, frames[0])
        for frame in frames:
            mp4.write(frame)
        mp4.close()
    library.finish(draft)


CAMERAS = {"jpeg": (jpegs(150), "auto"), "h264": (h264(150), "auto"), "jpeg, kept so": (jpegs(150), "mjpeg")}


@pytest.mark.parametrize(("frames", "codec"), CAMERAS.values(), ids=CAMERAS)
async def test_the_last_seconds_come_out_of_the_buffer_where_nothing_is_recorded(
    frames: Sequence[Frame], codec: str, tmp_path: Path
) -> None:
    async with booth(tmp_path, codec=codec) as here:
        await here.film(frames)
        saved = await here.saver.save_clip("cam", 4.0)
        media, path = await clip_of(here, saved)
        assert counters(path) == list(range(90, 150))
        assert (media.cause, media.codec) == ("manual", "mjpeg" if codec == "mjpeg" else "h264")
        assert media.duration == pytest.approx(4.0, abs=0.02)
        assert (saved.begin, saved.end) == pytest.approx((START + 6.0, START + 10.0), abs=0.1)
        assert saved.note is None


@pytest.mark.parametrize(("frames", "codec"), CAMERAS.values(), ids=CAMERAS)
async def test_what_the_buffer_has_forgotten_comes_out_of_segments_and_the_open_one(
    frames: Sequence[Frame], codec: str, tmp_path: Path
) -> None:
    """The buffer holds a second or two, the clip eight: three finished segments, the open one, the buffer."""
    async with booth(tmp_path, mode="continuous", reach=0.0, codec=codec) as here:
        await here.film(frames)
        assert here.hub.ring.span < 3.0
        saved = await here.saver.save_clip("cam", 8.0)
        media, path = await clip_of(here, saved)
        assert counters(path) == list(range(30, 150))
        assert media.duration == pytest.approx(8.0, abs=0.02)
        assert saved.note is None


async def test_the_newest_seconds_are_in_the_clip_even_where_older_ones_are_coded_otherwise(tmp_path: Path) -> None:
    """A JPEG camera's event clips are H.264 by now: they cannot be joined with its newest pictures."""
    async with booth(tmp_path, codec="mjpeg") as here:
        coded_clip(here.library)
        await here.film(jpegs(150)[120:])
        saved = await here.saver.save_clip("cam", 10.0)
        _, path = await clip_of(here, saved)
        assert counters(path) == list(range(120, 150))
        assert saved.note == "begins 8.0 s later than asked: what lies before was not kept"
        assert counters(written(await here.saver.export("cam", START, START + 10), tmp_path / "f.mp4")) == list(
            range(90)
        )


async def test_a_cut_that_moved_to_a_keyframe_is_told(tmp_path: Path) -> None:
    async with booth(tmp_path, mode="continuous", reach=0.0) as here:
        await here.film(h264(150))
        saved = await here.saver.save_clip("cam", 7.2)
        _, path = await clip_of(here, saved)
        assert counters(path) == list(range(30, 150)), "from the keyframe before"
        assert saved.note == "begins 0.8 s earlier than asked, at a keyframe"


async def test_asked_for_more_than_was_seen_it_keeps_what_there_is_and_says_so(tmp_path: Path) -> None:
    async with booth(tmp_path) as here:
        await here.film(h264(60))
        saved = await here.saver.save_clip("cam", 60.0)
        _, path = await clip_of(here, saved)
        assert counters(path) == list(range(60))
        assert saved.note == "begins 56.0 s later than asked: what lies before was not kept"


async def test_the_sound_of_the_last_seconds_is_kept(tmp_path: Path) -> None:
    async with booth(tmp_path, mode="continuous", reach=0.0) as here:
        heard = list(sounds(11.0, 3.5, 7.5, 9.5, mono=999.0))
        for frame in h264(150):
            while heard and heard[0].mono <= frame.mono:
                here.hub.hear(heard.pop(0))
            await here.film([frame])
        _, path = await clip_of(here, await here.saver.save_clip("cam", 8.0))
        decodes(path)
        assert counters(path) == list(range(30, 150))
        assert beeps(path) == pytest.approx([0.5, 4.5, 6.5], abs=0.03)
        assert voice(path) == pytest.approx((0.0, 8.0), abs=0.2)


async def test_nothing_was_seen(tmp_path: Path) -> None:
    async with booth(tmp_path) as here:
        with pytest.raises(Unavailable, match="there is nothing to save yet"):
            await here.saver.save_clip("cam", 60.0)
        assert list(here.library.layout.open.iterdir()) == []


async def test_a_full_disk_is_the_answer(tmp_path: Path) -> None:
    async with booth(tmp_path) as here:
        await here.film(jpegs(30))
        here.library.full = "the storage is full"
        with pytest.raises(Unavailable, match="the storage is full"):
            await here.saver.save_clip("cam", 60.0)


async def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with booth(tmp_path) as here:
        await here.film(jpegs(30))
        monkeypatch.setattr("edgecam.record.cut.film.Film.write", refuse)
        with pytest.raises(Unavailable, match="cannot be written: No space left on device"):
            await here.saver.save_clip("cam", 60.0)
        assert list(here.library.layout.open.iterdir()) == []


def refuse(*_: object) -> None:
    raise OSError(28, "No space left on device")


# -- exports -----------------------------------------------------------------------------------------------------------


def written(film: Film, path: Path) -> Path:
    path.write_bytes(b"".join(film.pieces(0, film.size)))
    assert path.stat().st_size == film.size
    return path


@pytest.mark.parametrize(("frames", "codec"), CAMERAS.values(), ids=CAMERAS)
async def test_any_interval_is_one_film_frame_by_frame(frames: Sequence[Frame], codec: str, tmp_path: Path) -> None:
    async with booth(tmp_path, mode="continuous", codec=codec) as here:
        await here.film(frames)
        film = await here.saver.export("cam", START + 1.0, START + 7.0)
        path = written(film, tmp_path / "film.mp4")
        assert counters(path) == list(range(15, 105))
        assert probe(path).complaints == ""
        assert probe(path).duration == pytest.approx(6.0, abs=0.02)
        assert (film.begin, film.end) == pytest.approx((START + 1, START + 7))
        assert film.gaps == ()


async def test_of_an_event_that_lies_in_both_codings_the_one_that_browsers_play_is_exported(tmp_path: Path) -> None:
    async with booth(tmp_path, mode="continuous", codec="mjpeg") as here:
        await here.film(jpegs(120))
        coded_clip(here.library)
        event = await here.saver.export("cam", START, START + 6.0)
        assert probe(written(event, tmp_path / "event.mp4")).codec == "h264"
        longer = await here.saver.export("cam", START, START + 7.9)
        assert probe(written(longer, tmp_path / "longer.mp4")).codec == "mjpeg", "all of it is worth more"


async def test_a_storage_that_went_away_is_told(tmp_path: Path) -> None:
    async with booth(tmp_path) as here:
        here.library.close()
        with pytest.raises(Unavailable, match=r"the recordings cannot be read: the storage .* is gone"):
            await here.saver.export("cam", START, START + 6.0)


async def test_an_export_of_what_was_never_recorded_is_refused(tmp_path: Path) -> None:
    async with booth(tmp_path) as here:
        with pytest.raises(Unavailable, match="nothing was recorded then"):
            await here.saver.export("cam", START - 100, START - 50)


@pytest.mark.parametrize("when", ["recordings are listed", "recordings are opened"])
async def test_an_export_has_the_segment_that_is_finished_in_the_same_moment(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither where it was written any more nor where finished ones were looked for."""
    async with booth(tmp_path, codec="mjpeg") as here:
        frames = jpegs(30)
        id = MediaId.new(frames[0].wall, "cam", MediaKind.CONTINUOUS)
        draft = Draft(id=id.text, start=frames[0].wall, cause="continuous", complete=True)
        with here.library.begin(draft).open("wb", buffering=0) as file:
            mp4 = Mp4(file, frames[0])
            for frame in frames:
                mp4.write(frame)
            mp4.close()
        owner, name = {
            "recordings are listed": (archive, "_finished"),
            "recordings are opened": (archive, "recordings"),
        }[when]
        find = getattr(owner, name)

        def found(*asked: object) -> list[object]:
            before = list(find(*asked))
            here.library.finish(draft)
            return before

        monkeypatch.setattr(owner, name, found)
        film = await here.saver.export("cam", START, START + 2)
        assert counters(written(film, tmp_path / "film.mp4")) == list(range(30))


async def test_that_there_is_none_is_no_error_in_the_log_where_who_asked_hung_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with booth(tmp_path) as here:
        asking = asyncio.create_task(here.saver.save_clip("cam", 2.0))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
        await until("it is over", lambda: "cam manual" not in {task.get_name() for task in asyncio.all_tasks()})
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_a_clip_is_kept_though_who_asked_for_it_hung_up(tmp_path: Path) -> None:
    async with booth(tmp_path, codec="mjpeg") as here:
        await here.film(jpegs(30))
        asking = asyncio.create_task(here.saver.save_clip("cam", 2.0))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
        media = await here.manual()
        assert media.duration == pytest.approx(2.0, abs=0.1)
        assert list(here.library.layout.open.iterdir()) == []


async def test_privacy_that_comes_while_a_clip_is_saved_leaves_no_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with booth(tmp_path, codec="mjpeg") as here:
        await here.film(jpegs(30))
        update, loop = here.library.update, asyncio.get_running_loop()

        def slow(draft: Draft) -> None:
            update(draft)
            if draft.complete:
                loop.call_soon_threadsafe(here.hub.clear)

        monkeypatch.setattr(here.library, "update", slow)
        with pytest.raises(Unavailable, match="privacy is on"):
            await here.saver.save_clip("cam", 2.0)
        assert list(here.library.layout.open.iterdir()) == []


async def test_a_clock_that_was_set_a_moment_ago_costs_nothing_of_the_buffer(tmp_path: Path) -> None:
    """A board without a clock of its own learns the time after its start."""
    async with booth(tmp_path, codec="mjpeg") as here:
        await here.film(jpegs(30))
        here.clock.step(3600.0)
        await here.film(jpegs(60, wall=START + 3600.0)[30:])
        saved = await here.saver.save_clip("cam", 4.0)
        _, path = await clip_of(here, saved)
        assert counters(path) == list(range(60))
        assert saved.begin == pytest.approx(START + 3600.0, abs=0.1)
        assert saved.note is None
