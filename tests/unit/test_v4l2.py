"""USB cameras: which of their formats is taken, what becomes of it, and what a person is told.

No CI machine has a camera: `usbcam` puts a file in the place of the device, behind the one call that opens it.
"""

import errno
import logging
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from linuxpy.video.device import ControlType

import kernelcam
import usbcam
from edgecam import jpeg
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.config.load import load
from edgecam.frame import Frame, Kind, Sound, Stamp
from edgecam.hub import Want
from edgecam.sources import Broken, Rig, v4l2
from edgecam.sources.v4l2 import KernelTimes, V4l2, Webcam, owned
from video import write_video


def pixels(path: Path, frames: int = 40, size: tuple[int, int] = (64, 48)) -> Path:
    """YUYV as a webcam gives it: a ramp that moves."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuyv422"
        for number in range(frames):
            ramp = np.broadcast_to(np.arange(size[0], dtype=np.uint8)[None, :, None] * 3 + number, (*size[::-1], 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(ramp), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuyv422")))
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {
        "mjpeg": write_video(tmp_path / "mjpeg.avi", 40),
        "h264": write_video(tmp_path / "h264.mkv", 40, codec="libx264"),
        "": pixels(tmp_path / "pixels.nut"),
    }


def config(device: Path, **keys: object) -> model.V4l2Source:
    return model.V4l2Source.model_validate({"type": "v4l2", "device": device, "size": "64x48", "fps": 30, **keys})


def rig(codec: str = "auto", *wants: Want) -> Rig:
    made = Rig(Stamp("birdbox", SystemClock()), SystemClock(), video=model.Video.model_validate({"codec": codec}))
    for want in wants:
        made.demand[want] += 1
    return made


@asynccontextmanager
async def life(source: V4l2) -> AsyncGenerator[AsyncGenerator[Frame | Sound, None], None]:
    try:
        async with aclosing(source.frames()) as frames:
            yield frames
    finally:
        await source.close()


async def lived(source: V4l2) -> list[Frame]:
    """Everything until the stream ends."""
    found: list[Frame] = []
    async with life(source) as frames:
        try:
            async for frame in frames:
                assert isinstance(frame, Frame)
                found.append(frame)
        except Broken as broken:
            assert "gives no more frames" in str(broken)  # noqa: PT017
    return found


# ---- formats


@pytest.mark.parametrize(
    ("codec", "offered", "taken"),
    [
        ("auto", ("mjpeg", "h264", ""), Kind.JPEG),
        ("auto", ("h264", ""), Kind.H264),
        ("auto", ("",), Kind.RAW),
        ("h264", ("mjpeg", "h264", ""), Kind.H264),
        ("h264", ("mjpeg", ""), Kind.JPEG),
        ("mjpeg", ("mjpeg", "h264", ""), Kind.JPEG),
        ("mjpeg", ("h264", ""), Kind.RAW),
    ],
)
async def test_of_what_the_camera_offers_the_best_is_taken(
    codec: str,
    offered: tuple[str, ...],
    taken: Kind,
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = usbcam.plug_in(monkeypatch, tmp_path / "video0", {format: files[format] for format in offered})
    async with life(V4l2(config(device), rig(codec, Want.VIEWER))) as frames:
        first = await anext(frames)
    assert isinstance(first, Frame)
    assert first.kind is taken


async def test_the_cameras_own_jpeg_passes_untouched(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with av.open(str(files["mjpeg"])) as container:
        sent = [bytes(packet) for packet in container.demux() if packet.size]
    device = usbcam.plug_in(monkeypatch, tmp_path / "video0", files)
    found = await lived(V4l2(config(device), rig()))
    assert found
    assert all(frame.data in sent for frame in found)


async def test_its_own_h264_comes_with_pictures_while_somebody_looks(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = usbcam.plug_in(monkeypatch, tmp_path / "video0", files)
    unseen = await lived(V4l2(config(device), rig("h264", Want.RECORD)))
    assert {frame.kind for frame in unseen} == {Kind.H264}
    seen = await lived(V4l2(config(device), rig("h264", Want.RECORD, Want.VIEWER)))
    assert {frame.kind for frame in seen} == {Kind.H264, Kind.RAW}
    assert seen[0].keyframe


async def test_pixels_are_coded_only_while_somebody_records(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = usbcam.plug_in(monkeypatch, tmp_path / "video0", {"": files[""]})
    watched = await lived(V4l2(config(device), rig("auto", Want.VIEWER)))
    assert {frame.kind for frame in watched} == {Kind.RAW}
    picture = watched[0].image
    assert picture is not None
    assert jpeg.size(picture.jpeg(80)) == (64, 48)
    assert picture.luma(64)[:, 60].mean() > picture.luma(64)[:, 4].mean() + 100
    recorded = await lived(V4l2(config(device), rig("auto", Want.RECORD)))
    assert {frame.kind for frame in recorded} == {Kind.JPEG}


@pytest.mark.parametrize("turn", [{"rotate": 180}, {"hflip": True}, {"vflip": True}], ids=str)
async def test_a_picture_that_is_to_be_turned_is_never_taken_as_h264(
    turn: dict[str, object],
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgecam.config.unbuilt.NOT_BUILT", frozenset())
    device = usbcam.plug_in(monkeypatch, tmp_path / "video0", files)
    async with life(V4l2(config(device, **turn), rig("h264"))) as frames:
        first = await anext(frames)
    assert isinstance(first, Frame)
    assert first.kind is Kind.JPEG
    usbcam.plug_in(monkeypatch, device, {"": files["h264"]})
    async with life(V4l2(config(device, **turn), rig("h264"))) as frames:
        with pytest.raises(Broken, match=r"gives H\.264 only"):
            await anext(frames)


async def test_a_camera_that_turns_grey_at_night_is_never_taken_as_h264(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = usbcam.plug_in(monkeypatch, tmp_path / "video0", files)
    by_night = rig("h264")
    by_night.tone.varies = True
    found = await lived(V4l2(config(device), by_night))
    assert {frame.kind for frame in found} == {Kind.JPEG}


def test_raw_pixels_do_not_stay_in_the_drivers_memory(files: dict[str, Path]) -> None:
    with av.open(str(files[""])) as container:
        packet = next(container.demux(video=0))
        copy = owned(packet)
        assert copy is not packet
        assert copy.buffer_ptr != packet.buffer_ptr
        (picture,) = copy.decode()
    assert isinstance(picture, av.VideoFrame)
    assert (picture.width, picture.height, picture.format.name) == (64, 48, "yuyv422")


# ---- what is asked for and what comes


async def test_what_the_camera_gives_instead_is_told_once_and_not_at_every_life(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    device = usbcam.plug_in(monkeypatch, tmp_path / "video0", files)
    same = rig()
    for _ in range(3):
        await lived(V4l2(config(device, size="1280x720"), same))
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("birdbox: asked for 1280x720 at 30/s, the camera gives mjpeg, 64x48 at 50/s; ")


async def test_the_device_is_asked_for_size_and_rate_without_blocking(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []
    device = usbcam.plug_in(monkeypatch, tmp_path / "video0", files)
    real = v4l2.capture

    def noted(path: str, options: dict[str, str], limit: float) -> Any:
        asked.append(options)
        container = real(path, options, limit)
        assert container.flags & 4, "AVFMT_FLAG_NONBLOCK"
        return container

    monkeypatch.setattr(v4l2, "capture", noted)
    await lived(V4l2(config(device, fps=7.5), rig()))
    assert asked[0] == {"video_size": "64x48", "framerate": "7.5", "fflags": "+4", "input_format": "mjpeg"}


async def test_a_camera_that_came_back_under_another_number_is_found(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "by-id"
    first, second = tmp_path / "video0", tmp_path / "video2"
    for device in (first, second):
        usbcam.plug_in(monkeypatch, device, files)
    second.unlink()
    link.symlink_to(first)
    assert await lived(V4l2(config(link), rig()))
    first.unlink()
    with pytest.raises(Broken, match="by-id is not there"):
        await lived_or_raise(V4l2(config(link), rig()))
    second.touch()
    link.unlink()
    link.symlink_to(second)
    assert await lived(V4l2(config(link), rig()))


async def lived_or_raise(source: V4l2) -> None:
    async with life(source) as frames:
        await anext(frames)


# ---- faults in words


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOENT, "is not there: is the camera plugged in"),
        (errno.ENODEV, "gives no video"),
        (errno.ENOTTY, "is no camera"),
        (errno.EACCES, "usermod -aG video"),
        (errno.EPERM, "a container needs"),
        (errno.EBUSY, "fuser -v /dev/video7"),
        (errno.EINVAL, "refuses 64x48 at 30/s"),
        (errno.ENOSPC, "no bandwidth left"),
        (errno.ENOMEM, "no memory"),
        (errno.EBADF, "/dev/video7: Bad file descriptor"),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
async def test_what_the_kernel_refuses_is_told_with_its_cure(
    code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(v4l2, "capture", lambda path, options, limit: av.error.err_check(-code, path))
    with pytest.raises(Broken, match=said):
        await lived_or_raise(V4l2(config(Path("/dev/video7")), rig()))


async def test_a_real_path_that_is_no_camera_is_told_by_ffmpeg_itself(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="/dev/null is no camera"):
        await lived_or_raise(V4l2(config(Path("/dev/null")), rig()))
    with pytest.raises(Broken, match="video9 is not there"):
        await lived_or_raise(V4l2(config(tmp_path / "video9"), rig()))


class Driver:
    """A container whose device is a pipe: `BlockingIOError` until a byte comes, then what the script says."""

    def __init__(self, packet: Any, errors: dict[int, int]) -> None:
        self.ready, self._write = os.pipe()
        os.set_blocking(self.ready, False)
        self._packet, self._errors = packet, errors
        self._count = 0

    def capture(self) -> None:
        os.write(self._write, b"x")

    def demux(self, *streams: object) -> Iterator[Any]:
        while True:
            try:
                os.read(self.ready, 1)
            except BlockingIOError:
                av.error.err_check(-errno.EAGAIN)
            self._count += 1
            if code := self._errors.get(self._count):
                av.error.err_check(-code)
            yield self._packet

    def close(self) -> None:
        os.close(self.ready)
        os.close(self._write)


@pytest.fixture
def driver(files: dict[str, Path]) -> Iterator[Driver]:
    with av.open(str(files["mjpeg"])) as container:
        packet = next(container.demux(video=0))
        made = Driver(packet, {})
        yield made
        made.close()


def reading(driver: Any, **keys: object) -> tuple[Webcam, Iterator[Any]]:
    webcam = Webcam(config(Path("/dev/video7"), **keys), rig())
    webcam.descriptor = driver.ready
    return webcam, webcam.packets(driver)


def test_a_camera_that_falls_silent_is_given_up_in_time(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v4l2, "SLICE", 0.01)
    _, packets = reading(driver, stall_timeout=0.1)
    driver.capture()
    assert next(packets).size
    with pytest.raises(Broken, match=r"no frame for 0\.\d s from /dev/video7"):
        next(packets)


def test_a_camera_that_is_unplugged_says_so_at_once(driver: Driver) -> None:
    driver._errors[2] = errno.ENODEV
    webcam, packets = reading(driver)
    driver.capture()
    driver.capture()
    next(packets)
    with pytest.raises(av.error.OSError) as error:
        next(packets)
    assert webcam.explain(error.value) == "/dev/video7 was unplugged, or its USB port failed"


def test_half_a_picture_now_and_then_is_no_reason_to_leave_the_camera(driver: Driver) -> None:
    driver._errors.update(dict.fromkeys((2, 3), 0x41444E49))  # AVERROR_INVALIDDATA
    _, packets = reading(driver)
    for _ in range(4):
        driver.capture()
    assert next(packets).size
    assert next(packets).size


def test_it_can_be_told_to_leave_while_it_waits(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v4l2, "SLICE", 0.01)
    webcam, packets = reading(driver)
    webcam.leave.set()
    assert next(packets, None) is None


# ---- times


def test_the_kernels_time_of_capture_is_the_frames() -> None:
    times = KernelTimes()
    assert times(100.0, 100.03) == 100.0
    assert times(100.1, 100.9) == 100.1, "it waited for us, and was captured when it was captured"
    assert times(100.1, 101.0) > 100.1, "never twice the same"


def test_a_driver_with_another_clock_is_mapped_to_ours() -> None:
    times = KernelTimes()
    first = times(1_700_000_000.0, 100.0)
    second = times(1_700_000_000.1, 100.13)
    assert first == 100.0
    assert second - first == pytest.approx(0.1, abs=0.001)


# ---- configuration


def test_a_number_for_a_device_and_buffers_are_doubted(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "cameras:\n"
        "  a: {source: {type: v4l2, device: /dev/video0, buffers: 2}}\n"
        "  b: {source: 'v4l2:/dev/v4l/by-id/usb-cam-video-index0'}\n"
    )
    loaded = load(path, environ={})
    assert [warning.message for warning in loaded.warnings] == [
        "may be another camera after a restart; `edgecam cameras` shows the name that lasts",
        "has no effect: type v4l2 has as many as the driver gives",
    ]
    assert loaded.config.cameras["b"].source.type == "v4l2"


async def test_controls_are_set_anew_at_each_opening_and_complaints_are_told_once(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    device = usbcam.plug_in(monkeypatch, tmp_path / "video0", files)
    kernel = kernelcam.KernelCam(knobs={1: kernelcam.Knob("Focus, Absolute", ControlType.INTEGER, 0, 250)})
    kernelcam.plug_in(monkeypatch, {device: kernel})
    same = rig()
    for _ in range(2):
        kernel.knobs[1].value = 0  # it was unplugged meanwhile
        await lived(V4l2(config(device, fps=50, controls={"focus_absolute": 30, "fokus": 1}), same))
        assert kernel.knobs[1].value == 30
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning == "birdbox: the device has no control fokus (did you mean focus_absolute?)"
