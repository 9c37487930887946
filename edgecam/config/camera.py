"""A camera and its sections; each may also stand once under `defaults:`."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgecam.config import units
from edgecam.config.fields import (
    OFF,
    SEVERAL,
    SWITCH,
    UNQUOTED,
    AlsoTakes,
    Bitrate,
    Bytes,
    Cron,
    Duration,
    Id,
    KeyPrefix,
    Kinds,
    Lasting,
    Percent,
    Polygon,
    Section,
    TimeOfDay,
    Weekly,
    Word,
)
from edgecam.config.secret import Url
from edgecam.config.source import SourceConfig, with_scheme

DAY = 86400.0
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
KeepSize = Annotated[
    Bytes | None, Field(description="Stored ones beyond this, of this camera, go too, the oldest first.")
]


class Video(Section):
    """How video is coded, in clips and HLS."""

    codec: Literal["auto", "h264", "mjpeg"] = Field(
        "auto", description="auto: H.264, the camera's own or made from JPEG."
    )
    bitrate: Bitrate = Field(2_000_000, description="Of the H.264 we encode.")
    qp: int | None = Field(None, ge=1, le=51, description="Constant quality instead of bitrate; smaller is better.")
    keyframe: Duration = Field(1, gt=0, le=60, description="Time between keyframes.")


class Audio(Section):
    """Sound in clips and HLS."""

    device: Word = Field(
        "auto",
        description="As `arecord -L` names it; auto: the camera's own sound, else the first microphone that works.",
    )
    rate: int = Field(48000, description="Samples per second, one that AAC knows: 48000, 44100, 32000, 16000, …")
    channels: Annotated[Literal["auto", "1", "2"], AlsoTakes({"enum": [1, 2], "description": UNQUOTED})] = Field(
        "auto", description="auto: as the device has."
    )
    bitrate: Bitrate = Field(64_000, description="Of the coded sound.")
    delay: Duration = Field(0, description="Sound is shifted by this.")

    @field_validator("rate")
    @classmethod
    def _known(cls, rate: int) -> int:
        if rate not in AAC_RATES:
            raise ValueError(f"must be one of {', '.join(map(str, AAC_RATES))}")
        return rate


class Overlay(Section):
    """Text in the picture."""

    text: str = Field("%H:%M:%S", description="With strftime's placeholders.")
    position: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = Field("top-left", description="Where.")
    colour: Word = Field("white", description="Name or #rrggbb.")


class DayNight(Section):
    """When the picture turns grey, by its mean luma (0..255)."""

    grey_below: float = Field(20, ge=0, le=255, description="Mean luma below which night begins.")
    colour_above: float = Field(40, ge=0, le=255, description="Mean luma above which day begins.")


class Image(Section):
    """The pictures we encode; the camera's own JPEG passes untouched."""

    quality: int = Field(80, ge=1, le=100, description="JPEG quality of pictures that we encode.")
    grey: bool = Field(False, description="Grey pictures.")
    overlay: Overlay | None = Field(None, description="Text in every output.")
    day_night: Annotated[DayNight | None, *SWITCH] = Field(None, description="Grey at night.")
    privacy_masks: dict[Id, Polygon] = Field({}, description="Areas that are blackened in every output.")


class Stream(Section):
    """The live stream."""

    enabled: bool = Field(True, description="Whether there is one.")
    fps: float | None = Field(None, gt=0, le=240, description="At most so many frames per second; null: all.")
    max_width: int | None = Field(None, ge=160, le=7680, description="Wider pictures are made smaller.")
    rewind: Duration = Field(0, description="How far back a viewer may go.")
    schedule: Weekly = Field(None, description="When the stream is open.")


class Snapshot(Section):
    """Single pictures."""

    every: Annotated[Duration, Field(ge=1)] | None = Field(60, description="A picture to MQTT this often; null: none.")
    width: int | None = Field(None, ge=160, le=7680, description="Wider pictures are made smaller; null: as it comes.")
    max_age: Duration = Field(5, description="How long one picture is reused.")
    keep: Lasting = Field(14 * DAY, description="How long pictures that were asked for stay on disk.")
    keep_size: KeepSize = None


class Zone(Section):
    """A named area with a motion sensor of its own. It is touched when enough of what moves lies in its polygon. Where
    it is more sensitive than the camera, or content with a smaller area, what it sees begins the camera's events too;
    otherwise it is touched only while the camera sees motion. An event names all zones that were touched.
    """

    polygon: Polygon = Field(description="Corners in 0..1, [[x, y], …], from the top left.")
    sensitivity: int | None = Field(None, ge=1, le=100, description="Of this area [the camera's].")
    min_area: Percent | None = Field(
        None, description="Less of it is no motion; in percent of the whole picture [the camera's]."
    )
    cooldown: Duration | None = Field(None, gt=0, description="Quiet time that switches its sensor off [the camera's].")
    schedule: Weekly = Field(
        None,
        description='When it counts, such as {"mon-fri": "10:00-20:00"}; spans add up, its sensor is off outside. '
        "`edgecam scan` and `tune` do not ask.",
    )


class Duty(Section):
    """Looking with pauses, for the smallest boards: what happens in a pause is not seen. Nothing is forgotten over one,
    and there is none while something moves or an event goes on.
    """

    looks: int = Field(
        15, ge=2, description="After so many looks without motion, more than motion.min_frames of them, ..."
    )
    pause: Duration = Field(5, gt=0, description="... nothing is decoded or looked at for so long.")


class Motion(Section):
    """What counts as motion."""

    enabled: bool = Field(True, description="Whether motion is looked for.")
    method: Literal["background", "difference"] = Field(
        "background", description="background learns the scene; difference compares consecutive frames."
    )
    fps: float = Field(5, gt=0, le=60, description="Looks per second.")
    width: int = Field(160, ge=32, le=1280, description="The detector sees the picture this wide.")
    sensitivity: int = Field(50, ge=1, le=100, description="The one knob most people touch; higher sees more.")
    threshold: float | None = Field(None, gt=0, description="In the method's own unit; null: from sensitivity.")
    min_area: Percent = Field(0.3, description="Smaller things are ignored, in percent of the picture.")
    min_frames: int = Field(2, ge=1, le=100, description="Looks in a row that make an event.")
    cooldown: Duration = Field(10, gt=0, description="Quiet time that ends an event.")
    settle: Duration = Field(2, description="Blind after start, control change, day/night change.")
    masks: dict[Id, Polygon] = Field({}, description="Areas that are not looked at, {name: [[x, y], …]} in 0..1.")
    zones: dict[Id, Zone] = Field({}, description="Areas with a motion sensor of their own, by name.")
    duty: Annotated[Duty | None, *SWITCH] = Field(
        None,
        description="Look with pauses, such as {looks: 15, pause: 5s}; how blind that makes is published. "
        "`edgecam scan` and `tune` look without.",
    )
    schedule: Weekly = Field(
        None,
        description='When motion is looked for, such as {"mon-fri": "10:00-20:00"}; spans add up, null: always. '
        "Triggers work at any time, and `edgecam scan` and `tune` look at recordings of any hour.",
    )


class EventRecord(Section):
    """Clips of motion."""

    pre: Duration = Field(5, le=60, description="Time before the motion; held in memory.")
    post: Duration = Field(5, description="Time after it.")
    max: Duration = Field(120, ge=2, description="A longer event goes on in a next clip, without a gap.")
    keep: Lasting = Field(14 * DAY, description="From the end of the clip; 0s: delete as soon as it is stored.")
    keep_size: KeepSize = None


class Continuous(Section):
    """Recording without end."""

    segment: Duration = Field(10, ge=1, description="Length of each file.")
    keep: Lasting = Field(3600, description="From the end of the segment.")
    keep_size: KeepSize = None


class ManualRecord(Section):
    """Clips that somebody asked for."""

    keep: Lasting = Field(float("inf"), description="From the end of the clip.")
    keep_size: KeepSize = None


class Timelapse(Section):
    """Stills at fixed times of the clock on the wall, and each day's as a film. A time that passes without a picture
    (camera away, privacy on, recording off, edgecam stopped) is not made up for. What the clock skips in spring comes
    at the first moment after; in the hour that autumn repeats `every` goes on, and `at` comes once.
    """

    every: Duration | None = Field(
        60,
        ge=1,
        le=DAY,
        description="Between stills, counted from the box's midnight: 6h is at 0, 6, 12 and 18 o'clock.",
    )
    at: Annotated[tuple[Cron, ...], SEVERAL, AlsoTakes({"type": "string", "description": UNQUOTED})] = Field(
        (), description='Instead of every: times of day such as ["12:00"], or cron\'s five fields, in quotes.'
    )
    daily: Annotated[TimeOfDay | None, *OFF] = Field(
        units.TimeOfDay(0, 5), description="When the film of the day before is made; null: no films."
    )
    fps: int = Field(25, ge=1, le=60, description="Stills per second of the film.")
    keep: Lasting = Field(30 * DAY, description="Of stills from their moment, of films from their last still.")
    keep_size: KeepSize = None
    prefix: KeyPrefix | None = Field(
        None, description="Stands before the node in the object key, such as timelapse/, for rules of the bucket."
    )

    @model_validator(mode="before")
    @classmethod
    def _at_stands_for_every(cls, data: object) -> object:
        return {"every": None, **data} if isinstance(data, dict) and data.get("at") else data

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.every is not None and self.at:
            raise ValueError("every and at exclude each other")
        if self.every is None and not self.at:
            raise ValueError("needs every or at")
        return self


class Buffer(Section):
    """How far back `save the last` reaches beyond what is on disk."""

    time: Duration = Field(60, gt=0, description="The pre-roll must fit.")
    memory: Bytes = Field(16_000_000, description="Bounds what lies beyond the pre-roll; never cuts the pre-roll.")


class Record(Section):
    """What is written to disk."""

    enabled: bool = Field(True, description="Whether anything is.")
    mode: Literal["event", "continuous", "both"] = Field("event", description="event, continuous or both.")
    event: EventRecord = Field(EventRecord(), description="Clips of motion.")
    continuous: Continuous = Field(Continuous(), description="Recording without end.")
    manual: ManualRecord = Field(ManualRecord(), description="Clips that somebody asked for.")
    timelapse: Annotated[Timelapse | None, *SWITCH] = Field(
        None, description="Stills at fixed times, and each day's as a film."
    )
    buffer: Buffer = Field(Buffer(), description="Frames held in memory.")
    schedule: Weekly = Field(None, description="When anything is recorded.")


class Publish(Section):
    """The camera's stream sent elsewhere."""

    rtsp: Url | None = Field(None, description="Such as rtsp://user:password@mediamtx:8554/birdbox; rtsps:// with TLS.")

    @field_validator("rtsp")
    @classmethod
    def _rtsp(cls, url: Url | None) -> Url | None:
        return url and with_scheme(url, "rtsp", "rtsps")


class Camera(Section):
    """One camera."""

    name: str = Field("", description="As people call it [made from the id].")
    privacy: bool = Field(False, description="true: the sensor is closed, nothing is recorded, streamed or detected.")
    source: SourceConfig = Field(description="Where the pictures come from; a short form will often do.")
    video: Video = Field(Video(), description="How video is coded, in clips and HLS.")
    audio: Annotated[Audio | None, *SWITCH] = Field(None, description="Sound in clips and HLS.")
    image: Image = Field(Image(), description="The pictures we encode.")
    stream: Stream = Field(Stream(), description="The live stream.")
    snapshot: Snapshot = Field(Snapshot(), description="Single pictures.")
    motion: Motion = Field(Motion(), description="What counts as motion.")
    record: Record = Field(Record(), description="What is written to disk.")
    offload: Kinds = Field(True, description="true: the kinds of offload.kinds; false: nothing; or a list of kinds.")
    publish: Annotated[Publish | None, *OFF] = Field(None, description="The camera's stream sent elsewhere.")
    push: tuple[str, ...] = Field((), description="Names of push targets.")
