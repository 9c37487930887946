"""Recorded video in, runs and events out."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from edgecam.config import model
from edgecam.config.load import ConfigErrors
from edgecam.motion.detector import Look, Reason
from edgecam.motion.gate import Gate
from edgecam.motion.scan import Finds, FoundEvent, ScanResult, scan, scan_json, scan_text, settings
from edgecam.motion.sensors import Sensors
from edgecam.motion.video import Unreadable, Video

FPS = 10
WALL = np.random.default_rng(4).integers(80, 140, (12, 16), np.uint8).repeat(15, 0).repeat(20, 1)  # 180 x 320
CONFIG = model.Motion(cooldown=5)
WALKS = [(40, 59), (120, 139), (160, 179)]
"""First and last frame of what moves in `film`; the last two are nearer than the cooldown."""


def film(frames: int = 220, walks: list[tuple[int, int]] = WALKS) -> list[NDArray[np.uint8]]:
    """Luma of a wall; somebody dark walks by now and then."""
    pictures = []
    for number in range(frames):
        picture = WALL.copy()
        for first, last in walks:
            if first <= number <= last:
                x = round(290 * (number - first + 0.5) / (last - first + 1))
                picture[60:110, x : x + 30] = 25
        pictures.append(picture)
    return pictures


def write(path: Path, pictures: list[NDArray[np.uint8]], codec: str, pixels: str = "yuv420p") -> Path:
    """Encode as `codec`; MJPEG is packed as a camera's own JPEGs would be."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 180, pixels
        stream.time_base = Fraction(1, FPS)
        for number, picture in enumerate(pictures):
            if codec == "mjpeg":
                packet = av.Packet(simplejpeg.encode_jpeg(np.ascontiguousarray(picture[:, :, None]), 85, "GRAY"))
                packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, FPS)
                container.mux(packet)
            else:
                frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format=pixels)
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
        if codec != "mjpeg":
            container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def avi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("film") / "film.avi", film(), "mjpeg", "yuvj420p")


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("film.avi", "mjpeg", "yuvj420p"),
        ("film.mp4", "libx264", "yuv420p"),
        ("film.mkv", "libx264", "yuv444p"),
        ("film.nut", "ffv1", "gray10le"),
    ],
)
def test_events_are_found_whatever_the_video_is_coded_in(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    found = scan(write(tmp_path / name, film(), codec, pixels), CONFIG, fps=FPS)
    assert (found.frames, found.width, found.height, found.fps) == (220, 320, 180, FPS)
    assert len(found.motion) == 3
    for (first, last), (begin, end) in zip(found.motion, WALKS, strict=True):
        assert begin <= first <= begin + 2
        assert end - 2 <= last <= end + 3
    assert [(event.start_frame, event.end_frame) for event in found.events] == [
        found.motion[0],
        (found.motion[1][0], found.motion[2][1]),
    ]
    for event in found.events:
        assert event.start == pytest.approx(event.start_frame / FPS)
        assert event.end == pytest.approx(event.end_frame / FPS)
        assert 0 < event.peak_score <= 100


def test_studio_range_is_widened_to_what_a_jpeg_has(tmp_path: Path, avi: Path) -> None:
    mp4 = write(tmp_path / "film.mp4", film(), "libx264")
    with Video(mp4) as video, Video(avi) as jpegs:
        for one, other in zip(video.pictures(), jpegs.pictures(), strict=True):
            if one.number % 20 == 0:
                difference = one.luma(160).astype(int) - other.luma(160).astype(int)
                assert np.abs(difference).mean() < 2


def test_the_same_video_gives_the_same_answer(avi: Path) -> None:
    one, other = scan(avi, CONFIG), scan(avi, CONFIG)
    assert (one.motion, one.events) == (other.motion, other.events)


def test_fewer_looks_are_taken_when_fewer_are_asked_for(avi: Path) -> None:
    looks: list[float] = []
    scan(avi, model.Motion(fps=2), progress=lambda done, total: looks.append(done))
    assert len(looks) == 44
    looks.clear()
    scan(avi, model.Motion(fps=2), fps=5, progress=lambda done, total: looks.append(done))
    assert len(looks) == 110


def test_an_event_that_the_video_cuts_off_is_told(tmp_path: Path) -> None:
    found = scan(write(tmp_path / "cut.avi", film(60, [(40, 59)]), "mjpeg", "yuvj420p"), CONFIG, fps=FPS)
    assert [event.end_frame for event in found.events] == [59]


def test_a_quiet_video_has_no_events(tmp_path: Path) -> None:
    found = scan(write(tmp_path / "quiet.avi", film(80, []), "mjpeg", "yuvj420p"), CONFIG)
    assert (found.motion, found.events) == ((), ())
    assert found.cpu_ms_per_frame > 0


def test_the_json_has_the_contracts_names(avi: Path) -> None:
    found = json.loads(scan_json(scan(avi, CONFIG, fps=FPS)))
    assert set(found) == {"file", "fps", "frames", "width", "height", "motion", "events", "cpu_ms_per_frame"} | {
        "looks",
        "suppressed",
    }
    assert found["file"] == str(avi)
    assert all(isinstance(run, list) and len(run) == 2 for run in found["motion"])
    event = found["events"][0]
    assert set(event) == {"start_frame", "end_frame", "start", "end", "peak_score", "zones"} | {
        "best_frame",
        "peak_area",
        "box",
    }
    assert event["start_frame"] <= event["best_frame"] <= event["end_frame"]
    left, _, right, _ = event["box"]
    assert 0.2 < left < right < 0.8  # whole, and near the middle
    assert event["peak_area"] > 1
    assert found["looks"] == 220
    assert found["suppressed"]["settling"] == 2  # the same picture again says nothing for a second


def test_people_read_when_something_moved(avi: Path) -> None:
    text = scan_text(scan(avi, CONFIG, fps=FPS))
    assert "22.0 s, 2 events" in text
    assert len(text.splitlines()) == 4
    assert "\n  not counted: 2 looks settling" in text


def test_where_everything_counts_nothing_is_said_of_the_rest() -> None:
    found = ScanResult("a.mp4", 10.0, 100, 320, 180, (), (), 1.0, 50, {})
    assert len(scan_text(found).splitlines()) == 1
    assert scan_text(replace(found, suppressed={"sway": 1, "mask": 3})).endswith("not counted: 1 look sway, 3 mask")


def test_a_damaged_picture_in_the_middle_is_left_out(tmp_path: Path, avi: Path) -> None:
    data = bytearray(avi.read_bytes())
    at = data.index(b"\xff\xd8", len(data) // 3)
    data[at + 300 : at + 700] = b"\xff\xd9" * 200
    damaged = tmp_path / "damaged.avi"
    damaged.write_bytes(data)
    assert len(scan(damaged, CONFIG, fps=FPS).events) == 2


def test_damage_in_the_middle_of_h264_is_survived(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mkv", film(), "libx264")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 300] = bytes(300)
    path.write_bytes(data)
    assert scan(path, CONFIG, fps=FPS).frames > 50


@pytest.mark.parametrize("content", [b"", b"this is no video at all " * 50])
def test_what_is_no_video_is_said_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=r"holiday\.mp4: cannot be read"):
        scan(path, CONFIG)


def test_a_missing_file_is_said_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"missing\.mp4.*No such file"):
        scan(tmp_path / "missing.mp4", CONFIG)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(Unreadable, match="holds no video"):
        scan(path, CONFIG)


def test_runs_and_events_of_drawn_looks() -> None:
    finds = Finds(Gate(confirm=2, cooldown=5), Sensors({}, 2, 5))
    for number, look in enumerate(".#..###..##.......##"):
        finds.look(10 * number, float(number), Look(moving=look == "#", score=number, area=20 - number))
    finds.close()
    assert finds.runs == [(40, 60), (90, 100), (180, 190)]
    assert finds.events == [
        FoundEvent(40, 100, 4.0, 10.0, peak_score=10, best_frame=40, peak_area=16),
        FoundEvent(180, 190, 18.0, 19.0, peak_score=19, best_frame=180, peak_area=2),
    ]
    assert (finds.film.looks, finds.film.peak.moving, finds.film.reasons) == (20, 7, {"too short": 1})


def test_a_video_says_why_looks_did_not_count() -> None:
    finds = Finds(Gate(confirm=2, cooldown=5), Sensors({}, 2, 5))
    kinds = {
        "#": Look(moving=True),
        "!": Look(moving=True, follows=False),  # another thing: an insect that leaps
        "s": Look(suppressed=Reason.SWAY),
        "t": Look(suppressed=Reason.TOO_SMALL),
        ".": Look(),
    }
    for number, look in enumerate("sst.#!!s##.s#"):
        finds.look(number, float(number), kinds[look])
    finds.close()
    assert finds.film.reasons == {"sway": 4, "too short": 4, "too small": 1}
    assert [(event.start_frame, event.end_frame) for event in finds.events] == [(8, 9)]


LEFT = [(0, 0), (0.4, 0), (0.4, 1), (0, 1)]
RIGHT = [(0.6, 0), (1, 0), (1, 1), (0.6, 1)]
ABOVE = [(0, 0), (1, 0), (1, 0.3), (0, 0.3)]


def test_an_event_names_the_zones_that_were_crossed_in_the_files_order(avi: Path) -> None:
    zones = {name: model.Zone(polygon=it) for name, it in {"right": RIGHT, "sky": ABOVE, "left": LEFT}.items()}
    found = scan(avi, model.Motion(cooldown=5, zones=zones), fps=FPS)
    assert [event.zones for event in found.events] == [("right", "left")] * 2
    assert [event["zones"] for event in json.loads(scan_json(found))["events"]] == [["right", "left"]] * 2
    assert "right, left" in scan_text(found)
    assert found.motion == scan(avi, CONFIG, fps=FPS).motion  # the zones change nothing else


def test_a_zone_of_the_event_before_is_not_one_of_the_next() -> None:
    zones = {name: model.Zone(polygon=LEFT, cooldown=60) for name in ("near", "far")}
    finds = Finds(Gate(confirm=2, cooldown=2), Sensors(zones, 2, 2))
    touched = ["", "near", "near", "", "", "", "far", "far", "near", "", "", ""]
    for number, zone in enumerate(touched):
        finds.look(number, float(number), Look(moving=bool(zone), zones=(zone,) if zone else ()))
    assert [event.zones for event in finds.events] == [("near",), ("far",)]  # one look in the near one is none


def test_the_settings_of_a_camera_are_taken_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("cameras:\n  yard: {source: synthetic, motion: {sensitivity: 70}}\n")
    assert settings(path, None, [], {}).sensitivity == 70
    assert settings(path, "yard", ["cameras.yard.motion.sensitivity=30"], {}).sensitivity == 30
    assert settings(None, None, [], {}) == model.Motion()


def test_an_unclear_camera_is_said_with_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("cameras:\n  yard: {source: synthetic}\n  door: {source: synthetic}\n")
    with pytest.raises(LookupError, match="--camera is missing; there are: yard, door"):
        settings(path, None, [], {})
    with pytest.raises(LookupError, match="no camera 'gate'"):
        settings(path, "gate", [], {})
    with pytest.raises(LookupError, match="-c FILE"):
        settings(None, "gate", [], {})
    path.write_text("cameras: 3\n")
    with pytest.raises(ConfigErrors):
        settings(path, None, [], {})
