"""Station: the components of one camera, in the order in which they start. With app.py the composition root."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from edgecam.camera import LONGEST_WAIT as CAMERA_WAIT
from edgecam.camera import Camera, Liveness
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import Bus
from edgecam.frame import Sound, Stamp
from edgecam.health import CameraStatus, PublishStatus
from edgecam.hub import FrameHub, Ring
from edgecam.microphone import Microphone
from edgecam.motion.alarm import Alarm
from edgecam.motion.component import Motion
from edgecam.motion.daylight import Daylight
from edgecam.record.coding.transcoder import Transcoder
from edgecam.record.disk.library import Library
from edgecam.record.finisher import Finisher
from edgecam.record.lapse.daily import Daily
from edgecam.record.lapse.timelapse import Timelapse
from edgecam.record.recorder import Recorder
from edgecam.relay.component import LONGEST_WAIT as RELAY_WAIT
from edgecam.relay.component import Relay
from edgecam.settings import Settings
from edgecam.sources import WITH_SOUND, LostThreads, Rig, Tone, alsa, open_source
from edgecam.sources.threaded import Reader
from edgecam.supervisor import LONGEST_WAIT, Component, Vitals

Room = tuple[Component, Vitals, float]
"""A component, how it fares, and the longest pause between two of its lives."""


@dataclass(frozen=True, slots=True)
class House:
    """What all cameras share."""

    clock: Clock
    bus: Bus
    settings: Settings
    library: Library
    finisher: Finisher
    transcoder: Transcoder
    lost: LostThreads
    pool: Executor


def room(component: Component, vitals: Vitals | None = None, longest: float = LONGEST_WAIT) -> Room:
    return component, vitals or Vitals(component.name), longest


def ring(camera: model.Camera) -> Ring:
    """Holds the pre-roll and a little more, since motion is confirmed after it began, and what `buffer` allows."""
    pre = camera.record.event.pre + camera.motion.min_frames / camera.motion.fps + 1.0
    return Ring(pre, camera.record.buffer.time, camera.record.buffer.memory)


class Station:
    """Whatever one camera needs."""

    def __init__(
        self, id: str, camera: model.Camera, hub: FrameHub, status: CameraStatus, alarm: Alarm, house: House
    ) -> None:
        self._id, self._camera, self._hub, self._status, self._house = id, camera, hub, status, house
        self._alarm = alarm
        self._tone = Tone(camera.image.grey, varies=camera.image.day_night is not None)

    def rooms(self) -> Iterator[Room]:
        yield from self._daylight()
        microphone = list(self._microphone())
        yield from microphone
        yield room(self._recorder())
        yield room(self._alarm)
        yield room(self._motion())
        yield from self._capture(None if microphone else self._camera.audio)
        yield from self._relay()
        yield from self._timelapse()

    def _recorder(self) -> Recorder:
        return Recorder(
            id=self._id,
            config=self._camera.record,
            video=self._camera.video,
            hub=self._hub,
            bus=self._house.bus,
            settings=self._house.settings,
            status=self._status,
            library=self._house.library,
            finisher=self._house.finisher,
            clock=self._house.clock,
        )

    def _motion(self) -> Motion:
        return Motion(
            id=self._id,
            config=self._camera.motion,
            hub=self._hub,
            bus=self._house.bus,
            settings=self._house.settings,
            status=self._status,
            alarm=self._alarm,
            clock=self._house.clock,
            pool=self._house.pool,
        )

    def _capture(self, audio: model.Audio | None) -> Iterator[Room]:
        """`audio`: how the source is to bring sound; None where it is not."""
        camera, clock, vitals = self._camera, self._house.clock, Vitals(self._id)
        rig = Rig(
            Stamp(self._id, clock),
            clock,
            quality=camera.image.quality,
            lost=self._house.lost,
            demand=self._hub.demand,
            looks=camera.motion.fps,
            video=camera.video,
            tone=self._tone,
            audio=audio,
        )
        capture = Camera(
            id=self._id,
            source=partial(open_source, camera.source, rig),
            patience=camera.source.stall_timeout,
            warmup=camera.source.warmup,
            idle_after=camera.source.idle_after,
            hub=self._hub,
            settings=self._house.settings,
            status=self._status,
            bus=self._house.bus,
            clock=clock,
            vitals=vitals,
            lost=self._house.lost,
        )
        yield room(capture, vitals, CAMERA_WAIT)
        yield room(Liveness(capture, clock))

    def _timelapse(self) -> Iterator[Room]:
        camera, lapse, house = self._camera, self._camera.record.timelapse, self._house
        if lapse is None:
            return
        stills = Timelapse(
            id=self._id,
            config=lapse,
            hub=self._hub,
            settings=house.settings,
            status=self._status,
            library=house.library,
            bus=house.bus,
            clock=house.clock,
            pool=house.pool,
            quality=camera.image.quality,
            patience=camera.source.stall_timeout + camera.source.warmup,
        )
        yield room(stills)
        if lapse.daily is not None:
            daily = Daily(
                id=self._id,
                at=lapse.daily,
                fps=lapse.fps,
                video=camera.video,
                library=house.library,
                filmmaker=house.transcoder,
                finisher=house.finisher,
                clock=house.clock,
            )
            yield room(daily)

    def _daylight(self) -> Iterator[Room]:
        """Makes the camera's pictures grey at night, where the configuration asks for that."""
        image, tone = self._camera.image, self._tone
        if image.day_night is None:
            return
        daylight = Daylight(
            id=self._id,
            config=image.day_night,
            hub=self._hub,
            bus=self._house.bus,
            status=self._status,
            clock=self._house.clock,
            pool=self._house.pool,
            grey=lambda night: setattr(tone, "grey", night or image.grey),
        )
        yield room(daylight)

    def _relay(self) -> Iterator[Room]:
        camera, vitals = self._camera, Vitals(f"{self._id} publish")
        if camera.publish is None or camera.publish.rtsp is None:
            return
        board = self._status.publish = PublishStatus()
        relay = Relay(
            id=self._id,
            title=camera.name,
            url=camera.publish.rtsp,
            hub=self._hub,
            settings=self._house.settings,
            board=board,
            bus=self._house.bus,
            clock=self._house.clock,
            vitals=vitals,
            sound=camera.audio is not None,
        )
        yield room(relay, vitals, RELAY_WAIT)

    def _microphone(self) -> Iterator[Room]:
        """One of its own, where the source brings no sound or the configuration names a device."""
        id, audio, clock, vitals = self._id, self._camera.audio, self._house.clock, Vitals(f"{self._id} microphone")
        if audio is None or (audio.device == "auto" and self._camera.source.type in WITH_SOUND):
            return
        alsa.prepare(os.environ)

        def ear(device: alsa.Device) -> Reader[Sound]:
            from edgecam.sources.ear import Ear

            return Ear(id, device, audio, clock)

        microphone = Microphone(
            id=id,
            devices=partial(alsa.devices, audio.device),
            ear=ear,
            hub=self._hub,
            settings=self._house.settings,
            status=self._status,
            bus=self._house.bus,
            clock=clock,
            vitals=vitals,
        )
        yield room(microphone, vitals)
