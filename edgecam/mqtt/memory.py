"""What outlives the process: the retained topics we own at the broker, and the version of MQTT it speaks.

Two small files in the state folder. Reading and writing block on the disk.
"""

import json
import logging
from collections.abc import Collection
from pathlib import Path
from threading import Lock
from typing import Literal

from edgecam import durable

log = logging.getLogger(__name__)

Version = Literal["5", "3.1.1"]


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.error("mqtt: %s is unreadable (%s); beginning anew", path, error)
        return None


def _write(path: Path, content: object, loss: str) -> bool:
    """False when the disk refuses."""
    try:
        durable.write_json(path, content)
    except OSError as error:
        log.error("mqtt: cannot write %s (%s); %s", path, error, loss)
        return False
    return True


class Owned:
    """Every retained topic that may be at the broker because of us; written before the first of them is published."""

    def __init__(self, state: Path) -> None:
        self._path = state / "owned.json"
        self._lock = Lock()
        kept = _read(self._path)
        self._kept = {str(topic) for topic in kept} if isinstance(kept, list) else set[str]()

    def orphans(self, wanted: Collection[str]) -> list[str]:
        """What we once published and no longer want."""
        return sorted(self._kept - set(wanted))

    def save(self, topics: Collection[str]) -> None:
        """Make `topics` the list; the disk is touched only when it changed. Any thread."""
        with self._lock:
            if self._kept == set(topics):
                return
            if _write(self._path, sorted(topics), "topics of a removed camera would stay at the broker"):
                self._kept = set(topics)


class Versions:
    """Which version of MQTT to try: the configured one, or with `auto` first what worked at this broker before."""

    def __init__(self, configured: Literal["auto", "5", "3.1.1"], broker: str, state: Path) -> None:
        self._path, self._broker = state / "mqtt-version.json", broker
        self._auto = configured == "auto"
        kept = _read(self._path) if self._auto else None
        old = isinstance(kept, dict) and kept.get(broker) == "3.1.1"
        self._first: Version = "3.1.1" if configured == "3.1.1" or old else "5"

    def order(self) -> tuple[Version, ...]:
        """What one attempt tries, in this order."""
        if not self._auto:
            return (self._first,)
        return ("5", "3.1.1") if self._first == "5" else ("3.1.1", "5")

    def worked(self, version: Version) -> bool:
        """The broker spoke `version`. True when that is news to be kept with `save`."""
        news = version != self._first
        self._first = version
        return news

    def save(self) -> None:
        """Keep what worked. Any thread."""
        _write(self._path, {self._broker: self._first}, "the next start tries MQTT 5 first again")


class Announced:
    """What Home Assistant was told of: whole discovery messages by topic, so that each entity can be taken back.

    Loop thread only, but for `save`.
    """

    def __init__(self, state: Path) -> None:
        self._path, self._lock = state / "announced.json", Lock()
        kept = _read(self._path)
        self.lost = not isinstance(kept, dict) or bool(kept.get("lost"))
        """There is no memory: this is the first start, or the state folder was lost. Withdrawn by who filled it."""
        self.alive = _messages(kept, "alive")
        """What is announced, or will be as soon as there is a broker."""
        self.leaving = _messages(kept, "leaving")
        """What was announced and has to be taken back."""
        self.buried = _messages(kept, "buried")
        """What was taken back, though perhaps while no Home Assistant listened."""

    @property
    def topics(self) -> set[str]:
        return {*self.alive, *self.leaving, *self.buried}

    def content(self) -> object:
        """For `save`."""
        return {
            "lost": self.lost,
            "alive": dict(self.alive),
            "leaving": dict(self.leaving),
            "buried": dict(self.buried),
        }

    def save(self, content: object) -> None:
        """Any thread; of several one after the other, for they write the same file."""
        with self._lock:
            _write(self._path, content, "an entity that goes could stay in Home Assistant")


def _messages(kept: object, part: str) -> dict[str, dict[str, object]]:
    """What cannot be one of our messages is left out: the file may have been edited."""
    found = kept.get(part) if isinstance(kept, dict) else None
    if not isinstance(found, dict):
        return {}
    return {topic: message for topic, message in found.items() if _sound(message)}


def _sound(message: object) -> bool:
    components = message.get("cmps") if isinstance(message, dict) else None
    return isinstance(components, dict) and all(
        isinstance(entity, dict) and isinstance(entity.get("p"), str) for entity in components.values()
    )
