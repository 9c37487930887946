"""The Pi camera: every frame counted, nothing made that nobody wants, the right contrast, the times of the sensor."""

import io
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import picam
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Frame, Kind, Stamp
from edgecam.hub import Want
from edgecam.sources import Broken, Rig, open_source
from edgecam.sources.pi import camera as picamera
from edgecam.sources.pi import device as pidevice
from edgecam.sources.pi.camera import Appetite, Picamera
from edgecam.sources.pi.door import Library
from fakes import frames_of


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> picam.Board:
    monkeypatch.setattr(pidevice, "_told", set())
    monkeypatch.setattr(pidevice, "_modes", {})
    return picam.install(monkeypatch)


def config(**keys: object) -> model.Picamera2Source:
    return model.Picamera2Source.model_validate({"type": "picamera2", "size": "640x480", **keys})


def rig(*wants: Want, name: str = "birdbox", **video: object) -> Rig:
    made = Rig(Stamp(name, SystemClock()), SystemClock(), video=model.Video.model_validate(video))
    for want in wants:
        made.demand[want] = 1
    return made


@asynccontextmanager
async def life(config: model.Picamera2Source, rig: Rig) -> AsyncGenerator[AsyncIterator[Frame], None]:
    source = open_source(config, rig)
    try:
        async with aclosing(frames_of(source)) as frames:
            yield frames
    finally:
        await source.close()


async def take(frames: AsyncIterator[Frame], enough: Callable[[list[Frame]], object]) -> list[Frame]:
    found: list[Frame] = []
    async for frame in frames:
        found.append(frame)
        if enough(found):
            break
    return found


def of(kind: Kind, frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.kind is kind]


async def one_picture(config: model.Picamera2Source, rig: Rig) -> Frame:
    async with life(config, rig) as frames:
        return (await take(frames, lambda found: True))[0]


def said(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


# ---- frames


@pytest.mark.parametrize("codec", [False, True], ids=["software", "hardware"])
async def test_a_coded_frame_has_the_number_and_the_times_of_its_picture(
    board: picam.Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, codec: bool
) -> None:
    hardware(board, monkeypatch, tmp_path, codec)
    async with life(config(), rig(Want.RECORD, Want.VIEWER)) as frames:
        found = await take(frames, lambda frames: len(of(Kind.H264, frames)) > 30)
    pictures, coded = {frame.number: frame for frame in of(Kind.RAW, found)}, of(Kind.H264, found)
    assert all(one.number + 1 == two.number and one.mono < two.mono for one, two in pairwise(coded))
    both = [(frame, pictures[frame.number]) for frame in coded if frame.number in pictures]
    assert len(both) > 10
    assert all((one.mono, one.wall) == (two.mono, two.wall) for one, two in both)


async def test_times_are_those_of_the_sensor_on_our_clock(board: picam.Board) -> None:
    before = time.monotonic()
    async with life(config(), rig(Want.VIEWER, Want.RECORD)) as frames:
        found = await take(frames, lambda frames: len(frames) == 20)
    after = time.monotonic()
    assert all(before < frame.mono < after for frame in found)
    assert all(frame.wall == pytest.approx(time.time() - after + frame.mono, abs=0.5) for frame in found)
    coded = of(Kind.H264, found)
    for one, two in pairwise(coded):
        assert one.pts is not None
        assert two.pts is not None
        assert two.time_base is not None
        assert float((two.pts - one.pts) * two.time_base) == pytest.approx(two.mono - one.mono, abs=2e-6)


async def test_what_is_coded_can_be_played(board: picam.Board) -> None:
    async with life(config(), rig(Want.RECORD, keyframe=0.5)) as frames:
        found = await take(frames, lambda frames: len(frames) == 30)
    assert all(frame.kind is Kind.H264 and frame.dts == frame.pts for frame in found)
    assert [frame.keyframe for frame in found] == [at % 8 == 0 for at in range(30)]  # 15 fps, half a second
    assert found[0].extradata is not None
    assert found[0].data.startswith(found[0].extradata)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    pictures = [picture for frame in found for picture in decoder.decode(av.Packet(frame.data))]
    assert len(pictures) >= 29
    assert {(picture.width, picture.height) for picture in pictures} == {(640, 480)}


@pytest.mark.parametrize(
    ("wants", "fps", "jpeg", "pictures"),
    [
        ((), 30, False, 4),
        ((Want.MOTION,), 30, False, 20),
        ((Want.MOTION,), 12, False, 20),
        ((Want.MOTION,), 4, False, 16),
        ((Want.VIEWER,), 30, False, 120),
        ((Want.SNAPSHOT, Want.MOTION), 30, False, 120),
        ((Want.RECORD,), 30, False, 0),  # coded frames say that the camera is there
        ((Want.PUBLISH, Want.MOTION), 30, False, 20),
        ((Want.RECORD,), 30, True, 120),
        ((Want.LIGHT,), 30, True, 20),
    ],
)
def test_no_more_pictures_are_copied_than_somebody_wants(
    wants: tuple[Want, ...], fps: int, jpeg: bool, pictures: int
) -> None:
    """Four seconds."""
    appetite = Appetite(rig(*wants), fps, jpeg=jpeg)
    jitter = (0, 3_000_000, -3_000_000)
    assert sum(appetite(round(at * 1e9 / fps) + jitter[at % 3]) for at in range(4 * fps)) == pytest.approx(
        pictures, abs=0 if pictures in (0, 120) else 1
    )


async def test_frames_that_nobody_wanted_are_counted(board: picam.Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picamera, "LIFE", 0.1)
    async with life(config(), rig()) as frames:
        found = await take(frames, lambda frames: len(frames) == 4)
    assert all(frame.kind is Kind.RAW and not frame.data for frame in found)
    assert found[-1].number - found[0].number > 2 * len(found)
    assert board.encoders == []


async def test_a_picture_is_whole_and_its_own(board: picam.Board) -> None:
    """No padding of a row shows, and the camera writes the next frame elsewhere."""
    async with life(config(), rig(Want.VIEWER)) as frames:
        frame = await anext(frames)
        assert frame.image is not None
        before = frame.image.luma(640).copy()
        await take(frames, lambda found: len(found) == 12)
        assert (frame.image.luma(640) == before).all()
    assert (frame.width, frame.height) == (640, 480)
    shown = cv2.imdecode(np.frombuffer(frame.image.jpeg(95), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (480, 640, 3)
    luma = frame.image.luma(640)
    assert luma.shape == (480, 640)
    assert (luma == luma[0]).all()
    assert np.ptp(luma) == 255


@pytest.mark.parametrize("codec", ["auto", "mjpeg"])
@pytest.mark.parametrize(("size", "video"), [("640x480", "Smpte170m"), ("1280x720", "Rec709")])
async def test_black_is_black_and_white_is_white_in_a_jpeg(
    board: picam.Board, codec: str, size: str, video: str
) -> None:
    """Video that says nothing of its range is taken for 16..235; a JPEG is 0..255."""
    board.fps = 50
    frame = await one_picture(config(size=size), rig(Want.VIEWER, Want.RECORD, codec=codec))
    assert board.configurations[-1]["colour_space"].name == ("Sycc" if codec == "mjpeg" else video)
    while frame.image is None and codec == "auto":
        frame = await one_picture(config(size=size), rig(Want.VIEWER, codec=codec))
    data = frame.data or (frame.image.jpeg(95) if frame.image else b"")
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    low, high = (16, 235) if codec == "mjpeg" else (0, 255)  # the stand-in draws 16 to 235 whatever it is asked for
    assert int(grey.min()) == pytest.approx(low, abs=6)
    assert int(grey.max()) == pytest.approx(high, abs=6)


async def test_motion_looks_at_the_small_picture(board: picam.Board) -> None:
    frame = await one_picture(config(), rig(Want.MOTION))
    assert board.configurations[-1]["lores"] == {"size": (320, 240), "format": "YUV420"}
    assert frame.image is not None
    assert frame.image.luma(320).shape == (240, 320)
    assert frame.image.luma(160).shape == (120, 160)
    assert (int(frame.image.luma(320).min()), int(frame.image.luma(320).max())) == (0, 255)


async def test_a_small_camera_has_one_stream(board: picam.Board) -> None:
    frame = await one_picture(config(size="320x240"), rig(Want.MOTION))
    assert board.configurations[-1]["lores"] is None
    assert frame.image is not None
    assert frame.image.luma(160).shape == (120, 160)


async def test_a_jpeg_camera_gives_jpegs_while_they_are_recorded(board: picam.Board) -> None:
    wish = rig(Want.RECORD, codec="mjpeg")
    async with life(config(), wish) as frames:
        found = await take(frames, lambda frames: len(frames) == 5)
        assert all(frame.kind is Kind.JPEG and frame.keyframe and frame.image is None for frame in found)
        picture = cv2.imdecode(np.frombuffer(found[0].data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (480, 640, 3)
        wish.demand.update({Want.RECORD: 0, Want.VIEWER: 1})
        assert (await take(frames, lambda found: found[-1].kind is Kind.RAW))[-1].image is not None
    assert board.encoders == []


# ---- H.264 on demand


def hardware(board: picam.Board, monkeypatch: pytest.MonkeyPatch, folder: Path, there: bool, name: str = "") -> None:
    """Whether this computer has the codec of a Pi, or something else that bears its number."""
    board.codec = there
    monkeypatch.setattr(pidevice, "_CODEC", folder / "name")
    monkeypatch.setattr(pidevice, "_CODEC_DEVICE", folder / "video11")
    if there or name:
        (folder / "name").write_text(f"{name or 'bcm2835-codec-encode'}\n")
        (folder / "video11").touch()


async def test_the_encoder_runs_only_while_somebody_wants_its_frames(
    board: picam.Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picamera, "LINGER", 0.05)
    wish = rig(Want.VIEWER)
    async with life(config(), wish) as frames:
        await take(frames, lambda found: len(found) == 5)
        assert board.encoders == []
        for turn in (1, 2):
            wish.demand[Want.RECORD] = 1
            first = (await take(frames, lambda found: found[-1].kind is Kind.H264))[-1]
            assert first.keyframe
            wish.demand[Want.RECORD] = 0
            await take(frames, lambda found: not board.camera.encoders and not of(Kind.H264, found[-20:]))
            assert len(board.encoders) == turn
    assert not any(encoder.running for encoder in board.encoders)


async def test_bitrate_quality_and_keyframes_are_as_configured(board: picam.Board) -> None:
    await one_picture(config(fps=20), rig(Want.RECORD, bitrate=1_500_000, keyframe=2))
    await one_picture(config(fps=20), rig(Want.RECORD, qp=30))
    by_rate, by_quality = board.encoders
    assert (by_rate.bitrate, by_rate.keys["qp"], by_rate.iperiod, by_rate.repeat) == (1_500_000, None, 40, True)
    assert (by_quality.bitrate, by_quality.keys["qp"], by_quality.iperiod) == (None, 30, 20)


@pytest.mark.parametrize(
    ("there", "name", "size", "used"),
    [
        (True, "", "640x480", picam.H264Encoder),
        (True, "", "2028x1520", picam.LibavH264Encoder),  # wider than the codec can
        (False, "", "640x480", picam.LibavH264Encoder),
        (False, "rpi-hevc-dec", "640x480", picam.LibavH264Encoder),
    ],
)
async def test_the_codec_of_the_board_is_used_where_there_is_one(
    board: picam.Board,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    there: bool,
    name: str,
    size: str,
    used: type[picam.Encoder],
) -> None:
    hardware(board, monkeypatch, tmp_path, there, name)
    board.fps = 20
    await one_picture(config(size=size), rig(Want.RECORD))
    assert [type(encoder) for encoder in board.encoders] == [used]


async def test_a_codec_that_does_not_start_is_replaced_by_software(
    board: picam.Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hardware(board, monkeypatch, tmp_path, True)
    board.codec = False
    frame = await one_picture(config(), rig(Want.RECORD))
    assert frame.kind is Kind.H264
    assert [type(encoder) for encoder in board.encoders] == [picam.H264Encoder, picam.LibavH264Encoder]
    assert any("hardware H.264 encoder does not start" in line and "/dev/video11" in line for line in said(caplog))


async def test_a_bug_in_taking_over_frames_does_not_end_the_cameras_thread(
    board: picam.Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with life(config(), rig(Want.VIEWER)) as frames:
        await take(frames, lambda found: len(found) == 2)
        library = Library()
        encoder = library.encoder(hardware=False, bitrate=1, qp=None, interval=1, fps=1)
        encoder.firsttimestamp = 0

        def fails(data: bytes, keyframe: bool, at: int) -> None:
            raise OSError("disk full")

        output = library.output(pidevice._placed(encoder, fails))
        assert isinstance(output, picam.Output)
        output.outputframe(b"frame", True, 0)
        output.outputframe(b"sound", True, 0, None, True)
        await take(frames, lambda found: len(found) == 2)


# ---- settings


@pytest.mark.parametrize(
    ("keys", "flips"),
    [
        ({}, (0, 0)),
        ({"rotate": 180}, (1, 1)),
        ({"hflip": True}, (1, 0)),
        ({"rotate": 180, "hflip": True}, (0, 1)),
        ({"rotate": 180, "hflip": True, "vflip": True}, (0, 0)),
    ],
)
async def test_the_sensor_turns_and_mirrors(
    board: picam.Board, monkeypatch: pytest.MonkeyPatch, keys: dict[str, object], flips: tuple[int, int]
) -> None:
    await one_picture(config().model_copy(update=keys), rig(Want.VIEWER))
    assert board.configurations[-1]["transform"] == picam.Transform(*flips)


async def test_the_mode_of_the_sensor_is_pinned_and_looked_up_once(board: picam.Board) -> None:
    for mode, pinned in (("auto", (1640, 1232)), ("1920x1080", (1920, 1080)), ("3", (3280, 2464))):
        await one_picture(config(sensor_mode=mode, fps=20), rig(Want.VIEWER))
        assert board.configurations[-1]["sensor"] == {"output_size": pinned, "bit_depth": 10}
        assert board.configurations[-1]["raw"] is None
    assert board.device.history.count("modes") == 1


async def test_a_camera_without_modes_is_left_to_its_driver(board: picam.Board) -> None:
    board.device.modes = ({"format": "YUYV"},)
    await one_picture(config(), rig(Want.VIEWER))
    assert board.configurations[-1]["sensor"] == {}


async def test_controls_are_set_before_the_first_frame(board: picam.Board, caplog: pytest.LogCaptureFixture) -> None:
    controls = {"AfMode": "Continuous", "Saturation": 0.5, "Brightness": 7, "Zoom": 1, "LensPosition": "far"}
    async with life(config(controls=controls), rig(Want.VIEWER)) as frames:
        await take(frames, lambda found: True)
        assert board.camera.set == {
            "AfMode": 2,
            "Saturation": 0.5,
            "Brightness": 1.0,
            "FrameDurationLimits": (66667, 66667),
        }
    told = said(caplog)
    assert len(told) == 3
    assert all(line.startswith("birdbox: ") for line in told)
    await one_picture(config(controls=controls), rig(Want.VIEWER))
    assert len(said(caplog)) == 3  # the next life does not say it again


@pytest.mark.parametrize(
    ("keys", "micros"),
    [
        ({"fps": 30}, (33333, 33333)),
        ({"fps": 30, "controls": {"FrameDurationLimits": (33333, 200000)}}, (33333, 200000)),
        ({"fps": 30, "controls": {"FrameRate": (5, 30)}}, (33333, 200000)),
        ({"controls": {"FrameRate": 10}}, (100000, 100000)),
    ],
)
async def test_the_rate_is_fixed_unless_a_range_is_asked_for(
    board: picam.Board, keys: dict[str, object], micros: tuple[int, int]
) -> None:
    async with life(config(**keys), rig(Want.VIEWER)) as frames:
        await take(frames, lambda found: True)
        assert board.camera.set["FrameDurationLimits"] == micros


async def test_a_rate_that_the_sensor_does_not_reach_is_told(
    board: picam.Board, caplog: pytest.LogCaptureFixture
) -> None:
    board.device.controls = {**picam.CONTROLS, "FrameDurationLimits": (47183, 1_000_000, None)}
    async with life(config(fps=60), rig(Want.RECORD)) as frames:
        await take(frames, lambda found: True)
        assert board.camera.set["FrameDurationLimits"] == (47183, 47183)
    assert "birdbox: the Pi camera imx219 gives 21.2 frames per second in this mode, not 60" in said(caplog)
    assert board.encoders[0].iperiod == 21


async def test_grey_follows_the_night_and_goes_with_it(board: picam.Board) -> None:
    wish = rig(Want.VIEWER, Want.RECORD)
    async with life(config(controls={"Saturation": 1.3}), wish) as frames:
        for grey, saturation in ((False, 1.3), (True, 0.0), (False, 1.3), (True, 0.0)):
            wish.tone.grey = grey
            wanted = saturation
            await take(frames, lambda found: board.camera.set["Saturation"] == wanted)  # noqa: B023  (awaited here)
    async with life(config(), wish) as frames:  # it was dark before the camera was opened
        await take(frames, lambda found: board.camera.set.get("Saturation") == 0.0)
        wish.tone.grey = False
        await take(frames, lambda found: board.camera.set.get("Saturation") == 1.0)


async def test_a_camera_whose_colours_cannot_be_taken_away_says_so(
    board: picam.Board, caplog: pytest.LogCaptureFixture
) -> None:
    board.device.controls = {name: value for name, value in picam.CONTROLS.items() if name != "Saturation"}
    wish = rig(Want.RECORD, codec="mjpeg")
    wish.tone.grey = True
    frame = await one_picture(config(), wish)
    assert any("cannot take the colour out" in line for line in said(caplog))
    with av.open(io.BytesIO(frame.data)) as opened:
        assert opened.streams.video[0].codec_context.pix_fmt == "gray"


async def test_a_tuning_file_is_known_by_its_name_and_read_when_the_library_starts(
    board: picam.Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pidevice, "_TUNING_FOLDERS", (str(tmp_path),))
    (tmp_path / "vc4").mkdir()
    (tmp_path / "vc4/imx219_noir.json").touch()
    path = str(tmp_path / "vc4/imx219_noir.json")
    for name in ("imx219_noir.json", "imx219_noir", path):
        await one_picture(config(tuning=name), rig(Want.VIEWER))
        assert board.tuned.pop() == path
    with pytest.raises(Broken, match=r"no tuning file imx477_noir.json; libcamera has imx219_noir.json"):
        await one_picture(config(tuning="imx477_noir.json"), rig(Want.VIEWER))
    await one_picture(config(), rig(Want.VIEWER))
    assert board.tuned == [None]


async def test_two_cameras_share_the_tuning_of_the_first_and_the_second_says_so(
    board: picam.Board, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "noir.json").touch()
    board.cameras.append(picam.Sensor("imx708", "/base/imx708"))
    async with life(config(device="0"), rig(Want.VIEWER)) as first:
        await take(first, lambda found: True)
        other = config(device="imx708", tuning=tmp_path / "noir.json")
        async with life(other, rig(Want.VIEWER, name="door")) as second:
            await take(second, lambda found: True)
            assert board.cameras[1].opened is not None
    assert said(caplog) == [
        "door: all Pi cameras of a process have the tuning of the one that is opened first: libcamera's own"
    ]


# ---- which camera


@pytest.mark.parametrize(
    ("device", "found"),
    [(None, 0), ("0", 0), ("1", 1), ("imx708", 1), ("IMX708", 1), ("/base/i2c@1/imx219@10", 0), ("2", 2)],
)
async def test_a_camera_is_known_by_index_model_or_id(board: picam.Board, device: str | None, found: int) -> None:
    board.cameras[:] = [
        picam.Sensor("imx219", "/base/i2c@1/imx219@10"),
        picam.Sensor("imx708", "/base/i2c@2/imx708@1a"),
        picam.Sensor("imx219", "/base/i2c@3/imx219@10"),
    ]
    await one_picture(config(device=device), rig(Want.VIEWER))
    assert ["started" in sensor.history for sensor in board.cameras] == [at == found for at in range(3)]


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("imx477", r"there is no Pi camera imx477; there is 0: imx219 \(/a\), 1: imx219 \(/b\)"),
        ("2", "there is no Pi camera 2; there is 0: imx219"),
        ("imx219", "there are 2 Pi cameras imx219; use an index or an id"),
    ],
)
async def test_a_camera_that_cannot_be_meant_is_told_with_those_that_can(
    board: picam.Board, device: str, words: str
) -> None:
    board.cameras[:] = [picam.Sensor("imx219", "/a"), picam.Sensor("imx219", "/b")]
    with pytest.raises(Broken, match=words):
        await one_picture(config(device=device), rig())


def test_what_it_is_called_before_it_is_opened() -> None:
    assert Picamera(config(), rig()).describe() == "the Pi camera"
    assert Picamera(config(device="imx708"), rig()).describe() == "the Pi camera imx708"


async def test_a_missing_library_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "picamera2", None)
    with pytest.raises(Broken, match=r"needs picamera2: sudo apt install python3-picamera2.*--system-site-packages"):
        await one_picture(config(), rig())
