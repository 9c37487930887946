"""Finisher: complete clips become finished ones; JPEG video waits for its H.264, everything else passes it by."""

import asyncio
import logging
from collections.abc import Mapping

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import Bus, ClipSaved
from edgecam.media import MediaKind, Sidecar
from edgecam.record.boxes import NotPlayable
from edgecam.record.draft import Draft
from edgecam.record.library import Library
from edgecam.record.recovery import CODED, Recovered, codec_of, quarantine
from edgecam.record.transcoder import TranscodeFailed, Transcoder

log = logging.getLogger(__name__)

RETRY = 20.0
"""Seconds until a disk that refused is asked again."""

PATIENCE = 5.0
"""Seconds that work gets when the daemon stops; what is left is finished at the next start."""


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

    def submit(self, draft: Draft) -> None:
        """A complete draft is to be finished; `ClipSaved` follows."""
        (self._slow if draft.encode else self._quick).put_nowait(draft)

    async def run(self) -> None:
        """One life: what was recovered first, then what is submitted, each lane in order."""
        self._tell_recovered()
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

    def _tell_recovered(self) -> None:
        recovered, self._recovered = self._recovered, Recovered()
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
        except FileNotFoundError:
            log.error("%s: its file is gone", draft.id)
        except NotPlayable as error:
            await self._give_up(draft, error)
        except OSError as error:
            log.error("%s: cannot be finished (%s), trying again in %.0f s", draft.id, error.strerror, RETRY)
            again = asyncio.create_task(self._again(draft), name=f"{draft.id} again")
            self._refused.add(again)
            again.add_done_callback(self._refused.discard)

    async def _again(self, draft: Draft) -> None:
        await self._clock.sleep(RETRY)
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
            log.error("%s: %s; the clip stays MJPEG, which browsers do not play", draft.id, error)
            await aside.run(coded.unlink, missing_ok=True)
            return draft.but(encode=False, note="; ".join(filter(None, (draft.note, f"stays MJPEG: {error}"))))
        return await aside.run(self._library.replace, draft, coded)

    async def _give_up(self, draft: Draft, why: NotPlayable) -> None:
        try:
            await aside.run(quarantine, self._library, draft, why)
        except OSError as error:
            log.error("%s: %s, and it cannot be moved away: %s", draft.id, why, error)
