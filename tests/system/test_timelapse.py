"""Stills become a film: the real child process, and stills of all sorts."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from clips import counters, jpeg, opened, probe
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.config.units import TimeOfDay
from edgecam.events import Bus, ClipSaved
from edgecam.frame import Frame, Kind
from edgecam.media import MediaKind, Sidecar
from edgecam.record.coding.transcoder import TranscodeFailed, Transcoder
from edgecam.record.disk.recovery import Recovered
from edgecam.record.finisher import Finisher
from edgecam.record.lapse.daily import Daily
from fakes import FakeClock, until
from pictures import truncated

pytestmark = pytest.mark.system


def listed(folder: Path, stills: Sequence[bytes | None]) -> Path:
    """A list of these stills; None is one that is gone."""
    paths = [folder / f"{number} é.jpg" for number in range(len(stills))]
    for path, data in zip(paths, stills, strict=True):
        if data is not None:
            path.write_bytes(data)
    found = folder / "stills.tmp"
    found.write_bytes(b"".join(bytes(path) + b"\n" for path in paths))
    return found


@pytest.mark.parametrize(("fps", "seconds"), [(25, 1.2), (7, 30 / 7), (1, 30.0)])
async def test_a_film_shows_every_still_for_its_part_of_a_second(tmp_path: Path, fps: int, seconds: float) -> None:
    stills, target = listed(tmp_path, [jpeg(n) for n in range(30)]), tmp_path / "film.mp4"
    await Transcoder(SystemClock()).film(stills, target, model.Video(), fps)
    found = probe(target)
    assert (found.codec, found.frames, found.complaints) == ("h264", 30, "")
    assert found.duration == pytest.approx(seconds, abs=0.002)
    assert counters(target) == list(range(30))
    with av.open(str(target), "r") as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert times == pytest.approx([n / fps for n in range(30)], abs=0.001)


async def test_stills_that_are_gone_or_broken_are_left_out_and_others_fitted(tmp_path: Path) -> None:
    larger, grey = jpeg(2, 640, 480, "444"), jpeg(3, 320, 240, "grey")
    stills = listed(tmp_path, [b"no picture", jpeg(1), None, larger, grey, b"", jpeg(4)])
    await Transcoder(SystemClock()).film(stills, tmp_path / "film.mp4", model.Video(), 25)
    found = probe(tmp_path / "film.mp4")
    assert (found.width, found.height, found.frames, found.complaints) == (320, 240, 4, "")
    assert counters(tmp_path / "film.mp4") == [1, 2, 3, 4]


async def test_half_a_still_is_shown_or_left_out_and_the_others_are_there(tmp_path: Path) -> None:
    stills = listed(tmp_path, [jpeg(1), truncated(jpeg(2)), jpeg(3)])
    await Transcoder(SystemClock()).film(stills, tmp_path / "film.mp4", model.Video(), 25)
    seen = counters(tmp_path / "film.mp4")
    assert (seen[0], seen[-1]) == (1, 3)


async def test_no_still_at_all_is_a_reason_in_words(tmp_path: Path) -> None:
    with pytest.raises(TranscodeFailed, match="no picture of it can be decoded"):
        await Transcoder(SystemClock()).film(listed(tmp_path, [b"x", None]), tmp_path / "f.mp4", model.Video(), 25)


async def test_a_day_of_stills_becomes_a_film_in_the_library_that_plays(tmp_path: Path) -> None:
    clock, bus, saved = FakeClock(1_790_000_000.0), Bus(), list[Sidecar]()
    bus.on(ClipSaved, lambda event: saved.append(event.media))
    with opened(tmp_path, wanted=lambda _: True) as library:
        begin = clock.wall() - 3 * 86400
        for n in range(30):
            still = Frame("cam", n, 0.0, begin + 60 * n, Kind.JPEG, jpeg(n), 320, 240)
            library.save_picture(still, "timelapse", MediaKind.TIMELAPSE)
        transcoder = Transcoder(SystemClock())
        finisher = Finisher(
            library=library, transcoder=transcoder, video={}, bus=bus, clock=clock, recovered=Recovered()
        )
        daily = Daily(
            id="cam",
            at=TimeOfDay(0, 5),
            fps=25,
            video=model.Video(),
            library=library,
            filmmaker=transcoder,
            finisher=finisher,
            clock=clock,
        )
        lives = [asyncio.create_task(part.run()) for part in (finisher, daily)]
        await until("a film", lambda: saved, within=60)
        for life in lives:
            life.cancel()
        await asyncio.wait(lives)
        [film] = saved
        path = library.find(film.id)
        assert path is not None
        assert library.layout.marker(film.media).exists(), "it goes to the store like a clip"
    found = probe(path)
    assert (found.codec, found.frames, found.complaints) == ("h264", 30, "")
    assert film.start == pytest.approx(begin)
    assert film.end == pytest.approx(begin + 29 * 60)
    assert film.duration == 1.2
    assert found.duration == pytest.approx(1.2, abs=0.002)
