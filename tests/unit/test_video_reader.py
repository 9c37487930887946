"""What PyAV reads becomes frames: untouched, with pictures when somebody looks, and not a decode more."""

import logging
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import simplejpeg

from edgecam import jpeg
from edgecam.frame import Frame, Kind, Sound, Stamp, Use
from edgecam.hub import Want
from edgecam.sources import Broken, Rig
from edgecam.sources.budget import Budget
from edgecam.sources.decoder import MOST_FRAMES, MOST_HELD, Decoder
from edgecam.sources.timeline import AsTold
from edgecam.sources.tracks import Coded, Decoding, Role
from edgecam.sources.video import VideoReader
from fakes import FakeClock
from video import write_video

GOP = 12


def rig(*wants: Want) -> Rig:
    clock = FakeClock()
    made = Rig(Stamp("birdbox", clock), clock)
    for want in wants:
        made.demand[want] += 1
    return made


@pytest.fixture(params=["libx264", "libx265"])
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two seconds and a half as a camera codes it: 30 frames of 12 each second, a gradient that moves."""
    name: str = request.param
    return write_video(tmp_path / "clip.mkv", 30, codec=name, rate=GOP, keyframes=GOP, smooth=True, live=True)


def truth(path: Path) -> list[float]:
    """The mean brightness of every picture, decoded by somebody else."""
    with av.open(str(path)) as container:
        return [float(picture.to_ndarray(format="gray").mean()) for picture in container.decode(video=0)]


class Watched(Decoder):
    """Counts all that was decoded."""

    total = 0

    def _give(self, frame: Frame):  # type: ignore[no-untyped-def]  # as its parent
        Watched.total += 1
        return super()._give(frame)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    monkeypatch.setattr("edgecam.sources.tracks.Decoder", Watched)
    Watched.total = 0
    return Watched


def reader(path: Path, made: Rig, role: Role | None = None, decoding: Decoding = "full") -> VideoReader:
    opened = VideoReader(made, lambda: av.open(str(path)), str, role=role, decoding=decoding)
    opened.open()
    return opened


def items(source: VideoReader, made: Rig, count: int = 1000) -> Iterator[Frame]:
    """The next frames; time goes on with each."""
    clock = made.clock
    assert isinstance(clock, FakeClock)
    for _ in range(count):
        clock.tick(0.02)
        item = source.read()
        if item is None:
            return
        assert isinstance(item, Frame)
        yield item


def light(frame: Frame) -> float:
    assert frame.image is not None
    return float(frame.image.luma(64).mean())


def test_nothing_is_decoded_while_nobody_looks(video: Path, watched: type[Watched]) -> None:
    made = rig(Want.RECORD, Want.PUBLISH)
    found = list(items(reader(video, made), made))
    assert [frame.number for frame in found if frame.is_coded] == list(range(1, 31))
    assert watched.total == 0


def test_who_begins_to_look_between_keyframes_sees_the_newest_frame_at_once(
    video: Path, watched: type[Watched]
) -> None:
    made, expected = rig(), truth(video)
    source = reader(video, made)
    assert [frame.number for frame in items(source, made, 7)] == [1, 2, 3, 4, 5, 6, 7]
    made.demand[Want.SNAPSHOT] += 1
    picture, coded, second = items(source, made, 3)
    assert [(frame.number, frame.is_coded) for frame in (picture, coded, second)] == [(7, False), (8, True), (8, False)]
    assert [light(picture), light(second)] == pytest.approx(expected[6:8], abs=3)
    assert watched.total == 8


def test_who_looks_away_and_back_costs_only_what_was_missed(video: Path, watched: type[Watched]) -> None:
    made, expected = rig(Want.VIEWER), truth(video)
    source = reader(video, made)
    list(items(source, made, 8))  # four frames and their pictures
    made.demand[Want.VIEWER] -= 1
    list(items(source, made, 4))
    made.demand[Want.VIEWER] += 1
    (picture,) = items(source, made, 1)  # still the first group
    assert (picture.number, watched.total) == (8, 8)
    assert light(picture) == pytest.approx(expected[7], abs=3)
    made.demand[Want.VIEWER] -= 1
    list(items(source, made, 9))
    made.demand[Want.VIEWER] += 1
    (picture,) = items(source, made, 1)  # the fifth of the second group
    assert (picture.number, watched.total) == (17, 8 + 5)
    assert light(picture) == pytest.approx(expected[16], abs=3)


def test_every_picture_shows_its_own_frame(video: Path) -> None:
    made = rig(Want.VIEWER)
    pictures = [frame for frame in items(reader(video, made), made) if frame.kind is Kind.RAW]
    assert [frame.number for frame in pictures] == list(range(1, 31))
    assert [light(frame) for frame in pictures] == pytest.approx(truth(video), abs=3)


def test_a_group_without_end_is_not_kept_for_ever(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", MOST_FRAMES + 60, codec="libx264", keyframes=MOST_FRAMES + 50, live=True)
    made = rig()
    source = reader(path, made)
    list(items(source, made, MOST_FRAMES + 20))
    made.demand[Want.VIEWER] += 1
    rest = list(items(source, made))
    assert next(frame.number for frame in rest if frame.kind is Kind.RAW) == MOST_FRAMES + 51  # the next keyframe


def test_a_board_that_needs_long_to_catch_up_reads_on_meanwhile(tmp_path: Path) -> None:
    made = rig()
    path = write_video(tmp_path / "clip.mkv", 60, codec="libx264", keyframes=60, live=True)
    frames = list(items(reader(path, made), made))
    clock, seen = iter(range(1000)), list[list[int]]()
    decoder = Decoder(Kind.H264, now=lambda: 0.25 * next(clock))
    for frame in frames[:20]:
        decoder.add(frame)
    for frame in frames[20:40]:
        decoder.add(frame)
        seen.append([each.frame.number for each in decoder.decode()])
    assert seen[:6] == [[]] * 6, "four pictures a call, and nothing of the past is shown"
    assert seen[6:] == [[each.number] for each in frames[26:40]]


class Referred(Frame):
    """One whose end can be seen."""


@pytest.mark.parametrize("kind", [Kind.H264, Kind.HEVC])
def test_a_stream_that_nobody_can_decode_does_not_eat_the_memory(kind: Kind) -> None:
    decoder, given = Decoder(kind), list[weakref.ref[Frame]]()
    for number in range(1, 200):
        frame = Referred("yard", number, number / 25, number / 25, kind, b"\0\0\0\1" + bytes(99), 64, 48, number == 1)
        given.append(weakref.ref(frame))
        decoder.add(frame)
        assert decoder.decode() == []
    del frame
    assert sum(each() is not None for each in given) <= MOST_HELD + 1


def test_who_comes_back_sees_nothing_that_was_held_back_when_they_left(tmp_path: Path) -> None:
    """B-frames: the decoder still holds pictures of the group at which somebody looked away."""
    path = write_video(tmp_path / "clip.mkv", 60, codec="libx264", rate=GOP, keyframes=GOP, smooth=True)
    made = rig()
    frames = list(items(reader(path, made), made))
    second, third = [frame.number for frame in frames if frame.keyframe][1:3]
    decoder, seen = Decoder(Kind.H264), list[int]()
    for frame in frames:
        decoder.add(frame)
        if frame.number < second - 3 or third <= frame.number:
            seen += [one.frame.number for one in decoder.decode()]
    assert max(number for number in seen if number < second) < second - 4  # some were held back
    assert min(number for number in seen if number > second) == third


# ---- motion


def look(path: Path, made: Rig, decoding: Decoding, cost: float = 0.0) -> list[Frame]:
    """The pictures that motion gets of a file whose frames arrive at their own times, decoded at `cost` (s) each."""
    spent = iter(range(10**6))
    with av.open(str(path)) as container:
        stream: av.VideoStream = container.streams.video[0]
        track = Coded(stream, Kind.H264, made, AsTold(), Role(), decoding, lambda: next(spent) * cost)
        return [
            frame
            for packet in container.demux()
            for frame in track.take(packet, 1000 + float((packet.dts or 0) * packet.time_base))
            if frame.is_look
        ]


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Twenty seconds, a keyframe each second."""
    return write_video(tmp_path / "clip.mp4", 20 * GOP, codec="libx264", rate=GOP, keyframes=GOP, live=True)


def test_motion_gets_as_many_pictures_as_it_looks(long: Path, watched: type[Watched]) -> None:
    assert 95 <= len(look(long, rig(Want.MOTION), "full")) <= 101
    assert watched.total == 20 * GOP


def test_with_keyframes_only_motion_gets_one_picture_a_group(long: Path, watched: type[Watched]) -> None:
    found = look(long, rig(Want.MOTION), "keyframes")
    assert [frame.number for frame in found] == [1 + GOP * n for n in range(20)]
    assert watched.total == 20


def test_people_who_look_get_everything_even_so(long: Path) -> None:
    assert len(look(long, rig(Want.MOTION, Want.VIEWER), "keyframes")) == 20 * GOP


@pytest.mark.parametrize(("cost", "enough"), [(0.03, True), (0.06, False)])
def test_a_board_that_is_too_slow_goes_to_keyframes_and_says_so_once(
    long: Path, caplog: pytest.LogCaptureFixture, cost: float, enough: bool
) -> None:
    made = rig(Want.MOTION)
    with caplog.at_level(logging.WARNING):
        found = look(long, made, "auto", cost) + look(long, made, "auto", cost)
    advice = [record.getMessage() for record in caplog.records if "detect_url" in record.getMessage()]
    assert (len(found) > 150, len(advice), made.looking.exceeded) == (enough, int(not enough), not enough)


@pytest.mark.parametrize(("cost", "enough"), [(0.06, True), (0.1, False)])
def test_a_board_that_cannot_decode_as_fast_as_it_reads_shows_keyframes_and_keeps_reading(
    long: Path, caplog: pytest.LogCaptureFixture, cost: float, enough: bool
) -> None:
    made = rig(Want.VIEWER, Want.RECORD)
    with caplog.at_level(logging.WARNING):
        found = look(long, made, "full", cost) + look(long, made, "full", cost)
    told = [record.getMessage() for record in caplog.records if "viewers see keyframes only" in record.getMessage()]
    assert (len(found) > 12 * GOP, len(told), made.watching.exceeded) == (enough, int(not enough), not enough)
    assert len(found) >= 20


@pytest.mark.parametrize(("cost", "enough"), [(0.04, True), (0.1, False)])
def test_what_a_viewer_missed_of_a_long_group_is_not_held_against_the_board(
    tmp_path: Path, watched: type[Watched], cost: float, enough: bool
) -> None:
    made = rig(Want.RECORD)
    path = write_video(tmp_path / "clip.mp4", 30 * GOP, codec="libx264", rate=GOP, keyframes=20 * GOP, live=True)
    with av.open(str(path)) as container:
        cpu: Callable[[], float] = lambda: cost * watched.total  # noqa: E731
        track = Coded(container.streams.video[0], Kind.H264, made, AsTold(), Role(), "full", cpu)
        for number, packet in enumerate(container.demux()):
            if number == 15 * GOP:
                made.demand[Want.VIEWER] += 1
            list(track.take(packet, 1000 + float((packet.dts or 0) * packet.time_base)))
    assert made.watching.exceeded is not enough


def test_decode_full_means_full_whatever_it_costs(long: Path) -> None:
    made = rig(Want.MOTION)
    assert len(look(long, made, "full", cost=9.0)) > 90
    assert not made.looking.exceeded


@pytest.mark.parametrize(
    ("work", "verdict"),
    [
        ([(0.2, at / 2) for at in range(40)], False),
        ([(0.3, at / 2) for at in range(40)], True),
        ([(9.0, 0.0), (0.1, 20.0), (0.1, 40.0), (0.1, 60.0)], False),  # long ago
    ],
    ids=["moderate", "too much", "now and then"],
)
def test_half_a_core_over_some_seconds_is_too_much(work: list[tuple[float, float]], verdict: bool) -> None:
    budget = Budget(0.5)
    assert sum(budget.spend(cpu, at) for cpu, at in work) == int(verdict)
    assert budget.exceeded is verdict


def test_a_stream_for_motion_gives_pictures_for_motion_and_nothing_else(video: Path) -> None:
    made = rig(Want.MOTION, Want.VIEWER, Want.RECORD)
    found = list(items(reader(video, made, Role(Use.MOTION)), made))
    assert {(frame.kind, frame.use) for frame in found} == {(Kind.RAW, Use.MOTION)}
    made = rig(Want.MOTION)
    assert all(frame.is_coded for frame in items(reader(video, made, Role(Use.PEOPLE)), made))


# ---- what goes wrong


def test_a_damaged_frame_costs_the_pictures_up_to_the_next_keyframe_at_most(video: Path) -> None:
    made = rig()
    frames = list(items(reader(video, made), made))
    decoder = Decoder(frames[0].kind)
    seen = []
    for frame in frames:
        if frame.number == 5:
            frame = Frame("birdbox", 5, 0, 0, frame.kind, b"\xff" * 500, 64, 48, keyframe=False, pts=0)
        decoder.add(frame)
        seen += [one.frame.number for one in decoder.decode()]
    assert {1, 2, 3, 4} <= set(seen)
    assert set(range(13, 31)) <= set(seen)


def test_what_comes_before_the_first_keyframe_is_passed_and_not_decoded(video: Path, watched: type[Watched]) -> None:
    made = rig()
    frames = list(items(reader(video, made), made))[5:20]
    decoder = Watched(frames[0].kind)
    for frame in frames:
        decoder.add(frame)
        if frame.number < 13:
            assert decoder.decode() == []
    assert watched.total == 0
    assert [one.frame.number for one in decoder.decode()] == [20]


def test_what_cannot_be_opened_is_told_in_the_words_of_the_source(tmp_path: Path) -> None:
    gone = VideoReader(rig(), lambda: av.open(str(tmp_path / "secret")), lambda _: "the camera is gone")
    with pytest.raises(Broken, match="the camera is gone") as broken:
        gone.open()
    assert broken.value.__cause__ is None
    gone.close()


def test_a_stream_without_pictures_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    silent = VideoReader(rig(), lambda: av.open(str(path)), str)
    with pytest.raises(Broken, match="no video"):
        silent.open()
    silent.close()


def test_an_error_while_reading_is_told_without_the_address(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = reader(video, rig())

    def fail() -> Iterator[Frame | Sound]:
        raise av.error.ExitError(1, "rtsp://anna:secret@cam")
        yield

    monkeypatch.setattr(source, "_items", fail())
    monkeypatch.setattr(source, "_explain", lambda error: type(error).__name__)
    with pytest.raises(Broken, match="ExitError") as broken:
        source.read()
    assert broken.value.__cause__ is None
    assert broken.value.__suppress_context__


# ---- cameras that give pixels or JPEG


@pytest.fixture
def webcam(tmp_path: Path) -> Path:
    """Raw pixels as a USB camera gives them, 2 s."""
    return write_video(tmp_path / "clip.nut", 50, codec="rawvideo", pixels="yuyv422", rate=25, smooth=True)


@pytest.mark.parametrize(
    ("wants", "expected"),
    [
        ([], {(Kind.RAW, Use.ALL)}),
        ([Want.VIEWER], {(Kind.RAW, Use.ALL)}),
        ([Want.RECORD], {(Kind.JPEG, Use.PEOPLE)}),
        ([Want.RECORD, Want.MOTION], {(Kind.JPEG, Use.PEOPLE), (Kind.RAW, Use.MOTION)}),
    ],
)
def test_raw_pixels_are_coded_for_those_who_want_it_coded(
    webcam: Path, wants: list[Want], expected: set[tuple[Kind, Use]]
) -> None:
    made = rig(*wants)
    found = list(items(reader(webcam, made), made))
    assert {(frame.kind, frame.use) for frame in found} == expected
    assert all(jpeg.size(frame.data) == (64, 48) for frame in found if frame.kind is Kind.JPEG)
    numbers = [frame.number for frame in found]
    assert numbers == sorted(numbers)
    assert made.stamp.next == 51  # all are counted, whether made or not


def test_grey_means_grey_where_we_code(webcam: Path) -> None:
    made = rig(Want.RECORD)
    made.tone.grey = True
    first = next(items(reader(webcam, made), made))
    assert simplejpeg.decode_jpeg_header(first.data)[2] == "Gray"


def test_jpegs_pass(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", 5)
    made = rig(Want.VIEWER, Want.MOTION, Want.RECORD)
    assert [(frame.kind, frame.use) for frame in items(reader(path, made), made)] == [(Kind.JPEG, Use.ALL)] * 5


def test_a_camera_that_changes_its_size_while_it_streams_is_believed(tmp_path: Path) -> None:
    whole = tmp_path / "both.h264"
    parts = [write_video(tmp_path / f"{w}.h264", 24, codec="libx264", size=(w, h)) for w, h in ((320, 240), (640, 480))]
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    made = rig(Want.VIEWER, Want.RECORD)
    found = items(reader(whole, made), made)
    coded = [frame for frame in found if frame.is_coded]
    assert {(frame.width, frame.height) for frame in coded[:20]} == {(320, 240)}
    assert {(frame.width, frame.height) for frame in coded[26:]} == {(640, 480)}
    change = next(at for at, frame in enumerate(coded) if frame.width == 640)
    assert coded[change].keyframe
    assert coded[change].extradata != coded[0].extradata
    pictures = [frame for frame in found if not frame.is_coded]
    sizes = {frame.number: (frame.width, frame.height) for frame in coded}
    assert all(sizes[frame.number] == (frame.width, frame.height) for frame in pictures)
