"""Dating: what was recorded while the clock was wrong gets its date as soon as it is right, before it is uploaded.

And the other way round: what waits for the store under a date that turned out to be wrong loses it.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from edgecam import aside
from edgecam.almanac import PATIENCE, Almanac
from edgecam.events import Bus, ClipSaved, MediaRenamed
from edgecam.media import MediaId, MediaKind, Sidecar
from edgecam.record.disk.library import Library, media_of
from edgecam.record.disk.mender import as_its_clip_tells
from edgecam.record.disk.renaming import Renaming, rename, renaming

log = logging.getLogger(__name__)

AT_ONCE = 50
"""Things that are renamed before somebody else gets the disk."""


class Dating:
    """The keeper's, who lets it turn while the storage is there. Loop thread only; what blocks runs beside it.

    `carried` is the name of what is on its way to the store right now: it is left alone until it has arrived.
    """

    def __init__(
        self, *, library: Library, almanac: Almanac, bus: Bus, carried: Callable[[], str | None] = lambda: None
    ) -> None:
        self._library, self._almanac, self._bus, self._carried = library, almanac, bus, carried
        self._told: str | None = None
        self._seen, self._count = 0, 0
        self._right: set[str] = set()
        """Names that were looked at since the clock changed and are what they should be."""
        bus.on(ClipSaved, self._saved)

    @property
    def doubt(self) -> str | None:
        """Why the clock is wrong, in words."""
        return self._almanac.doubt

    async def turn(self) -> None:
        """Look at the clock, and rename what it makes necessary, a little at a time.

        Raises OSError at the end; what the disk refuses keeps nothing else from its name, and uploads not for ever.
        """
        self._almanac.look()
        self._tell()
        turns = self._almanac.turns
        if turns == self._almanac.settled:
            return
        if turns != self._seen:
            self._seen, self._right = turns, set()
        planned, more, unfinished = await aside.run(self._look, self._carried(), turns > 1)
        refused: OSError | None = None
        for plan in planned:
            try:
                if done := await aside.run(rename, self._library, plan):
                    self._tell_renamed(done)
            except OSError as error:
                refused = error
                if self._almanac.overdue:  # it is left alone until names are looked at anew
                    self._right.add(plan.old)
        if not more and (self._almanac.overdue or not (unfinished or refused)):
            self._almanac.settled = turns
            self._report()
        if refused:
            raise refused

    def _tell(self) -> None:
        """When doubt begins and ends."""
        doubt, told = self._almanac.doubt, self._told
        self._told = doubt
        if doubt and not told:
            log.warning(
                "clock: %s; until it is set what is recorded has no date, and uploads are held for at most %.0f min",
                doubt,
                PATIENCE / 60,
            )
        if told and not doubt:
            log.info("clock: it is right now")

    def _tell_renamed(self, done: Renaming) -> None:
        old, _ = done.ids
        self._count += 1
        self._bus.publish(MediaRenamed(camera=old.camera, at=done.facts.start, old=old, media=done.facts))

    def _report(self) -> None:
        count, self._count = self._count, 0
        if count:
            log.info("clock: %d recordings %s", count, "lost a wrong date" if self.doubt else "got their date")

    def _saved(self, event: ClipSaved) -> None:
        """It began before the clock changed, and was finished only now."""
        if self._almanac.better(event.media):
            self._almanac.turn()

    # -- blocking -----------------------------------------------------------------------------------------------------

    def _look(self, carried: str | None, thorough: bool) -> tuple[list[Renaming], bool, bool]:
        """What is to be renamed now; whether there is more, and whether something of it is still being made.

        `thorough`: also what has a date and waits, for which its sidecar has to be read.
        """
        found, more, unfinished = list[Renaming](), False, False
        for id in self._candidates(thorough):
            if id.name in self._right:
                continue
            if len(found) == AT_ONCE:
                return found, True, unfinished
            if self._unfinished(id):
                unfinished = True
            elif carried in (id.name, id.picture.name):
                more = True
            elif plan := self._plan(id):
                found.append(plan)
            else:
                self._right.add(id.name)
        return found, more, unfinished

    def _candidates(self, thorough: bool) -> Iterator[MediaId]:
        """What may have the wrong name. An event's picture comes with its clip, or alone when that is gone."""
        found: dict[str, MediaId] = {}
        if not self._almanac.doubt:
            pattern = f"*/197*/unsynced-{self._almanac.boot}-*"
            paths = [path for room in self._library.layout.rooms for path in room.glob(pattern)]
            found = {id.name: id for path in paths if (id := media_of(path.name))}
        for name in os.listdir(self._library.layout.wait) if thorough else ():  # noqa: PTH208  (ten thousand names)
            with suppress(ValueError):
                id = MediaId.parse(name)
                if not id.unsynced:
                    found[name] = id
        return (id for id in found.values() if not id.beside or self._alone(id))

    def _alone(self, picture: MediaId) -> bool:
        """Whether it has no finished clip and waits: with one it goes along."""
        layout = self._library.layout
        return layout.marker(picture).exists() and not layout.media(replace(picture, still=False)).exists()

    def _unfinished(self, id: MediaId) -> bool:
        """It, or the clip of the picture that it is, is still being made."""
        return id.text in self._library.busy or self._library.layout.draft(id).exists()

    def _plan(self, id: MediaId) -> Renaming | None:
        facts = self._told_by_marker(id) if id.beside else self._library.sidecar(id)
        birth = self._almanac.better(facts) if facts else None
        if facts is None or birth is None:
            return None
        clip = id.kind is MediaKind.EVENT and not id.beside
        return renaming(facts, birth, self._picture(id, facts) if clip else None)

    def _picture(self, clip: MediaId, facts: Sidecar) -> Sidecar | None:
        """What the marker of its picture tells. One that is stored goes once more with a clip that is not: a manifest
        names its picture by its own key.
        """
        layout = self._library.layout
        if told := self._told_by_marker(clip.picture):
            return told
        again = layout.marker(clip).exists() and layout.media(clip.picture).exists()
        return as_its_clip_tells(facts) if again else None

    def _told_by_marker(self, picture: MediaId) -> Sidecar | None:
        with suppress(OSError, ValueError):
            return Sidecar.model_validate_json(self._library.layout.marker(picture).read_bytes())
        return None
