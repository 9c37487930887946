"""A video file as a camera: its pictures, its pace, its end, and what a damaged file costs."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import simplejpeg

from edgecam import jpeg
from edgecam.config import model
from edgecam.frame import Frame, Kind, Sound, Stamp, Use
from edgecam.hub import Want
from edgecam.pixels import Decoded
from edgecam.sources import Broken, Rig
from edgecam.sources.file import Played, Player
from edgecam.sources.pace import Pace
from fakes import FakeClock
from video import write_video


def play(
    path: Path,
    count: int = 1000,
    *,
    loop: bool = False,
    quality: int = 80,
    want: Want | None = Want.RECORD,
    audio: model.Audio | None = None,
) -> list[Played]:
    """The first frames, with their pictures, and sound; all of them when there are fewer."""
    clock = FakeClock()
    rig = Rig(Stamp("birdbox", clock), clock, quality=quality, audio=audio)
    if want:
        rig.demand[want] += 1
    player = Player(model.FileSource(path=path, loop=loop), rig, Pace(clock))
    player.open()
    found: list[Played] = []
    while len(found) < count and (played := player.read()):
        found.append(played)
    player.close()
    return found


def frames(played: list[Played]) -> list[Frame]:
    return [one.item for one in played if isinstance(one.item, Frame)]


def packets_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(("codec", "kind"), [("mjpeg", Kind.JPEG), ("libx264", Kind.H264), ("libx265", Kind.HEVC)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_mjpeg_and_h264_and_h265_pass_untouched(tmp_path: Path, codec: str, kind: Kind, suffix: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", 20, codec=codec)
    found = frames(play(path))
    assert [frame.data for frame in found] == packets_of(path)
    assert {frame.kind for frame in found} == {kind}
    assert found[0].keyframe
    assert all((frame.width, frame.height, frame.use) == (64, 48, Use.ALL) for frame in found)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_coded_frames_bring_what_a_clip_needs(tmp_path: Path, codec: str) -> None:
    found = frames(play(write_video(tmp_path / "clip.mp4", 30, codec=codec, keyframes=10)))
    assert sum(frame.keyframe for frame in found) >= 3
    assert all(frame.extradata and frame.pts is not None and frame.dts is not None for frame in found)
    assert all(isinstance(frame.time_base, Fraction) for frame in found)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_pictures_are_made_while_somebody_looks_and_bear_the_number_of_their_frame(tmp_path: Path, codec: str) -> None:
    path = write_video(tmp_path / "clip.mp4", 20, codec=codec, smooth=True)
    assert {frame.kind for frame in frames(play(path, want=None))} == {frames(play(path))[0].kind}
    found = frames(play(path, want=Want.VIEWER))
    pictures, coded = [f for f in found if f.kind is Kind.RAW], [f for f in found if f.is_coded]
    assert [(f.number, f.mono, f.wall) for f in pictures] == [(f.number, f.mono, f.wall) for f in coded]
    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]
    assert [f.image.luma(64).mean() for f in pictures if f.image] == pytest.approx(expected, abs=3)


def test_motion_gets_as_many_pictures_as_it_looks(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", 100, codec="libx264", rate=25)  # 4 s
    looks = [frame for frame in frames(play(path, want=Want.MOTION)) if frame.is_look]
    assert 19 <= len(looks) <= 21  # five a second


@pytest.mark.parametrize("codec", ["mpeg4", "vp9"])
def test_any_other_codec_becomes_jpegs_that_look_the_same(tmp_path: Path, codec: str) -> None:
    path = write_video(tmp_path / "clip.mkv", 5, codec=codec, smooth=True)
    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    found = frames(play(path, quality=95))
    assert [(frame.kind, frame.width, frame.height) for frame in found] == [(Kind.JPEG, 64, 48)] * 5
    for frame, wanted in zip(found, expected, strict=True):
        assert np.abs(simplejpeg.decode_jpeg(frame.data).astype(int) - wanted).mean() < 5


def test_what_has_to_be_decoded_is_coded_only_for_those_who_want_it_coded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", 50, codec="mpeg4", rate=25)  # 2 s
    kinds = {want: [frame.kind for frame in frames(play(path, want=want))] for want in (None, *Want)}
    assert kinds[Want.RECORD] == kinds[Want.PUBLISH] == [Kind.JPEG] * 50
    assert kinds[Want.VIEWER] == kinds[Want.SNAPSHOT] == [Kind.RAW] * 50
    assert kinds[Want.MOTION] == kinds[Want.LIGHT] == [Kind.RAW] * 10
    assert kinds[None] == [Kind.RAW] * 2  # a sign of life each second


def test_black_and_white_stay_black_and_white() -> None:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:, 24:] = 255
    video = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")  # 16..235
    seen = simplejpeg.decode_jpeg(Decoded(video).jpeg(90), colorspace="GRAY")[:, :, 0]
    assert seen[:, :16].max() < 6
    assert seen[:, 32:].min() > 249


@pytest.mark.parametrize("size", [(50, 34), (66, 50)])
def test_sizes_that_are_no_multiple_of_anything_are_fine(tmp_path: Path, size: tuple[int, int]) -> None:
    found = frames(play(write_video(tmp_path / "clip.mp4", 2, codec="libx264", size=size), want=Want.VIEWER))
    assert [(frame.width, frame.height) for frame in found] == [size] * 4
    assert [jpeg.size(frame.image.jpeg(80)) for frame in found if frame.image] == [size] * 2


def test_it_is_played_at_the_file_s_own_pace(tmp_path: Path) -> None:
    for codec in ("mjpeg", "libx264", "mpeg4"):
        path = write_video(tmp_path / f"{codec}.mkv", 5, codec=codec, rate=25)
        found = play(path)
        assert [one.at for one in found] == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16], abs=0.001)
        assert [one.item.mono for one in found] == pytest.approx([1000.0 + one.at for one in found])


@pytest.mark.parametrize("codec", ["mjpeg", "libx264", "libx265"])
def test_over_and_over_without_a_seam(tmp_path: Path, codec: str) -> None:
    path = write_video(tmp_path / "clip.mp4", 5, codec=codec, rate=25)
    played = play(path, 13, loop=True)
    found = frames(played)
    assert [one.at for one in played] == pytest.approx([0.04 * n for n in range(13)], abs=0.001)
    assert [frame.data for frame in found[5:10]] == [frame.data for frame in found[:5]]
    times = [float(f.dts * f.time_base) for f in found if f.dts is not None and f.time_base]
    assert [two - one for one, two in pairwise(times)] == pytest.approx([0.04] * (len(times) - 1), abs=0.001)


def test_a_viewer_sees_no_seam_either(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", 10, codec="libx264", rate=25)
    pictures = [f for f in frames(play(path, 60, loop=True, want=Want.VIEWER)) if f.kind is Kind.RAW]
    assert [frame.number for frame in pictures] == list(range(1, len(pictures) + 1))


def test_once_means_once(tmp_path: Path) -> None:
    assert len(play(write_video(tmp_path / "clip.avi", 5))) == 5


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_frames_that_are_shown_in_another_order_are_decoded_evenly(tmp_path: Path, suffix: str) -> None:
    """Matroska does not say when the first ones are decoded."""
    path = write_video(tmp_path / f"film.{suffix}", 30, codec="libx264", rate=10, smooth=True)
    found = frames(play(path, want=None))
    shown = sorted(frame.pts * frame.time_base for frame in found if frame.pts is not None and frame.time_base)
    assert [float(at - shown[0]) for at in shown] == pytest.approx([n / 10 for n in range(30)])
    assert [frame.mono - found[0].mono for frame in found] == pytest.approx([n / 10 for n in range(30)])
    assert all(frame.pts is not None and frame.dts is not None and frame.pts >= frame.dts for frame in found)


def test_a_file_without_times_gets_them_from_its_rate(tmp_path: Path) -> None:
    bare = tmp_path / "clip.mjpeg"
    bare.write_bytes(b"".join(packets_of(write_video(tmp_path / "clip.avi", 3))))
    assert [one.at for one in play(bare)] == pytest.approx([0.0, 0.04, 0.08])


def test_a_damaged_place_costs_its_own_pictures_only(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", 20)
    data = bytearray(path.read_bytes())
    spots = [at for at in range(len(data) - 1) if data[at : at + 2] == jpeg.SOI]
    data[spots[5] : spots[6] - 8] = bytes(spots[6] - 8 - spots[5])
    path.write_bytes(data)
    assert 15 <= len(play(path)) < 20


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_damaged_packets_cost_their_own_pictures_only(tmp_path: Path, codec: str) -> None:
    path = write_video(tmp_path / "clip.mp4", 40, codec=codec, keyframes=5)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = b"\xff" * 3000
    path.write_bytes(data)
    assert 10 <= sum(frame.kind is Kind.RAW for frame in frames(play(path, want=Want.VIEWER))) <= 40


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file or directory"),
        (b"", "Invalid data|no video"),
        (b"just a text\n" * 100, "has no video in it|Invalid data"),
        (b"\xff\xd8\xff\xe0" + bytes(5000), "Invalid data|holds no picture"),
    ],
    ids=["missing", "empty", "text", "not a picture"],
)
def test_what_is_no_video_is_told_with_its_name(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Broken, match=complaint) as broken:
        play(path, loop=True)
    assert "clip.mp4" in str(broken.value)


def test_a_film_that_is_sound_only_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(Broken, match=r"sound\.wav has no video in it"):
        play(path)


def write_film(path: Path, codec: str, rate: int = 16000) -> Path:
    """Two seconds of H.264 with a tone."""
    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream(codec, rate=rate)
        assert isinstance(video, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        video.width, video.height, video.pix_fmt, sound.layout = 64, 48, "yuv420p", "mono"
        for number in range(50):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
            tone = (8000 * np.sin(np.arange(rate // 25) * 0.3)).astype(np.int16)[None, :]
            frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            frame.rate, frame.pts = rate, number * rate // 25
            container.mux(sound.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def sounds(played: list[Played]) -> list[Sound]:
    return [one.item for one in played if isinstance(one.item, Sound)]


def test_sound_is_left_alone_unless_the_camera_has_an_audio_section(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.mp4", "aac")
    assert sounds(play(path)) == []


@pytest.mark.parametrize(("codec", "suffix"), [("aac", "mp4"), ("pcm_alaw", "avi"), ("libopus", "mkv"), ("aac", "ts")])
def test_the_film_s_sound_comes_as_aac_in_step_with_the_pictures(tmp_path: Path, codec: str, suffix: str) -> None:
    rate = 48000 if codec == "libopus" else 16000
    played = play(write_film(tmp_path / f"film.{suffix}", codec, rate), audio=model.Audio())
    heard = sounds(played)
    assert len(frames(played)) == 50
    assert sum(sound.duration for sound in heard) == pytest.approx(2.0, abs=0.2)
    assert {(sound.rate, sound.channels) for sound in heard} == {(rate, 1)}
    assert heard[0].mono == pytest.approx(1000.0, abs=0.15)
    assert all(two.mono - one.mono == pytest.approx(one.duration, abs=0.002) for one, two in pairwise(heard))
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = heard[0].extradata
    loud = [frame.to_ndarray() for sound in heard for frame in decoder.decode(av.Packet(sound.data))]
    assert np.abs(np.concatenate(loud, axis=1)).mean() > 0.1
