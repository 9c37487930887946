"""Alarm: opens and closes the events of one camera, whatever the reason: motion that is seen, a trigger from outside.

A triggered event is an event like any other: it is told, recorded and shown in the same way, and bears its own cause.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.control import Unavailable
from edgecam.develop import developed
from edgecam.events import Bus, MotionPicture, SettingChanged, ZoneMoved
from edgecam.frame import Frame
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Want
from edgecam.motion.detector import Look
from edgecam.motion.gate import Ended, Fact, Gate, Held, Moved, Started
from edgecam.motion.sensors import Sensors, Switched
from edgecam.motion.story import Moment, Story
from edgecam.settings import Settings

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two looks at the clock: an event ends even when no frame comes any more."""
PATIENCE = 5.0
"""Seconds to wait for the picture of a triggered event: the camera may have to be opened first."""


class Alarm:
    """Component: keeps the time of events. The `[alarm]` fields of the camera's status are its own. Loop thread only.

    Follows the live settings `cooldown` and `privacy`. It lives beside the one that looks for motion, so that a trigger
    is obeyed with motion detection off as well.
    """

    def __init__(
        self,
        *,
        id: str,
        config: model.Motion,
        hub: FrameHub,
        bus: Bus,
        settings: Settings,
        status: CameraStatus,
        clock: Clock,
        pool: Executor,
        quality: int = 80,
    ) -> None:
        """`quality`: of the event's picture where the camera gives no JPEG."""
        self.name = f"{id} alarm"
        self._id, self._hub, self._bus, self._settings = id, hub, bus, settings
        self._status, self._clock, self._pool, self._quality = status, clock, pool, quality
        self._gate = Gate(config.min_frames, config.cooldown)
        self._sensors = Sensors(config.zones, config.min_frames, config.cooldown)
        self._story = Story(id, bus, self._portray, tuple(config.zones))
        self._portraits: asyncio.Task[None] | None = None  # the one under way, which comes after those before it
        self._shutter: asyncio.Task[None] | None = None
        self._looked = 0.0
        self._confirmed = False
        self._awake = False

    async def run(self) -> None:
        """One life. Its end, and privacy, end a running event at once."""

        def obey(change: SettingChanged) -> None:
            if change.camera == self._id:
                self._obey()

        deaf = self._bus.on(SettingChanged, obey)
        self._obey()
        self._awake = True
        try:
            while True:
                await self._clock.sleep(TICK)
                now = self._clock.monotonic()
                if now - self._looked >= TICK:
                    self._tick(now)
        finally:
            self._awake = False
            deaf()
            self._close()
            if self._portraits is not None:
                await asyncio.wait({self._portraits})

    # -- the reasons ------------------------------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """An event is going on."""
        return self._gate.open

    @property
    def event(self) -> str | None:
        """The id of the event that is going on."""
        return self._story.id if self._gate.open else None

    def look(self, look: Look, frame: Frame) -> bool:
        """One look; `frame` is how people are shown what it saw, with the times of what it looked at.

        Returns whether it counts as motion.
        """
        self._looked = frame.mono
        if look.repeats:
            self._tick(frame.mono)
            return self._confirmed
        switched = self._sensors.look(frame.mono, look.zones, look.follows)
        facts = self._gate.look(frame.mono, look.moving, look.follows)
        of_before = [fact for fact in facts if isinstance(fact, Held | Ended)]
        self._decide(of_before)
        self._confirmed = any(isinstance(fact, Moved) for fact in facts)
        self._story.look(look, frame, confirmed=self._confirmed, zones=self._sensors.moving)
        self._decide(facts[len(of_before) :])
        self._switch(switched)
        return self._confirmed

    def still(self) -> None:
        """Nobody looks for motion any more: an event that no trigger holds ends now, and no zone moves."""
        self._decide(self._gate.still())
        self._forget()

    def shut(self, zones: Collection[str]) -> None:
        """Only these zones do not count from now on: their sensors are off."""
        self._switch(self._sensors.shut(zones))

    def trigger(self, duration: float, cause: str) -> str:
        """Begin an event of `duration` seconds now, or prolong the running one to that. Returns the event's id.

        Raises Unavailable while privacy is on, and where the camera gives no frames.
        """
        if self._settings.on(self._id, "privacy"):
            raise Unavailable("privacy is on")
        if not self._awake:
            raise Unavailable("edgecam is starting or stopping")
        if not self._status.online:
            raise Unavailable(self._status.trouble or "the camera gives no picture")
        now = self._clock.monotonic()
        self._decide(self._gate.hold(now, now + duration), cause)
        log.info("%s: triggered for %.0f s: %s, event %s", self._id, duration, cause, self._story.id)
        return self._story.id

    # -- what follows -----------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        self._decide(self._gate.tick(now))
        self._switch(self._sensors.tick(now))

    def _obey(self) -> None:
        """Take over the settings as they are now."""
        cooldown = self._settings.number(self._id, "cooldown")
        self._gate.tune(cooldown)
        self._sensors.tune(cooldown)
        if self._settings.on(self._id, "privacy"):
            self._close()

    def _close(self) -> None:
        """End a running event now, whatever holds it."""
        self._decide(self._gate.close())
        self._forget()

    def _forget(self) -> None:
        """Moving looks that were not confirmed yet come to nothing."""
        self._story.quiet()
        self._switch(self._sensors.close())

    def _decide(self, facts: Sequence[Fact], cause: str | None = None) -> None:
        """Turn what the gate said into status and events. `cause`: of what began it, unless that is motion."""
        status = self._status
        for fact in facts:
            match fact:
                case Moved(at):
                    status.last_motion_mono, status.last_motion = at, self._story.moved()
                case Held(at):
                    status.held_mono = at
                    self._story.held(self._moment(at))
                case Started(at):
                    status.moving = True
                    if cause is None:
                        self._story.started()
                    else:
                        self._story.triggered(self._moment(at), cause)
                        self._shutter = asyncio.create_task(self._take_picture(), name=f"{self.name} picture")
                case Ended():
                    status.moving = False
                    if self._shutter is not None:
                        self._shutter.cancel()
                    self._story.ended()
                case _:  # Resumed: the same event goes on
                    pass

    def _switch(self, switched: Sequence[Switched]) -> None:
        for zone, on, at in ((it.zone, it.on, it.at) for it in switched):
            (self._status.zones.add if on else self._status.zones.discard)(zone)
            self._bus.publish(ZoneMoved(camera=self._id, at=self._moment(at).wall, zone=zone, moving=on))

    def _moment(self, mono: float) -> Moment:
        return Moment(mono, self._clock.wall() - (self._clock.monotonic() - mono))

    async def _take_picture(self) -> None:
        """Nobody may be looking for motion: a triggered event has a picture of its beginning."""
        try:
            with self._hub.want(Want.SNAPSHOT):
                frame = await aside.within(self._clock, PATIENCE, self._hub.fresh(self._clock.monotonic()))
        except TimeoutError:
            log.warning("%s: the camera gave no picture of the triggered event", self._id)
        else:
            self._story.seen(frame)

    def _portray(self, frame: Frame, as_event: Callable[[Frame], MotionPicture]) -> None:
        """Publish an event's picture, at once where it is a JPEG already, else when it is coded; in order."""
        if frame.image is None and self._portraits is None:
            self._bus.publish(as_event(frame))
            return
        before = self._portraits

        async def portray() -> None:
            if before is not None:
                await asyncio.wait({before})
            try:
                self._bus.publish(as_event(await developed(frame, self._quality, self._pool)))
            except Exception:  # a picture that cannot be coded must not cost the event
                log.exception("%s: the event's picture cannot be coded", self.name)
            if self._portraits is asyncio.current_task():
                self._portraits = None

        self._portraits = asyncio.create_task(portray(), name=f"{self.name} portrait")
