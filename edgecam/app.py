"""Composition root: one Config becomes components, in the order in which they start.

The only file that knows everybody; it decides nothing.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from edgecam import aside, local
from edgecam.camera import LONGEST_WAIT as CAMERA_WAIT
from edgecam.camera import Camera, Liveness
from edgecam.clock import Clock
from edgecam.config.model import Audio, Config
from edgecam.control import Control
from edgecam.events import Bus
from edgecam.frame import Sound, Stamp
from edgecam.health import CameraStatus, Health, PublishStatus
from edgecam.hub import FrameHub, Ring
from edgecam.identity import Identity, identify
from edgecam.media import Layout, MediaId
from edgecam.microphone import Microphone
from edgecam.motion.component import Motion
from edgecam.motion.daylight import Daylight
from edgecam.offload.spool import Spool
from edgecam.offload.uploader import Uploader
from edgecam.offload.worker import Worker
from edgecam.record.daily import Daily
from edgecam.record.finisher import Finisher
from edgecam.record.keeper import Keeper
from edgecam.record.library import Away, Library
from edgecam.record.recorder import Recorder
from edgecam.record.recovery import Recovered, enter
from edgecam.record.saver import Saver
from edgecam.record.timelapse import Timelapse
from edgecam.record.transcoder import Transcoder
from edgecam.relay.component import LONGEST_WAIT as RELAY_WAIT
from edgecam.relay.component import Relay
from edgecam.settings import Settings
from edgecam.sources import WITH_SOUND, LostThreads, Rig, Tone, alsa, open_source
from edgecam.sources.threaded import Reader
from edgecam.supervisor import LONGEST_WAIT, Component, Fatal, Vitals, serve
from edgecam.systemd import Notifier, Watchdog
from edgecam.web import Web

log = logging.getLogger(__name__)


class Daemon:
    """Everything that runs, built from one configuration. Touches the disk when it is made, the rest in `run`."""

    def __init__(self, config: Config, clock: Clock, environ: Mapping[str, str]) -> None:
        """Raises Fatal when the state folder is not writable."""
        self._config, self._clock, self._environ = config, clock, environ
        self._notifier = Notifier(environ)
        self._state = config.state_path(environ)
        self._identity = _identity(config, self._state)
        layout = Layout(config.storage_path(environ))
        self._library = Library(layout, wanted=self._wanted, require_mount=config.storage.require_mount)
        self._spool = Spool(layout)
        self._rooms: list[tuple[Component, Vitals, float]] = []
        self._leave: Callable[[], None] = lambda: None
        boards = {id: CameraStatus(camera.name) for id, camera in config.cameras.items()}
        self.bus = Bus()
        self.health = Health(self._identity.node, self._identity.instance, clock, boards)
        self._settings = Settings(config.cameras, self._state / "settings.json", self.bus, clock)
        self._hubs = {id: FrameHub(id, self._ring(id)) for id in config.cameras}

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Start all, call `ready` when every component lives, serve until `stop`, end within 10 s.

        Raises Fatal for what needs a new process or a person: port taken, storage locked or not writable.
        """
        pool = ThreadPoolExecutor(2, "pool")
        cameras = ", ".join(self._config.cameras) or "none"
        log.info("node %s, storage %s, cameras: %s", self._identity.node, self._library.layout.root, cameras)
        try:
            recovered = await self._recover(stop)
            if recovered is None:
                return
            await self._build(pool, recovered)
            heralds = [
                asyncio.create_task(self._tell_begin(ready), name="begin"),
                asyncio.create_task(self._tell_end(stop), name="end"),
            ]
            try:
                await serve(self._rooms, self._clock, stop)
            finally:
                for herald in heralds:
                    herald.cancel()
                await self._settings.close()
        except OSError as error:
            raise Fatal(f"storage: cannot read the spool: {error}") from error
        finally:
            self._library.close()
            pool.shutdown(wait=False, cancel_futures=True)

    async def _recover(self, stop: asyncio.Event) -> Recovered | None:
        """What a crash left; None when we are told to stop before a slow disk has given it.

        A storage that is not there yet is the keeper's to wait for.
        """
        recovering = asyncio.create_task(aside.run(enter, self._library))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({recovering, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not recovering.done():
            recovering.cancel()
            return None
        try:
            return recovering.result()
        except Away:
            return Recovered()

    async def _tell_begin(self, ready: Callable[[], None]) -> None:
        """Tell systemd when every component entered its first life."""
        for _, vitals, _ in self._rooms:
            await vitals.born.wait()
        self._notifier.tell("READY=1")
        ready()

    async def _tell_end(self, stop: asyncio.Event) -> None:
        """Who watches over MQTT learns of the end when it begins: clips may take seconds to be finished."""
        await stop.wait()
        self._leave()

    # -- building, in the order of starting -------------------------------------------------------------------------

    async def _build(self, pool: Executor, recovered: Recovered) -> None:
        config, clock, bus = self._config, self._clock, self.bus
        video = {id: camera.video for id, camera in config.cameras.items()}
        transcoder = Transcoder(clock)
        finisher = Finisher(
            library=self._library,
            transcoder=transcoder,
            video=video,
            bus=bus,
            clock=clock,
            recovered=recovered,
        )
        control = Control(
            hubs=self._hubs,
            status=self.health.cameras,
            shelf=self._library,
            clips=Saver(hubs=self._hubs, video=video, library=self._library, finisher=finisher, clock=clock),
            bus=bus,
            clock=clock,
            pool=pool,
            quality={id: camera.image.quality for id, camera in config.cameras.items()},
        )
        web = Web(
            config=config.http,
            cameras=config.cameras,
            hubs=self._hubs,
            health=self.health,
            control=control,
            library=self._library,
            clock=clock,
            pool=pool,
            local=local.place(self._state, self._environ),
        )
        self.health.http = await web.bind()
        self._add_keeper(finisher)
        self._add_offload()
        self._add_mqtt(control, pool)
        self._add(finisher)
        lost = LostThreads()
        for id in config.cameras:
            self._add_camera(id, finisher, lost, pool)
            self._add_timelapse(id, transcoder, finisher, pool)
        self._add(web)
        self._add(Watchdog(self._notifier, self.health, pool, clock))
        self.health.vitals = [
            vitals for room, vitals, _ in self._rooms if not isinstance(room, Camera | Microphone | Relay)
        ]

    def _add(self, component: Component, vitals: Vitals | None = None, longest: float = LONGEST_WAIT) -> None:
        self._rooms.append((component, vitals or Vitals(component.name), longest))

    def _add_keeper(self, finisher: Finisher) -> None:
        keeper = Keeper(
            config=self._config.storage,
            cameras=self._config.cameras,
            library=self._library,
            bus=self.bus,
            clock=self._clock,
            status=self.health.disk,
            back=finisher.take,
        )
        library, settings = self._library, self._settings
        self.health.storage_trouble = lambda: library.full or keeper.trouble or finisher.trouble or settings.trouble
        self._add(keeper)

    def _add_offload(self) -> None:
        if self._config.offload is None:
            return
        uploader = Uploader(
            config=self._config.offload,
            wanted=self._wanted,
            node=self._identity.node,
            prefix=lambda id: self._config.key_prefix(id.camera, id.kind.value),
            spool=self._spool,
            worker=Worker(clock=self._clock),
            bus=self.bus,
            status=self.health.spool,
            cameras_status=self.health.cameras,
            clock=self._clock,
        )
        self._add(uploader)

    def _add_mqtt(self, control: Control, pool: Executor) -> None:
        if self._config.mqtt is None:
            return
        from edgecam.mqtt.client import Mqtt
        from edgecam.mqtt.discovery import page_url
        from edgecam.mqtt.publish import Publisher

        mqtt = Mqtt(
            config=self._config.mqtt,
            node=self._identity.node,
            instance=self._identity.instance,
            state=self._state,
            status=self.health.mqtt,
            clock=self._clock,
            pool=pool,
        )
        publisher = Publisher(
            config=self._config,
            mqtt=mqtt,
            hubs=self._hubs,
            health=self.health,
            settings=self._settings,
            bus=self.bus,
            clock=self._clock,
            control=control,
            pool=pool,
            url=page_url(self._config.http.external_url, self.health.http or "", socket.gethostname()),
        )
        self._leave = mqtt.leave
        self._add(mqtt)
        self._add(publisher)

    def _add_camera(self, id: str, finisher: Finisher, lost: LostThreads, pool: Executor) -> None:
        camera, hub, status = self._config.cameras[id], self._hubs[id], self.health.cameras[id]
        tone = self._add_daylight(id, pool)
        listening = self._add_microphone(id)
        recorder = Recorder(
            id=id,
            config=camera.record,
            video=camera.video,
            hub=hub,
            bus=self.bus,
            settings=self._settings,
            status=status,
            library=self._library,
            finisher=finisher,
            clock=self._clock,
        )
        self._add(recorder)
        motion = Motion(
            id=id,
            config=camera.motion,
            hub=hub,
            bus=self.bus,
            settings=self._settings,
            status=status,
            clock=self._clock,
            pool=pool,
            quality=camera.image.quality,
        )
        self._add(motion)
        self._add_capture(id, lost, tone, None if listening else camera.audio)
        self._add_relay(id)

    def _add_capture(self, id: str, lost: LostThreads, tone: Tone, audio: Audio | None) -> None:
        """`audio`: how the source is to bring sound; None where it is not."""
        camera, hub, clock, vitals = self._config.cameras[id], self._hubs[id], self._clock, Vitals(id)
        rig = Rig(
            Stamp(id, clock),
            clock,
            quality=camera.image.quality,
            lost=lost,
            demand=hub.demand,
            looks=camera.motion.fps,
            video=camera.video,
            tone=tone,
            audio=audio,
        )
        capture = Camera(
            id=id,
            source=partial(open_source, camera.source, rig),
            patience=camera.source.stall_timeout,
            warmup=camera.source.warmup,
            idle_after=camera.source.idle_after,
            hub=hub,
            settings=self._settings,
            status=self.health.cameras[id],
            bus=self.bus,
            clock=clock,
            vitals=vitals,
            lost=lost,
        )
        self._add(capture, vitals, CAMERA_WAIT)
        self._add(Liveness(capture, clock))

    def _add_timelapse(self, id: str, transcoder: Transcoder, finisher: Finisher, pool: Executor) -> None:
        camera, lapse = self._config.cameras[id], self._config.cameras[id].record.timelapse
        if lapse is None:
            return
        stills = Timelapse(
            id=id,
            config=lapse,
            hub=self._hubs[id],
            settings=self._settings,
            status=self.health.cameras[id],
            library=self._library,
            bus=self.bus,
            clock=self._clock,
            pool=pool,
            quality=camera.image.quality,
            patience=camera.source.stall_timeout + camera.source.warmup,
        )
        self._add(stills)
        if lapse.daily is not None:
            daily = Daily(
                id=id,
                at=lapse.daily,
                fps=lapse.fps,
                video=camera.video,
                library=self._library,
                filmmaker=transcoder,
                finisher=finisher,
                clock=self._clock,
            )
            self._add(daily)

    def _add_daylight(self, id: str, pool: Executor) -> Tone:
        """Whether the camera's pictures are grey, which daylight changes where the configuration asks for that."""
        image = self._config.cameras[id].image
        tone = Tone(image.grey, varies=image.day_night is not None)
        if image.day_night is not None:
            daylight = Daylight(
                id=id,
                config=image.day_night,
                hub=self._hubs[id],
                bus=self.bus,
                status=self.health.cameras[id],
                clock=self._clock,
                pool=pool,
                grey=lambda night: setattr(tone, "grey", night or image.grey),
            )
            self._add(daylight)
        return tone

    def _add_relay(self, id: str) -> None:
        camera, vitals = self._config.cameras[id], Vitals(f"{id} publish")
        if camera.publish is None or camera.publish.rtsp is None:
            return
        board = self.health.cameras[id].publish = PublishStatus()
        relay = Relay(
            id=id,
            title=camera.name,
            url=camera.publish.rtsp,
            hub=self._hubs[id],
            settings=self._settings,
            board=board,
            bus=self.bus,
            clock=self._clock,
            vitals=vitals,
            sound=camera.audio is not None,
        )
        self._add(relay, vitals, RELAY_WAIT)

    def _add_microphone(self, id: str) -> bool:
        """Whether this camera has one: its source brings no sound, or the configuration names a device."""
        camera, clock, vitals = self._config.cameras[id], self._clock, Vitals(f"{id} microphone")
        audio = camera.audio
        if audio is None or (audio.device == "auto" and camera.source.type in WITH_SOUND):
            return False
        alsa.prepare(os.environ)

        def ear(device: alsa.Device) -> Reader[Sound]:
            from edgecam.sources.ear import Ear

            return Ear(id, device, audio, clock)

        microphone = Microphone(
            id=id,
            devices=partial(alsa.devices, audio.device),
            ear=ear,
            hub=self._hubs[id],
            settings=self._settings,
            status=self.health.cameras[id],
            bus=self.bus,
            clock=clock,
            vitals=vitals,
        )
        self._add(microphone, vitals)
        return True

    def _ring(self, id: str) -> Ring:
        """Holds the pre-roll and a little more, since motion is confirmed after it began, and what `buffer` allows."""
        camera = self._config.cameras[id]
        pre = camera.record.event.pre + camera.motion.min_frames / camera.motion.fps + 1.0
        return Ring(pre, camera.record.buffer.time, camera.record.buffer.memory)

    def _wanted(self, id: MediaId) -> bool:
        return id.kind in self._config.offload_kinds(id.camera)


def _identity(config: Config, state: Path) -> Identity:
    try:
        return identify(config.node, state)
    except OSError as error:
        raise Fatal(f"the state folder {state} is not writable: {error.strerror}") from None
