"""Sources: where the pictures of a camera come from, and the short ways to write it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from edgecam.config import units
from edgecam.config.fields import AlsoTakes, Control, Duration, Place, Resolution, Section, Word
from edgecam.config.secret import Url


class CameraSource(Section):
    """What every source has."""

    size: Resolution = Field(
        units.Size(1280, 720), description="Picture size; network cameras and files have their own."
    )
    fps: float = Field(15, gt=0, le=240, description="Frames per second; network cameras and files have their own.")
    rotate: Literal[0, 180] = Field(0, description="Degrees.")
    hflip: bool = Field(False, description="Mirror left and right.")
    vflip: bool = Field(False, description="Mirror top and bottom.")
    warmup: Duration = Field(
        0, description="Frames of this first time are dropped: exposure settles [2s for picamera2 and v4l2]."
    )
    stall_timeout: Duration = Field(
        10, gt=0, description="Without a frame for this long the camera is offline and is opened anew."
    )
    idle_after: Duration | None = Field(None, description="Close the camera this long after its last consumer.")

    @field_validator("rotate", mode="before")
    @classmethod
    def _degrees(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdecimal() else value


def with_scheme(url: Url, *schemes: str) -> Url:
    """The address itself, when it begins with one of these. Raises ValueError."""
    if url.scheme not in schemes:
        raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return url


class MovingObject(Section):
    """When the synthetic camera's object moves."""

    every: Duration = Field(20, gt=0, description="Once in this time the object moves.")
    move: Duration = Field(3, description="For this long.")


class SyntheticSource(CameraSource):
    """A drawn picture with clock, frame number, noise and an object that moves now and then."""

    type: Literal["synthetic"] = Field("synthetic", description="A drawn picture, for trying things.")
    schedule: MovingObject = Field(MovingObject(), description="When the object moves.")


class FileSource(CameraSource):
    """A video file played as if it were a camera."""

    type: Literal["file"] = Field("file", description="A video file, played at its own pace.")
    path: Place = Field(description="The video file.")
    loop: bool = Field(True, description="Begin anew at the end.")


class WebSource(CameraSource):
    """What sources over HTTP have."""

    url: Url = Field(description="http:// or https://, with user:password@ where the camera wants it.")
    verify: bool = Field(True, description="https: false takes any certificate; others on the way can then look on.")
    ca: Place | None = Field(None, description="https: certificates to trust, PEM, such as the camera's own.")

    @field_validator("url")
    @classmethod
    def _http(cls, url: Url) -> Url:
        return with_scheme(url, "http", "https")


class MjpegSource(WebSource):
    """`multipart/x-mixed-replace` over HTTP: ustreamer, mjpg-streamer, ESP32-CAM, most network cameras."""

    type: Literal["mjpeg"] = Field("mjpeg", description="MJPEG over HTTP; the JPEGs pass untouched.")


class StillSource(WebSource):
    """Single JPEGs fetched over HTTP."""

    type: Literal["still"] = Field("still", description="One JPEG per request over HTTP.")
    every: Duration = Field(
        5, gt=0, description="Time between two pictures; stall_timeout is three of them unless you set it."
    )

    @model_validator(mode="before")
    @classmethod
    def _patient(cls, data: object) -> object:
        """A picture a minute must not look like a camera that is gone."""
        if not isinstance(data, dict) or "stall_timeout" in data or "every" not in data:
            return data
        every = data["every"]
        try:
            seconds = units.duration(every) if isinstance(every, str) else float(every)
        except (ValueError, TypeError):  # the field itself says what is wrong
            return data
        return {**data, "stall_timeout": max(10.0, 3 * seconds)}


class Picamera2Source(CameraSource):
    """A camera on the Raspberry Pi's CSI port; needs the system's package python3-picamera2."""

    type: Literal["picamera2"] = Field(description="A camera on the Raspberry Pi's ribbon cable.")
    device: Word | None = Field(None, description="Index, model or id; the first camera when absent.")
    sensor_mode: Word = Field(
        "auto", description="auto: full field of view that covers size and fps; else an index or WIDTHxHEIGHT."
    )
    buffers: int = Field(4, ge=1, le=32, description="Frame buffers.")
    controls: dict[str, Control] = Field({}, description="Any control of the device, by its name.")
    tuning: Place | None = Field(None, description="A tuning file of libcamera, or the name of one of its own.")
    warmup: Duration = Field(2, description="Frames of this first time are dropped: exposure settles.")


class V4l2Source(CameraSource):
    """A USB camera."""

    type: Literal["v4l2"] = Field(description="A USB camera.")
    device: Place = Field(description="Best by id: /dev/v4l/by-id/…")
    warmup: Duration = Field(2, description="Frames of this first time are dropped: exposure settles.")
    buffers: int = Field(4, ge=1, le=32, description="Frame buffers.")
    controls: dict[str, Control] = Field({}, description="Any control of the device, by its name.")


class RtspSource(CameraSource):
    """A network camera that speaks RTSP."""

    type: Literal["rtsp"] = Field(description="A network camera that speaks RTSP.")
    url: Url = Field(description="rtsp:// or rtsps://, with user:password@ where the camera wants it.")
    transport: Literal["tcp", "udp"] = Field("tcp", description="How the video travels.")
    detect_url: Url | None = Field(None, description="A smaller stream of the same camera, for motion.")
    decode: Literal["auto", "keyframes", "full"] = Field("auto", description="Which frames motion decodes.")

    @field_validator("url", "detect_url")
    @classmethod
    def _rtsp(cls, url: Url | None) -> Url | None:
        return url and with_scheme(url, "rtsp", "rtsps")


_KINDS: Mapping[str, type[CameraSource]] = {
    "synthetic": SyntheticSource,
    "file": FileSource,
    "mjpeg": MjpegSource,
    "still": StillSource,
    "picamera2": Picamera2Source,
    "v4l2": V4l2Source,
    "rtsp": RtspSource,
}


def _of_others(kind: object) -> set[str]:
    """The keys that sources of other types take and this one does not; none when there is no such type."""
    if not isinstance(kind, str) or kind not in _KINDS:
        return set()
    return {key for section in _KINDS.values() for key in section.model_fields} - set(_KINDS[kind].model_fields)


def expand(source: object) -> object:
    """The short forms: `picamera2`, `v4l2:/dev/…`, `rtsp://…`, `http://…`, `file:clip.mp4`, `synthetic`.

    In a section, keys of other types may stand as null.
    """
    if isinstance(source, dict):
        others = _of_others(source.get("type"))
        return {key: value for key, value in source.items() if value is not None or key not in others}
    if not isinstance(source, str):
        return source
    kind, _, rest = source.partition(":")
    if kind in ("picamera2", "synthetic") and not rest:
        return {"type": kind}
    if kind in ("v4l2", "file") and rest:
        return {"type": kind, {"v4l2": "device", "file": "path"}[kind]: rest}
    if kind in ("http", "https"):
        return {"type": "mjpeg", "url": source}
    return {"type": "rtsp", "url": source} if kind in ("rtsp", "rtsps") else source


def suiting(defaults: Mapping[object, object], source: object) -> dict[object, object]:
    """The keys of `defaults` that this camera's source takes: nothing when they are of another type.

    A key that no type takes stays, to be refused.
    """
    kind = source.get("type") if isinstance(source, dict) else defaults.get("type")
    if not isinstance(kind, str) or kind not in _KINDS or defaults.get("type", kind) != kind:
        return {}
    return {key: value for key, value in defaults.items() if key not in _of_others(kind)}


SourceConfig = Annotated[
    Annotated[
        SyntheticSource | FileSource | MjpegSource | StillSource | Picamera2Source | V4l2Source | RtspSource,
        Field(discriminator="type"),
    ],
    BeforeValidator(expand),
    AlsoTakes({"type": "string"}),
]
"""One of the sources, by its `type`."""
