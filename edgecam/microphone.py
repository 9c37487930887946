"""Microphone: sound for a camera whose source brings none. A camera goes on without it: silence is no reason to alarm.

It is open only while somebody wants coded frames, never in privacy. No device is tried again with back-off, so that
one that is plugged in is heard within a minute.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing

from edgecam.clock import Clock
from edgecam.events import Bus, SettingChanged
from edgecam.frame import Sound
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub
from edgecam.settings import Switches
from edgecam.sources import Broken, LostThreads
from edgecam.sources.alsa import Device
from edgecam.sources.threaded import CaptureThread, Reader
from edgecam.supervisor import Vitals, reason, recovered

log = logging.getLogger(__name__)

PROBE = 2.0
"""Seconds until a device has to be heard: one that hangs does not keep the next one from being tried."""
STALL = 5.0
"""Seconds without sound after which a device that worked is opened anew."""
TICK = 1.0
MOST_LOST = 2
"""Threads that may hang in a device; then no other is started until one comes back."""


class Microphone:
    """Component. `devices` says what there is to try, in order; `ear` makes the reader of one.

    The [microphone] field of the status is its own. Loop thread only.
    """

    def __init__(
        self,
        *,
        id: str,
        devices: Callable[[], list[Device]],
        ear: Callable[[Device], Reader[Sound]],
        hub: FrameHub,
        settings: Switches,
        status: CameraStatus,
        bus: Bus,
        clock: Clock,
        vitals: Vitals,
    ) -> None:
        self.name = vitals.name
        self._id, self._devices, self._ear, self._hub = id, devices, ear, hub
        self._settings, self._status, self._clock, self._vitals = settings, status, clock, vitals
        self._lost = LostThreads()
        self._life: asyncio.Timeout | None = None
        self._heard, self._since = False, 0.0  # whether this device gave sound, and since when there is none
        bus.on(SettingChanged, self._setting_changed)

    @property
    def _wanted(self) -> bool:
        return self._hub.demand.coded and not self._settings.on(self._id, "privacy")

    async def run(self) -> None:
        """One life. Raises Broken when there is nothing to hear from."""
        while True:
            while not self._wanted:
                await self._clock.sleep(TICK)
            try:
                await self._try_all()
            except Exception as error:
                self._status.sound = reason(error)
                raise

    async def _try_all(self) -> None:
        """Hear from the first device that gives sound, until nobody wants it. Raises what the first of them raised."""
        troubles = list[Broken]()
        for device in self._devices():
            if self._lost.count >= MOST_LOST:
                raise Broken("the sound devices hang in their driver and cannot be freed")
            self._heard, self._since = False, self._clock.monotonic()
            try:
                await self._hear(device)
            except Broken as error:
                troubles.append(error)
                if self._heard:
                    raise
            else:
                return
        raise troubles[0] if troubles else Broken("there is no microphone")

    async def _hear(self, device: Device) -> None:
        """Publish until nobody wants sound. Raises what the device raised, Broken when it is silent."""
        thread = CaptureThread[Sound](self._ear(device), self.name, self._lost)
        watch = asyncio.create_task(self._watch(), name=f"{self.name} watch")
        try:
            async with asyncio.timeout(None) as life, aclosing(thread.items()) as sounds:
                self._life = life
                async for sound in sounds:
                    self._take(sound, device)
            raise Broken(f"the microphone {device.name} is gone")
        except TimeoutError:
            if not life.expired():
                raise
            if self._wanted:
                raise Broken(f"the microphone {device.name} gives no sound") from None
        finally:
            self._life = None
            watch.cancel()
            await thread.close()

    def _take(self, sound: Sound, device: Device) -> None:
        self._since = self._clock.monotonic()
        if not self._heard:
            self._heard, self._status.sound, attempts = True, None, recovered(self._vitals)
            again = f" after {attempts} attempt{'s' if attempts > 1 else ''}" if attempts else ""
            log.info("%s: sound comes from %s%s", self.name, device.name, again)
        if self._wanted:
            self._hub.hear(sound)

    async def _watch(self) -> None:
        """Cut a life that nobody wants, or that is silent."""
        while self._wanted and self._clock.monotonic() - self._since < (STALL if self._heard else PROBE):
            await self._clock.sleep(TICK)
        self._cut()

    def _cut(self) -> None:
        if self._life is not None:
            self._life.reschedule(asyncio.get_running_loop().time())

    def _setting_changed(self, change: SettingChanged) -> None:
        if (change.camera, change.key) == (self._id, "privacy") and not self._wanted:
            self._cut()
