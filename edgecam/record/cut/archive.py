"""Archive: which files may show something of a camera between two moments, finished or still being written.

Reads names, and the sidecars of the few that began before: half a million files are no reason to be slow.
"""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from edgecam.media import MediaId, MediaKind
from edgecam.record.cut.reel import Recording
from edgecam.record.disk.library import Library

_PREFERRED = (MediaKind.CONTINUOUS, MediaKind.MANUAL, MediaKind.EVENT)
"""Continuous segments have every frame, of clips only some people's interest."""

EARLIER = 3
"""Of each kind, files that began before and may reach into the interval."""

_DATED = "1980"
"""Days before that are counted from the start of a box."""

REACH = 3600.0
"""Seconds that a file may last which began on the day before."""


def recordings(library: Library, camera: str, begin: float, end: float) -> list[Recording]:
    """Most preferred first. Blocking. Raises OSError, also while the storage is away.

    What is finished meanwhile was seen as unfinished, which is therefore looked for first, and is found by both names.
    """
    library.check()
    when = library.when
    unfinished = [id for id in _unfinished(library, camera) if when(id) < end]
    finished = list(_finished(library, camera, begin, end))
    media, part = library.layout.media, library.layout.part
    found = {id: Recording(when(id), part(id), media(id)) for id in unfinished}
    found |= {id: Recording(when(id), media(id)) for id in finished}
    return [found[id] for id in sorted(found, key=lambda id: (_PREFERRED.index(id.kind), when(id)))]


def _finished(library: Library, camera: str, begin: float, end: float) -> Iterator[MediaId]:
    day, last = _midnight(begin - REACH), _midnight(end)
    ids: list[MediaId] = []
    while day <= last:
        ids += library.list(camera, f"{day:%Y-%m-%d}")
        day += timedelta(days=1)
    ids += sorted(_undated(library, camera), key=library.when)
    for kind in _PREFERRED:
        films = [id for id in ids if id.kind is kind and not id.still and library.when(id) < end]
        within = list(itertools.dropwhile(lambda id: library.when(id) < begin, films))
        before = films[: len(films) - len(within)][-EARLIER:]
        yield from (id for id in before if _ends(library, id) > begin)
        yield from within


def _undated(library: Library, camera: str) -> Iterator[MediaId]:
    """What began when nobody knew the time lies under the days after the first of 1970."""
    for day in library.days(camera):
        if day < _DATED:
            yield from (id for id in library.list(camera, day) if id.unsynced)


def _ends(library: Library, id: MediaId) -> float:
    sidecar = library.sidecar(id)
    return library.when(id) + (sidecar.end - sidecar.start if sidecar else 0.0)


def _unfinished(library: Library, camera: str) -> Iterator[MediaId]:
    for path in library.layout.open.glob("*.part.mp4"):
        try:
            id = MediaId.parse(path.name.partition(".part.")[0])
        except ValueError:
            continue
        if id.camera == camera and id.kind in _PREFERRED:
            yield id


def _midnight(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
