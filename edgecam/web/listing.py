"""Listing: what the file names of a day say, without opening or asking for one of them. Pure.

A day of ten-second segments has 8640 of them, so names are read by one regular expression, and none becomes an object
of more than its text.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from edgecam.media import MediaKind

HOUR = 3600.0

CONTINUOUS, EVENT, SNAPSHOT = MediaKind.CONTINUOUS.value, MediaKind.EVENT.value, MediaKind.SNAPSHOT.value


class Entry(NamedTuple):
    """Finished media: its id, its kind, and `mp4` or `jpg`."""

    id: str
    kind: str
    suffix: str

    @property
    def name(self) -> str:
        """As `MediaId.name`."""
        return f"{self.id}.jpg" if self.suffix == "jpg" and self.kind != SNAPSHOT else self.id


@dataclass(frozen=True, slots=True)
class Listing:
    media: list[Entry]
    """Newest first. An event's picture is not among them: it belongs to its clip."""
    pictures: frozenset[str]
    """Ids of clips beside which a picture lies."""
    pinned: frozenset[str]
    """Ids that are kept for ever."""

    def json(self, entry: Entry) -> str:
        """What the names say of it, as JSON: an id has nothing that needs a quote."""
        id, kind, suffix = entry
        name = id if suffix == "mp4" else entry.name
        start = f"{id[:4]}-{id[4:6]}-{id[6:11]}:{id[11:13]}:{id[13:15]}.{id[15:18]}Z"
        picture = f'"media/{id}.jpg"' if id in self.pictures else "null"
        pinned = "true" if id in self.pinned else "false"
        return (
            f'{{"id": "{name}", "kind": "{kind}", "start": "{start}", "url": "media/{id}.{suffix}", '
            f'"picture_url": {picture}, "pinned": {pinned}}}'
        )


def listing(files: Mapping[str, Iterable[str]], camera: str, begin: float, end: float) -> Listing:
    """What began from `begin` up to, not including, `end` (unix seconds). `files`: of each UTC day, `YYYY-MM-DD`."""
    first, last = _stamp(begin), _stamp(end)
    media: list[Entry] = []
    pictures, pinned = set[str](), set[str]()
    for day, names in files.items():
        names = [name for name in names if not name.endswith(".json")]
        for entry in map(Entry._make, _pattern(day, camera).findall(f"/{'/'.join(names)}/")):
            id, kind, suffix = entry
            if suffix == "keep":
                pinned.add(id)
            elif suffix == "jpg" and kind == EVENT:
                pictures.add(id)
            elif first <= id < last and (suffix == "jpg" or kind != SNAPSHOT):
                media.append(entry)
    media.sort(reverse=True)
    return Listing(media, frozenset(pictures), frozenset(pinned))


def _pattern(day: str, camera: str) -> re.Pattern[str]:
    """Names of a camera's day, between slashes, which are the one thing that no name has."""
    time = "T(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]{4}Z"
    kinds = "|".join(MediaKind)
    return re.compile(
        rf"/({day.replace('-', '')}{time}-{re.escape(camera)}-({kinds})-[a-z2-7]{{6}})\.(mp4|jpg|keep)(?=/)"
    )


def _stamp(at: float) -> str:
    """Unix seconds as ids begin: what began then or later is not smaller."""
    return f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%S}{int(at % 1 * 1000):03}Z"


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of continuous recording, from `begin` up to `end` (unix seconds)."""

    begin: float
    end: float
    segments: int


def hours(media: Collection[Entry], begin: float, end: float) -> list[Hour]:
    """The hours of a day that began at `begin` in which continuous segments began, newest first."""
    minutes = Counter([id[:13] for id, kind, _ in media if kind == CONTINUOUS])
    counted: Counter[int] = Counter()
    for minute, segments in minutes.items():
        at = datetime.fromisoformat(f"{minute}Z").timestamp()
        counted[int((at - begin) // HOUR)] += segments
    return [
        Hour(begin + hour * HOUR, min(begin + (hour + 1) * HOUR, end), counted[hour])
        for hour in sorted(counted, reverse=True)
    ]
