"""A piece of media: its id, its sidecar, and where both lie below `storage.path`.

The id is UTC, sortable, unique and safe on every file system; it is given when the media begins and never changes
(contract, section 6).
"""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_ID = re.compile(
    r"(?P<start>[0-9]{8}T[0-9]{9}Z)-(?P<camera>[a-z0-9_]{1,32})-(?P<kind>event|manual|continuous|timelapse|snapshot)-[a-z2-7]{6}"
)


class MediaKind(StrEnum):
    EVENT = "event"
    MANUAL = "manual"
    CONTINUOUS = "continuous"
    TIMELAPSE = "timelapse"
    SNAPSHOT = "snapshot"


def iso(wall: float) -> str:
    """Unix seconds as ISO 8601 UTC with milliseconds and `Z`."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wall(value: object) -> object:
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else value


Time = Annotated[float, BeforeValidator(_wall), PlainSerializer(iso, return_type=str)]
"""Unix seconds inside, ISO 8601 in JSON."""


def token() -> str:
    """Six random characters of base32, lower case."""
    return "".join(secrets.choice(_BASE32) for _ in range(6))


@dataclass(frozen=True, slots=True)
class MediaId:
    """`20261121T071530123Z-birdbox-event-k3x9qa` and what it says."""

    text: str
    camera: str
    kind: MediaKind
    start: float

    @classmethod
    def new(cls, start: float, camera: str, kind: MediaKind) -> "MediaId":
        """A fresh id for media that begins at `start` (unix seconds)."""
        stamp = datetime.fromtimestamp(start, UTC).strftime("%Y%m%dT%H%M%S%f")[:-3] + "Z"
        return cls.parse(f"{stamp}-{camera}-{kind}-{token()}")

    @classmethod
    def parse(cls, text: str) -> "MediaId":
        """Raises ValueError for anything that is not exactly an id: safe to use on text from a network."""
        match = _ID.fullmatch(text)
        if match is None:
            raise ValueError("not a media id")
        start = datetime.strptime(match["start"][:-1] + "000Z", "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
        return cls(text, match["camera"], MediaKind(match["kind"]), start.timestamp())

    @property
    def day(self) -> str:
        """The UTC day, `YYYY-MM-DD`."""
        return f"{self.text[:4]}-{self.text[4:6]}-{self.text[6:8]}"

    @property
    def suffix(self) -> str:
        return ".jpg" if self.kind is MediaKind.SNAPSHOT else ".mp4"

    def key(self, prefix: str, node: str) -> str:
        """The object key without its suffix; the media goes to `.mp4` or `.jpg`, the manifest to `.json`."""
        return f"{prefix}{node}/{self.camera}/{self.day.replace('-', '/')}/{self.text}"

    def __str__(self) -> str:
        return self.text


class Receipt(BaseModel):
    """What the store confirmed: proof that the media is there, whole."""

    model_config = ConfigDict(frozen=True)

    store: str
    """Where, in words and without secrets: `s3 bucket birdbox at s3.example.org`."""
    key: str
    size: int
    etag: str | None = None
    at: Time


class Sidecar(BaseModel):
    """All that is known of one piece of media; the `.json` beside it on disk and its manifest in the store."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")

    id: str
    camera: str
    kind: MediaKind
    event_id: str | None = None
    part: int = 1
    start: Time
    end: Time
    clock: Literal["synced", "unsynced"] = "synced"
    duration: float
    """Seconds from the first frame to the end of the last."""
    codec: str
    """h264, hevc, mjpeg, or jpeg for a picture."""
    width: int
    height: int
    size: int
    sha256: str
    md5: str
    cause: str
    """Why it was taken: motion, manual, or the trigger's own word."""
    zones: tuple[str, ...] = ()
    score: int | None = None
    interrupted: bool = False
    """The recorder died; the media ends with its last whole fragment."""
    note: str | None = None
    """What a person should know, such as why a clip stayed MJPEG."""
    receipt: Receipt | None = None

    def dump(self) -> bytes:
        return self.model_dump_json(indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Layout:
    """Every path below `storage.path` (contract, section 6; invariants in architecture, Disk)."""

    root: Path

    @property
    def lock(self) -> Path:
        """Locked and named by the one process that may write below `root`."""
        return self.root / "lock"

    @property
    def open(self) -> Path:
        """Being written: `<id>.part.mp4` with `<id>.part.json`, the sidecar as far as it is known."""
        return self.root / "spool" / "open"

    @property
    def wait(self) -> Path:
        """One marker for each thing that waits for the store; the truth for 'waits'."""
        return self.root / "spool" / "wait"

    @property
    def bad(self) -> Path:
        """What could not be finished or does not match its own hash; never deleted by the daemon."""
        return self.root / "spool" / "bad"

    @property
    def rooms(self) -> tuple[Path, ...]:
        """Where finished media lies, below each `<camera>/<YYYY-MM-DD>/`."""
        return self.root / "recordings", self.root / "snapshots"

    def folder(self, id: MediaId) -> Path:
        recordings, snapshots = self.rooms
        return (snapshots if id.kind is MediaKind.SNAPSHOT else recordings) / id.camera / id.day

    def part(self, id: MediaId) -> Path:
        """The media while it is written."""
        return self.open / f"{id.text}.part{id.suffix}"

    def draft(self, id: MediaId) -> Path:
        """What is known of it while it is written."""
        return self.open / f"{id.text}.part.json"

    def media(self, id: MediaId) -> Path:
        return self.folder(id) / (id.text + id.suffix)

    def sidecar(self, id: MediaId) -> Path:
        return self.folder(id) / (id.text + ".json")

    def marker(self, id: MediaId) -> Path:
        return self.wait / id.text
