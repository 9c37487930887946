"""The door to picamera2: what of it is used here, as protocols, and its import when a camera is opened.

picamera2 and libcamera are packages of the operating system, built for its own Python alone.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from edgecam.sources import Broken
from edgecam.sources.pi.controls import Limits

CURE = "sudo apt install python3-picamera2, and make the venv with --system-site-packages"


class Request(Protocol):
    """One frame's buffers. Held only as long as it takes to copy: the camera stops when all of them are held."""

    def acquire(self) -> None: ...
    def release(self) -> None: ...
    def get_metadata(self) -> Mapping[str, object]: ...


class Mapped(Protocol):
    @property
    def array(self) -> NDArray[np.uint8]: ...


class Encoder(Protocol):
    firsttimestamp: int | None
    """SensorTimestamp of its first frame (microseconds); its packets count from there."""


class ColourSpace(Protocol):
    @property
    def range(self) -> object: ...


class Camera(Protocol):
    """`Picamera2`, as far as it is used."""

    pre_callback: Callable[[Request], None] | None

    @property
    def camera_controls(self) -> Mapping[str, Limits]: ...
    @property
    def sensor_modes(self) -> Sequence[Mapping[str, object]]: ...
    def create_video_configuration(self, **wish: object) -> dict[str, object]: ...
    def camera_configuration(self) -> Mapping[str, object]: ...
    def configure(self, configuration: Mapping[str, object]) -> None: ...
    def set_controls(self, controls: Mapping[str, object]) -> None: ...
    def start(self) -> None: ...
    def start_encoder(self, encoder: Encoder, output: object, *, name: str) -> None: ...
    def stop_encoder(self, encoder: Encoder) -> None: ...
    def cancel_all_and_flush(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class Library:
    """picamera2 and libcamera, imported. Raises Broken with the cure when they are not there."""

    def __init__(self) -> None:
        try:
            self._picamera2 = import_module("picamera2")
            self._encoders = import_module("picamera2.encoders")
            self._outputs = import_module("picamera2.outputs")
            self._libcamera = import_module("libcamera")
        except ImportError as error:
            raise Broken(f"source type picamera2 needs {error.name or 'picamera2'}: {CURE}") from error

    def cameras(self) -> Sequence[Mapping[str, object]]:
        """Model, Id and more of each camera, in the order of their numbers."""
        return cast(Sequence[Mapping[str, object]], self._picamera2.Picamera2.global_camera_info())

    def open(self, number: int, tuning: str | None) -> Camera:
        return cast(Camera, self._picamera2.Picamera2(number, tuning=tuning))

    @property
    def platform(self) -> str:
        """`vc4` up to the Pi 4, `pisp` from the Pi 5 on."""
        return str(self._picamera2.Picamera2.platform.name).lower()

    def mapped(self, request: Request, stream: str) -> AbstractContextManager[Mapped]:
        """The bytes of one stream of a request, as one row; a view that must not outlive the context."""
        return cast(
            AbstractContextManager[Mapped],
            self._picamera2.MappedArray(request, stream, reshape=False, write=False),
        )

    def transform(self, *, hflip: bool, vflip: bool) -> object:
        return self._libcamera.Transform(hflip=int(hflip), vflip=int(vflip))

    def colour_space(self, name: str) -> ColourSpace:
        return cast(ColourSpace, getattr(self._libcamera.ColorSpace, name)())

    def is_full_range(self, space: ColourSpace) -> bool:
        return bool(space.range == self._libcamera.ColorSpace.Range.Full)

    def words(self, controls: Mapping[str, object]) -> dict[str, dict[str, int]]:
        """The names of the values of those controls that are a choice, such as AfMode."""
        known, found = self._libcamera.controls, {}
        for name in controls:
            kind = getattr(known, f"{name}Enum", None) or getattr(getattr(known, "draft", None), f"{name}Enum", None)
            if kind is not None:
                found[name] = {word: int(number) for word, number in kind.__members__.items()}
        return found

    def output(self, put: Callable[[bytes, bool, int], None]) -> object:
        """An Output for an encoder. `put` gets data, whether it is a keyframe, and the encoder's microseconds."""

        class Packets(self._outputs.Output):  # type: ignore[misc, name-defined]  # known only at run time
            def outputframe(
                self,
                frame: bytes,
                keyframe: bool = True,
                timestamp: int | None = None,
                packet: object = None,
                audio: bool = False,
            ) -> None:
                if not audio and timestamp is not None:
                    put(frame, bool(keyframe), timestamp)

        return Packets()

    def encoder(self, *, hardware: bool, bitrate: int, qp: int | None, interval: int, fps: int) -> Encoder:
        """An H.264 encoder that repeats its parameter sets at each keyframe, every `interval` frames."""
        keys = {"bitrate": None if qp else bitrate, "qp": qp, "repeat": True, "iperiod": interval}
        if hardware:
            return cast(Encoder, self._encoders.H264Encoder(**keys))
        return cast(Encoder, self._encoders.LibavH264Encoder(framerate=fps, **keys))
