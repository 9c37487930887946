"""Health: one truthful picture of the whole box, composed from what each room says of itself.

Feeds `/api/health`, `/metrics`, MQTT and the watchdog. Loop thread only.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from math import inf

from edgecam import __version__
from edgecam.almanac import Almanac
from edgecam.clock import Clock
from edgecam.histogram import Histogram
from edgecam.media import MediaKind, iso
from edgecam.supervisor import Vitals

LONG_AWAY = 600.0
"""Seconds that something may wait for a store that is tried again, until a person should know."""


class CameraState(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    STALLED = "stalled"
    ERROR = "error"
    IDLE = "idle"  # nobody wants frames
    PRIVACY = "privacy"


class PublishState(StrEnum):
    CONNECTING = "connecting"  # no server that takes the stream
    WAITING = "waiting"  # the server answers, the camera gives nothing yet
    PUBLISHING = "publishing"
    PRIVACY = "privacy"
    UNFIT = "unfit"  # the camera gives no video that could be published


@dataclass(slots=True)
class PublishStatus:
    """What is true of a camera's stream to an RTSP server. Owned by its relay; the counts are since start."""

    state: PublishState = PublishState.CONNECTING
    trouble: str | None = None
    """Why nothing arrives there, in words."""
    sessions: int = 0
    reconnects: int = 0
    """Sessions that followed one which broke."""
    frames: int = 0
    bytes: int = 0
    dropped: int = 0
    """Frames that a slow server did not get."""


@dataclass(slots=True)
class CameraStatus:
    """What is true of one camera now. Each field has one owner, named in brackets."""

    name: str
    state: CameraState = CameraState.STARTING  # [camera]
    online: bool = True  # [camera] False only when frames are wanted and missing for longer than stall_timeout
    trouble: str | None = None  # [camera] why frames are missing, in words
    fps: float = 0.0  # [camera] frames per second over the last few seconds
    width: int = 0  # [camera]
    height: int = 0  # [camera]
    frames: int = 0  # [camera] since start
    reconnects: int = 0  # [camera]
    light: str | None = None  # [daylight] day or night; None where nobody watches for it
    moving: bool = False  # [alarm] an event goes on
    zones: set[str] = field(default_factory=set)  # [alarm] in which something moves
    looks: int = 0  # [motion] frames looked at since start
    drawn: int = 0  # [motion] of those, drawn for viewers of the debug view
    blind: str | None = None  # [motion] why nobody looks all the time though detection is on: schedule or duty
    blind_percent: int = 0  # [motion] of the time: all by schedule; by duty the pauses' share at motion.fps
    blind_until: float | None = None  # [motion] unix seconds when the schedule opens; None: no schedule, or never
    blind_seconds: float = 0.0  # [motion] so far, since start; a pause counts when it is over
    last_motion_mono: float | None = None  # [alarm] monotonic time of the newest moving frame, kept current
    last_motion: float | None = None  # [alarm] unix seconds of the last moving frame
    held_mono: float | None = None  # [alarm] monotonic time up to which a trigger held an event open, kept current
    writing: set[MediaKind] = field(default_factory=set)  # [recorder] of which kinds a file is open
    sound: str | None = None  # [microphone] why there is no sound where some is configured, in words; no problem
    record_trouble: str | None = None  # [recorder] why clips cannot be written, in words
    clips: int = 0  # [recorder] saved since start, continuous segments aside
    segments: int = 0  # [recorder] continuous ones saved since start
    stills: int = 0  # [timelapse] kept since start
    stills_missed: int = 0  # [timelapse] moments without a picture since start
    last_clip: float | None = None  # [recorder] end of the last saved clip
    last_stored: float | None = None  # [uploader] when the last thing of this camera was stored
    clients: int = 0  # [web] stream viewers now
    buffer_seconds: float = 0.0  # [camera] how far back the ring reaches
    publish: PublishStatus | None = None  # [relay] None where nothing is published

    @property
    def recording(self) -> bool:
        """Whether something is being written."""
        return bool(self.writing)

    @property
    def problem(self) -> str | None:
        """The worst that is wrong with this camera, in words."""
        return self.trouble or self.record_trouble or (self.publish.trouble if self.publish else None)


class StoreState(StrEnum):
    OFF = "off"  # no store configured
    OK = "ok"
    RETRYING = "retrying"
    BLOCKED = "blocked"  # only the user can mend it: credentials, bucket, clock
    FULL = "full"  # the store has no room left
    HELD = "held"  # nothing is wrong, but nothing may go now


@dataclass(slots=True)
class SpoolStatus:
    """What waits for the store. Owned by the uploader."""

    state: StoreState = StoreState.OFF
    reason: str | None = None
    since: float | None = None
    """When it began to stand like that, unix seconds."""
    next_try: float | None = None
    """When a store that failed is tried again, unix seconds."""
    files: int = 0
    bytes: int = 0
    oldest: float | None = None
    """Start of the oldest waiting thing, unix seconds."""
    last_stored: float | None = None
    delay: float | None = None
    """Seconds from the end of what was stored last to its receipt."""
    stored: int = 0
    bytes_stored: int = 0
    lost: int = 0
    """Things that a store still wanted and that had to go."""
    failures: int = 0
    """Attempts that did not bring anything to the store, since start."""
    conflicts: int = 0
    """Keys that held somebody else's finished object."""
    torn: int = 0
    """Torn uploads of ours that were replaced."""
    bad: int = 0
    """Things in spool/bad, now."""
    failing: float | None = None
    """Since when the store does not work, unix seconds; None while it does."""
    rate: Callable[[], float] = lambda: 0.0
    """Bytes per second that left the box over the last minute."""
    delays: dict[MediaKind, Histogram] = field(default_factory=dict)
    """Every `delay` since start."""


@dataclass(slots=True)
class DiskStatus:
    """The storage, in bytes; None while it is not known or not there. Owned by the keeper; counts are since start."""

    total: int | None = None
    free: int | None = None
    """What may still be used of the file system."""
    media: int | None = None
    """Of all finished media, once they are counted."""
    removed: int = 0
    """Things that were deleted: too old, or to make room."""
    lost: int = 0
    """Of those, what a store still wanted."""


@dataclass(frozen=True, slots=True)
class BoardStatus:
    """What the box tells of itself; None: it cannot. Replaced as a whole by the board."""

    model: str | None = None
    """What its maker calls it."""
    senses: frozenset[str] = frozenset()
    """Of `temperature wifi_signal under_voltage throttled`: what this box has, whether or not it can be read now."""
    temperature: float | None = None
    """Of the processor, in degrees Celsius."""
    load: float | None = None
    """Threads that want to run, on average of the last minute."""
    load_percent: int | None = None
    """The same, of what all cores can do."""
    memory_percent: int | None = None
    """Used."""
    memory_available: int | None = None
    """Bytes."""
    rss: int | None = None
    """Bytes of this process."""
    cma_free: int | None = None
    """Bytes left of the memory that camera buffers come from (CMA)."""
    interface: str | None = None
    """The Wi-Fi that is up."""
    signal: int | None = None
    """How well it hears, in dBm."""
    under_voltage: bool | None = None
    """The supply is too weak, now or a moment ago."""
    throttled: bool | None = None
    """The processor is slowed down now."""
    under_voltage_seen: bool | None = None
    """At any time since the box started."""
    throttled_seen: bool | None = None
    installed: str | None = None
    """Version of the package on the disk."""

    def problems(self) -> list[str]:
        """What a person should do something about. A weak supply slows the processor down by itself."""
        if self.under_voltage:
            return [
                "the power supply is too weak: the voltage drops; a better supply or a shorter, thicker cable helps"
            ]
        if self.throttled:
            heat = "" if self.temperature is None else f" at {self.temperature:.0f} °C"
            return [f"the processor is slowed down{heat}: it is too hot; a heat sink or a fan helps"]
        return []


@dataclass(slots=True)
class MqttStatus:
    """Owned by the MQTT client, but for what [rival] owns."""

    configured: bool = False
    connected: bool = False
    trouble: str | None = None
    rival: str | None = None  # [rival] another live edgecam under our name, in words
    twin: str | None = None  # [rival] another client with our client id, in words
    refused: str | None = None
    """What the broker does not let us do, in words."""
    protocol: str | None = None

    @property
    def problems(self) -> tuple[str | None, ...]:
        """What a person should look at, where it is not None."""
        return self.trouble, self.twin, self.rival, self.refused


@dataclass(slots=True)
class Health:
    """The status boards of all rooms and what follows from them."""

    node: str
    instance: str
    """Six hex digits of this installation."""
    clock: Clock
    cameras: dict[str, CameraStatus]
    spool: SpoolStatus = field(default_factory=SpoolStatus)
    disk: DiskStatus = field(default_factory=DiskStatus)
    board: BoardStatus = BoardStatus()
    mqtt: MqttStatus = field(default_factory=MqttStatus)
    http: str | None = None
    """The address that is really bound, as a URL."""
    almanac: Almanac | None = None
    """Who judges the clock; None: nobody does."""
    storage_trouble: Callable[[], str | None] = lambda: None
    """What is wrong with the disk, in words; the library's owner sets it."""
    store_warning: Callable[[], str | None] = lambda: None
    """What will be wrong with the store soon, in words."""
    started: float = 0.0
    vitals: Sequence[Vitals] = ()
    """Of all components but the captures, which tell of themselves."""
    stuck: Callable[[], list[str]] = list
    """Names of the loops that made no progress lately; the watchdog's owner sets it."""

    def __post_init__(self) -> None:
        self.started = self.clock.wall()

    def problems(self) -> list[str]:
        """Everything that a person should look at, worst first; empty when all is well."""
        storage = self.storage_trouble()
        found = [storage] if storage else []
        found += self.board.problems()
        if self.almanac and self.almanac.doubt:
            held = self.almanac.hold if self.spool.state is not StoreState.OFF else None
            found.append(held or self.almanac.doubt)
        found += [f"{id}: {camera.problem}" for id, camera in self.cameras.items() if camera.problem]
        if self.spool.state in (StoreState.BLOCKED, StoreState.FULL):
            found.append(f"store: {self.spool.reason}")
        elif soon := self.store_warning():
            found.append(f"store: {soon}")
        if self._long_away():
            safe = f"; {self.spool.files} wait, nothing is lost" if self.spool.files else ""
            found.append(f"store: {self.spool.reason}{safe}")
        if self.spool.bad:
            things = "1 damaged thing lies" if self.spool.bad == 1 else f"{self.spool.bad} damaged things lie"
            found.append(f"store: {things} in spool/bad; `edgecam spool list` says why")
        now = self.clock.monotonic()
        found += [f"{vitals.name}: {why}" for vitals in self.vitals if (why := vitals.trouble(now))]
        found += [f"mqtt: {why}" for why in self.mqtt.problems if why]
        return found

    def _long_away(self) -> bool:
        """Something waits too long for a store that is tried again, or the store itself is away that long."""
        moments = [moment for moment in (self.spool.oldest, self.spool.failing) if moment is not None]
        return self.spool.state is StoreState.RETRYING and self.clock.wall() - min(moments, default=inf) > LONG_AWAY

    def snapshot(self) -> dict[str, object]:
        """The whole as plain JSON data; times as ISO 8601."""
        return {
            "version": __version__,
            "node": self.node,
            "instance": self.instance,
            "started": iso(self.started),
            "http": self.http,
            **board_json(self.board),
            "clock": self._clock(),
            "disk": disk_json(self.disk),
            "spool": spool_json(self.spool),
            "mqtt": asdict(self.mqtt),
            "cameras": {id: camera_json(camera) for id, camera in self.cameras.items()},
            "problems": self.problems(),
        }

    def _clock(self) -> dict[str, object]:
        """`kernel`: whether something keeps it right, as the kernel knows; in a container nobody tells it."""
        doubt = self.almanac.doubt if self.almanac else None
        kernel = self.almanac.kernel if self.almanac else None
        return {"state": "unsynced" if doubt else "synced", "reason": doubt, "kernel": kernel}


def board_json(board: BoardStatus) -> dict[str, object]:
    """The box as plain JSON data; bytes, degrees Celsius, dBm."""
    return {
        "installed": board.installed or __version__,
        "model": board.model,
        "load": board.load,
        "load_percent": board.load_percent,
        "memory": {
            "rss": board.rss,
            "cma_free": board.cma_free,
            "available": board.memory_available,
            "used_percent": board.memory_percent,
        },
        "temperature": board.temperature,
        "wifi": {"interface": board.interface, "signal": board.signal},
        "under_voltage": board.under_voltage,
        "throttled": board.throttled,
        "since_boot": {"under_voltage": board.under_voltage_seen, "throttled": board.throttled_seen},
    }


def disk_json(disk: DiskStatus) -> dict[str, object]:
    used = None
    if disk.total and disk.free is not None:
        used = round(100 * (1 - disk.free / disk.total))
    return {**asdict(disk), "used_percent": used}


def camera_json(status: CameraStatus) -> dict[str, object]:
    """One camera as plain JSON data."""
    found = _plain(status, "last_motion", "last_clip", "last_stored", "blind_until")
    del found["last_motion_mono"], found["held_mono"], found["writing"]
    return found | {
        "zones": sorted(status.zones),
        "recording": status.recording,
        "problem": status.problem,
        "fps": round(status.fps, 1),
        "buffer_seconds": round(status.buffer_seconds),
        "blind_seconds": round(status.blind_seconds, 1),
    }


def spool_json(status: SpoolStatus) -> dict[str, object]:
    """How the offload stands as plain JSON data; bytes, seconds, bytes per second."""
    found = _plain(replace(status, rate=float, delays={}), "since", "next_try", "oldest", "last_stored", "failing")
    del found["delays"]
    delay = None if status.delay is None else round(status.delay, 1)
    return found | {"rate": round(status.rate()), "delay": delay}


def _plain(status: CameraStatus | SpoolStatus, *times: str) -> dict[str, object]:
    found = asdict(status)
    for name in times:
        found[name] = None if found[name] is None else iso(found[name])
    return found
