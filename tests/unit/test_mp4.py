"""Clips play, last as long as what they show, and stay playable wherever their writer dies."""

import errno
import io
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import counters, h264, jpegs, open_gops, probe
from edgecam import nal
from edgecam.config import model
from edgecam.frame import Frame, Kind, Sound, Stamp
from edgecam.record import boxes
from edgecam.record.cut import reel
from edgecam.record.mp4 import SLACK, Mp4, Seats
from edgecam.sources import Rig
from edgecam.sources.file import Player
from edgecam.sources.pace import Pace
from fakes import FakeClock
from sounds import beeps, decodes, joined, packets, sounds, voice


def fill(mp4: Mp4, frames: Sequence[Frame], sound: Sequence[Sound] = ()) -> None:
    """In the order of time; sound whose time is odd stays where it was told."""
    waiting = list(sound)
    for frame in frames:
        while waiting and waiting[0].mono < frame.mono:
            mp4.hear(waiting.pop(0))
        mp4.write(frame)
    for late in waiting:
        mp4.hear(late)


def muxed(frames: Sequence[Frame], until: float | None = None, sound: Sequence[Sound] = ()) -> bytes:
    file = io.BytesIO()
    mp4 = Mp4(file, frames[0], sound[0] if sound else None)
    fill(mp4, frames, sound)
    mp4.close(until)
    return file.getvalue()


CAMERAS = {
    "jpeg": (jpegs(45), "mjpeg"),
    "h264 byte stream": (h264(45), "h264"),
    "h264 with a configuration record": (h264(45, annexb=False), "h264"),
    "h264 with reordered frames": (h264(45, annexb=False, reorder=2), "h264"),
    "h264 with a long GOP": (h264(45, gop=250), "h264"),
}


@pytest.mark.parametrize(("frames", "codec"), CAMERAS.values(), ids=CAMERAS)
def test_a_clip_plays_and_holds_every_frame_for_its_time(frames: Sequence[Frame], codec: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(muxed(frames, until=frames[0].mono + 3.0))
    found = probe(path)
    assert (found.codec, found.width, found.height, found.frames) == (codec, 320, 240, 45)
    assert found.complaints == ""
    assert found.duration == pytest.approx(3.0, abs=0.15)  # a reordered stream starts a little later
    assert counters(path) == list(range(45))


@pytest.mark.parametrize(("frames", "codec"), CAMERAS.values(), ids=CAMERAS)
def test_our_own_reader_agrees_with_ffprobe(frames: Sequence[Frame], codec: str) -> None:
    found = boxes.read(io.BytesIO(muxed(frames, until=frames[0].mono + 3.0)))
    assert (found.codec, found.width, found.height, found.frames) == (codec, 320, 240, 45)
    assert found.duration == pytest.approx(3.0, abs=0.001)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [48000, 16000])
@pytest.mark.parametrize(("frames", "codec"), CAMERAS.values(), ids=CAMERAS)
def test_sound_is_in_the_clip_as_it_came_and_heard_at_its_frame(
    frames: Sequence[Frame], codec: str, rate: int, channels: int, tmp_path: Path
) -> None:
    path, sound = tmp_path / "clip.mp4", sounds(3.0, 15 / 15, 36 / 15, rate=rate, channels=channels)
    path.write_bytes(muxed(frames, until=frames[0].mono + 3.0, sound=sound))
    decodes(path)
    assert counters(path) == list(range(45))
    assert beeps(path) == pytest.approx([15 / 15, 36 / 15], abs=0.005)
    assert packets(path) == joined(sound)
    found = boxes.read(io.BytesIO(path.read_bytes()))
    assert (found.codec, found.width, found.frames) == (codec, 320, 45)
    assert found.duration == pytest.approx(3.0, abs=0.001)
    assert voice(path) == pytest.approx((0.0, 3.0), abs=1024 / rate)


@pytest.mark.parametrize(("kind", "lost"), [(Kind.H264, 2), (Kind.HEVC, 0)])
def test_a_part_that_leans_on_the_one_before_plays_alone_and_joined(kind: Kind, lost: int, tmp_path: Path) -> None:
    """Two pictures of each seam are shown before the keyframe that they are coded after."""
    frames = open_gops(kind, 60)
    seam = [n for n, frame in enumerate(frames) if frame.keyframe][2]
    parts = []
    for part in (frames[:seam], frames[seam:]):
        path = tmp_path / f"{part[0].number}.mp4"
        path.write_bytes(muxed(part))
        decodes(path)
        parts.append(reel.Recording(part[0].mono, path))
    first, second = (counters(tmp_path / f"{number}.mp4") for number in (0, seam))
    assert first == list(range(seam))
    assert second == list(range(seam + 2, 60))
    whole = tmp_path / "whole.mp4"
    film = reel.cut(parts, 1000.0, 1004.0)
    whole.write_bytes(b"".join(film.pieces(0, film.size)))
    assert counters(whole) == [*range(seam), *range(seam + lost, 60)]
    decodes(whole)


def test_pictures_are_left_out_at_the_very_beginning_only() -> None:
    """A camera that comes back counts from nought again."""
    frames = [replace(frame, pts=(frame.pts or 0) + 10**6) for frame in h264(30, annexb=False)]
    again = [replace(frame, mono=frame.mono + 2) for frame in h264(30, annexb=False)]
    assert boxes.read(io.BytesIO(muxed([*frames, *again]))).frames == 60


@pytest.mark.parametrize("begin", [0.3, 1.7])
def test_sound_that_begins_later_than_the_video_is_heard_later(begin: float, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    sound = sounds(3.0 - begin, 0.5, mono=1000.0 + begin)
    path.write_bytes(muxed(jpegs(45), until=1003.0, sound=sound))
    decodes(path)
    assert beeps(path) == pytest.approx([begin + 0.5], abs=0.005)


def test_a_track_without_a_single_packet_does_no_harm(tmp_path: Path) -> None:
    path, file = tmp_path / "clip.mp4", io.BytesIO()
    mp4 = Mp4(file, jpegs(1)[0], sounds(1.0)[0])
    fill(mp4, jpegs(45))
    mp4.close(1003.0)
    path.write_bytes(file.getvalue())
    decodes(path)
    assert (counters(path), voice(path)) == (list(range(45)), (0.0, 0.0))
    assert boxes.read(io.BytesIO(path.read_bytes())).duration == pytest.approx(3.0, abs=0.001)


@pytest.mark.parametrize("reorder", [0, 2])
def test_picture_and_sound_of_a_camera_agree_as_they_did_there(reorder: int, tmp_path: Path) -> None:
    """Frames that are coded before others are dated by their place in the coding order, and shown later; what is heard
    is dated by the same clock, so that it waits for its picture."""
    there, here = tmp_path / "there.mp4", tmp_path / "here.mp4"
    film = h264(45, annexb=False, reorder=reorder)
    there.write_bytes(muxed(film, until=1003.0, sound=sounds(3.0, 0.8, 2.0)))
    clock = FakeClock()
    rig = Rig(Stamp("cam", clock), clock, audio=model.Audio())
    player = Player(model.FileSource(path=there, loop=False), rig, Pace(clock))
    items = [played.item for played in iter(player.read, None)]
    player.close()
    frames = [item for item in items if isinstance(item, Frame)]
    here.write_bytes(muxed(frames, sound=[item for item in items if isinstance(item, Sound)]))
    assert shown(here) == pytest.approx(shown(there), abs=0.001)
    assert beeps(here) == pytest.approx(beeps(there), abs=0.005)


def shown(path: Path) -> list[float]:
    """When each picture is."""
    with av.open(str(path), "r") as container:
        return [float(frame.time or 0.0) for frame in container.decode(video=0)]


ODD: dict[str, Callable[[list[Sound]], list[Sound]]] = {
    "a gap": lambda sound: sound[:30] + sound[80:],
    "each twice": lambda sound: [one for one in sound for _ in range(2)],
    "half a second again": lambda sound: sound[:60] + sound[36:],
    "a step back in time": lambda sound: sound[:60] + [replace(one, mono=one.mono - 0.7) for one in sound[60:]],
    "a leap and back": lambda sound: [*sound[:60], replace(sound[60], mono=1002.9), *sound[61:]],
    "before the first frame": lambda sound: [replace(one, mono=one.mono - 1) for one in sound],
    "all at once": lambda sound: [replace(one, mono=1001.0) for one in sound],
    "uneven": lambda sound: [replace(one, mono=one.mono + 0.03 * (-1) ** n) for n, one in enumerate(sound)],
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("frames", [jpegs(45), h264(45)], ids=["jpeg", "h264"])
def test_no_odd_time_of_a_sound_breaks_the_clip(
    frames: Sequence[Frame], odd: Callable[[list[Sound]], list[Sound]], tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(muxed(frames, until=1003.0, sound=odd(list(sounds(3.0, 1.0, 2.5)))))
    decodes(path)
    assert counters(path) == list(range(45))
    span = voice(path)
    assert span is not None
    assert span[1] <= 3.0 + 1024 / 48000 + SLACK


@pytest.mark.parametrize(
    ("monos", "seats"),
    [
        ([0, 10, 20], [0, 10, 20]),
        ([3, 12, 24, 31], [3, 13, 23, 33]),  # a clock that trembles is no gap
        ([0, 10, 30, 40], [0, 10, 30, 40]),
        ([0, 10, 2, 5, 20], [0, 10, None, None, 20]),
        ([-30, -1, 0], [None, None, 0]),
    ],
)
def test_packets_of_sound_sit_side_by_side(monos: list[int], seats: list[int | None]) -> None:
    places = Seats(rate=round(4 / SLACK))
    assert [places.place(mono, 10) for mono in monos] == seats


def test_sound_of_a_kind_that_has_no_name_in_mp4_leaves_the_clip_silent(tmp_path: Path) -> None:
    path, file = tmp_path / "clip.mp4", io.BytesIO()
    odd = replace(sounds(1.0)[0], rate=12345)
    mp4 = Mp4(file, jpegs(1)[0], odd)
    fill(mp4, jpegs(10), [odd])
    mp4.close()
    path.write_bytes(file.getvalue())
    assert voice(path) is None


def test_uneven_times_are_kept_and_equal_ones_are_told_apart() -> None:
    frames = [replace(frame, mono=mono) for frame, mono in zip(jpegs(4), (10, 10, 12.5, 13), strict=True)]
    assert boxes.read(io.BytesIO(muxed(frames))).duration == pytest.approx(3.5, abs=0.001)


@pytest.mark.parametrize("leap", [2**31, 2**60])
def test_an_absurd_time_of_one_frame_costs_neither_the_clip_nor_its_length(leap: int, tmp_path: Path) -> None:
    frames = list(h264(45, annexb=False, reorder=2))
    frames[20] = replace(frames[20], pts=leap)
    path = tmp_path / "clip.mp4"
    path.write_bytes(muxed(frames))
    found = probe(path)
    assert found.frames == 45
    assert found.duration == pytest.approx(3.0, abs=0.2)


def test_a_track_of_a_coding_that_we_do_not_know_is_passed_over() -> None:
    data = muxed(h264(30), sound=sounds(2.0))
    assert b"mp4a" in data
    assert boxes.read(io.BytesIO(data.replace(b"mp4a", b"none"))) == boxes.read(io.BytesIO(data))
    with pytest.raises(boxes.NotPlayable):
        boxes.read(io.BytesIO(data.replace(b"mp4a", b"none").replace(b"avc1", b"nix1")))


def test_a_single_picture_is_a_short_clip() -> None:
    found = boxes.read(io.BytesIO(muxed(jpegs(1))))
    assert (found.frames, found.duration) == (1, 0.1)


@pytest.mark.parametrize("frames", [jpegs(60), h264(60), h264(60, gop=250)], ids=["jpeg", "h264", "long gop"])
def test_wherever_the_writer_dies_all_but_the_last_second_plays(frames: Sequence[Frame], tmp_path: Path) -> None:
    path, dice = tmp_path / "cut.mp4", random.Random(7)
    for sound in 4 * ((), sounds(4.0), sounds(1.0)):  # without, with, and one that falls silent
        file, alive = io.BytesIO(), dice.randrange(35, 61)
        mp4 = Mp4(file, frames[0], sound[0] if sound else None)
        fill(mp4, frames[:alive], [one for one in sound if one.mono < frames[alive - 1].mono])
        mp4.abandon()
        torn = file.getvalue()[: file.tell() - dice.randrange(0, 400)]
        found = boxes.read(io.BytesIO(torn))
        path.write_bytes(torn[: found.end])
        assert counters(path) == list(range(found.frames))
        decodes(path)
        assert found.frames >= alive - 2 * 15 - 2  # a fragment of a second in the making, and the torn one before it


@given(st.booleans(), st.binary(max_size=300), st.integers(0, 40_000), st.integers(0, 40_000))
def test_no_damage_makes_the_reader_fail_otherwise_than_by_saying_so(
    sound: bool, junk: bytes, at: int, length: int
) -> None:
    whole = _WITH_SOUND if sound else _WHOLE
    damaged = whole[:at] + junk + whole[at + length :]
    try:
        found = boxes.read(io.BytesIO(damaged))
    except boxes.NotPlayable:
        return
    assert 0 < found.end <= len(damaged)


_WHOLE = muxed(jpegs(20))
_WITH_SOUND = muxed(jpegs(20), sound=sounds(1.3))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a video of ours"),
        (b"nonsense" * 20, "not a video of ours"),
        (_WHOLE[:27], "not a video of ours"),
        (_WHOLE[:28], "before its first picture"),
        (_WHOLE[:700], "before its first picture"),
        (_WHOLE[:28] + bytes(2000), "not a video of ours"),
        (_WHOLE[:900], "before its first picture"),
        (_WHOLE[:754], "before its first picture"),
        (_WHOLE[:753], "before its first picture"),
        (_WHOLE[:770] + bytes(1000) + _WHOLE[1770:], "first pictures are damaged"),
        (b"\0\0\0\1mdat" + (2**62).to_bytes(8, "big"), "not a video of ours"),
        (b"\xff\xff\xff\xffmoov", "not a video of ours"),
    ],
)
def test_what_cannot_be_played_is_said_in_words(data: bytes, why: str) -> None:
    with pytest.raises(boxes.NotPlayable, match=why):
        boxes.read(io.BytesIO(data))


def box(kind: bytes, *body: bytes) -> bytes:
    data = b"".join(body)
    return (8 + len(data)).to_bytes(4, "big") + kind + data


def u32(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)


def foreign(mdhd: bytes, tfhd: bytes, trun: bytes, *, large: bool = False) -> bytes:
    """The forms that other muxers choose: long times, default durations, 64-bit boxes, the sound first, many runs."""
    entry = bytes(8) + u32(86) + b"hvc1" + bytes(24) + (640).to_bytes(2, "big") + (480).to_bytes(2, "big") + bytes(50)
    stbl = box(b"stbl", box(b"stsd", entry))
    tkhd = box(b"tkhd", u32(1 << 24, 0, 0, 0, 0, 1) if large else u32(0, 0, 0, 1))
    moov = box(b"moov", box(b"trak", tkhd, box(b"mdia", box(b"mdhd", mdhd), box(b"minf", stbl))))
    traf = box(b"traf", box(b"tfhd", tfhd), box(b"tfdt", u32(0, 1000)), box(b"trun", trun))
    if large:
        mp4a = box(b"stbl", box(b"stsd", bytes(8) + u32(36) + b"mp4a" + bytes(28)))
        voice = box(b"trak", box(b"tkhd", u32(0, 0, 0, 2)), box(b"mdia", box(b"mdhd", mdhd), box(b"minf", mp4a)))
        moov = box(b"moov", voice, moov[8:])
        traf = box(b"traf", box(b"tfhd", u32(0, 2)), box(b"trun", u32(0, 99))) + traf
    mdat = u32(1) + b"mdat" + (20).to_bytes(8, "big") + b"1234" if large else box(b"mdat", b"1234")
    return moov + box(b"moof", traf) + mdat


@pytest.mark.parametrize(
    ("mdhd", "tfhd", "trun", "seconds"),
    [
        (u32(0, 0, 0, 1000), u32(0x8, 1, 500), u32(0, 4), 3.0),
        (u32(1 << 24, 0, 0, 0, 0, 1000), u32(0x0B, 1, 0, 0, 7, 250), u32(0, 4), 2.0),
        (u32(0, 0, 0, 1000), u32(0, 1), u32(0, 4), 1.0),
        (u32(0, 0, 0, 1000), u32(0, 1), u32(0x705, 2, 0, 0, 100, 9, 9, 300, 9, 9), 1.4),
    ],
)
def test_the_forms_that_other_muxers_choose_are_understood(
    mdhd: bytes, tfhd: bytes, trun: bytes, seconds: float
) -> None:
    for large in (False, True):
        data = foreign(mdhd, tfhd, trun, large=large)
        found = boxes.read(io.BytesIO(data))
        assert (found.codec, found.width, found.height, found.duration) == ("hevc", 640, 480, seconds)
        assert found.end == len(data)


def test_a_header_too_large_to_be_ours_is_not_read_into_memory() -> None:
    with pytest.raises(boxes.NotPlayable):
        boxes.read(io.BytesIO(box(b"moov", bytes(2 << 20))))


class FullDisk(io.RawIOBase):
    """Takes a number of bytes, and fewer at once than it is given, as a nearly full disk does."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, data: object) -> int:
        size = min(len(memoryview(data)), 1000)  # type: ignore[arg-type]  # RawIOBase says "buffer"
        if self.room < size:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= size
        return size


@pytest.mark.parametrize("room", [0, 500, 5_000, 60_000, 10**7])
def test_a_full_disk_is_an_oserror_whatever_was_being_written(room: int) -> None:
    frames = jpegs(30)

    def write() -> None:
        mp4 = Mp4(FullDisk(room), frames[0])  # type: ignore[arg-type]  # a raw file will do
        for frame in frames:
            mp4.write(frame)
        mp4.close()

    if room >= len(muxed(frames)):
        write()
        return
    with pytest.raises(OSError, match="No space left") as caught:
        write()
    assert caught.value.errno == errno.ENOSPC


HEVC = bytes(21) + b"\x03\x02" + b"\x20\0\1\0\2vv" + b"\x21\0\2\0\1s\0\1p"


@pytest.mark.parametrize(
    ("kind", "key", "record", "data", "stream"),
    [
        (Kind.H264, True, None, b"\0\0\0\1k", b"\0\0\0\1k"),
        (Kind.H264, True, b"\0\0\0\1s", b"\0\0\0\1k", b"\0\0\0\1s\0\0\0\1k"),
        (Kind.H264, False, b"\0\0\0\1s", b"\0\0\0\1k", b"\0\0\0\1k"),
        (Kind.H264, True, b"\1...\xff\xe1\0\1s\1\0\1p", b"\0\0\0\1k", b"\0\0\0\1s\0\0\0\1p\0\0\0\1k"),
        (Kind.H264, False, b"\1...\xfd\xe1\0\1s\1\0\1p", b"\0\1k\0\2kk", b"\0\0\0\1k\0\0\0\1kk"),
        (Kind.HEVC, True, b"\1" + HEVC[1:], b"\0\0\0\1k", b"\0\0\0\1vv\0\0\0\1s\0\0\0\1p\0\0\0\1k"),
    ],
)
def test_every_form_of_coded_video_reaches_the_muxer_as_a_byte_stream(
    kind: Kind, key: bool, record: bytes | None, data: bytes, stream: bytes
) -> None:
    frame = Frame("cam", 1, 0, 0, kind, data, 320, 240, key, extradata=record)
    assert nal.stream(frame) == stream


def test_a_damaged_codec_configuration_is_said_in_words() -> None:
    with pytest.raises(ValueError, match="codec configuration is damaged"):
        nal.stream(Frame("cam", 1, 0, 0, Kind.H264, b"", 320, 240, extradata=b"\1.."))


def test_a_foreign_file_is_no_clip(tmp_path: Path) -> None:
    """`ffprobe` finds nothing where there is nothing to play, or the other tests prove nothing."""
    path = tmp_path / "picture.mp4"
    path.write_bytes(bytes(1000))
    with pytest.raises(subprocess.CalledProcessError):
        probe(path)
