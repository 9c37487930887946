"""Listing: what the file names of a day say, without opening or asking for one of them. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from edgecam.media import MediaId, MediaKind

HOUR = 3600.0

_MEDIA = frozenset({"mp4", "jpg"})


@dataclass(frozen=True, slots=True)
class Listing:
    media: list[MediaId]
    """Newest first. An event's picture is not among them: it belongs to its clip."""
    pictures: frozenset[str]
    """Ids of clips beside which a picture lies."""
    pinned: frozenset[str]
    """Ids that are kept for ever."""


def listing(names: Iterable[str], camera: str, begin: float, end: float) -> Listing:
    """What began from `begin` up to, not including, `end` (unix seconds), of all kinds."""
    found: list[MediaId] = []
    pictures, pinned = set[str](), set[str]()
    for name in names:
        stem, _, suffix = name.rpartition(".")
        if suffix == "keep":
            pinned.add(stem)
        elif suffix in _MEDIA and (id := _id(name if suffix == "jpg" else stem)) is not None:
            if id.beside:
                pictures.add(id.text)
            elif id.suffix == f".{suffix}" and id.camera == camera and begin <= id.start < end:
                found.append(id)
    found.sort(key=lambda id: id.name, reverse=True)
    return Listing(found, frozenset(pictures), frozenset(pinned))


def _id(text: str) -> MediaId | None:
    try:
        return MediaId.parse(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of continuous recording, from `begin` up to `end` (unix seconds)."""

    begin: float
    end: float
    segments: int


def hours(media: Collection[MediaId], begin: float, end: float) -> list[Hour]:
    """The hours of a day that began at `begin` in which continuous segments began, newest first."""
    counted = Counter(int((id.start - begin) // HOUR) for id in media if id.kind is MediaKind.CONTINUOUS)
    return [
        Hour(begin + hour * HOUR, min(begin + (hour + 1) * HOUR, end), counted[hour])
        for hour in sorted(counted, reverse=True)
    ]
