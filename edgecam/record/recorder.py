"""Recorder: what one camera shows becomes clips of its events, and files without end where that is wanted."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import ExitStack

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import Bus, CameraLost, ClipSaved, SettingChanged
from edgecam.frame import Frame, Sound
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Want
from edgecam.media import MediaKind
from edgecam.record.continuous import ContinuousTape
from edgecam.record.disk.library import Library
from edgecam.record.event import EventTape
from edgecam.record.finisher import Finisher
from edgecam.record.plan import Plan
from edgecam.record.tape import Tape
from edgecam.settings import Settings

log = logging.getLogger(__name__)

TICK = 1.0
AGAIN = 10.0
"""Seconds until a disk that refused is tried again."""

PATIENCE = 3.0
"""Seconds that the disk gets for the open files when the daemon stops."""

HOLD = 32_000_000
"""Bytes of quiet frames that wait for motion to resume; most of them are in the ring anyway."""


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
        self._status, self._library, self._clock = status, library, clock
        self._healing: asyncio.Task[None] | None = None
        self._wanting = ExitStack()
        self._life = hub.life
        event, segment = config.event, config.continuous.segment
        self._events = EventTape(
            camera=id,
            plan=Plan(
                pre=event.pre, post=event.post, longest=event.max, hold=HOLD, since=hub.ring.since, heard=hub.heard
            ),
            encode=video.codec != "mjpeg",
            library=library,
            finisher=finisher,
            status=status,
            report=self._report,
            bus=bus,
            clock=clock,
        )
        self._continuous = ContinuousTape(
            camera=id,
            plan=Plan.endless(segment, hold=HOLD, since=hub.ring.since, heard=hub.heard),
            encode=video.codec == "h264",
            library=library,
            finisher=finisher,
            status=status,
            report=self._report,
        )
        self._tapes: Sequence[Tape] = (self._events, self._continuous)
        """Both follow what happens all the time; a tape that the mode does not want begins no file."""

    async def run(self) -> None:
        """One life. Its end closes the open files."""
        with ExitStack() as stack:
            stack.callback(self._events.listen())
            stack.callback(self._bus.on(SettingChanged, self._setting_changed))
            stack.callback(self._bus.on(ClipSaved, self._clip_saved))
            stack.callback(self._bus.on(CameraLost, self._camera_lost))
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
        """Bytes of the open files that wait for the disk."""
        return sum(tape.backlog for tape in self._tapes)

    # -- what happens -------------------------------------------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        if not frame.is_coded:
            return
        if self._hub.life != self._life:  # the camera was away: no file shows its last frame until it came back
            self._life = self._hub.life
            self._cut()
        self._moving()
        for tape in self._tapes:
            tape.frame(frame)

    def _moving(self) -> None:
        for reached in (self._status.last_motion_mono, self._status.held_mono):
            if reached is not None:
                self._events.moving(reached)

    def _hear(self, sound: Sound) -> None:
        for tape in self._tapes:
            tape.hear(sound)

    def _cut(self) -> None:
        for tape in self._tapes:
            tape.cut()

    def _camera_lost(self, lost: CameraLost) -> None:
        """What it showed last is saved now: it may never come back."""
        if lost.camera == self._id:
            self._moving()
            self._cut()

    def _setting_changed(self, change: SettingChanged) -> None:
        if change.camera == self._id and change.key in ("recording", "record_mode", "privacy"):
            self._obey()

    def _clip_saved(self, saved: ClipSaved) -> None:
        media = saved.media
        if saved.camera != self._id or media.codec == "jpeg":
            return
        if media.kind is MediaKind.CONTINUOUS:
            self._status.segments += 1
        else:
            self._status.clips += 1
            self._status.last_clip = max(saved.at, self._status.last_clip or 0.0)

    def _tick(self) -> None:
        for tape in self._tapes:
            tape.tick(self._clock.monotonic())
        if self._library.full and self._healing is None:
            self._refused(self._library.full)

    # -- trouble ------------------------------------------------------------------------------------------------

    def _report(self, trouble: str | None, broken: bool) -> None:
        if broken and trouble:
            self._refused(trouble)
        elif self._healing is None:
            self._status.record_trouble = trouble
            if trouble:
                log.warning("%s: %s", self._id, trouble)

    def _refused(self, why: str) -> None:
        """Nothing can be written: end the open files, say so, and try until it can."""
        for tape in self._tapes:
            tape.abandon()
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
        """Follow the settings: frames are wanted, and files begun, only while `recording` is on and `privacy` off.

        A tape that `record_mode` wants no more ends its file here; one that it wants goes back to the last keyframe, or
        to the pre-roll of an event that is going on.
        """
        on = self._settings.on(self._id, "recording") and not self._settings.on(self._id, "privacy")
        mode = self._settings.word(self._id, "record_mode")
        with self._wanting:  # left once the new want stands: nobody is to see a moment without
            self._wanting = ExitStack()
            if on:
                self._wanting.enter_context(self._hub.want(Want.RECORD))
        for tape in self._tapes:
            wanted = on and mode in (tape.kind, "both")
            if not wanted:
                tape.cut()
            tape.plan.allowed = wanted and self._healing is None

    async def _stop(self) -> None:
        """Close the open files and hand them on."""
        self._wanting.close()
        if self._healing:
            self._healing.cancel()
            await asyncio.wait({self._healing})
            self._healing = None
        await asyncio.gather(*(tape.end(self._clock, PATIENCE) for tape in self._tapes))
