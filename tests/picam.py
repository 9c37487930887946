"""A Pi with cameras: stand-ins for picamera2 and libcamera that work, and above all fail, as picamera2 0.3.38 does.

What is known of the real one and kept here: one thread a camera runs jobs, callbacks and encoders in turn, and whatever
is raised there ends it for good, silently. Frames cease without a word. A capture that timed out stays at the head of
the queue, so that `stop` waits behind it for ever. The last frame is kept and served once more when it is old. A
control that is not advertised is refused at once, a value of the wrong type only when it reaches a request. Rows are
padded.
"""

import atexit
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from fractions import Fraction
from queue import SimpleQueue
from threading import Event, Lock, RLock, Thread
from types import ModuleType, TracebackType
from typing import Any, ClassVar, Self

import av
import numpy as np
import pytest
from numpy.typing import NDArray

TUNING = "LIBCAMERA_RPI_TUNING_FILE"
PAD = 64
FULL = (3280, 2464)
IMX219_MODES: tuple[dict[str, object], ...] = (
    {"size": (640, 480), "bit_depth": 10, "fps": 103.0, "crop_limits": (1000, 752, 1280, 960)},
    {"size": (1640, 1232), "bit_depth": 10, "fps": 41.85, "crop_limits": (0, 0, 3280, 2464)},
    {"size": (1920, 1080), "bit_depth": 10, "fps": 47.57, "crop_limits": (680, 692, 1920, 1080)},
    {"size": (3280, 2464), "bit_depth": 10, "fps": 21.19, "crop_limits": (0, 0, 3280, 2464)},
)
CONTROLS: Mapping[str, tuple[object, object, object]] = {
    "FrameDurationLimits": (1000, 1_000_000, None),
    "Saturation": (0.0, 32.0, 1.0),
    "Brightness": (-1.0, 1.0, 0.0),
    "AeEnable": (False, True, None),
    "ExposureTime": (75, 11_766_829, None),
    "AnalogueGain": (1.0, 10.666666984558105, None),
    "ColourGains": (0.0, 32.0, None),
    "AfMode": (0, 2, 0),
    "LensPosition": (0.0, 32.0, 1.0),
    "ScalerCrop": ((0, 0, 64, 64), (0, 0, 3280, 2464), (0, 0, 3280, 2464)),
}


class AfMode(IntEnum):
    Manual = 0
    Auto = 1
    Continuous = 2


@dataclass(frozen=True)
class Transform:
    hflip: int = 0
    vflip: int = 0


class Range(Enum):
    Full = 0
    Limited = 1


@dataclass(frozen=True)
class ColorSpace:
    name: str
    range: Range
    Range: ClassVar[type[Range]] = Range

    @staticmethod
    def Sycc() -> "ColorSpace":  # noqa: N802  (their name)
        return ColorSpace("Sycc", Range.Full)

    @staticmethod
    def Rec709() -> "ColorSpace":  # noqa: N802
        return ColorSpace("Rec709", Range.Limited)

    @staticmethod
    def Smpte170m() -> "ColorSpace":  # noqa: N802
        return ColorSpace("Smpte170m", Range.Limited)


@dataclass
class Sensor:
    """One camera of the board and what befalls it."""

    model: str = "imx219"
    id: str = "/base/soc/i2c0mux/i2c@1/imx219@10"
    controls: Mapping[str, tuple[object, object, object]] = field(default_factory=lambda: dict(CONTROLS))
    modes: tuple[dict[str, object], ...] = IMX219_MODES
    format: str = "YUV420"
    busy: bool = False
    unplugged: bool = False
    """Frames cease, and nothing is said."""
    frozen: bool = False
    """Frames come, with the time of the last one."""
    most_buffers: int = 100
    """There is memory for this many."""
    most_running: int = 100
    """It starts with this many."""
    hangs: set[str] = field(default_factory=set)
    """The calls that do not return: stop, close, stop_encoder, start, open."""
    opened: "Picamera2 | None" = None
    history: list[str] = field(default_factory=list)
    """What was done to it: opened, started, stopped, closed."""
    released: Event = field(default_factory=Event)
    """Set: whatever hangs goes on."""

    def pass_through(self, what: str) -> None:
        if what in self.hangs:
            self.released.wait()


class Board:
    """The computer: its cameras, whether it has an H.264 encoder, and how fast its frames come."""

    def __init__(self) -> None:
        self.cameras = [Sensor()]
        self.codec = False
        self.fps = 200.0
        self.tuned: list[str | None] = []
        """The tuning that was read each time the camera manager was made."""
        self.manager = False
        self.encoders: list[Encoder] = []
        self.configurations: list[dict[str, Any]] = []

    def enumerate(self) -> None:
        if not self.manager:
            self.manager = True
            self.tuned.append(os.environ.get(TUNING))

    @property
    def device(self) -> Sensor:
        return self.cameras[0]

    @property
    def camera(self) -> "Picamera2":
        assert self.device.opened is not None, "the camera is closed"
        return self.device.opened


class Job:
    def __init__(self, call: Callable[[], tuple[bool, Any]]) -> None:
        self.call = call
        self.future: Future[Any] = Future()

    def execute(self) -> bool:
        try:
            done, result = self.call()
        except Exception as error:
            self.future.set_exception(error)
            return True
        if done and not self.future.done():
            self.future.set_result(result)
        return done


class CompletedRequest:
    """One of the camera's buffers with a frame in it, until its last holder lets go."""

    def __init__(self, camera: "Picamera2", buffers: dict[str, NDArray[np.uint8]], metadata: dict[str, object]) -> None:
        self.camera, self.buffers, self._metadata = camera, buffers, metadata
        self.lock, self.count, self.life = Lock(), 1, camera.life

    def acquire(self) -> None:
        with self.lock:
            if self.count == 0:
                raise RuntimeError("CompletedRequest: acquiring lock with ref_count 0")
            self.count += 1

    def release(self) -> None:
        with self.lock:
            self.count -= 1
            if self.count < 0:
                raise RuntimeError("CompletedRequest: lock now has negative ref_count")
            if self.count == 0 and self.camera.started and self.life == self.camera.life:
                self.camera.apply_controls()
                for buffer in self.buffers.values():
                    buffer[:] = 0xEE  # the next frame is written into it
                self.camera.free.append(self.buffers)

    def get_metadata(self) -> dict[str, object]:
        return dict(self._metadata)


class MappedArray:
    def __init__(self, request: CompletedRequest, name: str, reshape: bool = True, write: bool = True) -> None:
        self.array = request.buffers[name]
        if reshape:
            stream = request.camera.configuration[name]
            self.array = self.array.reshape(stream["size"][1] * 3 // 2, stream["stride"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del self.array


class Output:
    def outputframe(
        self,
        frame: bytes,
        keyframe: bool = True,
        timestamp: int | None = None,
        packet: object = None,
        audio: bool = False,
    ) -> None: ...


class Encoder:
    """x264, in the camera's thread; frames that are still inside come out while it is stopped."""

    board: ClassVar[Board]

    def __init__(self, bitrate: int | None = None, repeat: bool = True, iperiod: int = 30, **keys: Any) -> None:
        self.bitrate, self.repeat, self.iperiod, self.keys = bitrate, repeat, iperiod, keys
        self.firsttimestamp: int | None = None
        self.running = False
        self.output: Output | None = None
        self.size, self.stride = (0, 0), 0
        self.lock = Lock()
        self.board.encoders.append(self)

    def start(self) -> None:
        with self.lock:
            if self.running:
                raise RuntimeError("Encoder already running")
            self.running, self.firsttimestamp = True, None
            self._start()

    def _start(self) -> None:
        context = av.CodecContext.create("libx264", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt = *self.size, "yuv420p"
        context.time_base, context.gop_size = Fraction(1, 1_000_000), self.iperiod
        context.options = {"preset": "ultrafast", "tune": "zerolatency", "bframes": "0"}
        self.context = context

    def encode(self, request: CompletedRequest) -> None:
        with self.lock:
            if self.running:
                self._encode(request)

    def _encode(self, request: CompletedRequest) -> None:
        at = int(request.get_metadata()["SensorTimestamp"] / 1000)  # type: ignore[operator]
        if self.firsttimestamp is None:
            self.firsttimestamp = at
        rows = request.buffers["main"].reshape(-1, self.stride)
        frame = av.VideoFrame.from_numpy_buffer(rows, format="yuv420p", width=self.size[0])
        frame.pts = at - self.firsttimestamp
        self._send(self.context.encode(frame))

    def _send(self, packets: list[Any]) -> None:
        for packet in packets:
            self._put(bytes(packet), packet.is_keyframe, packet.pts)

    def _put(self, data: bytes, keyframe: bool, at: int) -> None:
        assert self.output is not None
        self.output.outputframe(data, keyframe, at)

    def stop(self) -> None:
        with self.lock:
            if not self.running:
                raise RuntimeError("Encoder already stopped")
            self.running = False
            self._stop()

    def _stop(self) -> None:
        self._send(self.context.encode(None))


class LibavH264Encoder(Encoder):
    pass


class H264Encoder(Encoder):
    """The codec of a Pi up to the 4: its packets come later, from a thread of its own."""

    def _start(self) -> None:
        if not self.board.codec:
            raise FileNotFoundError(2, "No such file or directory", "/dev/video11")
        super()._start()
        self.queue: SimpleQueue[tuple[bytes, bool, int] | None] = SimpleQueue()
        self.thread = Thread(target=self._poll, daemon=True)
        self.thread.start()

    def _put(self, data: bytes, keyframe: bool, at: int) -> None:
        self.queue.put((data, keyframe, at))

    def _poll(self) -> None:
        while (packet := self.queue.get()) is not None:
            super()._put(*packet)

    def _stop(self) -> None:
        super()._stop()
        self.queue.put(None)
        self.thread.join()


class Platform(Enum):
    VC4 = 0
    PISP = 1


class Picamera2:
    board: ClassVar[Board]
    platform: ClassVar[Platform] = Platform.VC4

    @classmethod
    def global_camera_info(cls) -> list[dict[str, object]]:
        cls.board.enumerate()
        return [
            {"Model": sensor.model, "Id": sensor.id, "Num": at, "Location": 2, "Rotation": 180}
            for at, sensor in enumerate(cls.board.cameras)
        ]

    def __init__(self, camera_num: int = 0, tuning: str | None = None) -> None:
        if tuning is None:
            os.environ.pop(TUNING, None)
        else:
            os.environ[TUNING] = tuning
        self.board.enumerate()
        if camera_num >= len(self.board.cameras):
            raise RuntimeError(f"No camera number {camera_num} found")
        self.sensor = self.board.cameras[camera_num]
        self.sensor.pass_through("open")
        if self.sensor.busy or self.sensor.opened is not None:
            try:
                raise RuntimeError("Failed to acquire camera: Device or resource busy")
            except RuntimeError as error:
                raise RuntimeError("Camera __init__ sequence did not complete.") from error
        atexit.register(self.close)
        self.sensor.opened, self.is_open = self, True
        self.sensor.history.append("opened")
        self.lock, self.jobs, self.completed = RLock(), deque[Job](), deque[CompletedRequest]()
        self.pre_callback: Callable[[CompletedRequest], None] | None = None
        self.post_callback: Callable[[CompletedRequest], None] | None = None
        self.encoders: set[Encoder] = set()
        self.configuration: dict[str, Any] = {}
        self.circle = self  # the real one is held by a circle of objects: only the collector frees its memory
        self.controls: dict[str, object] = {}
        self.set: dict[str, object] = {}
        """What the camera was told and has taken."""
        self.started, self.life = False, 0
        self.thread: Thread | None = None
        self.free: deque[dict[str, NDArray[np.uint8]]] = deque()
        self.abort, self.nudge = Event(), Event()
        self.frames = self.at = 0

    @property
    def camera_controls(self) -> Mapping[str, tuple[object, object, object]]:
        return self.sensor.controls

    @property
    def sensor_modes(self) -> list[dict[str, object]]:
        self.sensor.history.append("modes")
        return [dict(mode) for mode in self.sensor.modes]

    def create_video_configuration(self, **wish: Any) -> dict[str, Any]:
        return {"buffer_count": 6, "lores": None, "raw": {}, "controls": {}, "queue": True, **wish}

    def configure(self, wish: dict[str, Any]) -> None:
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        self.board.configurations.append(wish)
        streams = {name: dict(wish[name]) for name in ("main", "lores") if wish[name]}
        for stream in streams.values():
            (width, height), stream["format"] = stream["size"], self.sensor.format
            if width % 2 or height % 2:
                raise RuntimeError("width and height should be even")
            stream["stride"] = -(-width // PAD) * PAD + PAD
            stream["framesize"] = stream["stride"] * height * 3 // 2
        if wish["buffer_count"] > self.sensor.most_buffers:
            raise OSError(12, "Cannot allocate memory")
        self.configuration = {**wish, **streams}
        self.controls = {}

    def camera_configuration(self) -> dict[str, Any]:
        return self.configuration

    def set_controls(self, controls: Mapping[str, object]) -> None:
        for name, value in controls.items():
            if name not in self.sensor.controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
            self.controls[name] = value

    def apply_controls(self) -> None:
        for name, value in self.controls.items():
            if isinstance(value, str):
                raise TypeError(f"incompatible type for control {name}")
        self.set |= self.controls
        self.controls = {}

    # ---- the camera's thread

    def start(self) -> None:
        self.sensor.pass_through("start")
        if self.configuration["buffer_count"] > self.sensor.most_running:
            raise RuntimeError("Failed to start camera: Cannot allocate memory")
        self.apply_controls()
        if self.thread is None:
            self.abort.clear()
            self.thread = Thread(target=self._run, name="NullPreview", daemon=True)
            self.thread.start()
        streams = {name: self.configuration[name] for name in ("main", "lores") if self.configuration[name]}
        self.free = deque(
            {name: np.zeros(stream["framesize"], np.uint8) for name, stream in streams.items()}
            for _ in range(self.configuration["buffer_count"])
        )
        self.started = True
        self.sensor.history.append("started")

    def _run(self) -> None:
        due = time.monotonic()
        while not self.abort.is_set():
            due = max(due + 1 / self.board.fps, time.monotonic())
            while not self.abort.is_set() and (left := due - time.monotonic()) > 0 and not self.nudge.wait(left):
                pass
            self.nudge.clear()
            try:
                self._process(self._capture())
            except Exception:  # told in the log of picamera2, and the thread is gone
                return

    def _capture(self) -> CompletedRequest | None:
        if not self.started or self.sensor.unplugged or not self.free:
            return None
        buffers, at = self.free.popleft(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.at = self.at if self.sensor.frozen and self.at else at
        self.frames += 1
        for name, buffer in buffers.items():
            self._draw(buffer, self.configuration[name])
        return CompletedRequest(self, buffers, {"SensorTimestamp": self.at, "Lux": 400.0})

    def _draw(self, buffer: NDArray[np.uint8], stream: Mapping[str, Any]) -> None:
        """Luma grows from left to right, colours are U 100 and V 150; the padding is white."""
        (width, height), stride = stream["size"], stream["stride"]
        luma, chroma = stride * height, stride // 2 * (height // 2)
        buffer[:] = 255
        ramp = np.linspace(16, 235, width).astype(np.uint8)
        buffer[:luma].reshape(height, stride)[:, :width] = np.roll(ramp, self.frames)
        for at, value in ((luma, 100), (luma + chroma, 150)):
            buffer[at : at + chroma].reshape(height // 2, stride // 2)[:, : width // 2] = value

    def _process(self, request: CompletedRequest | None) -> None:
        with self.lock:
            if request is not None:
                request.acquire()
                self.completed.append(request)
                if self.pre_callback:
                    self.pre_callback(request)
            while self.jobs and self.jobs[0].execute():
                self.jobs.popleft()
            if request is not None:
                if self.post_callback:
                    self.post_callback(request)
                for encoder in tuple(self.encoders):
                    encoder.encode(request)
                request.release()
            while len(self.completed) > (1 if self.configuration.get("queue") else 0):
                self.completed.popleft().release()

    def _dispatch(self, call: Callable[[], tuple[bool, Any]], wait: float | None) -> Any:
        with self.lock:
            job = Job(call)
            self.jobs.append(job)
        self.nudge.set()
        return job.future.result(wait)

    # ---- captures, encoders, the end

    def capture_request(self, wait: float | None = None) -> CompletedRequest:
        def capture() -> tuple[bool, CompletedRequest | None]:
            return (True, self.completed.popleft()) if self.completed else (False, None)

        request: CompletedRequest = self._dispatch(capture, wait)
        return request

    @contextmanager
    def captured_request(self, wait: float | None = None) -> Iterator[CompletedRequest]:
        request = self.capture_request(wait)
        try:
            yield request
        finally:
            request.release()

    def start_encoder(self, encoder: Encoder, output: Output, *, name: str = "main") -> None:
        encoder.output = output
        encoder.size, encoder.stride = self.configuration[name]["size"], self.configuration[name]["stride"]
        encoder.start()
        with self.lock:
            self.encoders.add(encoder)

    def stop_encoder(self, encoder: Encoder) -> None:
        self.sensor.pass_through("stop_encoder")
        encoder.stop()
        with self.lock:
            self.encoders.remove(encoder)

    def cancel_all_and_flush(self) -> None:
        with self.lock:
            for job in self.jobs:
                job.future.set_exception(CancelledError())
            self.jobs.clear()

    def stop(self) -> None:
        if self.started:
            if self.thread is not None:
                self._dispatch(self._stop, None)
            else:
                self._stop()

    def _stop(self) -> tuple[bool, None]:
        self.sensor.pass_through("stop")
        if self.started:
            self.started, self.life = False, self.life + 1
            while self.completed:
                self.completed.popleft().release()
            self.sensor.history.append("stopped")
        return True, None

    def close(self) -> None:
        atexit.unregister(self.close)
        self.sensor.pass_through("close")
        if self.thread is not None:
            self.abort.set()
            self.nudge.set()
            self.thread.join()
            self.thread = None
        if self.is_open:
            self.stop()
            self.is_open, self.sensor.opened = False, None
            self.sensor.history.append("closed")
            self.board.manager = any(sensor.opened for sensor in self.board.cameras)


def install(monkeypatch: pytest.MonkeyPatch) -> Board:
    """Put the two modules where an import finds them; gives the board to play with."""
    board = Board()
    monkeypatch.setattr(Picamera2, "board", board, raising=False)
    monkeypatch.setattr(Picamera2, "platform", Platform.VC4)
    monkeypatch.setattr(Encoder, "board", board, raising=False)
    monkeypatch.delenv(TUNING, raising=False)
    controls = ModuleType("libcamera.controls")
    controls.__dict__["AfModeEnum"] = _pybind(AfMode)
    modules: dict[str, dict[str, object]] = {
        "picamera2": {"Picamera2": Picamera2, "MappedArray": MappedArray},
        "picamera2.encoders": {"H264Encoder": H264Encoder, "LibavH264Encoder": LibavH264Encoder},
        "picamera2.outputs": {"Output": Output},
        "libcamera": {"Transform": Transform, "ColorSpace": ColorSpace, "controls": controls},
    }
    for name, contents in modules.items():
        module = ModuleType(name)
        module.__dict__.update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    return board


def _pybind(kind: type[IntEnum]) -> type:
    """An enumeration as pybind11 makes it: convertible to int, its names in `__members__`."""
    return type(kind.__name__, (), {"__members__": dict(kind.__members__)})
