"""Live settings: what can be changed over MQTT or HTTP without touching the file, and survives a restart.

A change wins until the file's own value for that key changes (contract, section 5).
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Protocol

from edgecam import aside, durable
from edgecam.clock import Clock
from edgecam.config.model import Camera
from edgecam.events import Bus, SettingChanged
from edgecam.knobs import Choice, Knob, Number, Switch, Value

log = logging.getLogger(__name__)

_Kept = Mapping[str, Mapping[str, object]]
"""Camera -> key -> [the changed value, the file's against which it was changed]."""

AGAIN = 30.0
"""Seconds until a disk that refused a change is asked again."""

PATIENCE = 1.0
"""Seconds that the disk gets for the last change when the daemon stops."""


SETTINGS: Mapping[str, Knob] = {
    "motion_detection": Switch(),
    "recording": Switch(),
    "streaming": Switch(),
    "offload": Switch(),
    "privacy": Switch(),
    "sensitivity": Number(1, 100, "%"),
    "min_area": Number(0, 100, "%", step=0.1),
    "cooldown": Number(1, 3600, "s"),
    "snapshot_interval": Number(0, 86400, "s"),
    "record_mode": Choice(("event", "continuous", "both")),
}
"""What can be changed of each camera. The file's own values may lie beyond the limits of a number."""


PLACES: Mapping[str, tuple[str, ...]] = {
    "motion_detection": ("motion", "enabled"),
    "recording": ("record", "enabled"),
    "streaming": ("stream", "enabled"),
    "offload": ("offload",),
    "privacy": ("privacy",),
    "sensitivity": ("motion", "sensitivity"),
    "min_area": ("motion", "min_area"),
    "cooldown": ("motion", "cooldown"),
    "snapshot_interval": ("snapshot", "every"),
    "record_mode": ("record", "mode"),
}
"""Where the file's own value of each stands, below the camera."""


def _of_file(camera: Camera) -> dict[str, Value]:
    return {key: _value(reduce(getattr, place, camera)) for key, place in PLACES.items()}


def _value(found: object) -> Value:
    """No interval is 0, some kinds of media are a switch that is on."""
    match found:
        case bool() | str():
            return found
        case int() | float():
            return int(found) if found == int(found) else found
        case _:
            return 0 if found is None else bool(found)


def _pair(entry: object) -> tuple[object, object]:
    """What was changed to, and against what; raises ValueError."""
    if not isinstance(entry, list) or len(entry) != 2:
        raise ValueError("must be a pair")
    return entry[0], entry[1]


def _said(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:g}"


class Switches(Protocol):
    """The part of Settings that a camera obeys."""

    def on(self, camera: str, key: str) -> bool:
        """Whether this switch is on."""
        ...


class Settings:
    """The effective settings of all cameras. Loop thread only.

    A change is announced at once and written beside the loop, moments later, and again while the disk refuses it;
    `close` waits for that.
    """

    def __init__(self, cameras: Mapping[str, Camera], path: Path, bus: Bus, clock: Clock) -> None:
        self._path, self._bus, self._clock = path, bus, clock
        self._file = {name: _of_file(camera) for name, camera in cameras.items()}
        self._changed: dict[str, dict[str, Value]] = {}
        self._strange: dict[str, dict[str, object]] = {}
        """Of the state file, what is not understood here: camera -> key -> as it stands."""
        self._outdated = False
        self._unwritten = False
        self._writing: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why changes do not survive a restart, in words."""
        self._load()

    def _load(self) -> None:
        """Keep the changes whose file value is still the one they were made against."""
        try:
            kept = json.loads(self._path.read_bytes())
            for camera, changes in kept.items():
                for key, entry in changes.items():
                    self._recall(camera, key, entry)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            log.error("settings: %s is unreadable (%s); privacy is on, else the file's values apply", self._path, error)
            self._changed = {camera: {"privacy": True} for camera in self._file}  # perhaps it was on

    def _recall(self, camera: str, key: str, entry: object) -> None:
        """A change of an earlier life. One that was made for a camera that is away, or by a version that knows more
        than this one, costs no other and waits for whoever understands it.
        """
        if camera not in self._file or key not in SETTINGS:
            self._strange.setdefault(camera, {})[key] = entry
            return
        try:
            value, against = _pair(entry)
            if against == self._file[camera][key]:
                self._changed.setdefault(camera, {})[key] = SETTINGS[key].parse(value)
            else:
                self._outdated = True
        except ValueError as error:
            log.warning("settings: %s: the kept %s is ignored: it %s", camera, key, error)
            self._strange.setdefault(camera, {})[key] = entry
            if key == "privacy":
                self._changed.setdefault(camera, {})[key] = True  # perhaps it was on

    def tidy(self) -> None:
        """Forget for good what the file's new values have put an end to: they may become the old ones again."""
        if self._outdated:
            self._outdated = False
            self._save()

    def get(self, camera: str, key: str) -> Value:
        """The value in force."""
        return self._changed.get(camera, {}).get(key, self._file[camera][key])

    def file(self, camera: str, key: str) -> Value:
        """The configuration's value."""
        return self._file[camera][key]

    def is_changed(self, camera: str, key: str) -> bool:
        """Whether another value than the file's is in force."""
        return key in self._changed.get(camera, {})

    def marks(self) -> dict[tuple[str | int, ...], str]:
        """Where in the configuration another value is in force, and which, in words."""
        return {
            ("cameras", camera, *PLACES[key]): f"now {_said(value)} (setting {key})"
            for camera, changes in self._changed.items()
            for key, value in changes.items()
        }

    def on(self, camera: str, key: str) -> bool:
        return self.get(camera, key) is True

    def number(self, camera: str, key: str) -> float:
        return float(self.get(camera, key))

    def word(self, camera: str, key: str) -> str:
        return str(self.get(camera, key))

    def set(self, camera: str, key: str, value: object) -> None:
        """Change one setting (None: back to the file's value), tell the bus, keep it over a restart.

        Raises KeyError for an unknown camera or key, ValueError with a sentence for a bad value.
        """
        file = self._file[camera][key]
        now, was = file if value is None else SETTINGS[key].parse(value), self.get(camera, key)
        changes = self._changed.setdefault(camera, {})
        strange = self._strange.get(camera, {}).pop(key, None)
        before = changes.pop(key, None)
        if now != file:
            changes[key] = now
        if changes.get(key) != before or strange is not None:
            self._save()
        back = before is not None and key not in changes
        if now != was:
            log.info("%s: %s is now %s%s", camera, key, _said(now), " again, as in the file" if back else "")
        self._bus.publish(SettingChanged(camera=camera, at=self._clock.wall(), key=key, value=now))

    def _save(self) -> None:
        self._unwritten = True
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="settings")

    def _kept(self) -> _Kept:
        kept = {camera: dict(entries) for camera, entries in self._strange.items()}
        for camera, changes in self._changed.items():
            for key, value in changes.items():
                kept.setdefault(camera, {})[key] = (value, self._file[camera][key])
        return kept

    async def _write(self) -> None:
        """One at a time, and only the newest of what came meanwhile, until the disk has it."""
        while self._unwritten:
            self._unwritten = False
            try:
                await aside.run(durable.write_json, self._path, self._kept())
            except OSError as error:
                self._refused(error)
                await self._clock.sleep(AGAIN)
            else:
                if self.trouble:
                    log.info("settings: the changes are kept over a restart again")
                self.trouble = None

    def _refused(self, error: OSError) -> None:
        self._unwritten = True
        trouble = f"settings: the change is not kept over a restart ({error.strerror})"
        if trouble != self.trouble:
            log.error("%s; trying again every %.0f s", trouble, AGAIN)
        self.trouble = trouble

    async def close(self) -> None:
        """Wait for the disk to have the last change; one that does not answer costs that change, not the exit."""
        if self._writing is None:
            return
        try:
            await aside.within(self._clock, PATIENCE, self._writing)
        except TimeoutError:
            log.error("settings: the disk does not take the last change; it is lost with this process")
