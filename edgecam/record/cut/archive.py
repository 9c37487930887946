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

REACH = 3600.0
"""Seconds that a file may last which began on the day before."""


def recordings(library: Library, camera: str, begin: float, end: float) -> list[Recording]:
    """Most preferred first. Blocking. Raises OSError, also while the storage is away.

    What is finished meanwhile was seen as unfinished, which is therefore looked for first, and is found by both names.
    """
    library.check()
    unfinished = [id for id in _unfinished(library, camera) if id.start < end]
    finished = list(_finished(library, camera, begin, end))
    media, part = library.layout.media, library.layout.part
    found = {id: Recording(id.start, part(id), media(id)) for id in unfinished}
    found |= {id: Recording(id.start, media(id)) for id in finished}
    return [found[id] for id in sorted(found, key=lambda id: (_PREFERRED.index(id.kind), id.start))]


def _finished(library: Library, camera: str, begin: float, end: float) -> Iterator[MediaId]:
    day, last = _midnight(begin - REACH), _midnight(end)
    ids: list[MediaId] = []
    while day <= last:
        ids += library.list(camera, f"{day:%Y-%m-%d}")
        day += timedelta(days=1)
    for kind in _PREFERRED:
        films = [id for id in ids if id.kind is kind and not id.still and id.start < end]
        within = list(itertools.dropwhile(lambda id: id.start < begin, films))
        before = films[: len(films) - len(within)][-EARLIER:]
        yield from (id for id in before if _ends(library, id) > begin)
        yield from within


def _ends(library: Library, id: MediaId) -> float:
    sidecar = library.sidecar(id)
    return sidecar.end if sidecar else id.start


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
