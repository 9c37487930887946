"""Listing: which of a store's objects are media that somebody asked for. Pure: keys in, things to fetch out.

What is finished has a manifest `<id>.json` (contract, section 6); anything else is told as unfinished and left alone.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby

from edgecam.media import MediaId, MediaKind
from edgecam.offload.stores import Stored

REACH = 3600.0
"""Seconds that media may last which began before the time asked for; a day's film lasts for its day."""

EARLIER = 3
"""Of each sort, things that began before and may reach into the time asked for."""

_DAY = 86400.0
_MOST_DAYS = 400
"""So many days are listed one by one; more are listed at once."""

_KEY = re.compile(
    r"(?P<head>.*)/(?P<camera>[a-z0-9_]+)/(?P<day>[0-9]{4}/[0-9]{2}/[0-9]{2}|unsynced)/"
    r"(?P<id>[^/.]+-[a-z2-7]{6})(?:-[0-9]+)?(?P<suffix>(\.mp4|\.jpg)(\.age)?|\.json)"
)
"""A number behind the id: another's media was at our key (see deliver.py)."""

_FILM = (".mp4", ".mp4.age")
_PICTURE = (".jpg", ".jpg.age")


_Found = tuple[str, MediaId, dict[str, Stored]]
"""Node, id, and what lies there by suffix."""

UNDATED = "unsynced"
"""The day of what was taken while the clock was wrong, and could not be dated before it was stored."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; without anything, all there is. Times are unix seconds."""

    node: str | None = None
    cameras: frozenset[str] = frozenset()
    """Empty: all."""
    kinds: frozenset[MediaKind] = frozenset(MediaKind)
    begin: float = -math.inf
    end: float = math.inf

    @property
    def is_timed(self) -> bool:
        return (self.begin, self.end) != (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What stands before the node in the keys."""

    common: str
    lapse: Mapping[str, str] = field(default_factory=dict)
    """Of timelapses, by camera, `common` included; of cameras that are not in it nobody knows."""

    def node(self, head: str, id: MediaId) -> str:
        """The node out of all that stands before the camera."""
        own = self.lapse.get(id.camera) if id.kind is MediaKind.TIMELAPSE else None
        return head.removeprefix(own if own and head.startswith(own) else self.common).rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Thing:
    """Media with its manifest, and perhaps an event's picture."""

    node: str
    id: MediaId
    stem: str
    """The object key without its suffix."""
    objects: Mapping[str, Stored]
    """By suffix; `.json` is among them, the media perhaps not."""

    @property
    def name(self) -> str:
        """The id, with a number behind it when it shares the id with another."""
        return self.stem.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return sum(stored.size for stored in self.objects.values())


@dataclass(frozen=True, slots=True)
class Listing:
    things: tuple[Thing, ...]
    """In the order of node, camera and time."""
    unfinished: tuple[str, ...]
    """Keys of media without a manifest."""
    undated: tuple[str, ...] = ()
    """Keys, without their suffixes, of what is left out because a time was asked for and nobody knows theirs."""


def starts(prefixes: Prefixes, wanted: Wanted, now: float) -> Sequence[str]:
    """The beginnings of keys to list: the fewest objects that hold all that is wanted. `now`: unix seconds."""
    lapse = MediaKind.TIMELAPSE in wanted.kinds
    if wanted.node is None or not wanted.cameras or (lapse and not wanted.cameras <= prefixes.lapse.keys()):
        return [prefixes.common]
    bases = {(prefixes.common, camera) for camera in wanted.cameras}
    bases |= {(prefixes.lapse[camera], camera) for camera in wanted.cameras if lapse}
    folders = sorted(f"{base}{wanted.node}/{camera}/" for base, camera in bases)
    return [folder + day for folder in folders for day in _days(wanted, now)]


def select(objects: Iterable[Stored], prefixes: Prefixes, wanted: Wanted) -> Listing:
    """What is wanted among `objects`. Of what began before, only its manifest tells whether it is: see `EARLIER`."""
    found: dict[str, _Found] = {}
    undated = set[str]()
    for stored in objects:
        match = _KEY.fullmatch(stored.key)
        id = _parsed(match["id"]) if match else None
        if match is None or id is None or id.camera != match["camera"]:
            continue
        node = prefixes.node(match["head"], id)
        stem, dated = stored.key.removesuffix(match["suffix"]), match["day"] != UNDATED
        if not dated and wanted.is_timed and _chosen(wanted, node, id):
            undated.add(stem)
        elif _chosen(wanted, node, id) and (not dated or _in_time(wanted, id)):
            found.setdefault(stem, (node, id, {}))[2][match["suffix"]] = stored
    for stem, (_, id, parts) in found.items():
        if ".json" in parts:
            _with_picture(parts, found.get(_first(stem, id)))
    whole = [Thing(node, id, stem, parts) for stem, (node, id, parts) in found.items() if ".json" in parts]
    loose = [stored.key for _, _, parts in found.values() if ".json" not in parts for stored in parts.values()]
    return Listing(
        tuple(sorted(_reaching(whole, wanted.begin), key=_place)), tuple(sorted(loose)), tuple(sorted(undated))
    )


def _first(stem: str, id: MediaId) -> str:
    """Without the number behind the id."""
    return f"{stem.rpartition('/')[0]}/{id.text}"


def _with_picture(parts: dict[str, Stored], first: _Found | None) -> None:
    """A clip with a number behind its id left its picture, which came before it, at the key without the number."""
    for suffix in _PICTURE:
        if first and suffix in first[2] and parts.keys().isdisjoint(_PICTURE):
            parts[suffix] = first[2][suffix]


def _parsed(text: str) -> MediaId | None:
    try:
        return MediaId.parse(text)
    except ValueError:
        return None


def _chosen(wanted: Wanted, node: str, id: MediaId) -> bool:
    """By all but its time."""
    return (
        wanted.node in (None, node) and (not wanted.cameras or id.camera in wanted.cameras) and id.kind in wanted.kinds
    )


def _in_time(wanted: Wanted, id: MediaId) -> bool:
    reach = _DAY if id.kind is MediaKind.TIMELAPSE else REACH
    return wanted.begin - reach < id.start < wanted.end


def _reaching(things: Iterable[Thing], begin: float) -> Iterable[Thing]:
    """All that begins in time, and the last of each sort before."""
    for _, sort in groupby(sorted(things, key=_sort), key=lambda thing: _sort(thing)[:-1]):
        ordered = list(sort)
        early = sum(thing.id.start < begin for thing in ordered)
        yield from ordered[max(0, early - EARLIER) :]


def _sort(thing: Thing) -> tuple[str, str, str, bool, float]:
    return thing.node, thing.id.camera, thing.id.kind, not thing.objects.keys().isdisjoint(_FILM), thing.id.start


def _place(thing: Thing) -> tuple[str, str, float, str]:
    return thing.node, thing.id.camera, thing.id.start, thing.stem


def _days(wanted: Wanted, now: float) -> Sequence[str]:
    """`2026/11/21/` and so on, up to tomorrow; just "" where there are very many."""
    end = min(wanted.end, now + _DAY)
    if not end - wanted.begin < _MOST_DAYS * _DAY:
        return [""]
    day = datetime.fromtimestamp(wanted.begin - _DAY, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [f"{UNDATED}/"]
    while day.timestamp() < end:
        days.append(f"{day:%Y/%m/%d}/")
        day += timedelta(days=1)
    return days
