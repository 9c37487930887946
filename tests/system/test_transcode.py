"""JPEG video becomes H.264 that browsers play: the real child process, and all the ways in which it can fail."""

import asyncio
import errno
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from clips import counters, jpeg, jpegs, probe
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Frame, Sound
from edgecam.record.coding import encoder, transcode, transcoder
from edgecam.record.coding.child import NICE
from edgecam.record.coding.transcoder import TranscodeFailed, Transcoder
from edgecam.record.mp4 import Mp4
from fakes import FakeClock, until
from sounds import beeps, decodes, joined, packets, sounds, voice

pytestmark = pytest.mark.system


def filmed(path: Path, frames: Sequence[Frame], until: float | None = None, sound: Sequence[Sound] = ()) -> Path:
    with path.open("wb", buffering=0) as file:
        mp4 = Mp4(file, frames[0], sound[0] if sound else None)
        for frame in frames:
            mp4.write(frame)
        for one in sound:
            mp4.hear(one)
        mp4.close(until)
    return path


def sized(width: int, height: int, sampling: str, count: int = 20) -> list[Frame]:
    return [
        replace(frame, data=jpeg(frame.number, width, height, sampling), width=width, height=height)
        for frame in jpegs(count)
    ]


def keyframes(path: Path) -> list[float]:
    with av.open(str(path), "r") as container:
        times = [(packet.pts or 0) * (packet.time_base or 0) for packet in container.demux() if packet.is_keyframe]
        return [round(float(time), 2) for time in times]


async def test_every_frame_is_there_for_its_time_with_keyframes_as_configured(tmp_path: Path) -> None:
    source, target = filmed(tmp_path / "in.mp4", jpegs(60)), tmp_path / "out.mp4"
    await Transcoder(SystemClock()).encode(source, target, model.Video.model_validate({"keyframe": "2s"}))
    found = probe(target)
    assert (found.codec, found.frames, found.complaints) == ("h264", 60, "")
    assert found.duration == pytest.approx(4.0, abs=0.001)
    assert counters(target) == list(range(60))
    assert keyframes(target) == [0.0, 2.0]


@pytest.mark.parametrize("begin", [0.0, 0.8])
async def test_sound_is_copied_and_stays_where_it_was(begin: float, tmp_path: Path) -> None:
    sound = sounds(4.0 - begin, 1.0, 2.5, mono=1000.0 + begin)
    source, target = filmed(tmp_path / "in.mp4", jpegs(60), sound=sound), tmp_path / "out.mp4"
    await Transcoder(SystemClock()).encode(source, target, model.Video())
    decodes(target)
    assert probe(target).codec == "h264"
    assert counters(target) == list(range(60))
    assert packets(target) == joined(sound)
    assert beeps(target) == pytest.approx([begin + 1.0, begin + 2.5], abs=0.005)
    assert voice(target) == pytest.approx((begin, 4.0), abs=1024 / 48000)


async def test_a_track_for_sound_that_holds_none_is_no_hindrance(tmp_path: Path) -> None:
    source, target = filmed(tmp_path / "in.mp4", jpegs(20)), tmp_path / "out.mp4"
    with source.open("wb", buffering=0) as file:
        mp4 = Mp4(file, jpegs(1)[0], sounds(1.0)[0])
        for frame in jpegs(20):
            mp4.write(frame)
        mp4.close()
    await Transcoder(SystemClock()).encode(source, target, model.Video())
    assert counters(target) == list(range(20))


@pytest.mark.parametrize(
    ("width", "height", "sampling"), [(320, 240, "422"), (320, 240, "444"), (321, 243, "420"), (320, 240, "grey")]
)
def test_whatever_the_camera_sends_becomes_420_of_even_size(
    width: int, height: int, sampling: str, tmp_path: Path
) -> None:
    source, target = filmed(tmp_path / "in.mp4", sized(width, height, sampling)), tmp_path / "out.mp4"
    made = transcode.transcode(source, target, encoder.Coding(1_000_000, None, 1.0))
    assert (made.frames, made.damaged) == (20, 0)
    found = probe(target)
    assert (found.width, found.height, found.frames) == (width & ~1, height & ~1, 20)
    with av.open(str(target), "r") as container:
        assert container.streams.video[0].pix_fmt == "yuv420p"
    assert counters(target) == list(range(20))


def test_black_stays_black_and_white_white(tmp_path: Path) -> None:
    """JPEG uses the full range of values and video a narrower one; mixed up, the clip has hard contrast."""
    source, target = filmed(tmp_path / "in.mp4", sized(320, 240, "420")), tmp_path / "out.mp4"
    transcode.transcode(source, target, encoder.Coding(4_000_000, None, 1.0))
    looks = []
    for path in (source, target):
        with av.open(str(path), "r") as container:
            looks.append(next(container.decode(video=0)).to_ndarray(format="rgb24").astype(float))
    assert abs(looks[0] - looks[1]).mean() < 4


def test_uneven_frame_times_and_a_pause_are_kept(tmp_path: Path) -> None:
    frames = [replace(frame, mono=mono) for frame, mono in zip(jpegs(6), (0, 0.1, 0.5, 5, 5.05, 6), strict=True)]
    source, target = filmed(tmp_path / "in.mp4", frames, until=7.5), tmp_path / "out.mp4"
    transcode.transcode(source, target, encoder.Coding(1_000_000, 30, 1.0))
    assert probe(target).duration == pytest.approx(7.5, abs=0.001)
    with av.open(str(target), "r") as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert times == pytest.approx([0, 0.1, 0.5, 5, 5.05, 6], abs=0.001)


def test_a_damaged_picture_is_left_out_not_the_clip(tmp_path: Path) -> None:
    frames = jpegs(20)
    frames[7] = replace(frames[7], data=b"\xff\xd8 this is no picture \xff\xd9")
    source, target = filmed(tmp_path / "in.mp4", frames), tmp_path / "out.mp4"
    made = transcode.transcode(source, target, encoder.Coding(1_000_000, None, 1.0))
    assert (made.frames, made.damaged) == (19, 1)
    assert counters(target) == [n for n in range(20) if n != 7]


async def test_the_reason_of_a_failure_comes_back_in_words(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(b"no video at all")
    with pytest.raises(TranscodeFailed, match="Invalid data"):
        await Transcoder(SystemClock()).encode(source, tmp_path / "out.mp4", model.Video())


def test_video_without_a_single_good_picture_fails_in_words(tmp_path: Path) -> None:
    frames = [replace(frame, data=b"\xff\xd8 nothing \xff\xd9") for frame in jpegs(3)]
    source = filmed(tmp_path / "in.mp4", frames)
    with pytest.raises(encoder.Failed, match="no picture"):
        transcode.transcode(source, tmp_path / "out.mp4", encoder.Coding(1_000_000, None, 1.0))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (encoder.Tally(19, 0, 2.0), "19 frames of 20"),
        (encoder.Tally(20, 1, 2.0), "20 frames of 20"),
        (encoder.Tally(20, 0, 1.5), "lasts 1.5 s instead of 2.0 s"),
        (encoder.Tally(20, 0, 2.0, 3), "3 packets of sound of 0"),
    ],
)
def test_a_result_that_does_not_read_back_is_not_used(found: encoder.Tally, why: str) -> None:
    with pytest.raises(encoder.Failed, match=why):
        encoder.compare(encoder.Tally(20, 0, 2.0), found)


class Child:
    """Something else is run in the place of the transcoder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
        monkeypatch.setattr(transcoder, "command", lambda *_: [sys.executable, "-c", code])


async def test_a_child_without_progress_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Child(monkeypatch, "import time; print(1, flush=True); time.sleep(600)")
    clock = FakeClock()
    work = asyncio.create_task(Transcoder(clock).encode(tmp_path, tmp_path, model.Video()))
    await until("the child is given up", work.done, meanwhile=lambda: clock.advance(transcoder.STALL / 100))
    with pytest.raises(TranscodeFailed, match="no progress for 60 s"):
        await work


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os; os.kill(os.getpid(), 9)", r"killed by signal 9 \(short of memory\?\)"),
        ("import os; os.kill(os.getpid(), 15)", "killed by signal 15"),
        ("raise SystemExit(7)", "exit code 7"),
        ("import sys; print('x' * 99_999, file=sys.stderr); print('because', file=sys.stderr); sys.exit(1)", "because"),
    ],
)
async def test_every_end_of_the_child_is_explained(
    code: str, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Child(monkeypatch, code)
    with pytest.raises(TranscodeFailed, match=why):
        await Transcoder(SystemClock()).encode(tmp_path, tmp_path, model.Video())


async def test_a_child_that_cannot_be_started_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(transcoder, "command", lambda *_: ["/no/such/program"])
    with pytest.raises(TranscodeFailed, match="cannot be started: No such file"):
        await Transcoder(SystemClock()).encode(tmp_path, tmp_path, model.Video())


async def test_cancelling_kills_the_child_and_lets_the_next_one_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Child(monkeypatch, f"import time; open({str(tmp_path / 'up')!r}, 'w').close(); time.sleep(600)")
    coder = Transcoder(SystemClock())
    work = asyncio.create_task(coder.encode(tmp_path, tmp_path, model.Video()))
    await until("the child runs", (tmp_path / "up").exists)
    work.cancel()
    await asyncio.wait({work})
    Child(monkeypatch, "")
    await coder.encode(tmp_path, tmp_path, model.Video())


def child(code: str) -> "subprocess.Popen[str]":
    head = "import os, sys, threading; from edgecam.record.coding import child; "
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", head + code], stdin=pipe, stdout=pipe, text=True)


def test_the_child_ends_with_the_daemon_that_started_it() -> None:
    with child("child.work(lambda: (child.tell('up'), threading.Event().wait()))") as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "up\n"
        process.stdin.close()  # as the kernel does when the daemon dies, however it dies
        assert process.wait(timeout=30) == 3


def test_the_child_is_nice() -> None:
    with child("sys.exit(child.work(lambda: child.tell(os.nice(0))))") as process:
        assert process.stdout
        assert int(process.stdout.readline()) == os.nice(0) + NICE
        assert process.wait(timeout=30) == 0


def test_the_childs_command_says_what_was_configured() -> None:
    video = model.Video.model_validate({"qp": 24, "keyframe": "500ms"})
    argv = transcoder.command("transcode", Path("in"), Path("out"), video)
    assert argv[-5:] == ["out", "--qp", "24", "--keyframe", "0.5"]
    assert transcoder.command("transcode", Path("in"), Path("out"), model.Video())[-4:-2] == ["--bitrate", "2000000"]


@pytest.mark.parametrize("module", ["transcode", "stills"])
def test_the_child_loads_nothing_of_the_daemon(module: str) -> None:
    code = f"import sys, edgecam.record.coding.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"aiohttp", "paho", "pydantic", "asyncio", "av", "numpy"} & set(done.stdout.split())


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_the_whole_group_does_not_end_a_transcode(sign: signal.Signals) -> None:
    code = (
        "import edgecam.record.coding.transcode as t, time; "
        "t.transcode = lambda *_: (print(1, flush=True), time.sleep(0.5)); raise SystemExit(t.main())"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, "a", "b", stdin=-1, stdout=-1)
    assert child.stdout is not None
    await child.stdout.readline()
    child.send_signal(sign)
    assert await child.wait() == 0


class StandIn:
    """The real child, with something else in the place of the board's encoder or of the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
        real = transcoder.command

        def command(module: str, *rest: Any) -> list[str]:
            argv = real(module, *rest)
            at = argv.index("-m")
            head = "import os, sys, time; from edgecam import durable; from edgecam.record.coding import encoder, "
            argv[at : at + 2] = ["-c", f"{head}{module} as m\n{code}\nsys.exit(m.main())"]
            return argv

        monkeypatch.setattr(transcoder, "command", command)


async def test_a_board_without_an_encoder_is_asked_once_and_nobody_hears_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    asked = tmp_path / "asked"
    StandIn(
        monkeypatch, f"encoder.HARDWARE = 'h264_qsv'; print('--software' in sys.argv, file=open({str(asked)!r}, 'a'))"
    )
    source, target = filmed(tmp_path / "in.mp4", jpegs(20)), tmp_path / "out.mp4"
    coder = Transcoder(SystemClock())
    for _ in range(2):
        await coder.encode(source, target, model.Video())
        assert probe(target).codec == "h264"
    assert asked.read_text() == "False\nTrue\n"
    assert caplog.records == []


def test_there_is_no_such_hardware_here_or_the_tests_prove_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = filmed(tmp_path / "in.mp4", jpegs(5))
    transcode.transcode(source, tmp_path / "out.mp4", encoder.Coding(1_000_000, None, 1.0))
    assert capsys.readouterr().out.startswith("no hardware" if not list(Path("/dev").glob("video*")) else "")


@pytest.mark.parametrize("qp", [None, 30])
def test_the_boards_encoder_is_taken_where_it_is(
    qp: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(encoder, "HARDWARE", "libx264")
    monkeypatch.setattr(encoder, "SOFTWARE", "no such encoder")
    sound = sounds(4.0, 1.0)
    source, target = filmed(tmp_path / "in.mp4", jpegs(60), sound=sound), tmp_path / "out.mp4"
    transcode.transcode(source, target, encoder.Coding(1_000_000, qp, 2.0))
    assert capsys.readouterr().out.startswith("hardware\n")
    assert counters(target) == list(range(60))
    assert packets(target) == joined(sound)


@pytest.mark.parametrize(
    ("width", "height", "suits"),
    [
        (640, 480, True),
        (1920, 1080, True),
        (1080, 1920, False),
        (800, 600, False),
        (2048, 1536, False),
        (32, 32, False),
    ],
)
def test_sizes_that_the_boards_encoder_would_tear_are_left_to_x264(width: int, height: int, suits: bool) -> None:
    assert encoder.suits_hardware(width, height) is suits


def test_parameter_sets_that_come_alone_go_with_the_next_frame() -> None:
    sets, key, other = b"\0\0\0\1\x67sps\0\0\0\1\x68pps", b"\0\0\0\1\x65key", b"\0\0\0\1\x41other"
    given, heads = [av.Packet(data) for data in (sets, key, other)], encoder.Heads()
    for packet in given:
        packet.time_base = encoder.TICK
    assert [whole and bytes(whole) for whole in map(heads, given)] == [None, sets + key, other]


MIDWAY = """
def tell(word, told=encoder.tell):
    told(word)
    if word == 25 and "--software" not in sys.argv:
        {}
encoder.tell, encoder.HARDWARE = tell, "libx264"
"""
FAILURES = {
    "the driver crashes": MIDWAY.format("os.abort()"),
    "the driver refuses": MIDWAY.format("import av; raise av.error.OSError(5, 'Input/output error')"),
    "the file is none": "encoder.HARDWARE = 'libx265'",
}


@pytest.mark.parametrize("code", FAILURES.values(), ids=FAILURES)
async def test_where_the_boards_encoder_fails_x264_goes_on(
    code: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    StandIn(monkeypatch, code)
    coder = Transcoder(SystemClock())
    source, target = filmed(tmp_path / "in.mp4", jpegs(60)), tmp_path / "out.mp4"
    for _ in range(2):
        await coder.encode(source, target, model.Video())
        assert counters(target) == list(range(60))
    assert len(caplog.records) == 1
    assert "once more with x264" in caplog.text


async def test_where_the_boards_encoder_hangs_x264_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stuck = tmp_path / "stuck"
    StandIn(monkeypatch, MIDWAY.format(f"open({str(stuck)!r}, 'w').close(); time.sleep(600)"))
    clock = FakeClock()
    source, target = filmed(tmp_path / "in.mp4", jpegs(60)), tmp_path / "out.mp4"
    work = asyncio.create_task(Transcoder(clock).encode(source, target, model.Video()))
    await until("it hangs", stuck.exists)
    await clock.advance(transcoder.STALL)
    await work
    assert counters(target) == list(range(60))


async def test_pictures_that_nobody_can_decode_are_not_the_boards_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    note = f"print('--software' in sys.argv, file=open({str(asked)!r}, 'a'))"
    StandIn(monkeypatch, f"encoder.HARDWARE = 'libx264'; {note}")
    broken = [replace(frame, data=b"\xff\xd8 nothing \xff\xd9") for frame in jpegs(3)]
    coder, target = Transcoder(SystemClock()), tmp_path / "out.mp4"
    with pytest.raises(TranscodeFailed, match="no picture"):
        await coder.encode(filmed(tmp_path / "broken.mp4", broken), target, model.Video())
    await coder.encode(filmed(tmp_path / "in.mp4", jpegs(20)), target, model.Video())
    assert asked.read_text() == "False\nTrue\nFalse\n"


# -- the disk refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
async def test_a_disk_that_refuses_is_told_apart_from_video_that_cannot_be_coded(
    number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refuse = f"""
def write(self, data):
    raise OSError({number}, "told by the test")
encoder.Rewritten.write = write
"""
    StandIn(monkeypatch, refuse)
    source, target = filmed(tmp_path / "in.mp4", jpegs(20)), tmp_path / "out.mp4"
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        await Transcoder(SystemClock()).encode(source, target, model.Video())
    assert caught.value.errno == number
    assert not target.exists()


@contextmanager
def tiny_disk(folder: Path, size: int) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a file system that is full so soon")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def test_wherever_the_disk_fills_up_the_clip_can_be_coded_later(tmp_path: Path) -> None:
    """At the head, in the middle, in the last fragment, and when the index is put in front."""
    source, target = filmed(tmp_path / "in.mp4", jpegs(20)), tmp_path / "out.mp4"
    coder = Transcoder(SystemClock())
    await coder.encode(source, target, model.Video())
    page, size = os.sysconf("SC_PAGE_SIZE"), target.stat().st_size
    for number, room in enumerate((page, size // 2, size - page)):
        with tiny_disk(tmp_path / f"disk{number}", room // page * page) as disk:
            with pytest.raises(OSError, match="No space left"):
                await coder.encode(source, disk / "out.mp4", model.Video())
            assert list(disk.iterdir()) == []
