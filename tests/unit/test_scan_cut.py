"""Parts of videos as clips: from a keyframe on, each frame as it was."""

import itertools
import signal
import subprocess
from array import array
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from edgecam.motion.video import Unreadable
from edgecam.record.sink import Sink
from edgecam.scanning.cut import Cut, Index, NotCut, index, plan, write
from outside import probe
from peers import program
from sounds import beeps, decodes, sounds, voice
from video import write_video

RATE = 10


def nothing(_: float, __: float | None) -> None:
    pass


def md5s(path: Path, *how: str) -> list[str]:
    """Of each frame as it is shown, in that order; of what is coded, with `how`."""
    command = [program("ffmpeg"), "-v", "error", "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough"]
    command += [*how, "-f", "framemd5", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [line.split(",")[5].strip() for line in done.stdout.splitlines() if not line.startswith("#")]


def keyframe(path: Path, at: float) -> int:
    """The number, among those shown, of the last keyframe at or before these seconds."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size and packet.pts is not None]
    shown = sorted(packets, key=lambda packet: packet.pts or 0)
    return max(n for n, packet in enumerate(shown) if packet.is_keyframe and n <= at * RATE)


def units(path: Path) -> list[str]:
    """Of what is coded, without the parameter sets, which may be told again."""
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context.name
        framed = container.format.name not in ("mpegts", "avi")
    if codec == "mjpeg":
        return md5s(path, "-c", "copy")
    annexb = [f"{codec}_mp4toannexb"] if framed else []
    slices = "filter_units=pass_types=" + ("1-5" if codec == "h264" else "0-31")
    return md5s(path, "-c", "copy", "-bsf:v", ",".join([*annexb, slices]))


def within(part: Sequence[str], whole: Sequence[str]) -> int:
    """Where `part` begins in `whole`."""
    return next(at for at in range(len(whole)) if list(whole[at : at + len(part)]) == list(part))


FORMS = [
    ("v.avi", "mjpeg", False),
    ("v.mkv", "mjpeg", False),
    ("v.mp4", "libx264", False),
    ("v.mp4", "libx264", True),
    ("v.mkv", "libx264", False),
    ("v.ts", "libx264", True),
    ("v.avi", "libx264", True),
    ("v.mkv", "libx265", True),
    ("v.mp4", "libx265", False),
    ("v.ts", "libx265", True),
]


@pytest.mark.parametrize(("name", "codec", "live"), FORMS)
def test_frames_are_copied_as_they_are(tmp_path: Path, name: str, codec: str, live: bool) -> None:
    """With B-frames where it is not live."""
    path = write_video(tmp_path / name, 60, codec=codec, rate=RATE, keyframes=10, live=live)
    frames = index(path)
    cut = plan(frames, 2.5, 4.05)
    first = keyframe(path, 2.5)
    assert (cut.begin, cut.early) == pytest.approx((first / RATE, 2.5 - first / RATE))
    part = tmp_path / "part"
    write(path, [cut], [part], nothing)
    shown, whole = md5s(part), md5s(path)
    assert shown == whole[first : first + len(shown)]
    assert 41 - first <= len(shown) <= 41 - first + 3  # those that are coded before the last, and shown after it
    assert within(units(part), units(path)) == cut.first
    video = probe(part)["streams"][0]
    assert video["codec_name"] == codec.replace("libx", "h").replace("h265", "hevc")
    assert float(video["start_time"]) <= 6 / RATE  # what is reordered is decoded from 0 on
    with av.open(str(part)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert (packets[0].is_keyframe, packets[0].dts) == (True, 0)
    assert [packet.dts * packet.time_base for packet in packets if packet.dts is not None] == pytest.approx(
        [place / RATE for place in range(len(packets))], abs=0.001
    )


@pytest.mark.parametrize("coded", ["aac", "pcm_mulaw", "libopus"])
def test_sound_goes_along(tmp_path: Path, coded: str) -> None:
    wall = write_video(tmp_path / "wall.mkv", 80, codec="libx264", rate=RATE, keyframes=10, live=True)
    with av.open(str(tmp_path / "beeps.mp4"), "w") as out:
        heard = sounds(8.0, 1.0, 4.0, rate=48000)
        stream = out.add_stream("aac", rate=48000)
        stream.layout = "mono"
        stream.codec_context.open()
        stream.codec_context.extradata = heard[0].extradata
        for number, sound in enumerate(heard):
            packet = av.Packet(sound.data)
            packet.stream, packet.pts, packet.dts = stream, 1024 * number, 1024 * number
            packet.time_base = stream.codec_context.time_base
            out.mux(packet)
    path = tmp_path / "v.mkv"
    join = [program("ffmpeg"), "-v", "error", "-i", str(wall), "-i", str(tmp_path / "beeps.mp4"), "-map", "0:v"]
    rate = ["-ar", "8000"] if coded == "pcm_mulaw" else []
    subprocess.run([*join, "-map", "1:a", "-c:v", "copy", "-c:a", coded, *rate, str(path)], check=True)
    cut = plan(index(path), 3.0, 6.0)
    write(path, [cut], [tmp_path / "part.mp4"], nothing)
    decodes(tmp_path / "part.mp4")
    assert beeps(tmp_path / "part.mp4") == pytest.approx([beeps(path)[1] - cut.begin], abs=0.06)
    assert voice(tmp_path / "part.mp4") == pytest.approx((0.0, cut.end - cut.begin), abs=0.4)


def test_several_clips_may_show_the_same(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 60, codec="libx264", rate=RATE, keyframes=10, live=True)
    frames = index(path)
    cuts = [plan(frames, 0, 2.5), plan(frames, 1, 3.5), plan(frames, 5, 9)]
    parts = [tmp_path / str(number) for number in range(3)]
    write(path, cuts, parts, nothing)
    whole = md5s(path)
    assert [md5s(part) for part in parts] == [whole[0:26], whole[10:36], whole[50:60]]


def test_a_video_whose_first_pictures_are_cut_off_has_the_seconds_of_the_scan(tmp_path: Path) -> None:
    """What is cut out of an MP4 begins with frames that are not shown, up to where it was cut."""
    whole = write_video(tmp_path / "whole.mp4", 60, codec="libx264", rate=RATE, keyframes=20, live=True)
    path = tmp_path / "v.mp4"
    command = [program("ffmpeg"), "-v", "error", "-ss", "1.5", "-i", str(whole), "-c", "copy", str(path)]
    subprocess.run(command, check=True)
    frames = index(path)
    assert [frames.shown[key] for key in frames.keys] == pytest.approx([-1.5, 0.5, 2.5])


def test_a_torn_video_is_cut_up_to_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.ts", 60, codec="libx264", rate=RATE, keyframes=10, live=True)
    whole = units(path)
    path.write_bytes(path.read_bytes()[:-3000])
    cut = plan(index(path), 4.0, 9.0)
    write(path, [cut], [tmp_path / "part"], nothing)
    assert units(tmp_path / "part")[:15] == whole[40:55]


@pytest.mark.parametrize(("name", "codec"), [("v.mkv", "ffv1"), ("v.avi", "mpeg4")])
def test_what_cannot_be_cut_is_told(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, 5, codec=codec, pixels="yuv420p")
    with pytest.raises(NotCut, match=rf"{name}: only H.264, H.265 and MJPEG"):
        index(path)


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with pytest.raises(Unreadable, match=r"v\.mp4"):
        index(tmp_path / "v.mp4")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_nothing_half_stays(tmp_path: Path, error: type[BaseException]) -> None:
    path = write_video(tmp_path / "v.avi", 60, rate=RATE)
    cuts = [plan(index(path), begin, begin + 3) for begin in (0, 2, 4)]
    parts = [tmp_path / f"{number}.part" for number in range(3)]
    steps = itertools.count()

    def interrupted(_: float, __: float | None) -> None:
        if next(steps) == 35:
            assert list(tmp_path.glob("*.part"))
            raise error

    with pytest.raises(error):
        write(path, cuts, parts, interrupted)
    assert list(tmp_path.glob("*.part")) == []


def test_a_signal_in_the_middle_of_a_write_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "v.avi", 60, rate=RATE)
    cut = plan(index(path), 0, 5)
    whole = Sink.write

    def struck(self: Sink, data: bytes) -> int:
        signal.raise_signal(signal.SIGINT)
        return whole(self, data)

    monkeypatch.setattr(Sink, "write", struck)
    with pytest.raises(KeyboardInterrupt):
        write(path, [cut], [tmp_path / "part"], nothing)
    assert not (tmp_path / "part").exists()


def test_a_disk_that_is_full_is_told_as_such(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", 60, rate=RATE)
    part = tmp_path / "part"
    part.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write(path, [plan(index(path), 0, 5)], [part], nothing)
    assert not part.is_symlink()


KEYS = "K..K..K.."


@pytest.mark.parametrize(
    ("keys", "begin", "end", "cut"),
    [
        (KEYS, 3.0, 4.0, Cut(3, 5, 3.0, 5.0, 0.0)),
        (KEYS, 2.9, 4.0, Cut(0, 5, 0.0, 5.0, 2.9)),
        (KEYS, 5.5, 6.5, Cut(3, 7, 3.0, 7.0, 2.5)),
        (KEYS, -5, 0.0, Cut(0, 1, 0.0, 1.0, 0.0)),
        (KEYS, 7.0, 99, Cut(6, 9, 6.0, 9.0, 1.0)),
        (KEYS, 99, 99, Cut(6, 9, 6.0, 9.0, 93.0)),
        ("..K..", 1.0, 3.0, Cut(2, 4, 2.0, 4.0, 0.0)),
        ("..K..", 0.0, 1.0, Cut(2, 3, 2.0, 3.0, 0.0)),
    ],
    ids=str,
)
def test_a_cut_begins_at_a_keyframe(keys: str, begin: float, end: float, cut: Cut) -> None:
    shown = array("d", range(len(keys)))
    assert plan(Index(1.0, shown, [place for place, key in enumerate(keys) if key == "K"]), begin, end) == cut
