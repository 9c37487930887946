"""Any interval of what was recorded is one film: every frame of it once, in its place, playable."""

import functools
import gc
import io
import os
import re
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast import hevc
from clips import counters, h264, jpegs, probe
from edgecam.frame import Frame, Kind, Sound
from edgecam.record import boxes
from edgecam.record.coding.encoder import Coding
from edgecam.record.coding.transcode import transcode
from edgecam.record.cut.reel import Film, NothingThere, Recording, cut
from edgecam.record.mp4 import Mp4
from peers import program
from sounds import beeps, decodes, packets, sounds

WALL = 1.79e9
"""Unix seconds of frame 0. The camera shows 15 frames a second."""

FPS = 15
CAMERAS: dict[str, Sequence[Frame]] = {
    "jpeg": jpegs(120),
    "h264": h264(120),
    "h264 with reordered frames": h264(120, annexb=False, reorder=2),
}
SOUND = sounds(8.0, 1.5, 3.95, 6.5)
every_camera = pytest.mark.parametrize("frames", CAMERAS.values(), ids=CAMERAS)


def muxed(frames: Sequence[Frame], sound: Sequence[Sound] = (), *, until: int, part: bool = False) -> bytes:
    """As the recorder writes it: the last frame ends with frame `until`. `part`: it is still being written."""
    end = frames[0].mono + (until - frames[0].number) / FPS
    file, waiting = io.BytesIO(), [one for one in sound if frames[0].mono <= one.mono < end]
    mp4 = Mp4(file, frames[0], sound[0] if sound else None)
    for frame in frames:
        while waiting and waiting[0].mono < frame.mono:
            mp4.hear(waiting.pop(0))
        mp4.write(frame)
    for late in waiting:
        mp4.hear(late)
    if part:
        mp4.abandon()
    else:
        mp4.close(end)
    return file.getvalue()


def recorded(
    frames: Sequence[Frame],
    first: int,
    stop: int,
    sound: Sequence[Sound] = (),
    *,
    path: Path | None = None,
    part: bool = False,
) -> Recording:
    """Frames `first` to `stop`, their begin as a sidecar tells it."""
    data = muxed(frames[first:stop], sound, until=stop, part=part)
    if path is not None:
        path.write_bytes(data)
    return Recording(round(WALL + first / FPS, 3), path or data)


def segments(frames: Sequence[Frame], sound: Sequence[Sound] = (), *, length: int = 30) -> list[Recording]:
    return [recorded(frames, at, at + length, sound) for at in range(0, len(frames), length)]


def developed(film: Film, path: Path) -> Path:
    """The film as a file that no player complains of, wherever it comes from."""
    with path.open("wb") as file:
        film.write(file)
    assert path.stat().st_size == film.size
    assert probe(path).complaints == ""
    decodes(path)
    command = [program("ffmpeg"), "-v", "warning", "-xerror", "-i", "pipe:", "-f", "null", "-"]
    piped = subprocess.run(command, input=path.read_bytes(), capture_output=True, check=False)
    assert (piped.returncode, piped.stderr) == (0, b"")
    return path


def times(path: Path) -> list[float]:
    """When each frame is decoded, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            float(one.dts * one.time_base) for one in container.demux(stream) if one.dts is not None and one.time_base
        ]


def in_place(film: Film, path: Path) -> list[int]:
    """The counters, after a look whether each is where it belongs in a film without gaps."""
    found = counters(path)
    assert [film.begin - WALL + at for at in times(path)] == pytest.approx([n / FPS for n in found], abs=0.0015)
    return found


@pytest.mark.parametrize("sound", [(), SOUND], ids=["silent", "with sound"])
@every_camera
def test_segments_become_one_film_that_begins_with_a_keyframe(
    frames: Sequence[Frame], sound: Sequence[Sound], tmp_path: Path
) -> None:
    film = cut(segments(frames, sound), WALL + 1.5, WALL + 7.0)
    path = developed(film, tmp_path / "film.mp4")
    first = 22 if frames[0].kind is Kind.JPEG else 15
    assert in_place(film, path) == list(range(first, 105))
    assert (film.begin - WALL, film.end - WALL) == pytest.approx((first / FPS, 7.0), abs=0.0015)
    assert film.gaps == ()
    assert probe(path).duration == pytest.approx(film.end - film.begin, abs=0.15)
    assert boxes.read(io.BytesIO(path.read_bytes())).duration == pytest.approx(film.end - film.begin, abs=0.001)
    if sound:
        assert beeps(path) == pytest.approx([at - (film.begin - WALL) for at in (1.5, 3.95, 6.5)], abs=0.005)
        heard = [one.data for one in sound if film.begin <= one.mono - 1000 + WALL < film.end]
        assert packets(path) == heard


@pytest.mark.parametrize(("begin", "end", "first", "stop"), [(22, 50, 22, 50), (22.4, 49.6, 22, 50), (0, 1, 0, 1)])
def test_jpeg_video_is_cut_at_its_frames(begin: float, end: float, first: int, stop: int, tmp_path: Path) -> None:
    film = cut(segments(jpegs(60)), WALL + begin / FPS, WALL + end / FPS)
    assert in_place(film, developed(film, tmp_path / "film.mp4")) == list(range(first, stop))


@functools.cache
def camera(number: int) -> tuple[Frame, ...]:
    """The same pictures, coded alike, but with keyframes of its own, and something in each frame to know it by."""
    mark = b"\0\0\0\1\x0c" + number * b"\xff" + b"\x80"  # filler data (ITU-T H.264, 7.3.2.7)
    return tuple(replace(frame, data=frame.data + mark) for frame in h264(120, gop=GOPS[number]))


GOPS = (15, 10, 40)


def test_an_event_is_shown_as_its_own_clip_has_it_and_the_segments_around_it(tmp_path: Path) -> None:
    event, before, after = recorded(camera(0), 30, 95), recorded(camera(2), 0, 40), recorded(camera(2), 40, 120)
    film = cut([event, before, after], WALL + 1, WALL + 8)
    path = developed(film, tmp_path / "film.mp4")
    assert in_place(film, path) == list(range(120))
    # Where the event ends the segment is entered at its keyframe before.
    assert [number for number, _ in numbered(path)] == 30 * [2] + 50 * [0] + 40 * [2]


def test_an_event_shorter_than_a_group_of_pictures_is_shown_as_the_segment_has_it(tmp_path: Path) -> None:
    film = cut([recorded(camera(0), 45, 60), recorded(camera(2), 0, 120)], WALL, WALL + 8)
    assert in_place(film, developed(film, tmp_path / "film.mp4")) == list(range(120))
    assert {number for number, _ in numbered(tmp_path / "film.mp4")} == {2}


def test_what_cannot_be_decoded_because_its_keyframe_is_missing_is_not_shown(tmp_path: Path) -> None:
    key, other = b"\2\0\0\0", b"\1\1\0\0"
    head, *rest = muxed(h264(60), until=60).split(b"trun")
    blunt = [fragment[:40].replace(key, other) + fragment[40:] for fragment in rest]
    film = cut([Recording(WALL, b"trun".join([head, blunt[0], *rest[1:]]))], WALL, WALL + 4)
    assert in_place(film, developed(film, tmp_path / "film.mp4")) == list(range(15, 60))
    with pytest.raises(NothingThere):
        cut([Recording(WALL, b"trun".join([head, *blunt]))], WALL, WALL + 4)


def numbered(path: Path | io.BytesIO) -> list[tuple[int, int]]:
    """Of each frame of a film: which camera's it is, and its number."""
    with av.open(path if isinstance(path, io.BytesIO) else str(path), "r") as container:
        return [_known()[bytes(one)] for one in container.demux(container.streams.video[0]) if one.size]


@functools.cache
def _known() -> dict[bytes, tuple[int, int]]:
    found: dict[bytes, tuple[int, int]] = {}
    for number in range(len(GOPS)):
        with av.open(io.BytesIO(muxed(camera(number), until=120)), "r") as container:
            coded = [bytes(one) for one in container.demux(container.streams.video[0]) if one.size]
        found |= {data: (number, n) for n, data in enumerate(coded)}
    return found


@st.composite
def overlaps(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Recordings: of which camera, from which keyframe, to which frame."""
    found = []
    for _ in range(draw(st.integers(1, 6))):
        number = draw(st.integers(0, len(GOPS) - 1))
        first = draw(st.integers(0, 119 // GOPS[number])) * GOPS[number]
        found.append((number, first, draw(st.integers(first + 1, 120))))
    return found


@functools.cache
def of_camera(number: int, first: int, stop: int) -> Recording:
    return recorded(camera(number), first, stop)


@settings(deadline=None)
@given(overlaps(), st.floats(0, 119), st.floats(0.1, 119))
def test_however_recordings_overlap_each_frame_is_shown_once(
    spans: list[tuple[int, int, int]], begin: float, length: float
) -> None:
    there = {n for _, first, stop in spans for n in range(first, stop)}
    wanted = {n for n in there if n + 1 > begin + 0.05 and n < begin + length - 0.05}
    try:
        film = cut([of_camera(*span) for span in spans], WALL + begin / FPS, WALL + (begin + length) / FPS)
    except NothingThere:
        assert not wanted
        return
    file = io.BytesIO()
    film.write(file)
    file.seek(0)
    shown = numbered(file)
    numbers = [n for _, n in shown]
    assert numbers == sorted(set(numbers))
    assert wanted <= set(numbers) <= there
    before = (-1, -1)
    for number, n in shown:
        gop = GOPS[number]
        assert n % gop == 0 or before == (number, n - 1), "entered between keyframes"
        preferred = next(span for span in spans if span[1] <= n < span[2])
        assert preferred[0] == number or preferred[2] < n - n % gop + gop, "another is preferred, and goes on"
        before = (number, n)
    assert (film.begin - WALL) * FPS == pytest.approx(numbers[0], abs=0.02)
    assert (film.end - WALL) * FPS == pytest.approx(numbers[-1] + 1, abs=0.02)
    seconds = boxes.read(file).duration
    skipped = sum(later - earlier for earlier, later in film.gaps if earlier > film.begin and later < film.end)
    assert seconds + skipped == pytest.approx(film.end - film.begin, abs=0.005)


def test_a_time_without_pictures_is_left_out_and_told(tmp_path: Path) -> None:
    frames = h264(120)
    film = cut([recorded(frames, 0, 30, SOUND), recorded(frames, 75, 105, SOUND)], WALL - 3, WALL + 9)
    path = developed(film, tmp_path / "film.mp4")
    assert counters(path) == [*range(30), *range(75, 105)]
    assert times(path) == pytest.approx([n / FPS for n in range(60)], abs=0.0015)
    told = [(round(begin - WALL, 3), round(end - WALL, 3)) for begin, end in film.gaps]
    assert told == [(-3.0, 0.0), (2.0, 5.0), (7.0, 9.0)]
    assert (film.begin - WALL, film.end - WALL) == pytest.approx((0.0, 7.0), abs=0.0015)
    assert beeps(path) == pytest.approx([1.5, 3.5], abs=0.005)


def test_over_a_short_hole_the_last_frame_stands(tmp_path: Path) -> None:
    frames = h264(120)
    film = cut([recorded(frames, 0, 25, SOUND), recorded(frames, 30, 75, SOUND)], WALL, WALL + 5)
    assert film.gaps == ()
    path = developed(film, tmp_path / "film.mp4")
    assert in_place(film, path) == [*range(25), *range(30, 75)]
    assert beeps(path) == pytest.approx([1.5, 3.95], abs=0.005)


def test_a_file_that_is_being_written_and_the_frames_in_memory_go_on_from_each_other(tmp_path: Path) -> None:
    frames = h264(120)
    running = recorded(frames, 30, 100, SOUND, path=tmp_path / "a.part.mp4", part=True)
    newest = recorded(frames, 75, 110, SOUND)
    whole = boxes.read(io.BytesIO((tmp_path / "a.part.mp4").read_bytes())).frames
    assert 30 < whole < 70, "the test wants a last fragment that is not whole, and begins after those in memory"
    film = cut([recorded(frames, 0, 30, SOUND), running, newest], WALL, WALL + 60)
    (tmp_path / "a.part.mp4").rename(tmp_path / "a.mp4")  # it is finished just now
    path = developed(film, tmp_path / "film.mp4")
    assert in_place(film, path) == list(range(110))
    assert packets(path) == [one.data for one in SOUND if one.mono < 1000 + 110 / FPS]
    assert beeps(path) == pytest.approx([1.5, 3.95, 6.5], abs=0.005)


def test_a_file_whose_first_pictures_are_still_being_written_is_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    young = recorded(h264(120), 30, 32, path=tmp_path / "a.part.mp4", part=True)
    assert cut([young, recorded(h264(120), 0, 30)], WALL, WALL + 3).end - WALL == pytest.approx(2.0, abs=0.002)
    assert not caplog.records


def test_the_coding_that_shows_more_of_it_is_taken(tmp_path: Path) -> None:
    event, before, after = recorded(jpegs(120), 30, 60), recorded(h264(120), 0, 30), recorded(h264(120), 60, 120)
    film = cut([event, before, after], WALL, WALL + 8)
    assert counters(developed(film, tmp_path / "film.mp4")) == [*range(30), *range(60, 120)]
    assert [round(at - WALL, 2) for at in film.gaps[0]] == [2.0, 4.0]
    both = [recorded(jpegs(120), 0, 60), recorded(h264(120), 0, 60)]
    for order in (both, both[::-1]):
        film = cut(order, WALL, WALL + 4)
        assert film.etag == cut(both[1:], WALL, WALL + 4).etag, "of two that show as much not the JPEG one"
    newest = [recorded(jpegs(120), 90, 120), recorded(h264(120), 0, 90)]
    film = cut(newest, WALL, WALL + 8, leading=True)
    assert counters(developed(film, tmp_path / "film.mp4")) == list(range(90, 120)), "it must be in it"


def test_video_that_was_coded_afterwards_is_cut_as_any_other(tmp_path: Path) -> None:
    recordings = []
    for first in (0, 40, 80):
        given, made = tmp_path / f"{first}.jpegs.mp4", tmp_path / f"{first}.mp4"
        start = recorded(jpegs(120), first, first + 40, SOUND, path=given).start
        transcode(given, made, Coding(2_000_000, None, 1.0))
        recordings.append(Recording(start, made))
    film = cut(recordings, WALL + 1.2, WALL + 7)
    path = developed(film, tmp_path / "film.mp4")
    assert in_place(film, path) == list(range(15, 105))
    assert beeps(path) == pytest.approx([at - (film.begin - WALL) for at in (1.5, 3.95, 6.5)], abs=0.005)


def test_where_a_recording_has_no_sound_like_the_others_the_film_is_silent(tmp_path: Path) -> None:
    frames, other = h264(120), sounds(8.0, 3.95, rate=16000)
    for middle in ((), other):
        recordings = [
            recorded(frames, 0, 45, SOUND),
            recorded(frames, 45, 75, middle),
            recorded(frames, 75, 120, SOUND),
        ]
        path = developed(cut(recordings, WALL, WALL + 8), tmp_path / "film.mp4")
        assert counters(path) == list(range(120))
        assert beeps(path) == pytest.approx([1.5, 6.5], abs=0.005)
        assert packets(path) == [one.data for one in SOUND if not 45 / FPS <= one.mono - 1000 < 75 / FPS]


def test_sound_that_only_the_second_recording_has_is_heard(tmp_path: Path) -> None:
    frames = h264(120)
    film = cut([recorded(frames, 0, 30), recorded(frames, 30, 75, SOUND)], WALL, WALL + 5)
    path = developed(film, tmp_path / "film.mp4")
    assert in_place(film, path) == list(range(75))
    assert beeps(path) == pytest.approx([3.95], abs=0.005)


def test_sound_goes_on_where_an_event_ends_in_the_middle_of_a_segment(tmp_path: Path) -> None:
    frames = h264(120)
    for end in range(61, 75):
        film = cut([recorded(frames, 15, end, SOUND), recorded(frames, 0, 120, SOUND)], WALL, WALL + 8)
        with (tmp_path / "film.mp4").open("wb") as file:
            film.write(file)
        assert packets(tmp_path / "film.mp4") == [one.data for one in SOUND if one.mono < 1008]
    assert beeps(developed(film, tmp_path / "film.mp4")) == pytest.approx([1.5, 3.95, 6.5], abs=0.005)


def test_sound_that_fell_silent_before_leaves_the_film_silent(tmp_path: Path) -> None:
    frames = h264(120)
    film = cut([recorded(frames, 0, 60, sounds(1.0)), recorded(frames, 60, 120, sounds(8.0, 6.5))], WALL + 2, WALL + 8)
    path = developed(film, tmp_path / "film.mp4")
    assert in_place(film, path) == list(range(30, 120))
    assert beeps(path) == pytest.approx([4.5], abs=0.005)


def test_h265_is_cut_as_h264_is(tmp_path: Path) -> None:
    film = cut(segments(hevc(60), SOUND), WALL + 1.5, WALL + 3.5)
    assert in_place(film, developed(film, tmp_path / "film.mp4")) == list(range(15, 53))


def test_a_file_whose_time_does_not_begin_with_nought_keeps_its_time(tmp_path: Path) -> None:
    path, spoilt = tmp_path / "spoilt.mp4", list(jpegs(60))
    spoilt[:5] = [replace(frame, data=b"\xff\xd8 no picture \xff\xd9") for frame in spoilt[:5]]
    path.write_bytes(muxed(spoilt, until=60))
    transcode(path, tmp_path / "coded.mp4", Coding(2_000_000, None, 1.0))
    film = cut([Recording(WALL, tmp_path / "coded.mp4")], WALL, WALL + 4)
    assert in_place(film, developed(film, tmp_path / "film.mp4")) == list(range(5, 60))


@pytest.mark.parametrize("first", [20, 25])  # told a third of a millisecond too early, too late
@pytest.mark.parametrize("off", [-0.0004, -0.0002, 0.0, 0.0002, 0.0004])
def test_a_packet_of_sound_at_the_very_seam_is_heard_once(first: int, off: float, tmp_path: Path) -> None:
    sound = sounds(7.0, mono=1000 + 67 / FPS + off - 209 * 1024 / 48000)
    recordings = [recorded(jpegs(90), first, 67, sound), recorded(jpegs(90), 0, 90, sound)]
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        cut(recordings, WALL, WALL + 6).write(file)
    assert packets(path) == [one.data for one in sound if one.mono < 1006]
    with av.open(str(path)) as container:
        at = [one.dts for one in container.demux(container.streams.audio[0]) if one.dts is not None]
    assert min(after - before for before, after in pairwise(at)) == 1024, "they overlap"


def test_a_preferred_recording_too_short_to_see_does_no_harm() -> None:
    blink = Recording(WALL + 2, muxed(h264(1), until=1).replace(u32(90_000 // FPS), u32(90)))
    film = cut([blink, recorded(h264(120), 0, 120)], WALL, WALL + 8)
    assert film.end - film.begin == pytest.approx(8.0, abs=0.002)


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


@functools.cache
def long_film() -> tuple[Film, bytes]:
    film, file = cut(segments(h264(120), SOUND), WALL + 1, WALL + 7), io.BytesIO()
    film.write(file)
    return film, file.getvalue()


@settings(deadline=None)
@given(st.integers(0, 1 << 21), st.integers(0, 1 << 21))
def test_any_range_of_bytes_is_that_range_of_the_whole(start: int, length: int) -> None:
    film, whole = long_film()
    assert b"".join(film.pieces(start, start + length)) == whole[start : start + length]


def test_ranges_that_meet_at_the_edges_of_the_boxes_make_the_whole() -> None:
    film, whole = long_film()
    edges = {0, film.size}
    for _, start, size, body in boxes.whole(io.BytesIO(whole)):
        edges |= {start + offset for offset in (-1, 0, 1, 7, body, body + 1, size - 1)}
    ordered = sorted(edge for edge in edges if 0 <= edge <= film.size)
    assert b"".join(data for a, b in pairwise(ordered) for data in film.pieces(a, b)) == whole
    assert list(film.pieces(5, 5)) == list(film.pieces(film.size, film.size + 9)) == []


@every_camera
def test_players_know_the_length_before_they_have_read_it(frames: Sequence[Frame]) -> None:
    film, file = cut(segments(frames), WALL, WALL + 8), io.BytesIO()
    film.write(file)
    index = [(start, size) for kind, start, size, _ in boxes.whole(file) if kind == b"sidx"]
    if frames is CAMERAS["h264 with reordered frames"]:
        assert not index  # by it FFmpeg would show the frames too late beside their sound
        return
    ((at, size),) = index
    fragments = struct.unpack(">HH", file.getvalue()[at + 36 : at + 40])[1]
    references = list(struct.iter_unpack(">III", file.getvalue()[at + 40 : at + size]))
    assert fragments == len(references) == len([kind for kind, *_ in boxes.whole(file) if kind == b"moof"])
    assert at + size + sum(bytes_ for bytes_, _, _ in references) == film.size
    assert sum(ticks for _, ticks, _ in references) / 90_000 == pytest.approx(8.0, abs=0.002)
    assert max(ticks for _, ticks, _ in references) / 90_000 < 1.1


def test_a_long_group_of_pictures_is_served_in_fragments_of_two_seconds(tmp_path: Path) -> None:
    film = cut([recorded(h264(120, gop=250), 0, 120, SOUND)], WALL + 3, WALL + 7)
    path = developed(film, tmp_path / "film.mp4")
    assert in_place(film, path) == list(range(105))
    with path.open("rb") as file:
        assert [kind for kind, *_ in boxes.whole(file)].count(b"moof") == 4


def test_a_film_has_the_same_name_for_the_same_bytes_and_another_for_others(tmp_path: Path) -> None:
    frames = h264(120)
    part = recorded(frames, 0, 60, path=tmp_path / "a.part.mp4")
    film = cut([part], WALL, WALL + 3)
    finished = tmp_path / "a.mp4"
    (tmp_path / "a.part.mp4").rename(finished)
    assert cut([Recording(part.start, finished)], WALL, WALL + 3).etag == film.etag
    others = [
        cut([Recording(part.start, finished)], WALL, WALL + 4),
        cut([Recording(part.start, finished)], WALL + 1, WALL + 3),
        cut([Recording(part.start, finished.rename(tmp_path / "b.mp4"))], WALL, WALL + 3),
        cut([recorded(frames, 0, 60)], WALL, WALL + 3),
        cut([recorded(camera(0), 0, 60)], WALL, WALL + 3),
    ]
    assert len({film.etag, *(other.etag for other in others)}) == 6


@pytest.mark.parametrize("names", ["{}.mp4", "{}.part.mp4"])
def test_a_film_of_many_recordings_holds_one_of_them_open(names: str, tmp_path: Path) -> None:
    before, frames = descriptors(), h264(120)
    recordings = [recorded(frames, at, at + 15, path=tmp_path / names.format(at)) for at in range(0, 120, 15)]
    film = cut(recordings, WALL, WALL + 8)
    held = descriptors() - before
    assert held == (len(recordings) if ".part." in names else 0), "what is being written changes its name"
    pieces = film.pieces()
    assert max(descriptors() for _ in pieces) <= before + held + 1
    pieces = film.pieces(film.size // 2)
    next(pieces)
    pieces.close()
    assert descriptors() == before + held
    del film, pieces
    gc.collect()
    assert descriptors() == before


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def gone(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").rename(path)


def shorter(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("harm", "words"), [(gone, "No such file"), (replaced, "replaced meanwhile"), (shorter, "shorter than it was")]
)
def test_a_recording_that_goes_while_it_is_sent_is_an_error_with_its_name(
    harm: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    recordings = [recorded(h264(120), at, at + 60, path=tmp_path / f"{at}.mp4") for at in (0, 60)]
    pieces = cut(recordings, WALL, WALL + 8).pieces()
    next(pieces)
    harm(tmp_path / "60.mp4")
    with pytest.raises(OSError, match=f"{words}.*60.mp4"):
        list(pieces)


def test_what_cannot_be_read_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = h264(120)
    (tmp_path / "nonsense.mp4").write_bytes(b"nonsense" * 100)
    recordings = [
        Recording(WALL, tmp_path / "gone.mp4"),
        Recording(WALL, tmp_path / "nonsense.mp4"),
        Recording(WALL, b""),
        recorded(frames, 0, 60),
    ]
    film = cut(recordings, WALL, WALL + 4)
    assert counters(developed(film, tmp_path / "film.mp4")) == list(range(60))
    for words in (
        "gone.mp4 cannot be shown",
        "nonsense.mp4 cannot be shown: it is not a video",
        "newest frames cannot",
    ):
        assert words in caplog.text


def test_where_nothing_is_recorded_there_is_no_film() -> None:
    recording = recorded(h264(120), 0, 60)
    for recordings, begin in (([], 0.0), ([recording], 5.0), ([recording], -9.0), ([Recording(WALL, b"")], 0.0)):
        with pytest.raises(NothingThere, match=r"nothing is recorded from 2026-.*Z to 2026-.*Z"):
            cut(recordings, WALL + begin, WALL + begin + 4)
    with pytest.raises(NothingThere):
        cut([recording], WALL + 2, WALL + 1)


_WHOLE = muxed(h264(60), SOUND, until=60)


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(_WHOLE)), st.integers(0, 100_000), st.booleans())
def test_no_damage_to_one_recording_costs_another(junk: bytes, at: int, length: int, early: bool) -> None:
    at = at % 1500 if early else at  # most headers are there
    damaged = Recording(WALL, _WHOLE[:at] + junk + _WHOLE[at + length :])
    film = cut([damaged, recorded_sound()], WALL, WALL + 8)
    assert sum(map(len, film.pieces())) == film.size
    assert film.end - WALL >= 8 - 0.002


@pytest.mark.parametrize(
    ("offset", "field"),
    [
        (0, b"\0\0\0\1\xff\xff\xff\xff"),  # a count that would fill the memory
        (8, b"\x7f\xff\xff\xff"),  # where the data are
        (12, b"\xff\xff\xff\xff"),  # a duration
        (16, b"\xff\xff\xff\xff"),  # a size
    ],
)
def test_a_fragment_that_cannot_be_is_the_end_of_its_recording(offset: int, field: bytes, tmp_path: Path) -> None:
    uneven = [replace(frame, mono=frame.mono + 0.001 * (frame.number % 2)) for frame in CAMERAS["jpeg"][:40]]
    whole = muxed(uneven, until=40)  # so that each frame has a duration
    at = [match.end() for match in re.finditer(b"trun", whole)][2] + offset
    film = cut([Recording(WALL, whole[:at] + field + whole[at + len(field) :])], WALL, WALL + 4)
    assert counters(developed(film, tmp_path / "film.mp4")) == list(range(16))


@functools.cache
def recorded_sound() -> Recording:
    return recorded(h264(120), 60, 120, SOUND)


@settings(deadline=None)
@given(st.integers(0, 7), st.integers(0, 2400))
def test_no_single_bit_makes_a_film_that_cannot_be_sent(bit: int, at: int) -> None:
    headers = bytearray(_WHOLE)
    moofs = [start for kind, start, *_ in boxes.whole(io.BytesIO(_WHOLE)) if kind == b"moof"]
    at = at if at < 1600 else moofs[1 + at % 3] + (at - 1600) % 240
    headers[at] ^= 1 << bit
    film = cut([Recording(WALL, bytes(headers)), recorded_sound()], WALL, WALL + 8)
    assert sum(map(len, film.pieces())) == film.size
