"""Rules over several keys, for a configuration whose every key is right by itself. Pure.

A finding is the path that a person should look at, and a sentence without any value that may be secret.
"""

import re
from collections.abc import Iterator

from edgecam.config import timetable
from edgecam.config.camera import DAY
from edgecam.config.model import (
    AzureStore,
    Camera,
    Config,
    FileSource,
    MjpegSource,
    Motion,
    Mqtt,
    RtspSource,
    S3Store,
    StillSource,
    SyntheticSource,
    Timelapse,
    Url,
    V4l2Source,
)
from edgecam.config.places import Path
from edgecam.config.units import Address, is_loopback

Finding = tuple[Path, str]


def conflicts(config: Config) -> Iterator[Finding]:
    """What cannot work together."""
    yield from _http(config)
    yield from _storage(config)
    if config.mqtt:
        yield from _mqtt(config.mqtt)
    if config.offload:
        store = config.offload.store
        for span, other in timetable.overlaps(config.offload.bandwidth or {}):
            yield ("offload", "bandwidth", span), f"overlaps {other}; only one rate can hold at a time"
        if isinstance(store, S3Store):
            yield from _s3(store)
        elif isinstance(store, AzureStore):
            yield from _azure(store)
    for name, camera in config.cameras.items():
        for path, message in _camera(camera):
            yield ("cameras", name, *path), message
    yield from _published(config)


def _http(config: Config) -> Iterator[Finding]:
    http = config.http
    if http.auth == "auto" and not (http.users or http.tokens) and (open_to := _beyond_loopback(http.listen)):
        yield (("http", "listen"), f"{open_to} is open to others: set http.users or http.tokens, or write auth: none")
    for name, token in http.tokens.items():
        for index, camera in enumerate(token.cameras or ()):
            if camera not in config.cameras:
                yield (("http", "tokens", name, "cameras", index), "there is no such camera")
    for index, entry in enumerate(http.public):
        camera, _, what = entry.rpartition("/")
        if entry != "metrics" and not (what in ("snapshot", "stream") and camera in config.cameras):
            yield (("http", "public", index), "must be metrics, or a camera's id with /snapshot or /stream")


def _storage(config: Config) -> Iterator[Finding]:
    if not config.storage.require_mount:
        return
    here, path, state = ("storage", "require_mount"), config.storage.path, config.state
    if state is None:
        yield here, "needs state: a folder on the local disk, for what must be kept while the mount is absent"
    elif path is not None and state.is_relative_to(path):
        yield ("state",), "must not lie below storage.path, which may be absent (storage.require_mount)"


def _beyond_loopback(listen: tuple[Address, ...]) -> str:
    return ", ".join(str(address) for address in listen if not is_loopback(address.host))


def _mqtt(mqtt: Mqtt) -> Iterator[Finding]:
    if mqtt.tls and bool(mqtt.tls.cert) != bool(mqtt.tls.key):
        yield ("mqtt", "tls"), "cert and key belong together"
    if mqtt.tls and mqtt.tls.key_password and not mqtt.tls.key:
        yield ("mqtt", "tls", "key_password"), "there is no key that it opens"


def _s3(store: S3Store) -> Iterator[Finding]:
    here: Path = ("offload", "store")
    if (store.access_key is None) != (store.secret_key is None):
        yield here, "access_key and secret_key belong together"
    if store.session_token and not store.access_key:
        yield (*here, "session_token"), "needs access_key and secret_key"


def _azure(store: AzureStore) -> Iterator[Finding]:
    here: Path = ("offload", "store")
    alone = [name for name in ("account", "account_key", "sas_token", "endpoint") if getattr(store, name) is not None]
    if store.connection_string:
        if alone:
            yield ((*here, "connection_string"), f"says everything already; leave out {', '.join(alone)}")
        return
    if not (store.account or store.endpoint):
        yield here, "needs connection_string, account or endpoint"
    if store.account_key and store.sas_token:
        yield (*here, "sas_token"), "account_key and sas_token exclude each other"
    if store.account_key and not store.account:
        yield (*here, "account_key"), "needs account"


def _camera(camera: Camera) -> Iterator[Finding]:
    source = camera.source
    if camera.record.event.pre > camera.record.buffer.time:
        yield ("record", "buffer", "time"), "must be as long as record.event.pre at least: the pre-roll lies there"
    if isinstance(source, StillSource) and source.every >= source.stall_timeout:
        yield ("source", "stall_timeout"), "must be longer than every"
    for key, message in _duty(camera):
        yield ("motion", "duty", key), message
    dusk = camera.image.day_night
    if dusk and dusk.colour_above <= dusk.grey_below:
        yield ("image", "day_night", "colour_above"), "must be above grey_below, or day and night would alternate"
    if isinstance(source, SyntheticSource) and source.schedule.move > source.schedule.every:
        yield ("source", "schedule", "move"), "must be shorter than every"
    if isinstance(source, RtspSource):
        for here in _changes_pixels(camera):
            yield here, "cannot be done: the video passes undecoded; set this in the camera's own settings"


def _duty(camera: Camera) -> Iterator[tuple[str, str]]:
    duty, idle_after = camera.motion.duty, camera.source.idle_after
    if duty and duty.looks <= camera.motion.min_frames:
        yield (
            "looks",
            f"must be more than motion.min_frames ({camera.motion.min_frames}), or no motion could be confirmed",
        )
    if duty and idle_after is not None and duty.pause >= idle_after:
        yield "pause", "must be shorter than source.idle_after, or the camera could close in each pause"


def _changes_pixels(camera: Camera) -> Iterator[Path]:
    """What needs every picture decoded, changed and coded again."""
    for key in ("rotate", "hflip", "vflip"):
        if getattr(camera.source, key):
            yield "source", key
    for key in ("grey", "day_night"):
        if getattr(camera.image, key):
            yield "image", key


def _published(config: Config) -> Iterator[Finding]:
    taken: dict[Url, str] = {}
    for name, camera in config.cameras.items():
        url = camera.publish and camera.publish.rtsp
        if not url:
            continue
        here: Path = ("cameras", name, "publish", "rtsp")
        if isinstance(camera.source, MjpegSource | StillSource | SyntheticSource):
            yield here, f"type {camera.source.type} gives JPEG pictures; H.264 or H.265 is needed, nothing is encoded"
        if url in taken:
            yield here, f"{taken[url]} is published there already"
        taken.setdefault(url, name)


def doubts(config: Config) -> Iterator[Finding]:
    """What works, and is seldom what a person wants."""
    if not config.cameras:
        yield (), "no cameras: there is nothing to watch"
    mqtt = config.mqtt
    if mqtt and mqtt.password and not mqtt.tls and not is_loopback(mqtt.host):
        yield (("mqtt", "password"), "travels unencrypted; consider mqtt.tls when others share this network")
    if mqtt and mqtt.tls and not mqtt.tls.verify:
        yield (("mqtt", "tls", "verify"), "the broker is not checked: anybody on the way can read the password")
    if config.offload and config.offload.encrypt and "link_expiry" in config.offload.model_fields_set:
        yield (("offload", "link_expiry"), "has no effect: what is sealed (offload.encrypt) has no links")
    http = config.http
    if http.auth == "none" and (http.users or http.tokens):
        yield (("http", "auth"), "none has no effect: users or tokens exist, so everybody must log in")
    for name, camera in config.cameras.items():
        here: Path = ("cameras", name)
        if config.offload is None and isinstance(camera.offload, tuple):
            yield (*here, "offload"), "has no effect without an offload section"
        if isinstance(camera.source, FileSource | MjpegSource | RtspSource | StillSource):
            for key in sorted(camera.source.model_fields_set & {"size", "fps"}):
                yield ((*here, "source", key), f"has no effect: type {camera.source.type} gives what it has")
        if isinstance(camera.source, MjpegSource | StillSource) and camera.source.ca and not camera.source.verify:
            yield ((*here, "source", "ca"), "has no effect: verify is false, so any certificate will do")
        if camera.record.timelapse:
            for key, message in _lapse(config, name, camera.record.timelapse):
                yield (*here, "record", "timelapse", key), message
        for path, message in _zones(camera.motion):
            yield (*here, "motion", "zones", *path), message
        if isinstance(camera.source, V4l2Source):
            for key, message in _usb(camera.source):
                yield (*here, "source", key), message


def _lapse(config: Config, name: str, lapse: Timelapse) -> Iterator[tuple[str, str]]:
    if lapse.daily and lapse.keep < DAY + 3600 * lapse.daily.hour + 60 * lapse.daily.minute:
        yield "keep", "is so short that a day's first stills are gone before its film is made"
    if lapse.prefix and "timelapse" not in config.offload_kinds(name):
        yield "prefix", "has no effect: timelapse is none of the kinds that go to the store (offload.kinds)"


def _zones(motion: Motion) -> Iterator[Finding]:
    for name, zone in motion.zones.items():
        if motion.method == "difference":
            if zone.min_area is not None:
                yield (name, "min_area"), "has no effect: method difference has one measure for each zone"
            continue
        least = motion.min_area if zone.min_area is None else zone.min_area
        width, height = (max(along) - min(along) for along in zip(*zone.polygon, strict=True))
        if least > 100 * width * height:
            key = "polygon" if zone.min_area is None else "min_area"
            yield (name, key), f"the zone can never be touched: it is smaller than min_area ({least:g}% of the picture)"


def _usb(source: V4l2Source) -> Iterator[tuple[str, str]]:
    if re.fullmatch(r"/dev/video\d+", str(source.device)):
        yield "device", "may be another camera after a restart; `edgecam cameras` shows the name that lasts"
    if "buffers" in source.model_fields_set:
        yield "buffers", "has no effect: type v4l2 has as many as the driver gives"
