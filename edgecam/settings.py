"""Live settings: what can be changed over MQTT or HTTP without touching the file, and survives a restart.

A change wins until the file's own value for that key changes (contract, section 5).
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgecam import aside, durable
from edgecam.clock import Clock
from edgecam.config.model import Camera
from edgecam.events import Bus, SettingChanged

log = logging.getLogger(__name__)

Value = bool | int | float | str
_Kept = Mapping[str, Mapping[str, tuple[Value, Value]]]
"""Camera -> key -> the changed value, and the file's against which it was changed."""

AGAIN = 30.0
"""Seconds until a disk that refused a change is asked again."""

PATIENCE = 1.0
"""Seconds that the disk gets for the last change when the daemon stops."""


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    def parse(self, value: Value) -> bool:
        """Takes True, False, `ON`, `OFF` in any case; raises ValueError."""
        if isinstance(value, bool):
            return value
        text = str(value).strip().upper()
        if text not in ("ON", "OFF"):
            raise ValueError("must be ON or OFF")
        return text == "ON"


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number within limits."""

    low: int
    high: int

    def parse(self, value: Value) -> int:
        """Takes a number or its text; raises ValueError."""
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if isinstance(value, bool) or not (self.low <= number <= self.high and number == int(number)):
            raise ValueError(f"must be a whole number from {self.low} to {self.high}")
        return int(number)


SETTINGS: Mapping[str, Switch | Number] = {
    "motion_detection": Switch(),
    "recording": Switch(),
    "offload": Switch(),
    "privacy": Switch(),
    "sensitivity": Number(1, 100),
}


def _of_file(camera: Camera) -> dict[str, Value]:
    return {
        "motion_detection": camera.motion.enabled,
        "recording": camera.record.enabled,
        "offload": bool(camera.offload),
        "privacy": camera.privacy,
        "sensitivity": camera.motion.sensitivity,
    }


def _said(value: Value) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


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
                for key, (value, against) in changes.items():
                    if key in SETTINGS and self._file.get(camera, {}).get(key) == against:
                        self._changed.setdefault(camera, {})[key] = SETTINGS[key].parse(value)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.error("settings: %s is unreadable (%s); privacy is on, else the file's values apply", self._path, error)
            self._changed = {camera: {"privacy": True} for camera in self._file}  # perhaps it was on

    def get(self, camera: str, key: str) -> Value:
        """The value in force."""
        return self._changed.get(camera, {}).get(key, self._file[camera][key])

    def file(self, camera: str, key: str) -> Value:
        """The configuration's value."""
        return self._file[camera][key]

    def is_changed(self, camera: str, key: str) -> bool:
        """Whether another value than the file's is in force."""
        return key in self._changed.get(camera, {})

    def on(self, camera: str, key: str) -> bool:
        return self.get(camera, key) is True

    def number(self, camera: str, key: str) -> int:
        return int(self.get(camera, key))

    def set(self, camera: str, key: str, value: Value | None) -> None:
        """Change one setting (None: back to the file's value), tell the bus, keep it over a restart.

        Raises KeyError for an unknown camera or key, ValueError with a sentence for a bad value.
        """
        changes = self._changed.setdefault(camera, {})
        before = self.get(camera, key)
        if value is None:
            changes.pop(key, None)
        else:
            changes[key] = SETTINGS[key].parse(value)
        if self.get(camera, key) != before or value is None:
            self._save()
        now = self.get(camera, key)
        log.info("%s: %s is now %s%s", camera, key, _said(now), "" if key in changes else " again, as in the file")
        self._bus.publish(SettingChanged(camera=camera, at=self._clock.wall(), key=key, value=now))

    def _save(self) -> None:
        self._unwritten = True
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="settings")

    def _kept(self) -> _Kept:
        return {
            camera: {key: (value, self._file[camera][key]) for key, value in changes.items()}
            for camera, changes in self._changed.items()
            if changes
        }

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
