"""From frames and motion to clips on disk: hub, recorder, writer thread, transcoder and library, all real.

Time is the test's: frames carry their own, the clock moves when told.
"""

import asyncio
import contextlib
import errno
import itertools
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from clips import counters, h264, jpeg, jpegs, opened, probe
from edgecam.config import model
from edgecam.events import (
    Bus,
    CameraLost,
    ClipSaved,
    MotionEnded,
    MotionExplained,
    MotionPicture,
    MotionStarted,
    MotionUpdated,
    RecordingStarted,
)
from edgecam.frame import Frame, Sound
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring, Want
from edgecam.media import Looks, MediaId, MediaKind, Sidecar
from edgecam.record import finisher as finisher_module
from edgecam.record import writer as writer_module
from edgecam.record.coding.transcoder import TranscodeFailed, Transcoder
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import CODED, recover
from edgecam.record.draft import Draft
from edgecam.record.finisher import Finisher
from edgecam.record.recorder import AGAIN, Recorder
from edgecam.record.tape import WRITERS
from edgecam.settings import Settings
from fakes import FakeClock, settle, until
from sounds import beeps, decodes, joined, packets, sounds, voice

pytestmark = pytest.mark.system

BOX = (0.0, 0.0, 1.0, 1.0)


def looks(count: int) -> Looks:
    """So many, half of them moving."""
    return Looks(
        looks=count, moving=count // 2, peak_score=80, peak_area=9.0, box=BOX, best=3.0, suppressed={"sway": count // 2}
    )


PATIENCE = 30.0


class Studio:
    """One camera with its recorder, on a real disk."""

    def __init__(
        self,
        library: Library,
        *,
        codec: str = "auto",
        transcoder: Transcoder | None = None,
        mode: str = "event",
        segment: str = "2s",
        **event: object,
    ) -> None:
        self.library, self.clock, self.bus = library, FakeClock(monotonic=1000.0), Bus()
        record = {"mode": mode, "event": {"pre": "1s", "post": "1s"} | event, "continuous": {"segment": segment}}
        video = {"codec": codec, "keyframe": "1s"}
        camera = model.Camera.model_validate({"source": "synthetic", "video": video, "record": record})
        self.status = CameraStatus("Cam")
        self.hub = FrameHub("cam", Ring(3.0))
        self.settings = Settings({"cam": camera}, library.layout.root / "settings.json", self.bus, self.clock)
        self.finisher = Finisher(
            library=library,
            transcoder=transcoder or Transcoder(self.clock),
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
            settings=self.settings,
            status=self.status,
            library=library,
            finisher=self.finisher,
            clock=self.clock,
        )
        self.saved: asyncio.Queue[Sidecar] = asyncio.Queue()
        self.begun: list[RecordingStarted] = []
        self.waiting: list[Sound] = []
        self.lag = 0.0
        self.bus.on(ClipSaved, lambda event: self.saved.put_nowait(event.media))
        self.bus.on(RecordingStarted, self.begun.append)
        self._lives: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._lives = [asyncio.create_task(room.run()) for room in (self.finisher, self.recorder)]
        await settle()

    async def stop(self) -> None:
        """As the supervisor does: in reverse order, each one before the next."""
        for life in reversed(self._lives):
            life.cancel()
            await asyncio.wait({life})
        self._lives.clear()

    def film(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            while self.waiting and self.waiting[0].mono + self.waiting[0].duration + self.lag <= frame.mono:
                self.hub.hear(self.waiting.pop(0))
            self.hub.publish(frame)

    def sound(self, sounds: Iterable[Sound], lag: float = 0.0) -> None:
        """From now on this is heard beside the frames, `lag` seconds late."""
        self.waiting, self.lag = list(sounds), lag

    def started(self, mono: float, event: str = "e1", cause: str = "motion") -> None:
        self.bus.publish(
            MotionStarted(
                camera="cam", at=mono, mono=mono, event_id=event, score=10, area=1.0, box=BOX, cause=cause,
                looks=looks(2),
            )
        )  # fmt: skip

    def ended(self, mono: float, event: str = "e1") -> None:
        self.status.last_motion_mono = mono
        self.bus.publish(
            MotionEnded(
                camera="cam", at=mono, mono=mono, event_id=event, score=80, area=9.0, box=BOX, zones=("door",),
                since=0.0, duration=1.0, looks=looks(99),
            )
        )  # fmt: skip

    async def clip(self) -> Sidecar:
        async with asyncio.timeout(PATIENCE):
            return await self.saved.get()

    def path(self, sidecar: Sidecar) -> Path:
        path = self.library.find(sidecar.id)
        assert path is not None
        return path

    def open_files(self) -> list[str]:
        return sorted(path.name for path in self.library.layout.open.iterdir())

    @property
    def on_their_way(self) -> int:
        """Files that are open or being closed."""
        return sum(len(tape._tasks) for tape in self.recorder._tapes)

    def pictured(self, at: float, event: str = "e1", *, final: bool = False) -> None:
        """Motion's best picture so far, taken at frame time `at`."""
        self.bus.publish(
            MotionPicture(
                camera="cam", at=1.79e9 - 1000 + at, event_id=event, jpeg=jpeg(int(at) % 256), score=50, width=320,
                height=240, final=final,
            )
        )  # fmt: skip

    async def all(self, count: int) -> list[Sidecar]:
        """The next `count` saved things, in the order of their beginnings."""
        return sorted([await self.clip() for _ in range(count)], key=lambda clip: clip.start)

    async def healed(self) -> None:
        """Give the recorder time until it has tried again and nothing troubles it."""
        again = partial(self.clock.advance, AGAIN)
        await until("trouble is over", lambda: not self.status.record_trouble, meanwhile=again)


@contextlib.asynccontextmanager
async def recording(path: Path, **options: object) -> AsyncIterator[Studio]:
    with opened(path) as library:
        studio = Studio(library, **options)  # type: ignore[arg-type]  # the same keywords
        await studio.start()
        try:
            yield studio
        finally:
            await studio.stop()


async def one_event(studio: Studio, frames: Sequence[Frame]) -> Sidecar:
    """Motion from 3 s to 5 s of ten seconds of video."""
    studio.film(frames[:50])
    studio.started(1003.0)
    studio.film(frames[50:80])
    studio.status.last_motion_mono = 1005.0
    studio.film(frames[80:])
    studio.ended(1005.0)
    return await studio.clip()


CAMERAS = {"jpeg": (jpegs(150), "auto"), "h264": (h264(150), "auto"), "jpeg, kept so": (jpegs(150), "mjpeg")}


@pytest.mark.parametrize(("frames", "codec"), CAMERAS.values(), ids=CAMERAS)
async def test_a_clip_shows_what_led_to_the_motion_and_what_followed(
    frames: Sequence[Frame], codec: str, tmp_path: Path
) -> None:
    async with recording(tmp_path, codec=codec) as studio:
        clip = await one_event(studio, frames)
        found = probe(studio.path(clip))
        assert counters(studio.path(clip)) == list(range(30, 91))  # 1 s before 3 s to 1 s after 5 s
        assert (found.codec, found.complaints) == ("mjpeg" if codec == "mjpeg" else "h264", "")
        assert found.duration == pytest.approx(61 / 15, abs=0.01)
        assert clip.codec == found.codec
        assert clip.duration == pytest.approx(found.duration, abs=0.002)
        assert (clip.kind, clip.event_id, clip.part, clip.cause) == (MediaKind.EVENT, "e1", 1, "motion")
        assert (clip.score, clip.zones) == (80, ("door",))
        assert clip.start == pytest.approx(1.79e9 + 2.0, abs=0.001)
        assert (clip.note, clip.interrupted) == (None, False)
        assert [(event.id, event.event_id, event.at) for event in studio.begun] == [(clip.id, "e1", clip.start)]
        assert (studio.status.recording, studio.status.clips) == (False, 1)
        assert studio.status.last_clip == clip.end
        assert studio.status.record_trouble is None
        assert studio.open_files() == []


async def test_a_triggered_event_is_recorded_as_long_as_it_is_held_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecam.record.recorder.HOLD", 1)  # no frame waits in memory for the end of the event
    frames = h264(150)
    async with recording(tmp_path) as studio:
        studio.film(frames[:50])
        studio.started(1003.0, cause="pir")
        for held in (1004.0, 1005.0):
            studio.film([frame for frame in frames[50:80] if held - 1 <= frame.mono < held])
            studio.status.held_mono = held
        studio.film(frames[75:])
        studio.bus.publish(
            MotionEnded(
                camera="cam", at=1005.0, mono=1005.0, event_id="e1", score=0, area=0.0, box=BOX, cause="pir",
                since=0.0, duration=2.0,
            )
        )  # fmt: skip
        clip = await studio.clip()
        assert counters(studio.path(clip)) == list(range(30, 91))  # 1 s before 3 s to 1 s after 5 s
        assert (clip.cause, clip.event_id, studio.status.last_motion_mono) == ("pir", "e1", None)


@pytest.mark.parametrize(("frames", "codec"), CAMERAS.values(), ids=CAMERAS)
async def test_a_clip_has_the_sound_of_its_frames(frames: Sequence[Frame], codec: str, tmp_path: Path) -> None:
    """Beeps are in the pre-roll, in the motion, in the post-roll and, to be cut off, before and after the clip."""
    async with recording(tmp_path, codec=codec) as studio:
        studio.sound(sounds(10.0, 1.0, 2.5, 4.0, 5.5, 7.0), lag=0.3)
        path = studio.path(await one_event(studio, frames))
        decodes(path)
        assert counters(path) == list(range(30, 91))
        assert beeps(path) == pytest.approx([0.5, 2.0, 3.5], abs=0.005)
        assert voice(path) == pytest.approx((0.0, 61 / 15), abs=1024 / 48000)
        assert probe(path).duration == pytest.approx(61 / 15, abs=1024 / 48000)


async def steadily(studio: Studio, frames: Sequence[Frame]) -> None:
    """As fast as the disk takes it: the file before is finished before the next one is."""
    for frame in frames:
        studio.film([frame])
        await until("the file before is written", lambda: studio.on_their_way <= 1)


async def long_event(studio: Studio, frames: Sequence[Frame]) -> list[Sidecar]:
    """Motion from 1002.0 to the last frame, each part awaited while the next one is filmed; all parts in order."""
    parts = list[Sidecar]()
    studio.film(frames[:30])
    studio.started(1002.0)
    for frame in frames[30:]:
        studio.status.last_motion_mono = frame.mono
        studio.film([frame])
        studio.bus.publish(
            MotionExplained(camera="cam", at=0, event_id="e1", suppressed=None, looks=looks(frame.number))
        )
        if len(studio.begun) > len(parts) + 1:
            parts.append(await studio.clip())
    studio.ended(frames[-1].mono)
    await studio.stop()
    return sorted([*parts, await studio.clip()], key=lambda clip: clip.part)


async def test_parts_of_a_long_event_have_all_its_sound_once(tmp_path: Path) -> None:
    async with recording(tmp_path, max="2s") as studio:
        sound = sounds(10.0)
        studio.sound(sound, lag=0.25)
        parts = await long_event(studio, h264(150))
        assert len(parts) == 5
        written = [packet for clip in parts for packet in packets(studio.path(clip))]
        heard = joined([one for one in sound if one.mono >= 1001.0])
        assert written == heard[: len(written)]
        assert len(written) >= len(heard) - 16  # the last were not known yet when the camera stopped
        for clip in parts[:-1]:
            assert voice(studio.path(clip)) == pytest.approx((0.0, clip.duration), abs=2 * 1024 / 48000)


async def test_a_microphone_unplugged_in_the_middle_leaves_a_whole_clip(tmp_path: Path) -> None:
    async with recording(tmp_path) as studio:
        studio.sound(sounds(4.0, 2.5))
        path = studio.path(await one_event(studio, jpegs(150)))
        decodes(path)
        assert counters(path) == list(range(30, 91))
        assert voice(path) == pytest.approx((0.0, 2.0), abs=0.05)


async def test_a_camera_without_sound_makes_clips_without_a_track_for_it(tmp_path: Path) -> None:
    async with recording(tmp_path) as studio:
        assert voice(studio.path(await one_event(studio, h264(150)))) is None


async def test_nothing_touches_the_disk_while_nothing_moves(tmp_path: Path) -> None:
    async with recording(tmp_path) as studio:
        before = sorted(tmp_path.rglob("*"))
        studio.film(jpegs(100))
        await studio.clock.advance(10)
        assert sorted(tmp_path.rglob("*")) == before
        assert not studio.status.recording


async def test_a_long_event_becomes_parts_without_a_seam_each_saved_while_it_goes_on(tmp_path: Path) -> None:
    async with recording(tmp_path, max="2s") as studio:
        frames = h264(150)
        parts = await long_event(studio, frames)
        assert [clip.part for clip in parts] == [1, 2, 3, 4, 5]
        assert {clip.event_id for clip in parts} == {"e1"}
        assert [clip.motion and clip.motion.looks for clip in parts] == [44, 74, 104, 134, 99]
        assert [n for clip in parts for n in counters(studio.path(clip))] == list(range(15, 150))
        for clip, following in itertools.pairwise(parts):
            assert clip.end == pytest.approx(following.start, abs=0.002)


async def test_the_clip_that_privacy_cuts_tells_of_its_event_what_the_events_end_tells(tmp_path: Path) -> None:
    async with recording(tmp_path, codec="mjpeg") as studio:
        studio.film(jpegs(60))
        studio.started(1003.0)
        studio.settings.set("cam", "privacy", True)
        studio.ended(1004.0)  # who looks for motion hears of privacy after the recorder
        clip = await studio.clip()
        assert (clip.event_id, clip.score, clip.zones, clip.motion) == ("e1", 80, ("door",), looks(99))


async def test_recording_switched_off_ends_the_clip_and_wants_no_frames(tmp_path: Path) -> None:
    async with recording(tmp_path, codec="mjpeg") as studio:
        assert studio.hub.demand[Want.RECORD] == 1
        studio.film(jpegs(40))
        studio.started(1002.0)
        assert studio.status.recording
        studio.settings.set("cam", "recording", False)
        assert not studio.status.recording
        assert studio.hub.demand[Want.RECORD] == 0
        clip = await studio.clip()
        assert counters(studio.path(clip)) == list(range(15, 40))
        studio.ended(1002.0)
        studio.started(1002.5, "e2")
        studio.film(jpegs(10, first=40))
        assert len(studio.begun) == 1
        studio.ended(1002.5, "e2")
        studio.settings.set("cam", "recording", None)
        assert studio.hub.demand[Want.RECORD] == 1
        studio.started(1003.0, "e3")
        assert [event.event_id for event in studio.begun] == ["e1", "e3"]


async def test_events_of_other_cameras_are_not_ours(tmp_path: Path) -> None:
    async with recording(tmp_path) as studio:
        studio.film(jpegs(40))
        common = {"camera": "other", "at": 1002.0, "mono": 1002.0, "event_id": "x", "score": 1, "area": 1.0, "box": BOX}
        studio.bus.publish(MotionStarted(**common))  # type: ignore[arg-type]  # the keywords of Motion
        studio.bus.publish(MotionUpdated(**common, since=0.0))  # type: ignore[arg-type]
        studio.bus.publish(MotionEnded(**common, since=0.0, duration=0.0))  # type: ignore[arg-type]
        assert studio.begun == []


async def test_a_camera_that_is_lost_in_the_post_roll_still_leaves_a_clip(tmp_path: Path) -> None:
    async with recording(tmp_path, codec="mjpeg") as studio:
        studio.film(jpegs(46))
        studio.started(1003.0)
        studio.ended(1003.0)
        assert studio.status.recording
        await studio.clock.advance(6)  # no frame comes any more
        clip = await studio.clip()
        assert counters(studio.path(clip)) == list(range(30, 46))


# -- the daemon stops -----------------------------------------------------------------------------------------------


async def test_stopping_in_the_middle_of_a_clip_finishes_it(tmp_path: Path) -> None:
    async with recording(tmp_path) as studio:
        studio.film(jpegs(60))
        studio.started(1002.0)
        await studio.stop()
        clip = studio.saved.get_nowait()
        assert (clip.codec, clip.interrupted) == ("h264", False)
        assert counters(studio.path(clip)) == list(range(15, 46))
        assert studio.open_files() == []


class Endless(Transcoder):
    """A board too slow for the time that is left."""

    async def encode(self, source: Path, target: Path, video: model.Video) -> None:
        target.touch()
        await asyncio.Event().wait()


async def test_a_clip_that_cannot_be_coded_before_the_stop_is_finished_at_the_next_start(tmp_path: Path) -> None:
    with opened(tmp_path) as library:
        studio = Studio(library, transcoder=Endless(FakeClock()))
        await studio.start()
        studio.film(jpegs(60))
        studio.started(1002.0)
        stopping = asyncio.create_task(studio.stop())
        await until("a coded file", lambda: any(name.endswith(CODED) for name in studio.open_files()))
        await studio.clock.advance(finisher_module.PATIENCE)
        await stopping
        assert studio.saved.empty()
        assert [name.partition(".")[2] for name in studio.open_files()] == ["coded.mp4", "part.json", "part.mp4"]
    async with recording(tmp_path) as studio:
        clip = await studio.clip()
        assert (clip.codec, clip.interrupted, clip.event_id) == ("h264", False, "e1")
        assert clip.motion == looks(2)
        assert counters(studio.path(clip)) == list(range(15, 46))
        assert studio.open_files() == []


# -- what can go wrong ----------------------------------------------------------------------------------------------


class Refusing(Transcoder):
    async def encode(self, source: Path, target: Path, video: model.Video) -> None:
        target.write_bytes(b"half")
        raise TranscodeFailed("libx264 is missing")


async def test_a_clip_that_cannot_be_coded_stays_mjpeg_and_says_so(tmp_path: Path) -> None:
    async with recording(tmp_path, transcoder=Refusing(FakeClock())) as studio:
        clip = await one_event(studio, jpegs(150))
        assert (clip.codec, clip.note) == ("mjpeg", "stays MJPEG: libx264 is missing")
        assert probe(studio.path(clip)).codec == "mjpeg"
        assert studio.open_files() == []


class Full(Transcoder):
    """There is no room for the coded file, until there is."""

    room = False

    async def encode(self, source: Path, target: Path, video: model.Video) -> None:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        await super().encode(source, target, video)


async def test_a_clip_that_a_full_disk_kept_from_being_coded_is_coded_when_there_is_room(tmp_path: Path) -> None:
    coder = Full(FakeClock())
    async with recording(tmp_path, transcoder=coder) as studio:
        studio.film(jpegs(60))
        studio.started(1002.0)
        studio.ended(1003.0)
        studio.film(jpegs(90, first=60))
        await until("it was refused", lambda: studio.finisher._refused, meanwhile=settle)
        assert studio.saved.empty()
        coder.room = True
        await studio.clock.advance(finisher_module.RETRY)
        clip = await studio.clip()
        assert (clip.codec, clip.note) == ("h264", None)


class Disk:
    """Breaks the writer's files with a real OSError after so many bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
        self.room: int | None = None
        self._create, self._error = writer_module.create, error
        monkeypatch.setattr(writer_module, "create", self.create)

    def create(self, path: Path) -> object:
        disk, file = self, self._create(path)

        class File:
            def write(self, data: memoryview) -> int:
                if disk.room is not None:
                    disk.room -= len(data)
                    if disk.room < 0:
                        raise OSError(disk._error, os.strerror(disk._error))
                return file.write(data)

            def fileno(self) -> int:
                return file.fileno()

            def __enter__(self) -> "File":
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

        return File()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
async def test_a_disk_error_ends_the_clip_cleanly_is_told_and_heals_by_itself(
    error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, error)
    async with recording(tmp_path, codec="mjpeg", pre="0s") as studio:
        disk.room = 120_000
        studio.film(jpegs(46))
        studio.started(1003.0)
        frames = jpegs(100, first=46)
        for frame in frames[:50]:
            studio.status.last_motion_mono = frame.mono
            studio.film([frame])
        clip = await studio.clip()
        await until("trouble is told", lambda: studio.status.record_trouble)
        trouble = f"cannot write clips: {os.strerror(error)}"
        assert (studio.status.record_trouble, studio.status.recording) == (trouble, False)
        assert (clip.interrupted, clip.note) == (True, trouble)
        seen = counters(studio.path(clip))
        assert seen == list(range(45, 45 + len(seen)))
        assert len(seen) >= 5
        assert studio.hub.newest is frames[49]  # the live picture goes on
        disk.room = None
        studio.film(frames[50:60])
        assert len(studio.begun) == 1
        await studio.healed()
        studio.status.last_motion_mono = frames[60].mono
        studio.film(frames[60:])
        studio.ended(frames[60].mono)
        again = await studio.clip()
        assert (again.event_id, again.part, again.note) == ("e1", 2, None)


async def test_a_disk_that_refuses_even_the_first_byte_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, errno.ENOSPC)
    async with recording(tmp_path) as studio:
        disk.room = 0
        studio.film(jpegs(46))
        studio.started(1003.0)
        await until("trouble is told", lambda: studio.status.record_trouble)
        await until("no file stays open", lambda: studio.open_files() == [])
        assert studio.saved.empty()


async def test_a_folder_that_is_gone_is_trouble_in_words(tmp_path: Path) -> None:
    async with recording(tmp_path) as studio:
        studio.library.layout.open.rmdir()
        studio.film(jpegs(46))
        studio.started(1003.0)
        await until("trouble is told", lambda: studio.status.record_trouble)
        assert studio.status.record_trouble == "cannot write clips: No such file or directory"
        await studio.clock.advance(AGAIN)
        studio.library.layout.open.mkdir()
        await studio.healed()


async def test_while_the_storage_is_full_nothing_is_recorded_and_the_reason_is_told(tmp_path: Path) -> None:
    async with recording(tmp_path, codec="mjpeg") as studio:
        studio.film(jpegs(46))
        studio.started(1003.0)
        studio.library.full = "the storage is full"
        await studio.clock.advance(1)
        assert (studio.status.recording, studio.status.record_trouble) == (False, "the storage is full")
        assert (await studio.clip()).duration > 0
        studio.library.full = "still full"
        await studio.clock.advance(AGAIN)
        assert studio.status.record_trouble == "still full"
        studio.library.full = None
        await studio.healed()


async def test_a_disk_that_refuses_to_finish_a_clip_is_asked_until_it_does(tmp_path: Path) -> None:
    async with recording(tmp_path, codec="mjpeg") as studio:
        recordings = tmp_path / "recordings"
        recordings.rmdir()
        recordings.write_bytes(b"in the way")
        studio.film(jpegs(46))
        studio.started(1003.0)
        studio.settings.set("cam", "recording", False)
        await until("it is whole again", lambda: studio.status.record_trouble is None and len(studio.open_files()) == 2)
        await studio.clock.advance(finisher_module.RETRY)
        assert studio.saved.empty()
        recordings.unlink()
        again = partial(studio.clock.advance, finisher_module.RETRY)
        await until("the clip is finished", lambda: not studio.saved.empty(), meanwhile=again)


async def test_a_slow_disk_costs_frames_not_the_live_picture_and_the_clip_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "QUEUE_LIMIT", 10 * len(jpeg(0)))
    with opened(tmp_path) as library:
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()

        class Slow(Library):
            def begin(self, draft: Draft) -> Path:
                asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
                return super().begin(draft)

        library.__class__ = Slow
        studio = Studio(library, codec="mjpeg", pre="0s")
        await studio.start()
        studio.film(jpegs(46))
        studio.started(1003.0)
        for frame in jpegs(40, first=46):
            studio.status.last_motion_mono = frame.mono
            studio.film([frame])
        gate.set()
        studio.settings.set("cam", "recording", False)
        clip = await studio.clip()
        written = len(counters(studio.path(clip)))
        assert written < 15
        assert clip.note == f"{41 - written} frames are missing: the disk was too slow"
        assert studio.status.record_trouble == clip.note
        await studio.stop()


async def test_a_disk_that_never_answers_is_trouble_and_delays_no_exit(tmp_path: Path) -> None:
    with opened(tmp_path) as library:
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()

        class Hung(Library):
            def begin(self, draft: Draft) -> Path:
                asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
                return super().begin(draft)

        library.__class__ = Hung
        studio = Studio(library, codec="mjpeg", post="0s")
        await studio.start()
        for n in range(WRITERS + 1):
            studio.film(jpegs(20, first=20 * n))
            studio.started(1001.0 + n, f"e{n}")
            studio.ended(1001.0 + n, f"e{n}")
        assert studio.status.record_trouble == "the disk does not answer"
        stopping = asyncio.create_task(studio.stop())
        await until("the recorder has stopped", stopping.done, meanwhile=lambda: studio.clock.advance(0.5))
        gate.set()
        await until("the threads left behind are through", lambda: len(studio.open_files()) == 2 * WRITERS)


async def test_media_that_vanishes_or_is_no_video_does_not_stop_the_finisher(tmp_path: Path) -> None:
    async with recording(tmp_path) as studio:
        lost, junk = (MediaId.new(1.79e9, "cam", MediaKind.EVENT) for _ in range(2))
        studio.library.layout.part(junk).write_bytes(b"junk")
        for id in (lost, junk):
            for encode in (True, False):
                studio.finisher.submit(Draft(id=id.text, start=1.79e9, cause="motion", complete=True, encode=encode))
        clip = await one_event(studio, jpegs(150))
        assert clip.event_id == "e1"
        bad = {path.name for path in studio.library.layout.bad.iterdir()}
        assert bad == {f"{junk}.part.mp4", f"{junk}.part.json"}


async def test_a_clip_coded_before_a_crash_is_not_coded_again(tmp_path: Path) -> None:
    async with recording(tmp_path, transcoder=Refusing(FakeClock())) as studio:
        id = MediaId.new(1.79e9, "cam", MediaKind.EVENT)
        draft = Draft(id=id.text, start=1.79e9, cause="motion", complete=True, encode=True)
        source = await one_event(studio, h264(150))
        studio.library.begin(draft).write_bytes(studio.path(source).read_bytes())
        studio.finisher.submit(draft)
        clip = await studio.clip()
        assert (clip.id, clip.codec, clip.note) == (id.text, "h264", None)
        assert not list(studio.library.layout.open.glob(f"*{CODED}"))


# -- the best picture --------------------------------------------------------------------------------------------------


async def test_the_best_picture_of_an_event_is_saved_before_its_clip(tmp_path: Path) -> None:
    async with recording(tmp_path) as studio:
        frames = jpegs(150)
        studio.film(frames[:50])
        studio.started(1003.0)
        studio.pictured(1003.0)
        studio.film(frames[50:])
        studio.ended(1005.0)
        studio.pictured(1004.0, final=True)
        picture, clip = await studio.clip(), await studio.clip()
        assert (picture.codec, picture.id, picture.start) == ("jpeg", clip.id, 1.79e9 + 4.0)
        path = studio.library.find(f"{clip.id}.jpg")
        assert path == studio.path(clip).with_suffix(".jpg")
        assert path.read_bytes() == jpeg(1004 % 256)
        assert clip.picture is not None
        assert (clip.picture.time, clip.picture.sha256) == (picture.start, picture.sha256)
        assert studio.status.clips == 1
        assert studio.open_files() == []


async def test_parts_of_an_event_have_its_best_picture_once_and_again_when_there_is_a_better_one(
    tmp_path: Path,
) -> None:
    async with recording(tmp_path, codec="mjpeg", max="2s") as studio:
        frames = jpegs(120)
        studio.film(frames[:30])
        studio.started(1002.0)
        studio.pictured(1002.0)
        for frame in frames[30:]:
            studio.status.last_motion_mono = frame.mono
            await steadily(studio, [frame])
        studio.ended(1007.5)
        studio.pictured(1006.5, final=True)
        studio.film(jpegs(30, first=120))
        await studio.stop()
        found = {one.part: one.picture for one in await studio.all(6) if one.codec == "mjpeg"}
        assert {part: picture and picture.time - 1.79e9 for part, picture in found.items()} == {
            1: pytest.approx(2.0), 2: None, 3: None, 4: pytest.approx(6.5),
        }  # fmt: skip


async def test_a_picture_that_the_disk_refuses_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Sidecar:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Library, "save_best", refuse)
    async with recording(tmp_path, codec="mjpeg") as studio:
        frames = jpegs(150)
        studio.film(frames[:50])
        studio.started(1003.0)
        studio.film(frames[50:])
        studio.ended(1005.0)
        studio.pictured(1004.0, final=True)
        clip = await studio.clip()
        assert (clip.codec, clip.picture) == ("mjpeg", None)


async def test_a_last_picture_that_never_comes_delays_the_clip_a_little(tmp_path: Path) -> None:
    async with recording(tmp_path, codec="mjpeg") as studio:
        frames = jpegs(150)
        studio.film(frames[:50])
        studio.started(1003.0)
        studio.pictured(1003.0)
        studio.film(frames[50:])
        studio.ended(1005.0)
        await until("both are saved", lambda: studio.saved.qsize() == 2, meanwhile=partial(studio.clock.advance, 1.0))


# -- continuous --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "codec"), CAMERAS.values(), ids=CAMERAS)
async def test_continuous_segments_have_every_frame_once_and_the_same_length(
    frames: Sequence[Frame], codec: str, tmp_path: Path
) -> None:
    async with recording(tmp_path, codec=codec, mode="continuous") as studio:
        await steadily(studio, frames)
        await until("all but the open one are counted", lambda: studio.status.segments == 4)
        await studio.stop()
        segments = await studio.all(5)
        assert [one for path in map(studio.path, segments) for one in counters(path)] == list(range(150))
        assert [segment.duration for segment in segments] == pytest.approx([2.0] * 5, abs=0.002)
        assert [segment.start for segment in segments] == pytest.approx([1.79e9 + 2 * n for n in range(5)], abs=0.001)
        assert {(segment.kind, segment.cause, segment.event_id) for segment in segments} == {
            (MediaKind.CONTINUOUS, "continuous", None)
        }
        assert segments[0].codec == ("h264" if frames[0].kind == "h264" else "mjpeg")
        assert studio.status.clips == 0


async def test_continuous_segments_have_all_the_sound_once(tmp_path: Path) -> None:
    async with recording(tmp_path, mode="continuous") as studio:
        sound = sounds(11.0, mono=999.0)
        studio.hub.hear(sound[0])
        studio.sound(sound[1:], lag=0.25)
        await steadily(studio, h264(150))
        await studio.stop()
        segments = await studio.all(5)
        written = [packet for segment in segments for packet in packets(studio.path(segment))]
        heard = joined([one for one in sound if one.mono >= 1000.0])
        assert written == heard[: len(written)]
        assert len(written) >= len(heard) - 16


async def test_frames_that_come_at_uneven_times_do_not_make_segments_longer_and_longer(tmp_path: Path) -> None:
    """A keyframe each 1.01 s or 0.99 s, in turn: the cut is at the one that is nearest to the length."""
    async with recording(tmp_path, codec="mjpeg", mode="continuous", segment="3s") as studio:
        shift = [0.05 * ((n * 7919) % 3 - 1) for n in range(300)]
        late = [replace(frame, mono=frame.mono + by) for frame, by in zip(jpegs(300), shift, strict=True)]
        await steadily(studio, late)
        await studio.stop()
        segments = await studio.all(7)
        assert [segment.duration for segment in segments[:-1]] == pytest.approx([3.0] * 6, abs=0.12)


async def test_both_kinds_are_written_side_by_side(tmp_path: Path) -> None:
    async with recording(tmp_path, codec="mjpeg", mode="both", segment="5s") as studio:
        event = await one_event(studio, jpegs(150))
        await studio.stop()
        files = await studio.all(2) if event.kind is MediaKind.CONTINUOUS else [event, *await studio.all(2)]
        kinds = sorted([event, *files] if event not in files else files, key=lambda one: (one.kind, one.start))
        assert [one.kind for one in kinds] == [MediaKind.CONTINUOUS, MediaKind.CONTINUOUS, MediaKind.EVENT]
        assert counters(studio.path(kinds[-1])) == list(range(30, 91))
        assert [one for path in map(studio.path, kinds[:2]) for one in counters(path)] == list(range(150))


@pytest.mark.parametrize("mode", ["event", "continuous"])
async def test_what_a_camera_showed_last_is_saved_while_it_is_away(mode: str, tmp_path: Path) -> None:
    """Whoever cuts the cable: nobody waits for the camera to come back."""
    async with recording(tmp_path, codec="mjpeg", mode=mode, segment="100s") as studio:
        frames = jpegs(30)
        studio.film(frames[:20])
        studio.started(1001.0)
        studio.film(frames[20:])
        studio.status.last_motion_mono = frames[-1].mono  # seen late, as always
        studio.hub.lose()
        studio.bus.publish(CameraLost(camera="other", at=0.0, reason="no frame"))
        assert studio.status.recording
        studio.bus.publish(CameraLost(camera="cam", at=0.0, reason="no frame"))
        clip = await studio.clip()
        assert counters(studio.path(clip)) == list(range(30))
        studio.ended(frames[-1].mono)
        await settle()
        assert len(studio.begun) == (mode == "event")
        assert studio.open_files() == []


@pytest.mark.parametrize("mode", ["event", "continuous"])
async def test_a_camera_that_was_away_leaves_no_frozen_picture_in_a_file(mode: str, tmp_path: Path) -> None:
    async with recording(tmp_path, codec="mjpeg", mode=mode, segment="100s") as studio:
        frames = jpegs(150)
        studio.film(frames[:30])
        studio.started(1001.0)
        studio.status.last_motion_mono = 1009.9
        studio.film(frames[30:60])
        studio.hub.lose()
        studio.film(frames[105:])
        studio.ended(1009.9)
        await studio.stop()
        before, after = await studio.all(2)
        assert counters(studio.path(before)) == list(range(60))
        assert counters(studio.path(after)) == list(range(105, 150))
        assert before.end == pytest.approx(1.79e9 + 4.0, abs=0.01)
        assert after.start == pytest.approx(1.79e9 + 7.0, abs=0.01)


async def test_recording_switched_off_and_on_makes_no_frame_appear_twice(tmp_path: Path) -> None:
    async with recording(tmp_path, mode="continuous", segment="100s") as studio:
        frames = h264(150)
        studio.film(frames[:50])
        studio.settings.set("cam", "recording", False)
        studio.settings.set("cam", "recording", True)
        studio.film(frames[50:])
        await studio.stop()
        before, after = await studio.all(2)
        assert counters(studio.path(before)) == list(range(50))
        assert counters(studio.path(after)) == list(range(60, 150)), "from the next keyframe on"
        await studio.settings.close()


@pytest.mark.parametrize("first", ["event", "both"])
async def test_recording_without_end_begins_with_the_mode_and_ends_the_clip_of_a_running_event(
    first: str, tmp_path: Path
) -> None:
    async with recording(tmp_path, codec="mjpeg", mode=first, segment="100s") as studio:
        studio.film(jpegs(50))
        studio.started(1003.0)
        studio.settings.set("cam", "record_mode", "continuous")
        assert studio.hub.demand[Want.RECORD] == 1
        clip = await studio.clip()
        assert (clip.kind, counters(studio.path(clip))) == (MediaKind.EVENT, list(range(30, 50)))
        studio.status.last_motion_mono = 1004.0
        studio.film(jpegs(50, first=50))
        assert len(studio.begun) == 1, "motion goes on, but opens no clip"
        await studio.stop()
        segment = await studio.clip()
        assert segment.kind is MediaKind.CONTINUOUS
        assert counters(studio.path(segment)) == list(range(0 if first == "both" else 50, 100))
        await studio.settings.close()


async def test_recording_without_end_begins_at_the_last_keyframe(tmp_path: Path) -> None:
    async with recording(tmp_path, segment="100s") as studio:
        frames = h264(150)
        studio.film(frames[:50])
        studio.settings.set("cam", "record_mode", "continuous")
        studio.film(frames[50:])
        await studio.stop()
        assert counters(studio.path(await studio.clip())) == list(range(45, 150))
        await studio.settings.close()


async def test_back_to_events_a_running_one_gets_its_clip_with_pre_roll(tmp_path: Path) -> None:
    async with recording(tmp_path, codec="mjpeg", mode="continuous", segment="100s") as studio:
        studio.film(jpegs(50))
        studio.started(1003.0)
        studio.film(jpegs(10, first=50))
        studio.settings.set("cam", "record_mode", "event")
        segment = await studio.clip()
        assert (segment.kind, counters(studio.path(segment))) == (MediaKind.CONTINUOUS, list(range(60)))
        studio.status.last_motion_mono = 1004.0
        studio.film(jpegs(40, first=60))
        studio.ended(1004.0)
        clip = await studio.clip()
        assert (clip.kind, clip.event_id, clip.part) == (MediaKind.EVENT, "e1", 1)
        assert counters(studio.path(clip)) == list(range(45, 76))  # 1 s before what moves to 1 s after it
        await studio.stop()
        assert studio.saved.empty()
        await studio.settings.close()
