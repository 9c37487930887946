"""Finisher: complete clips become finished ones; JPEG video waits for its H.264, everything else passes it by."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from enum import Enum, auto

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import Bus, ClipSaved
from edgecam.media import MediaKind, Sidecar
from edgecam.record.boxes import NotPlayable
from edgecam.record.coding.transcoder import TranscodeFailed, Transcoder
from edgecam.record.disk.library import Library
from edgecam.record.disk.recovery import CODED, Recovered, codec_of, conclude, quarantine, set_aside
from edgecam.record.draft import Draft

log = logging.getLogger(__name__)

RETRY = 20.0
"""Seconds until a disk that refused is asked again."""

LONGEST_RETRY = 3600.0
"""Seconds between two attempts at media that is itself to blame: the disk works. They double from RETRY to this."""

TRIES = 10
"""Such attempts, some three hours, after which it is set aside."""

PATIENCE = 5.0
"""Seconds that work gets when the daemon stops; what is left is finished at the next start."""


class Blame(Enum):
    DISK = auto()
    MEDIA = auto()
    NOBODY = auto()
    """It is not in the spool any more."""


class Finisher:
    """Component; starts before the recorders, so that it stops after them. Loop thread only."""

    name = "finisher"

    def __init__(
        self,
        *,
        library: Library,
        transcoder: Transcoder,
        video: Mapping[str, model.Video],
        bus: Bus,
        clock: Clock,
        recovered: Recovered,
    ) -> None:
        self._library, self._transcoder, self._video = library, transcoder, video
        self._bus, self._clock, self._recovered = bus, clock, recovered
        self._slow: asyncio.Queue[Draft] = asyncio.Queue()
        self._quick: asyncio.Queue[Draft] = asyncio.Queue()
        self._refused: set[asyncio.Task[None]] = set()
        self._tries: Counter[str] = Counter()
        self._told: set[str] = set()
        self.trouble: str | None = None
        """Why finished media does not reach its place, in words."""

    def submit(self, draft: Draft) -> None:
        """A complete draft is to be finished; `ClipSaved` follows."""
        (self._slow if draft.encode else self._quick).put_nowait(draft)

    async def run(self) -> None:
        """One life: what was recovered first, then what is submitted, each lane in order."""
        recovered, self._recovered = self._recovered, Recovered()
        self.take(recovered)
        lanes = [asyncio.create_task(self._lane(queue)) for queue in (self._quick, self._slow)]
        try:
            done, _ = await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
            for lane in done:
                lane.result()
        finally:
            await self._drain()
            for task in (*lanes, *self._refused):
                task.cancel()
            await asyncio.wait({*lanes, *self._refused})

    def take(self, recovered: Recovered) -> None:
        """Go on where another process, or a storage that went away, stopped."""
        for sidecar in recovered.saved:
            self._tell(sidecar)
        for draft in recovered.drafts:
            self.submit(draft)

    def _tell(self, sidecar: Sidecar) -> None:
        level = logging.DEBUG if sidecar.kind is MediaKind.CONTINUOUS else logging.INFO  # there is one every 10 s
        log.log(level, "%s: saved %s (%.1f s, %s)", sidecar.camera, sidecar.id, sidecar.duration, sidecar.codec)
        self._bus.publish(ClipSaved(camera=sidecar.camera, at=sidecar.end, media=sidecar))

    async def _drain(self) -> None:
        rest = asyncio.gather(self._quick.join(), self._slow.join())
        try:
            await aside.within(self._clock, PATIENCE, rest)
        except TimeoutError:
            log.info("clips that still have to be coded as H.264 are finished at the next start")

    async def _lane(self, queue: asyncio.Queue[Draft]) -> None:
        while True:
            draft = await queue.get()
            try:
                await self._finish(draft)
            finally:
                queue.task_done()

    async def _finish(self, draft: Draft) -> None:
        """Finish one draft; one that the disk refuses comes again later, behind the others."""
        try:
            if draft.encode:
                draft = await self._encode(draft)
            self._tell(await aside.run(self._library.finish, draft))
        except NotPlayable as error:
            await self._give_up(draft, error)
        except OSError as error:
            await self._refuse(draft, error)
        else:
            del self._tries[draft.id]
            self._recover()

    async def _refuse(self, draft: Draft, error: OSError) -> None:
        """It is tried again: without end while the disk is to blame, or nothing would be left of a bad day."""
        blame, pause = await aside.run(self._blame, draft), RETRY
        if blame is Blame.NOBODY:
            await self._conclude(draft)
            return
        if blame is Blame.MEDIA:
            self._tries[draft.id] += 1
            pause = min(LONGEST_RETRY, RETRY * 2.0 ** (self._tries[draft.id] - 1))
        if self._tries[draft.id] >= TRIES:
            await self._set_aside(draft, error)
            return
        self._complain(draft, error)
        again = asyncio.create_task(self._again(draft, pause), name=f"{draft.id} again")
        self._refused.add(again)
        again.add_done_callback(self._refused.discard)

    def _blame(self, draft: Draft) -> "Blame":
        """Who is to blame that a draft could not be finished. Blocking."""
        try:
            self._library.probe()
            there = self._library.layout.part(draft.media).exists()
        except OSError:
            return Blame.DISK
        return Blame.MEDIA if there else Blame.NOBODY

    async def _conclude(self, draft: Draft) -> None:
        """It is not in the spool any more."""
        try:
            sidecar = await aside.run(conclude, self._library, draft)
        except OSError as error:
            log.error("%s: its draft cannot be removed: %s", draft.id, error)
            sidecar = None
        if sidecar:
            self._tell(sidecar)
        else:
            log.error("%s: its file is gone", draft.id)
        self._recover()

    def _complain(self, draft: Draft, error: OSError) -> None:
        """Each reason once until it works again; a fault that lasts a week is no flood."""
        self.trouble = f"recordings cannot be finished ({error.strerror})"
        if self.trouble not in self._told:
            self._told.add(self.trouble)
            log.error("%s: cannot be finished (%s); nothing is lost, trying again", draft.id, error.strerror)

    def _recover(self) -> None:
        if self.trouble and not self._refused:
            log.info("recordings are finished again")
            self.trouble = None
            self._told.clear()

    async def _set_aside(self, draft: Draft, error: OSError) -> None:
        del self._tries[draft.id]
        try:
            await aside.run(set_aside, self._library, draft, f"cannot be finished: {error.strerror}")
        except OSError as refused:
            log.error("%s: cannot be finished (%s), nor moved away: %s", draft.id, error, refused)
        self._recover()

    async def _again(self, draft: Draft, pause: float) -> None:
        await self._clock.sleep(pause)
        self.submit(draft)

    async def _encode(self, draft: Draft) -> Draft:
        """The draft with H.264 in the place of its JPEG video, or with the reason why it stays as it is."""
        layout, id = self._library.layout, draft.media
        part, coded = layout.part(id), layout.open / (id.text + CODED)
        await aside.run(self._library.cut, draft)
        if await aside.run(codec_of, part) != "mjpeg":
            return draft.but(encode=False)
        try:
            await self._transcoder.encode(part, coded, self._video.get(id.camera, model.Video()))
        except TranscodeFailed as error:
            await aside.run(self._library.probe)  # a disk that takes nothing is to blame, not the video
            log.error("%s: %s; the clip stays MJPEG, which browsers do not play", draft.id, error)
            await aside.run(coded.unlink, missing_ok=True)
            return draft.but(encode=False, note="; ".join(filter(None, (draft.note, f"stays MJPEG: {error}"))))
        return await aside.run(self._library.replace, draft, coded)

    async def _give_up(self, draft: Draft, why: NotPlayable) -> None:
        try:
            await aside.run(quarantine, self._library, draft, why)
        except OSError as error:
            log.error("%s: %s, and it cannot be moved away: %s", draft.id, why, error)
