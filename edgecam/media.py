"""A piece of media: its id, its sidecar, and where both lie below `storage.path`.

The id is UTC, sortable, unique and safe on every file system; it is given when the media begins and never changes,
but for one that was given while nobody knew the time: that is replaced once, when it is known (contract, section 6).
"""

import re
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_STILL = ".jpg"
JOURNAL = ".parts"
"""Ends the name of a store's notes of an upload."""
_UNSYNCED = "unsynced"
_ID = re.compile(
    r"((?:([0-9]{8})T([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9][0-9]{3})Z|unsynced-([0-9a-f]{8})-([0-9]{8}))"
    r"-([a-z0-9_]{1,32})-(event|manual|continuous|timelapse|snapshot)-[a-z2-7]{6})(\.jpg)?"
)


class MediaKind(StrEnum):
    EVENT = "event"
    MANUAL = "manual"
    CONTINUOUS = "continuous"
    TIMELAPSE = "timelapse"
    SNAPSHOT = "snapshot"


_KINDS = {kind.value: kind for kind in MediaKind}


def iso(wall: float) -> str:
    """Unix seconds as ISO 8601 UTC with milliseconds and `Z`."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wall(value: object) -> object:
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else value


Time = Annotated[float, BeforeValidator(_wall), PlainSerializer(iso, return_type=str)]
"""Unix seconds inside, ISO 8601 in JSON."""


@lru_cache(maxsize=256)
def _midnight(day: str) -> float:
    """Unix seconds at which the UTC day `YYYYMMDD` begins: a library has few days and many ids. Raises ValueError."""
    return datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=UTC).timestamp()


def token() -> str:
    """Six random characters of base32, lower case."""
    return "".join(secrets.choice(_BASE32) for _ in range(6))


@dataclass(frozen=True, slots=True)
class MediaId:
    """`20261121T071530123Z-birdbox-event-k3x9qa` and what it says, and whether a picture is meant or a clip.

    While the clock is known to be wrong: `unsynced-1a2b3c4d-00000042-birdbox-event-k3x9qa`, which is the boot and its
    age in seconds; such a thing lies under the day that began with 1970.
    """

    text: str
    camera: str
    kind: MediaKind
    start: float
    """Unix seconds; of an unsynced one seconds since the boot."""
    still: bool = False
    """A JPEG. The best picture of an event bears its clip's id; a timelapse has stills, and films of them."""
    boot: str | None = None
    """Eight hex digits of the boot, where nobody knew the time."""

    @classmethod
    def new(
        cls, start: float, camera: str, kind: MediaKind, *, still: bool = False, random: str | None = None
    ) -> "MediaId":
        """A fresh id for media that begins at `start` (unix seconds)."""
        stamp = datetime.fromtimestamp(start, UTC).strftime("%Y%m%dT%H%M%S%f")[:-3] + "Z"
        return cls.parse(f"{stamp}-{camera}-{kind}-{random or token()}{_STILL if still else ''}")

    @classmethod
    def undated(
        cls, boot: str, boottime: float, camera: str, kind: MediaKind, *, still: bool = False, random: str | None = None
    ) -> "MediaId":
        """A fresh id for media that begins `boottime` seconds after the box was switched on for its boot `boot`."""
        stamp = f"{_UNSYNCED}-{boot}-{int(boottime):08}"
        return cls.parse(f"{stamp}-{camera}-{kind}-{random or token()}{_STILL if still else ''}")

    @classmethod
    def parse(cls, text: str) -> "MediaId":
        """Of an id, or of a still's `name`. Raises ValueError for everything else: safe on text from a network."""
        match = _ID.fullmatch(text)
        if match is None:
            raise ValueError("not a media id")
        id, day, hour, minute, milliseconds, boot, seconds, camera, word, still = match.groups()
        kind = _KINDS[word]
        if boot:
            start = float(seconds)
        else:
            start = _midnight(day) + int(hour) * 3600 + int(minute) * 60 + int(milliseconds) / 1000
        return cls(id, camera, kind, start, still is not None or kind is MediaKind.SNAPSHOT, boot)

    @property
    def name(self) -> str:
        """The id, with `.jpg` where that tells a still from a clip: what its marker is called."""
        return self.text + _STILL if self.still and self.kind is not MediaKind.SNAPSHOT else self.text

    @property
    def beside(self) -> bool:
        """Whether this is an event's picture: it lies beside its clip and has no sidecar of its own."""
        return self.still and self.kind is MediaKind.EVENT

    @property
    def picture(self) -> "MediaId":
        """The best picture of this event's clip."""
        return replace(self, still=True)

    @property
    def day(self) -> str:
        """The UTC day, `YYYY-MM-DD`."""
        if self.unsynced:
            return iso(self.start)[:10]
        return f"{self.text[:4]}-{self.text[4:6]}-{self.text[6:8]}"

    @property
    def unsynced(self) -> bool:
        """Whether nobody knew the time when it began."""
        return self.boot is not None

    @property
    def stamp(self) -> str:
        """How its name begins: sorts like the time, among those with a date and among those of one boot."""
        return self.text[: -len(f"-{self.camera}-{self.kind}-{self.random}")]

    @property
    def random(self) -> str:
        """What makes it unique."""
        return self.text[-6:]

    @property
    def suffix(self) -> str:
        return _STILL if self.still else ".mp4"

    def key(self, prefix: str, node: str) -> str:
        """The object key without its suffix; the media goes to `.mp4` or `.jpg`, the manifest to `.json`."""
        folder = _UNSYNCED if self.unsynced else self.day.replace("-", "/")
        return f"{prefix}{node}/{self.camera}/{folder}/{self.text}"

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


class Sealed(BaseModel):
    """The media as it lies in the store when it was encrypted before it left. Hashes in hex, of the encrypted bytes."""

    model_config = ConfigDict(frozen=True)

    size: int
    sha256: str
    md5: str
    recipients: int
    """How many keys open it."""


class Picture(BaseModel):
    """The best picture of an event, which lies beside its clip."""

    model_config = ConfigDict(frozen=True)

    time: Time
    """Of capture."""
    width: int
    height: int
    size: int
    sha256: str
    md5: str


class Looks(BaseModel):
    """What was looked at for motion during an event, its cooldown included, and what came of it. Each part of a long
    event knows what was known when it ended.
    """

    model_config = ConfigDict(frozen=True)

    looks: int
    moving: int
    """Those in which motion was confirmed."""
    peak_score: int
    peak_area: float
    """Percent of the picture."""
    box: tuple[float, float, float, float] | None
    """Around everything that moves in the best frame; None where nothing moved."""
    best: Time | None
    """Of capture of the best frame; None where nothing moved."""
    suppressed: dict[str, int]
    """Looks in which something differed and that did not count, by why."""


_NEWS = frozenset({MediaKind.EVENT, MediaKind.MANUAL, MediaKind.TIMELAPSE})


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
    """unsynced: `start` and `end` are those of a clock that was known to be wrong."""
    boot: str | None = None
    """In which boot of the box it began, eight hex digits; None where it is of no one moment."""
    boottime: float | None = None
    """Seconds from then to its start."""
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
    motion: Looks | None = None
    """Of an event's clip; None where nobody looked, or knows."""
    interrupted: bool = False
    """The recorder died; the media ends with its last whole fragment."""
    note: str | None = None
    """What a person should know, such as why a clip stayed MJPEG."""
    picture: Picture | None = None
    """Of an event's clip."""
    sealed: Sealed | None = None
    """In the store's manifest only."""
    wanted: bool | None = None
    """By a store, when it was finished; None where nobody noted that."""
    receipt: Receipt | None = None

    @property
    def unsent(self) -> bool:
        """Whether a store lacks it that has had its word: what was finished while there was none stays here."""
        return self.receipt is None and self.wanted is not False

    @property
    def media(self) -> MediaId:
        id = MediaId.parse(self.id)
        return id.picture if self.codec == "jpeg" else id

    @property
    def is_news(self) -> bool:
        """A clip that people hear of one by one; segments and pictures are only counted."""
        return self.kind in _NEWS and self.codec != "jpeg"

    @classmethod
    def unknown(cls, id: MediaId, size: int = 0) -> "Sidecar":
        """The sidecar of something whose own cannot be read: what its name says."""
        return cls(
            id=id.text,
            camera=id.camera,
            kind=id.kind,
            start=id.start,
            end=id.start,
            clock="unsynced" if id.unsynced else "synced",
            boot=id.boot,
            boottime=id.start if id.boot else None,
            duration=0.0,
            codec="jpeg" if id.still else "unknown",
            width=0,
            height=0,
            size=size,
            sha256="",
            md5="",
            cause="unknown",
        )

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
    def seals(self) -> Path:
        """Waiting media that was encrypted, as every attempt sends the same bytes; goes with the markers."""
        return self.root / "spool" / "sealed"

    @property
    def rooms(self) -> tuple[Path, ...]:
        """Where finished media lies, below each `<camera>/<YYYY-MM-DD>/`."""
        return self.root / "recordings", self.root / "snapshots"

    def folder(self, id: MediaId) -> Path:
        """Stills lie in `snapshots`, but for an event's best picture: that one lies beside its clip."""
        recordings, snapshots = self.rooms
        return (snapshots if id.still and not id.beside else recordings) / id.camera / id.day

    def part(self, id: MediaId) -> Path:
        """The media while it is written."""
        return self.open / f"{id.text}.part{id.suffix}"

    def draft(self, id: MediaId) -> Path:
        """What is known of it while it is written."""
        return self.open / f"{id.text}.part.json"

    def media(self, id: MediaId) -> Path:
        return self.folder(id) / (id.text + id.suffix)

    def sidecar(self, id: MediaId) -> Path:
        """What is known of it. An event's picture has none: its marker tells it, as long as it waits."""
        return self.marker(id) if id.beside else self.folder(id) / (id.text + ".json")

    def pin(self, id: MediaId) -> Path:
        """An empty file that says: keep this."""
        return self.folder(id) / (id.text + ".keep")

    def journal(self, id: MediaId) -> Path:
        """What a store noted of an upload that is not complete."""
        return self.wait / (id.name + JOURNAL)

    def sealed(self, id: MediaId) -> Path:
        """Waiting media as it was encrypted for the store."""
        return self.seals / f"{id.name}.age"

    def seal(self, id: MediaId) -> Path:
        """What that is, and for whom."""
        return self.seals / f"{id.name}.json"

    def marker(self, id: MediaId) -> Path:
        """It is empty, but for an event's picture."""
        return self.wait / id.name
