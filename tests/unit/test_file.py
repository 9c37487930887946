"""A video file as a camera: its pictures, its pace, its end, and what a damaged file costs."""

from pathlib import Path

import av
import numpy as np
import pytest
import simplejpeg

from edgecam import jpeg
from edgecam.pixels import Decoded
from edgecam.sources import Broken
from edgecam.sources.file import Picture, Player
from video import write_video


def play(path: Path, count: int = 1000, *, loop: bool = False, quality: int = 80) -> list[Picture]:
    """The first pictures; all of them when there are fewer."""
    player = Player(path, loop, quality, "birdbox")
    player.open()
    found: list[Picture] = []
    while len(found) < count and (picture := player.read()):
        found.append(picture)
    player.close()
    return found


def test_the_pictures_of_an_mjpeg_file_pass_untouched(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", 5, codec="mjpeg")
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert [picture.data for picture in play(path)] == packets


def test_any_other_codec_becomes_pictures_that_look_the_same(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", 5, codec="libx264", smooth=True)
    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    found = play(path, quality=95)
    assert [(picture.width, picture.height) for picture in found] == [(64, 48)] * 5
    for picture, wanted in zip(found, expected, strict=True):
        assert np.abs(simplejpeg.decode_jpeg(picture.data).astype(int) - wanted).mean() < 5


def test_black_and_white_stay_black_and_white() -> None:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:, 24:] = 255
    video = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")  # 16..235
    seen = simplejpeg.decode_jpeg(Decoded(video).jpeg(90), colorspace="GRAY")[:, :, 0]
    assert seen[:, :16].max() < 6
    assert seen[:, 32:].min() > 249


@pytest.mark.parametrize("size", [(50, 34), (66, 50)])
def test_sizes_that_are_no_multiple_of_anything_are_fine(tmp_path: Path, size: tuple[int, int]) -> None:
    pictures = play(write_video(tmp_path / "clip.mp4", 2, codec="libx264", size=size))
    assert [jpeg.size(picture.data) for picture in pictures] == [size] * 2


def test_it_is_played_at_the_file_s_own_pace(tmp_path: Path) -> None:
    for codec in ("mjpeg", "libx264"):
        path = write_video(tmp_path / f"{codec}.mkv", 5, codec=codec, rate=25)
        assert [picture.at for picture in play(path)] == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16], abs=0.001)


def test_over_and_over_without_a_seam(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", 5, codec="libx264", rate=25)
    found = play(path, 13, loop=True)
    assert [picture.at for picture in found] == pytest.approx([0.04 * n for n in range(13)], abs=0.001)
    assert [picture.data for picture in found[5:10]] == [picture.data for picture in found[:5]]


def test_once_means_once(tmp_path: Path) -> None:
    assert len(play(write_video(tmp_path / "clip.avi", 5))) == 5


def test_a_file_without_times_gets_them_from_its_rate(tmp_path: Path) -> None:
    pictures = [picture.data for picture in play(write_video(tmp_path / "clip.avi", 3))]
    bare = tmp_path / "clip.mjpeg"
    bare.write_bytes(b"".join(pictures))
    assert [picture.at for picture in play(bare)] == pytest.approx([0.0, 0.04, 0.08])


def test_a_damaged_place_costs_its_own_pictures_only(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", 20)
    data = bytearray(path.read_bytes())
    spots = [at for at in range(len(data) - 1) if data[at : at + 2] == jpeg.SOI]
    data[spots[5] : spots[6] - 8] = bytes(spots[6] - 8 - spots[5])
    path.write_bytes(data)
    assert 15 <= len(play(path)) < 20


def test_damaged_packets_of_a_decoded_file_are_skipped(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", 40, codec="libx264", keyframes=5)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = b"\xff" * 3000
    path.write_bytes(data)
    assert 10 <= len(play(path)) <= 40


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
