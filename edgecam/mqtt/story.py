"""Story: what happens to the cameras, told as it happens: motion, clips, pictures."""

import math
from collections.abc import Callable, Mapping

from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import (
    Bus,
    ClipLost,
    ClipSaved,
    ClipStored,
    ConfigRefused,
    ConfigReloaded,
    KeyTaken,
    Motion,
    MotionEnded,
    MotionExplained,
    MotionPicture,
    SettingChanged,
    SnapshotTaken,
    ZoneMoved,
)
from edgecam.knobs import Value
from edgecam.links import Links
from edgecam.media import Sidecar
from edgecam.mqtt import payloads
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire.outlet import Outlet, compact
from edgecam.settings import SETTINGS, Settings

BETTER = 5.0
"""Seconds between two better pictures of one event."""
DAY = 86400.0


class Story:
    """Loop thread only. `listen` begins, what it returns ends it."""

    def __init__(
        self,
        mqtt: Outlet,
        topics: Topics,
        cameras: Mapping[str, model.Camera],
        settings: Settings,
        url: str,
        links: Links,
        clock: Clock,
    ) -> None:
        self._mqtt, self._topics, self._cameras, self._url, self._clock = mqtt, topics, cameras, url, clock
        self._settings, self._links = settings, links
        self._told: dict[str, payloads.Json] = {}
        """Camera -> the attributes of its motion."""
        self._pictured: dict[str, tuple[str, float, float]] = {}
        """Camera -> its last motion picture: of which event, when (unix) it was taken and (monotonic) sent."""

    def listen(self, bus: Bus) -> Callable[[], None]:
        ends = [
            bus.on(Motion, self._motion),
            bus.on(MotionExplained, self._explained),
            bus.on(ZoneMoved, lambda event: self.zone(event.camera, event.zone, event.moving)),
            bus.on(MotionPicture, self._motion_picture),
            bus.on(SnapshotTaken, self._snapshot_taken),
            bus.on(ClipSaved, self._saved),
            bus.on(ClipStored, self._stored),
            bus.on(ClipLost, self._lost),
            bus.on(KeyTaken, self._key_taken),
            bus.on(ConfigReloaded, self._reloaded),
            bus.on(ConfigRefused, self._refused),
            bus.on(SettingChanged, lambda event: self.setting(event.camera, event.key, event.value)),
        ]

        def silence() -> None:
            for end in ends:
                end()

        return silence

    def setting(self, camera: str, key: str, value: Value) -> None:
        self._mqtt.set(self._topics.camera(camera).setting(key), payloads.setting(SETTINGS[key], value))

    def zone(self, camera: str, zone: str, moving: bool) -> None:
        self._mqtt.set(self._topics.camera(camera).zone(zone), payloads.on_off(moving))

    def snapshot(self, camera: str, jpeg: bytes, at: float, size: tuple[int, int]) -> None:
        """The camera's still. A broker that speaks MQTT 5 forgets it a day after we fell silent, and later where the
        next one is not due that soon.
        """
        if self._settings.on(camera, "privacy"):
            return
        topics, every = self._topics.camera(camera), self._settings.number(camera, "snapshot_interval")
        expiry = max(DAY, 10 * every) if every else None
        self._mqtt.picture(topics.snapshot, jpeg, width=self._cameras[camera].snapshot.width, expiry=expiry)
        attributes = payloads.snapshot_attributes(camera, at, size, self._url)
        self._mqtt.set(topics.attributes(topics.snapshot), compact(attributes))

    def hide(self, camera: str, card: bytes) -> None:
        """Privacy: `card` takes the place of every picture at the broker."""
        if self._settings.on(camera, "privacy"):
            for topic in (self._topics.camera(camera).snapshot, self._topics.camera(camera).motion_snapshot):
                self._mqtt.picture(topic, card)

    def _event(self, camera: str, said: payloads.Json, **urls: str | None) -> None:
        """`urls` are told where there are any."""
        told = said | {name: url for name, url in urls.items() if url is not None}
        self._mqtt.send(self._topics.camera(camera).event, compact(told))

    def _attributes(self, camera: str, said: payloads.Json) -> None:
        topics, self._told[camera] = self._topics.camera(camera), said
        self._mqtt.set(topics.attributes(topics.motion), compact(said))

    def _explained(self, event: MotionExplained) -> None:
        """What is told of the event, or of the one before, stays as it is; before the first since the start the broker
        keeps what it has. Only another reason is news: each message is a row in Home Assistant's recorder.
        """
        known, why = self._told.get(event.camera), payloads.suppressed(event.suppressed)
        if known is not None and known.get("suppressed") != why["suppressed"]:
            self._attributes(event.camera, known | why)

    def _motion(self, event: Motion) -> None:
        topics = self._topics.camera(event.camera)
        self._attributes(event.camera, payloads.motion_attributes(event))
        self._mqtt.set(topics.motion, payloads.on_off(not isinstance(event, MotionEnded)))
        still = self._links.event(event.camera, event.event_id)
        self._event(event.camera, payloads.motion(event), snapshot_url=still)

    def _motion_picture(self, event: MotionPicture) -> None:
        """The first one at once, better ones now and then, the best at the end, unless it was shown already: for Home
        Assistant each message is another picture.
        """
        if self._settings.on(event.camera, "privacy"):
            return
        now = self._clock.monotonic()
        known, taken, sent = self._pictured.get(event.camera, ("", 0.0, -math.inf))
        if known == event.event_id and (taken == event.at or (not event.final and now - sent < BETTER)):
            return
        self._pictured[event.camera] = (event.event_id, event.at, now)
        topics, keep = self._topics.camera(event.camera), self._cameras[event.camera].record.event.keep
        self._mqtt.picture(topics.motion_snapshot, event.jpeg, expiry=keep if DAY <= keep < math.inf else None)
        self._mqtt.set(topics.attributes(topics.motion_snapshot), compact(payloads.picture_attributes(event)))

    def _snapshot_taken(self, event: SnapshotTaken) -> None:
        self.snapshot(event.camera, event.jpeg, event.at, (event.width, event.height))
        still = self._links.media(event.media.media) if event.media else None
        self._event(event.camera, payloads.snapshot_taken(event), snapshot_url=still)

    def _saved(self, event: ClipSaved) -> None:
        self._clip(event.media, payloads.clip("clip_saved", event.media))

    def _stored(self, event: ClipStored) -> None:
        self._clip(event.media, payloads.clip("clip_stored", event.media, event.link, event.link_expires))

    def _clip(self, media: Sidecar, said: payloads.Json) -> None:
        if media.is_news:
            clip, still = self._links.media(media.media), None
            if media.picture:
                still = self._links.media(media.media.picture)
            elif media.event_id:  # an earlier part has it
                still = self._links.event(media.camera, media.event_id)
            self._event(media.camera, said, snapshot_url=still, clip_url=clip)

    def _lost(self, event: ClipLost) -> None:
        self._mqtt.send(self._topics.event, compact(payloads.offload_dropped(event)))

    def _key_taken(self, event: KeyTaken) -> None:
        self._mqtt.send(self._topics.event, compact(payloads.offload_conflict(event)))

    def _reloaded(self, event: ConfigReloaded) -> None:
        """Who asked the daemon of before waits for this one's word, and it is not connected yet."""
        self._mqtt.send(self._topics.event, compact(payloads.config_reloaded(event)), surely=True)

    def _refused(self, event: ConfigRefused) -> None:
        self._mqtt.send(self._topics.event, compact(payloads.config_error(event)))
