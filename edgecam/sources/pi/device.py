"""One camera of picamera2, opened, set up as asked and read back: the calls, and what each of their failures means.

Used from one capture thread. Everything that may hang while it ends does so in a thread with a deadline.
"""

import atexit
import gc
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import cast

import numpy as np

from edgecam.config import model
from edgecam.pixels import Luma, Planes
from edgecam.sources import Broken
from edgecam.sources.pi.controls import Asked, Limits, fit
from edgecam.sources.pi.door import Camera, ColourSpace, Encoder, Library, Request
from edgecam.sources.pi.sensor import Mode, Size, choose, modes, small
from edgecam.sources.pi.trouble import is_memory, trouble

log = logging.getLogger(__name__)

STEP = 2.0
"""Seconds that each step of closing may take."""
TUNING = "LIBCAMERA_RPI_TUNING_FILE"
_TUNING_FOLDERS = ("/usr/local/share/libcamera/ipa/rpi", "/usr/share/libcamera/ipa/rpi")
FEWEST = 2
"""Buffers with which a camera can run at all: one is filled while another is looked at."""
_CODEC = Path("/sys/class/video4linux/video11/name")
_CODEC_DEVICE = Path("/dev/video11")
_CODEC_WIDTH = 1920
"""Pixels across that the Pi's H.264 block takes."""
_HD: Size = (1280, 720)

Put = Callable[[bytes, bool, int], None]
"""Takes a coded frame: its data, whether it is a keyframe, microseconds."""

_modes: dict[str, list[Mode]] = {}
"""Each sensor's modes, by its id: finding them sets the camera up once for each, so it is done once in a process."""
_open: set[str] = set()
"""The names of the cameras that are open."""
_tuned: list[str | None] = []
"""The tuning that libcamera's manager was made with, while there is one: it holds for every camera."""
_told: set[tuple[str, str]] = set()
"""What was said of which camera: a camera that is opened again and again says it once."""


class Device:
    """`size` and everything else that is read back is true after `open`."""

    def __init__(self, config: model.Picamera2Source, video: model.Video, camera: str) -> None:
        self._config, self._video, self._name = config, video, camera
        self.is_h264 = video.codec != "mjpeg"
        self.what = f"the Pi camera {config.device}" if config.device else "the Pi camera"
        self.size: Size = (config.size.width, config.size.height)
        self.fps = config.fps
        self.encoder: Encoder | None = None
        self._software = False  # the hardware encoder has failed
        self._cam: Camera | None = None
        self._grey = False
        self._saturation: object = None  # what to set when it is no longer grey; None: there is no such control

    # ---- opening

    def open(self, saw: Callable[[Request], None], coded: Put | None = None) -> None:
        """Find it, open it, set it up and start it; `saw` is called on the camera's thread with each frame.

        With `coded` it codes from the first frame on, as `encode` does.
        Raises Broken. `close` is called in any case.
        """
        self._library = library = Library()
        tuning = self._tuning(library.platform)
        # libcamera reads the tuning when its manager is made, which is what looking for cameras does.
        os.environ.pop(TUNING, None)
        if tuning:
            os.environ[TUNING] = tuning
        try:
            number, self._id = self._find(library.cameras())
            self._share(tuning)
            self._cam = cam = library.open(number, tuning)
            atexit.unregister(cam.close)  # when it hangs, the process must end all the same
            _open.add(self._name)
            cam.pre_callback = saw
            self._start(cam, self._mode(cam), coded if self.is_h264 else None)
        except Broken:
            raise
        except Exception as error:
            raise trouble(self.what, error) from error
        finally:
            os.environ.pop(TUNING, None)

    def _tuning(self, platform: str) -> str | None:
        """The path of the tuning file, which may be given as the name of one of libcamera's own."""
        wish = self._config.tuning
        if wish is None:
            return None
        if wish.is_file():
            return str(wish.resolve())
        folders = [Path(folder, platform) for folder in _TUNING_FOLDERS]
        if wish.name == str(wish):
            for folder in folders:
                for name in (wish.name, f"{wish.name}.json"):
                    if (folder / name).is_file():
                        return str(folder / name)
        known = sorted({path.name for folder in folders for path in folder.glob("*.json")})
        raise Broken(f"there is no tuning file {wish}; libcamera has {', '.join(known) or 'none here'}")

    def _find(self, cameras: Iterable[Mapping[str, object]]) -> tuple[int, str]:
        """The number and id of the camera that `source.device` means."""
        known = [(str(one.get("Model", "")), str(one.get("Id", ""))) for one in cameras]
        wish = self._config.device
        listed = ", ".join(f"{number}: {name} ({id})" for number, (name, id) in enumerate(known))
        if not known:
            raise Broken("there is no Pi camera: check its cable, and what `rpicam-hello --list-cameras` says")
        if wish is None:
            fitting = [0]
        elif wish.isdecimal():
            fitting = [int(wish)] if int(wish) < len(known) else []
        else:
            fitting = [at for at, names in enumerate(known) if wish.lower() in (name.lower() for name in names)]
        if not fitting:
            raise Broken(f"there is no Pi camera {wish}; there is {listed}")
        if len(fitting) > 1:
            raise Broken(
                f"there are {len(fitting)} Pi cameras {wish}; use an index or an id as source.device: {listed}"
            )
        self.what = f"the Pi camera {known[fitting[0]][0] or fitting[0]}"
        return fitting[0], known[fitting[0]][1]

    def _share(self, tuning: str | None) -> None:
        if not _tuned:
            _tuned.append(tuning)
        elif _tuned[0] != tuning:
            first = _tuned[0] or "libcamera's own"
            self._tell(f"all Pi cameras of a process have the tuning of the one that is opened first: {first}")

    def _start(self, cam: Camera, mode: Mode | None, coded: Put | None) -> None:
        """With fewer buffers when there is no memory for as many as asked."""
        buffers = self._config.buffers
        try:
            self._start_with(cam, mode, coded, buffers)
        except Exception as error:
            if not is_memory(error) or buffers <= FEWEST:
                raise
            fewer = max(FEWEST, buffers - 2)
            log.warning("%s: no memory for %d camera buffers, trying with %d", self._name, buffers, fewer)
            self.stop_encoding()
            self._start_with(cam, mode, coded, fewer)

    def _start_with(self, cam: Camera, mode: Mode | None, coded: Put | None, buffers: int) -> None:
        self._configure(cam, mode, buffers)
        self._read_back(cam.camera_configuration())
        self._control(cam)
        if coded:
            self.encode(coded)
        cam.start()

    def _mode(self, cam: Camera) -> Mode | None:
        wish, id = self._config.sensor_mode, self._id
        if id not in _modes:
            try:
                _modes[id] = modes(cam.sensor_modes)
            except Exception as error:  # each mode takes buffers of its own for a moment
                self._tell(f"the modes of the sensor cannot be read ({error}): the view may be cropped")
        try:
            mode = choose(_modes.get(id, []), wish, self.size, self.fps)
        except ValueError as error:
            raise Broken(str(error)) from error
        if mode is not None:
            self._tell(f"{self.what} reads its sensor as {mode}, {mode.fps:.0f} fps at most", logging.INFO)
        return mode

    def _configure(self, cam: Camera, mode: Mode | None, buffers: int) -> None:
        config, library = self._config, self._library
        turned = config.rotate == 180
        size = self.size[0] & ~1, self.size[1] & ~1
        look = small(size, 64 if library.platform == "vc4" else 128)
        wish = cam.create_video_configuration(
            main={"size": size, "format": "YUV420"},
            lores={"size": look, "format": "YUV420"} if look else None,
            raw=None,  # libcamera has buffers of its own for it; ours would be megabytes each
            sensor={"output_size": mode.size, "bit_depth": mode.depth} if mode else {},
            transform=library.transform(hflip=config.hflip != turned, vflip=config.vflip != turned),
            colour_space=library.colour_space(self._colours(size)),
            buffer_count=buffers,
            display=None,
        )
        cam.configure(wish)

    def _colours(self, size: Size) -> str:
        """Video is coded in the range 16..235, with the matrix that players assume of its size, since neither encoder
        says in the stream what it was given: in a picture's full range clips would be too hard in contrast. JPEGs are
        stretched when they are made. A camera that gives JPEG alone gives a JPEG's own range and matrix at once.
        """
        if not self.is_h264:
            return "Sycc"
        return "Rec709" if size[0] >= _HD[0] and size[1] >= _HD[1] else "Smpte170m"

    def _read_back(self, got: Mapping[str, object]) -> None:
        self._streams: dict[str, tuple[Size, int]] = {}
        for name in ("main", "lores"):
            stream = got.get(name)
            if not isinstance(stream, dict):
                continue
            if stream["format"] != "YUV420":
                raise Broken(f"{self.what} gives {stream['format']}, not YUV420: use it as source type v4l2")
            self._streams[name] = stream["size"], stream["stride"]
        size, _ = self._streams["main"]
        if size != self.size:
            self._tell(f"{self.what} gives {size[0]}x{size[1]}, not {self.size[0]}x{self.size[1]}")
        self.size = size
        space = cast(ColourSpace | None, got.get("colour_space"))
        self._full = self._library.is_full_range(space) if space is not None else not self.is_h264

    # ---- controls

    def _control(self, cam: Camera) -> None:
        asked: dict[str, Asked] = dict(self._config.controls)
        offered = cam.camera_controls
        if "FrameRate" in asked:  # picamera2's other way to say it
            rates = asked.pop("FrameRate")
            slow, fast = rates if isinstance(rates, tuple) and len(rates) == 2 else (rates, rates)
            if isinstance(slow, int | float) and isinstance(fast, int | float) and slow > 0 and fast > 0:
                asked.setdefault("FrameDurationLimits", (round(1e6 / fast), round(1e6 / slow)))
        fitted = fit(asked, offered, self._library.words(asked))
        limits = offered.get("FrameDurationLimits")
        if limits is not None and "FrameDurationLimits" not in fitted.values:
            fitted.values["FrameDurationLimits"] = self._duration(limits)
        for complaint in fitted.complaints:
            self._tell(complaint)
        self._saturation = fitted.values.get("Saturation", 1.0) if "Saturation" in offered else None
        cam.set_controls(fitted.values)

    def _duration(self, limits: Limits) -> tuple[int, int]:
        """Microseconds from frame to frame, the same for all, as near to `fps` as the sensor's mode goes."""
        fitted = fit({"fps": round(1e6 / self.fps)}, {"fps": limits}).values["fps"]
        micros = cast(int, fitted)
        if abs(1e6 / micros - self.fps) > 0.05 * self.fps:
            self._tell(f"{self.what} gives {1e6 / micros:.1f} frames per second in this mode, not {self.fps:g}")
            self.fps = 1e6 / micros
        return micros, micros

    def tone(self, grey: bool) -> None:
        """Colours off or on again, some frames from now; nothing happens when they are so already."""
        if grey == self._grey or self._cam is None:
            return
        self._grey = grey
        if self._saturation is None:
            self._tell(f"{self.what} cannot take the colour out of its video; pictures are grey all the same")
        else:
            self._cam.set_controls({"Saturation": 0.0 if grey else self._saturation})

    def _tell(self, what: str, level: int = logging.WARNING) -> None:
        log.log(logging.DEBUG if (self._name, what) in _told else level, "%s: %s", self._name, what)
        _told.add((self._name, what))

    # ---- frames

    def planes(self, request: Request, *, look: bool) -> Planes:
        """Copies of the picture's planes, and with `look` of the small luma."""
        size, stride = self._streams["main"]
        with self._library.mapped(request, "main") as main:
            planes = _planes(main.array, size, stride)
        luma = None
        if look and "lores" in self._streams:
            (width, height), stride = self._streams["lores"]
            with self._library.mapped(request, "lores") as lores:
                luma = lores.array[: stride * height].reshape(height, stride)[:, :width].copy()
        return Planes(planes, full=self._full, small=luma)

    # ---- H.264

    def encode(self, put: Put) -> None:
        """Code from now on; `put` is called on a thread of the library with data, keyframe and microseconds since boot.
        Raises Broken."""
        hardware = not self._software and has_encoder() and self.size[0] <= _CODEC_WIDTH
        video, rate = self._video, max(1, round(self.fps))
        interval = max(1, round(self.fps * video.keyframe))
        try:
            encoder = self._library.encoder(
                hardware=hardware, bitrate=video.bitrate, qp=video.qp, interval=interval, fps=rate
            )
            output = self._library.output(_placed(encoder, put))
            cast(Camera, self._cam).start_encoder(encoder, output, name="main")
        except Exception as error:
            if not hardware:
                raise Broken(f"{self.what}: its H.264 encoder does not start: {error}") from error
            log.warning("%s: the hardware H.264 encoder does not start (%s), coding in software", self._name, error)
            self._software = True
            self.encode(put)
            return
        self.encoder = encoder
        if not hardware:
            self._tell("H.264 is coded in software: this board has no encoder that could", logging.INFO)

    def stop_encoding(self) -> Thread | None:
        """The thread that hangs in it, where it does."""
        encoder, self.encoder = self.encoder, None
        if encoder is None or self._cam is None:
            return None
        cam = self._cam
        return _step("stop_encoder", lambda: cam.stop_encoder(encoder))

    # ---- closing

    def close(self) -> Thread | None:
        """Let go of the camera, step by step, each with its deadline; a thread that hangs in one where one does.

        A capture that timed out would stand before `stop` in the camera's queue for ever: it is cancelled first.
        """
        hung = self.stop_encoding()
        cam, self._cam = self._cam, None
        if self._name in _open:
            _open.discard(self._name)
            if not _open:
                _tuned.clear()  # with its last camera picamera2 lets the manager go
        if cam is None:
            return hung
        cam.pre_callback = None
        with suppress(Exception):
            cam.cancel_all_and_flush()
        for name, call in (("stop", cam.stop), ("close", cam.close)):
            hung = _step(name, call) or hung
        del cam, call
        gc.collect()  # a closed Picamera2 and its buffers are held by a circle, and the next camera needs that memory
        return hung


def has_encoder() -> bool:
    """Whether this board codes H.264 itself: a Pi up to the 4. The number alone may be any other video device."""
    try:
        return _CODEC_DEVICE.exists() and _CODEC.read_text().startswith("bcm2835-codec")
    except OSError:
        return False


def _placed(encoder: Encoder, put: Put) -> Put:
    """`put` with microseconds since boot instead of since the encoder's first frame; nothing is raised."""

    def place(data: bytes, keyframe: bool, micros: int) -> None:
        try:
            if encoder.firsttimestamp is not None:
                put(bytes(data), keyframe, encoder.firsttimestamp + micros)
        except Exception:  # raised into the camera's thread it would end that for good
            log.exception("a coded frame could not be taken over")

    return place


def _planes(row: Luma, size: Size, stride: int) -> list[Luma]:
    """Y, U and V out of one row of bytes, without the padding at the end of each of their rows."""
    width, height = size
    luma = stride * height
    half, begins = stride // 2 * (height // 2), (luma, luma + stride // 2 * (height // 2))
    chroma = (row[at : at + half].reshape(height // 2, stride // 2)[:, : width // 2] for at in begins)
    return [np.array(plane) for plane in (row[:luma].reshape(height, stride)[:, :width], *chroma)]


def _step(name: str, call: Callable[[], None]) -> Thread | None:
    """Run `call` for at most STEP seconds; the thread that it hangs in, or None when it returned or raised."""

    def run() -> None:
        try:
            call()
        except Exception as error:
            log.debug("%s failed: %s", name, error)

    thread = Thread(target=run, name=f"picamera2 {name}", daemon=True)
    thread.start()
    thread.join(STEP)
    return thread if thread.is_alive() else None
