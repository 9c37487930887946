"""The whole configuration as frozen models; the names of the fields are the keys of the file.

Pure: validates plain data and touches nothing. Durations are seconds, sizes bytes, `bitrate` bits per second,
percentages percent of the picture. Rules over several sections are in rules.py, reading the file is in load.py.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from edgecam.config.camera import (
    Audio,
    Buffer,
    Camera,
    Continuous,
    DayNight,
    Duty,
    EventRecord,
    Image,
    ManualRecord,
    Motion,
    Overlay,
    Publish,
    Record,
    Snapshot,
    Stream,
    Timelapse,
    Video,
    Zone,
)
from edgecam.config.fields import Id, Kinds, MediaKind, NodeId, Place, Section, Word
from edgecam.config.node import Http, HttpTls, Log, Mqtt, MqttTls, Storage, Token, User
from edgecam.config.secret import Secret, Url, secrets_in
from edgecam.config.source import (
    CameraSource,
    FileSource,
    MjpegSource,
    MovingObject,
    Picamera2Source,
    RtspSource,
    SourceConfig,
    StillSource,
    SyntheticSource,
    V4l2Source,
    expand,
    suiting,
)
from edgecam.config.store import AzureStore, FolderStore, ObjectStore, Offload, S3Store, StoreConfig
from edgecam.config.units import Address, Size

__all__ = [
    "Address",
    "Audio",
    "AzureStore",
    "Buffer",
    "Camera",
    "CameraSource",
    "Config",
    "Continuous",
    "DayNight",
    "Defaults",
    "Duty",
    "EventRecord",
    "FileSource",
    "FolderStore",
    "Http",
    "HttpTls",
    "Image",
    "Log",
    "ManualRecord",
    "MjpegSource",
    "Motion",
    "MovingObject",
    "Mqtt",
    "MqttTls",
    "ObjectStore",
    "Offload",
    "Overlay",
    "Picamera2Source",
    "Publish",
    "Record",
    "RtspSource",
    "S3Store",
    "Secret",
    "Size",
    "Snapshot",
    "SourceConfig",
    "StillSource",
    "Storage",
    "StoreConfig",
    "Stream",
    "SyntheticSource",
    "Timelapse",
    "Token",
    "Url",
    "User",
    "V4l2Source",
    "Video",
    "Zone",
    "merged",
]


class Defaults(Section):
    """Sections that every camera begins with; its own keys win."""

    source: Annotated[dict[str, object], BeforeValidator(expand)] = Field(
        {}, description="Keys of a source, such as fps.", exclude=True, repr=False
    )
    video: Video = Field(Video(), description="As in a camera.")
    audio: Audio | None = Field(None, description="As in a camera.")
    image: Image = Field(Image(), description="As in a camera.")
    stream: Stream = Field(Stream(), description="As in a camera.")
    snapshot: Snapshot = Field(Snapshot(), description="As in a camera.")
    motion: Motion = Field(Motion(), description="As in a camera.")
    record: Record = Field(Record(), description="As in a camera.")
    offload: Kinds = Field(True, description="As in a camera.")
    push: tuple[str, ...] = Field((), description="As in a camera.")


class Config(Section):
    """Everything one edgecam does."""

    node: NodeId | None = Field(None, description="[hostname at first start, then kept in the state folder]")
    state: Place | None = Field(None, description="Small, on the local disk [storage.path/state]")
    log: Log = Field(Log(), description="What is written to stderr.")
    mqtt: Mqtt | None = Field(None, description="The broker. Absent: no MQTT.")
    http: Http = Field(Http(), description="Pages, pictures, streams and the API.")
    storage: Storage = Field(Storage(), description="The local disk.")
    offload: Offload | None = Field(None, description="What leaves the box. Absent: nothing does.")
    push: dict[Word, dict[str, object]] = Field({}, description="Named targets of pictures and events.")
    defaults: Defaults = Field(Defaults(), description="Sections that every camera begins with.")
    cameras: dict[Id, Camera] = Field({}, description="The cameras, by id, in the order in which they are shown.")

    @model_validator(mode="before")
    @classmethod
    def _cameras_begin_with_the_defaults(cls, data: object) -> object:
        if not isinstance(data, dict) or not isinstance(data.get("cameras"), dict):
            return data
        below = data.get("defaults")
        cameras = {name: _with_defaults(name, camera, below) for name, camera in data["cameras"].items()}
        return {**data, "cameras": cameras}

    def storage_path(self, environ: Mapping[str, str]) -> Path:
        """Where recordings lie: as configured, else systemd's folder, else the usual one."""
        if self.storage.path is not None:
            return self.storage.path
        if given := environ.get("STATE_DIRECTORY", "").split(":")[0]:
            return Path(given)
        if os.geteuid() == 0:
            return Path("/var/lib/edgecam")
        return Path("~/.local/state/edgecam").expanduser()

    def state_path(self, environ: Mapping[str, str]) -> Path:
        """Where the small state lies: identity, settings, owned topics."""
        return self.state or self.storage_path(environ) / "state"

    def offload_kinds(self, camera: str) -> frozenset[str]:
        """The kinds of media of this camera that the store takes; none without a store.

        Media of a camera that is not in the file any more goes by the common rule.
        """
        choice = self.cameras[camera].offload if camera in self.cameras else True
        if self.offload is None or choice is False:
            return frozenset()
        return frozenset(self.offload.kinds if choice is True else choice)

    def key_prefix(self, camera: str, kind: MediaKind) -> str:
        """What stands before the node in the object keys of this camera's media of this kind."""
        common = self.offload.store.prefix if self.offload else ""
        lapse = self.cameras[camera].record.timelapse if camera in self.cameras else None
        return common + ((lapse and lapse.prefix) or "" if kind == "timelapse" else "")

    def secrets(self) -> Iterator[str]:
        """Every secret text, for the log's redaction."""
        return secrets_in(self)


def _with_defaults(name: object, camera: object, below: object) -> object:
    """The plain data of one camera: what is no mapping is left for validation to refuse."""
    camera = {} if camera is None else camera
    if isinstance(camera, Camera):
        return camera if camera.name else camera.changed(name=title(name))
    if not isinstance(camera, dict):
        return camera
    own = {key: value for key, value in camera.items() if value is not None or not Camera.has_section(key)}
    if "source" in own:
        own["source"] = expand(own["source"])
    whole = merged(_below(below, own), own)
    if not whole.get("name"):
        whole["name"] = title(name)
    return whole


def _below(defaults: object, own: dict[object, object]) -> dict[object, object]:
    """The defaults that suit this camera."""
    if not isinstance(defaults, dict):
        return {}
    below = {key: value for key, value in defaults.items() if value is not None}
    theirs = expand(below.pop("source", None))
    if isinstance(theirs, dict):
        below["source"] = suiting(theirs, own.get("source"))
    return below


def title(name: object) -> str:
    """An id as people would write it."""
    return str(name).replace("_", " ").strip().capitalize()


def merged(below: dict[object, object], above: dict[object, object]) -> dict[object, object]:
    """Both, key by key; `above` wins, sections are merged. Neither is changed."""
    both = {**below, **above}
    for key, value in above.items():
        under = below.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            both[key] = merged(under, value)
    return both
