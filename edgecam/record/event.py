"""Event clips: motion begins and ends them; the best picture of the event lies beside, on disk before the clip."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from edgecam import aside
from edgecam.clock import Clock
from edgecam.events import (
    MOTION,
    Bus,
    ClipSaved,
    Motion,
    MotionEnded,
    MotionExplained,
    MotionPicture,
    MotionStarted,
    RecordingStarted,
)
from edgecam.health import CameraStatus
from edgecam.media import Looks, MediaKind
from edgecam.record.disk.library import Library
from edgecam.record.draft import Draft, born
from edgecam.record.plan import Open, Plan
from edgecam.record.tape import Submit, Tape

log = logging.getLogger(__name__)

PORTRAIT = 3.0
"""Seconds that the last and best picture of an event may take to be coded."""


@dataclass(slots=True)
class _Story:
    """What motion tells of one event."""

    newest: Motion
    looks: Looks | None
    best: MotionPicture | None = None
    saved: MotionPicture | None = None
    final: asyncio.Event = field(default_factory=asyncio.Event)


class EventTape(Tape):
    kind = MediaKind.EVENT

    def __init__(
        self,
        *,
        camera: str,
        plan: Plan,
        encode: bool,
        library: Library,
        finisher: Submit,
        status: CameraStatus,
        report: Callable[[str | None, bool], None],
        bus: Bus,
        clock: Clock,
    ) -> None:
        super().__init__(
            camera=camera,
            plan=plan,
            encode=encode,
            library=library,
            finisher=finisher,
            status=status,
            report=report,
        )
        self._bus, self._clock = bus, clock
        self._stories: dict[str, _Story] = {}
        """Of the running event and the one before: that one's clip may still be on its way."""

    def listen(self) -> Callable[[], None]:
        """Follow motion until the returned function is called."""
        ends = [
            self._bus.on(Motion, self._known),
            self._bus.on(MotionExplained, self._explained),
            self._bus.on(MotionStarted, self._started),
            self._bus.on(MotionEnded, self._ended),
            self._bus.on(MotionPicture, self._pictured),
        ]

        def deaf() -> None:
            for end in ends:
                end()

        return deaf

    # -- what motion tells ------------------------------------------------------------------------------------------

    def _known(self, motion: Motion) -> None:
        if motion.camera != self.camera:
            return
        if motion.event_id not in self._stories:
            self._stories = dict(list(self._stories.items())[-1:]) | {motion.event_id: _Story(motion, None)}
        story = self._stories[motion.event_id]
        story.newest, story.looks = motion, motion.looks

    def _explained(self, said: MotionExplained) -> None:
        if said.camera == self.camera and (story := self._stories.get(said.event_id or "")):
            story.looks = said.looks

    def _started(self, motion: MotionStarted) -> None:
        if motion.camera == self.camera:
            self.do(self.plan.started(motion.event_id, motion.mono))

    def moving(self, mono: float) -> None:
        """The event reaches to the frame of `mono`: motion was seen in it, or a trigger holds."""
        self.do(self.plan.moving(mono))

    def _ended(self, motion: MotionEnded) -> None:
        if motion.camera == self.camera and motion.event_id == self.plan.event:
            self.do(self.plan.moving(motion.mono))
            self.do(self.plan.ended())

    def _pictured(self, picture: MotionPicture) -> None:
        story = self._stories.get(picture.event_id)
        if picture.camera == self.camera and story:
            story.best = picture
            if picture.final:
                story.final.set()

    # -- the clip ---------------------------------------------------------------------------------------------------

    def draft(self, action: Open) -> Draft:
        birth = self._library.births(action.first.wall, action.first.mono)
        id = birth.id(self.camera, self.kind)
        self._bus.publish(RecordingStarted(camera=self.camera, at=birth.start, id=id.text, event_id=action.event_id))
        story = self._stories.get(action.event_id or "")
        cause = story.newest.cause if story else MOTION
        return born(birth, id, cause).but(event_id=action.event_id, part=action.part)

    def described(self, draft: Draft) -> Draft:
        story = self._stories.get(draft.event_id or "")
        if story is None:
            return draft
        newest = story.newest
        return draft.but(zones=newest.zones, score=newest.score, motion=story.looks)

    async def completed(self, draft: Draft) -> Draft:
        """With the best picture of the event beside it, unless an earlier part has that one already.

        Privacy cuts the clip before it ends the event: what is told of it then counts as well. A disk that refuses
        the picture costs the picture, not the clip.
        """
        story = self._stories.get(draft.event_id or "")
        if story is None:
            return draft
        if draft.event_id != self.plan.event:
            draft = self.described(draft)
            if story.best:
                await self._wait_for_the_final(story)
        best = story.best
        if best is None or best is story.saved:
            return draft
        story.saved = best
        try:
            draft, saved = await aside.run(self._library.save_best, draft, best)
        except OSError as error:
            log.warning("%s: the picture of %s is not on disk: %s", self.camera, draft.id, error.strerror)
            return draft
        self._bus.publish(ClipSaved(camera=self.camera, at=best.at, media=saved))
        return draft

    async def _wait_for_the_final(self, story: _Story) -> None:
        try:
            await aside.within(self._clock, PORTRAIT, story.final.wait())
        except TimeoutError:
            log.debug("%s: an event ended without a last picture", self.camera)
