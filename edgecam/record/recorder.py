"""Recorder: one camera's event clips, from motion to the finisher. Carries out what `plan` decides."""

import asyncio
import logging
from contextlib import ExitStack

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import Bus, ClipSaved, Motion, MotionEnded, MotionStarted, RecordingStarted, SettingChanged
from edgecam.frame import Frame, Kind, Sound
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Want
from edgecam.media import MediaId, MediaKind
from edgecam.record.draft import Draft
from edgecam.record.finisher import Finisher
from edgecam.record.library import Library
from edgecam.record.plan import Action, Close, Open, Plan, Write, WriteSound
from edgecam.record.writer import Writer, Written
from edgecam.settings import Settings

log = logging.getLogger(__name__)

TICK = 1.0
AGAIN = 10.0
"""Seconds until a disk that refused is tried again."""

PATIENCE = 3.0
"""Seconds that the disk gets for the open clip when the daemon stops."""

HOLD = 32_000_000
"""Bytes of quiet frames that wait for motion to resume; most of them are in the ring anyway."""

WRITERS = 4
"""Clips that may be on their way to the disk; so many that do not end mean that it does not answer."""


class Recorder:
    """Component; the `[recorder]` fields of the camera's status are its own. Loop thread only."""

    def __init__(
        self,
        *,
        id: str,
        config: model.Record,
        video: model.Video,
        hub: FrameHub,
        bus: Bus,
        settings: Settings,
        status: CameraStatus,
        library: Library,
        finisher: Finisher,
        clock: Clock,
    ) -> None:
        self.name = f"{id} recorder"
        self._id, self._hub, self._bus, self._settings = id, hub, bus, settings
        self._status, self._library, self._finisher, self._clock = status, library, finisher, clock
        self._encode = video.codec != "mjpeg"
        event = config.event
        self._plan = Plan(
            pre=event.pre, post=event.post, longest=event.max, hold=HOLD, since=hub.ring.since, heard=hub.heard
        )
        self._motion: Motion | None = None
        self._draft: Draft | None = None
        self._writer: Writer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._healing: asyncio.Task[None] | None = None
        self._wanting = ExitStack()

    async def run(self) -> None:
        """One life. Its end closes the open clip."""
        with ExitStack() as stack:
            for leave in (
                self._bus.on(Motion, self._motion_known),
                self._bus.on(MotionStarted, self._motion_started),
                self._bus.on(MotionEnded, self._motion_ended),
                self._bus.on(SettingChanged, self._setting_changed),
                self._bus.on(ClipSaved, self._clip_saved),
            ):
                stack.callback(leave)
            stack.enter_context(self._hub.tap(self._frame))
            stack.enter_context(self._hub.tap_sound(self._hear))
            self._obey()
            try:
                while True:
                    await self._clock.sleep(TICK)
                    self._tick()
            finally:
                await self._stop()

    @property
    def backlog(self) -> int:
        """Bytes of the open clip that wait for the disk."""
        return self._writer.backlog if self._writer else 0

    # -- what happens -------------------------------------------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        if not frame.is_coded:
            return
        if (moved := self._status.last_motion_mono) is not None:
            self._do(self._plan.moving(moved))
        self._do(self._plan.frame(frame))

    def _hear(self, sound: Sound) -> None:
        self._do(self._plan.sound(sound))

    def _motion_started(self, motion: MotionStarted) -> None:
        if motion.camera == self._id:
            self._do(self._plan.started(motion.event_id, motion.mono))

    def _motion_known(self, motion: Motion) -> None:
        if motion.camera == self._id:
            self._motion = motion

    def _motion_ended(self, motion: MotionEnded) -> None:
        if motion.camera == self._id and motion.event_id == self._plan.event:
            self._do(self._plan.moving(motion.mono))
            self._do(self._plan.ended())

    def _setting_changed(self, change: SettingChanged) -> None:
        if change.camera == self._id and change.key in ("recording", "privacy"):
            self._obey()

    def _clip_saved(self, saved: ClipSaved) -> None:
        if saved.camera == self._id and saved.media.kind is not MediaKind.SNAPSHOT:
            self._status.clips += 1
            self._status.last_clip = max(saved.at, self._status.last_clip or 0.0)

    def _tick(self) -> None:
        self._do(self._plan.tick(self._clock.monotonic()))
        if self._library.full and self._healing is None:
            self._refused(self._library.full)

    # -- clips --------------------------------------------------------------------------------------------------

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Open():
                    self._open(action)
                case Write(frame):
                    if self._writer:
                        self._writer.put(frame)
                case WriteSound(sound):
                    if self._writer:
                        self._writer.hear(sound)
                case Close(until):
                    self._close(until)
        if self._writer:
            self._writer.begun()

    def _open(self, action: Open) -> None:
        first = action.first
        if len(self._tasks) >= WRITERS:
            self._refused("the disk does not answer")
            return
        self._draft = Draft(
            id=MediaId.new(first.wall, self._id, MediaKind.EVENT).text,
            start=first.wall,
            cause="motion",
            event_id=action.event_id,
            part=action.part,
            encode=self._encode and first.kind is Kind.JPEG,
        )
        self._writer = Writer(self._described(self._draft), self._library, action.sound)
        task = asyncio.create_task(self._follow(self._writer), name=f"{self.name} clip")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._status.recording = True
        self._bus.publish(RecordingStarted(camera=self._id, at=first.wall, id=self._draft.id, event_id=action.event_id))

    def _described(self, draft: Draft) -> Draft:
        """With what motion knows of its event by now."""
        motion = self._motion
        if motion is None or motion.event_id != draft.event_id:
            return draft
        return draft.but(zones=motion.zones, score=motion.score)

    def _close(self, until: float | None = None) -> None:
        if self._writer and self._draft:
            self._writer.close(self._described(self._draft), until)
        self._writer = self._draft = None
        self._status.recording = False

    async def _follow(self, writer: Writer) -> None:
        written: Written = await asyncio.wrap_future(writer.done)
        if written.draft:
            self._finisher.submit(written.draft)
        if written.broken and written.trouble:
            if self._writer is writer:
                self._writer = self._draft = None
            self._refused(written.trouble)
        elif self._healing is None:
            self._status.record_trouble = written.trouble
            if written.trouble:
                log.warning("%s: %s", self._id, written.trouble)

    # -- trouble ------------------------------------------------------------------------------------------------

    def _refused(self, why: str) -> None:
        """Clips cannot be written: end the open one, say so, and try until they can."""
        self._plan.allowed = False
        self._plan.stop()
        self._close()
        self._status.record_trouble = why
        if self._healing is None:
            log.error("%s: %s; the live picture goes on, trying again every %.0f s", self._id, why, AGAIN)
            self._healing = asyncio.create_task(self._heal(), name=f"{self.name} healing")

    async def _heal(self) -> None:
        while True:
            await self._clock.sleep(AGAIN)
            if self._library.full:
                self._status.record_trouble = self._library.full
                continue
            try:
                await aside.run(self._library.probe)
            except OSError:
                continue
            break
        self._healing = self._status.record_trouble = None
        log.info("%s: clips can be written again", self._id)
        self._obey()

    def _obey(self) -> None:
        """Follow the settings: frames are wanted, and clips begun, only while `recording` is on and `privacy` off."""
        on = self._settings.on(self._id, "recording") and not self._settings.on(self._id, "privacy")
        self._wanting.close()
        if on:
            self._wanting.enter_context(self._hub.want(Want.RECORD))
        else:
            self._do(self._plan.stop())
        self._plan.allowed = on and self._healing is None

    async def _stop(self) -> None:
        """Close the open clip and hand it on; a disk that does not answer in time is left behind."""
        self._wanting.close()
        self._do(self._plan.stop())
        if self._healing:
            self._healing.cancel()
            await asyncio.wait({self._healing})
            self._healing = None
        tasks = {task for task in self._tasks if not task.done()}
        if not tasks:
            return
        try:
            await aside.within(self._clock, PATIENCE, asyncio.wait(tasks))
        except TimeoutError:
            log.error("%s: the disk does not take the clip in time; it is finished at the next start", self._id)
            for task in tasks:
                task.cancel()
