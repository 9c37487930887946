"""Daily: the stills of each day become a film, in a niced child, once the day is over."""

import contextlib
import errno
import logging
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

from edgecam import aside, durable
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.config.cron import cron
from edgecam.config.units import TimeOfDay
from edgecam.media import MediaId, MediaKind
from edgecam.record.coding.transcoder import TranscodeFailed
from edgecam.record.disk.library import Library, media_of
from edgecam.record.disk.recovery import CODED
from edgecam.record.draft import Draft
from edgecam.record.finisher import Finisher
from edgecam.record.lapse.grid import At, Ticker, day_of, local
from edgecam.record.lapse.timelapse import CAUSE, moment

log = logging.getLogger(__name__)

_OURS = f"-{MediaKind.TIMELAPSE}-"

Stills = list[MediaId]
"""Of one local day, in order."""


class Filmmaker(Protocol):
    """Makes films in another process."""

    async def film(self, stills: Path, target: Path, video: model.Video, fps: float) -> int:
        """Make `target`, verified H.264, of the JPEGs that the text file `stills` names, one path a line, in order.

        Returns how many could not be decoded and are left out. Raises TranscodeFailed, and OSError when the disk
        refuses. Cancelling ends it; then `target` is not to be used.
        """
        ...


class Daily:
    """Component of a camera whose timelapse makes films: at `at` (local time) that of the day before, and of every
    earlier day that has stills and no film, so that what was due while edgecam was off is made at the next start.

    What is interrupted is made anew; only a whole film gets the name that recovery looks at. Loop thread only.
    """

    def __init__(
        self,
        *,
        id: str,
        at: TimeOfDay,
        fps: int,
        video: model.Video,
        library: Library,
        filmmaker: Filmmaker,
        finisher: Finisher,
        clock: Clock,
    ) -> None:
        self.name = f"{id} film"
        self._id, self._at, self._fps, self._video = id, at, fps, video
        self._library, self._filmmaker, self._finisher, self._clock = library, filmmaker, finisher, clock
        self._ticker = Ticker(At((cron(str(at)),)), clock.wall())
        self._made: set[date] = set()

    async def run(self) -> None:
        """One life. Raises OSError when the library cannot be read."""
        while True:
            shown = local(self._clock.wall()) - timedelta(hours=self._at.hour, minutes=self._at.minute)
            due = await aside.run(self._due, shown.date() - timedelta(days=1))
            for day in sorted(due):
                await self._make(day, due[day])
            await moment(self._ticker, self._clock)

    def _due(self, last: date) -> Mapping[date, Stills]:
        """Days up to `last` that have stills and no film. Blocking."""
        days: dict[date, Stills] = {}
        filmed = self._made | {day_of(id.start) for id in self._unfinished()}
        for id in self._finished():
            if id.unsynced:  # its day is not known yet
                continue
            if id.still:
                days.setdefault(day_of(id.start), []).append(id)
            else:
                filmed.add(day_of(id.start))
        return {day: sorted(days[day], key=_start) for day in days.keys() - filmed if day <= last}

    def _finished(self) -> Iterator[MediaId]:
        """Stills and films of this camera, in no order."""
        for day in self._library.days(self._id):
            for name in self._library.files(self._id, day):  # there may be many more of other kinds
                if _OURS in name and (id := media_of(name)):
                    yield id

    def _unfinished(self) -> Iterator[MediaId]:
        """Films that are whole and wait for a disk that refuses them."""
        for path in self._library.layout.open.glob(f"*-{self._id}{_OURS}*.part.mp4"):
            if id := media_of(path.name.replace(".part", "")):
                yield id

    async def _make(self, day: date, stills: Stills) -> None:
        first, last = stills[0], stills[-1]
        id = MediaId.new(first.start, self._id, MediaKind.TIMELAPSE)
        draft = Draft(id=id.name, start=first.start, end=last.start, cause=CAUSE, complete=True)
        listed, coded = (self._library.layout.open / (id.text + ending) for ending in (".tmp", CODED))
        log.info("%s: making the film of %s from %d stills", self._id, day, len(stills))
        try:
            await aside.run(self._begin, draft, listed, stills)
            await self._filmmaker.film(listed, coded, self._video, self._fps)
            await aside.run(self._library.replace, draft, coded)
        except (TranscodeFailed, OSError) as error:
            log.error("%s: no film of %s: %s; trying again with the next one", self._id, day, error)
            await aside.run(self._give_up, draft, listed, coded)
        else:
            self._made.add(day)
            self._finisher.submit(draft)
            await aside.run(durable.remove, listed)

    def _begin(self, draft: Draft, listed: Path, stills: Stills) -> None:
        """Without a film beside it the draft means nothing: a crash, now, is as if it had not been begun."""
        if self._library.full:
            raise OSError(errno.ENOSPC, self._library.full)
        self._library.begin(draft)
        listed.write_bytes(b"".join(bytes(self._library.layout.media(id)) + b"\n" for id in stills))

    def _give_up(self, draft: Draft, *paths: Path) -> None:
        with contextlib.suppress(OSError):  # the next start does it
            for path in paths:
                durable.remove(path)
            self._library.discard(draft)


def _start(id: MediaId) -> float:
    return id.start
