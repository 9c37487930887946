"""`edgecam test camera ID`: what a person learns of a camera that works, and of one that does not."""

import json
import logging
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from edgecam.__main__ import main
from edgecam.config import model
from edgecam.frame import Frame, Kind, Sound, Stamp
from edgecam.pixels import Planes
from edgecam.sources import Broken, Finished
from edgecam.trial import camera as trials
from fakes import FakeClock

PICTURE = Planes([np.zeros((48, 64), np.uint8), *[np.zeros((24, 32), np.uint8)] * 2], full=True)
PASSWORD = "correct-horse"


@dataclass
class Scripted:
    """A source that gives what it was given, in its own time, and then ends with `end` or is silent."""

    items: list[Frame | Sound]
    end: Exception | None
    clock: FakeClock
    closed: bool = field(default=False)

    async def frames(self) -> AsyncGenerator[Frame | Sound, None]:
        for item in self.items:
            await self.clock.advance(max(0.0, item.mono - self.clock.monotonic()))
            yield item
        if self.end:
            raise self.end
        while True:
            await self.clock.advance(1.0)

    async def close(self) -> None:
        self.closed = True

    def describe(self) -> str:
        return "the script"


async def tried(monkeypatch: pytest.MonkeyPatch, source: Scripted, **keys: object) -> trials.Report:
    monkeypatch.setattr(trials, "open_source", lambda config, rig: source)
    camera = model.Camera.model_validate({"source": {"type": "synthetic", **keys}})
    report = await trials.trial("birdbox", camera, source.clock, (PASSWORD,))
    assert source.closed
    return report


def video(clock: FakeClock, seconds: float, gop: int = 25) -> list[Frame | Sound]:
    """25 frames a second, each with its picture, and sound."""
    stamp, begin, items = Stamp("birdbox", clock), clock.monotonic(), list[Frame | Sound]()
    for number in range(int(seconds * 25)):
        mono = begin + 0.5 + number / 25
        items.append(stamp(Kind.H264, b"x", 640, 480, mono=mono, keyframe=number % gop == 0))
        items.append(Frame("birdbox", number + 1, mono, mono, Kind.RAW, b"", 640, 480, image=PICTURE))
        items.append(Sound("birdbox", mono, b"x", 0.02, 48000, 1, b""))
    return items


async def test_a_video_camera_is_told_with_rate_keyframes_and_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    report = await tried(monkeypatch, Scripted(video(clock, 10), None, clock))
    assert report.failed is None
    assert (report.kind, report.size, report.first_frame_after) == ("h264", "640x480", 0.5)
    assert (report.fps, report.keyframe_interval) == (25.0, 1.0)
    assert report.sound == "AAC, 48000 Hz, 1 channel"
    assert report.jpeg_bytes == len(PICTURE.jpeg(80))
    assert 70 <= report.frames <= 80, "three seconds were measured"
    text = "\n".join(trials.told(report))
    assert "H.264, 640x480" in text
    assert "every 1 s" in text
    assert text.endswith("ok")


async def test_it_waits_longer_for_a_rare_keyframe(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    report = await tried(monkeypatch, Scripted(video(clock, 20, gop=200), None, clock))
    assert report.keyframe_interval == 8.0


async def test_a_break_is_told_with_its_step_and_without_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    broken = Broken(f"the camera at http://anna:{PASSWORD}@cam refuses the password (401); check source.url")
    report = await tried(monkeypatch, Scripted([], broken, clock))
    assert report.failed == "opening"
    assert report.problem == "the camera at http://anna:***@cam refuses the password (401); check source.url"


async def test_an_error_that_nobody_foresaw_is_told_with_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    report = await tried(monkeypatch, Scripted(video(clock, 1), ZeroDivisionError("oops"), clock))
    assert (report.failed, report.problem) == ("measuring", "ZeroDivisionError: oops")


async def test_silence_is_given_up_after_the_configured_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    report = await tried(monkeypatch, Scripted([], None, clock), stall_timeout=4, warmup=2)
    assert report.problem == "no frame came within 6 s (source.stall_timeout and warmup)"


async def test_frames_that_cease_are_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    report = await tried(monkeypatch, Scripted(video(clock, 1), None, clock), stall_timeout=4)
    assert (report.failed, report.problem) == ("measuring", "frames came, then none for 4 s")


async def test_frames_without_a_picture_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    coded = [item for item in video(clock, 20) if isinstance(item, Frame) and item.kind is Kind.H264]
    report = await tried(monkeypatch, Scripted(list(coded), None, clock))
    assert report.failed == "making a picture"


async def test_a_short_file_that_is_played_once_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    report = await tried(monkeypatch, Scripted(video(clock, 1), Finished("the file has ended"), clock))
    assert report.failed is None


# ---- as typed


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """The command sets the process's log up, and here the process goes on."""
    root, house = logging.getLogger(), logging.getLogger("edgecam")
    handlers, levels = root.handlers[:], (root.level, house.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    house.setLevel(levels[1])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logging_as_before: None) -> Path:
    monkeypatch.setattr(trials, "MEASURED", 0.2)
    path = tmp_path / "config.yaml"
    path.write_text(
        f"storage: {{path: {tmp_path}/storage}}\n"
        "cameras:\n"
        "  birdbox: {source: {type: synthetic, size: 320x240, fps: 60}}\n"
        f"  away: {{source: 'http://anna:{PASSWORD}@127.0.0.1:9/?key={PASSWORD}'}}\n"
        "  private: {source: synthetic, privacy: true}\n"
    )
    return path


def test_a_camera_that_works_ends_with_0(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "camera", "birdbox", "-c", str(file)]) == 0
    told = capsys.readouterr().out
    assert "JPEG, 320x240" in told
    assert told.endswith("ok\n")


def test_for_programs_it_is_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "camera", "birdbox", "--json", "-c", str(file)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["camera"], told["kind"], told["size"], told["failed"]) == ("birdbox", "jpeg", "320x240", None)


def test_a_camera_that_is_away_ends_with_1_and_no_password_is_shown(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "camera", "away", "-c", str(file)]) == 1
    told = capsys.readouterr()
    assert "FAILED at opening: cannot reach http://***@127.0.0.1:9/" in told.out
    assert PASSWORD not in told.out + told.err


def test_a_camera_with_privacy_on_is_not_opened(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "camera", "private", "-c", str(file)]) == 1
    assert "privacy is on" in capsys.readouterr().out


def test_privacy_that_was_switched_on_over_mqtt_counts_too(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = file.parent / "storage" / "state"
    state.mkdir(parents=True)
    (state / "settings.json").write_text(json.dumps({"birdbox": {"privacy": [True, False]}}))
    assert main(["test", "camera", "birdbox", "-c", str(file)]) == 1
    assert "privacy is on" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("test",), ("test", "mouse"), ("test", "camera")])
def test_wrong_usage_ends_with_2(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2


def test_an_unknown_camera_ends_with_2_and_says_which_there_are(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "camera", "birdbx", "-c", str(file)]) == 2
    assert "there are: birdbox, away, private" in capsys.readouterr().err
