"""Composition root: one Config becomes components, in the order in which they start.

With station.py the only file that knows everybody; it decides nothing.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path

from edgecam import aside, local
from edgecam.almanac import Almanac
from edgecam.board import Board
from edgecam.camera import Camera
from edgecam.clock import Clock, boot_id, kernel_synced, newest
from edgecam.config.model import Config
from edgecam.control import Control, Lifetime
from edgecam.events import Bus
from edgecam.health import CameraStatus, Health
from edgecam.hub import FrameHub
from edgecam.identity import Identity, identify, signing_key
from edgecam.links import Links
from edgecam.media import Layout, MediaId
from edgecam.microphone import Microphone
from edgecam.motion.alarm import Alarm
from edgecam.offload.ledger import Ledger
from edgecam.offload.reminder import Reminder
from edgecam.offload.uploader import Uploader
from edgecam.offload.valve import Hours
from edgecam.offload.waiting.spool import Spool
from edgecam.offload.worker import Worker
from edgecam.record.coding.transcoder import Transcoder
from edgecam.record.disk.dating import Dating
from edgecam.record.disk.keeper import Keeper
from edgecam.record.disk.library import Away, Library
from edgecam.record.disk.mender import Mender
from edgecam.record.disk.recovery import Recovered, enter
from edgecam.record.finisher import Finisher
from edgecam.record.saver import Saver
from edgecam.relay.component import Relay
from edgecam.settings import Settings
from edgecam.sources import LostThreads
from edgecam.station import House, Room, Station, ring, room
from edgecam.supervisor import Component, Fatal, serve
from edgecam.systemd import Notifier, Watchdog
from edgecam.web import Web
from edgecam.web.signed import Signer

log = logging.getLogger(__name__)


class Daemon:
    """Everything that runs, built from one configuration. Touches the disk when it is made, the rest in `run`."""

    def __init__(
        self, config: Config, clock: Clock, environ: Mapping[str, str], lifetime: Lifetime | None = None
    ) -> None:
        """`lifetime`: of the process around it, which can begin anew. Raises Fatal without a writable state folder."""
        self._config, self._clock, self._environ, self._lifetime = config, clock, environ, lifetime
        self._notifier = Notifier(environ)
        self._state = config.state_path(environ)
        self._almanac = Almanac(clock, boot=boot_id(), newest=newest(self._state), kernel=kernel_synced)
        self._identity = _identity(config, self._state)
        self._signer = Signer(signing_key(self._state), clock)
        self._links = Links(config.http.external_url, self._signer.sign)
        layout = Layout(config.storage_path(environ))
        self._library = Library(
            layout,
            wanted=self._wanted,
            require_mount=config.storage.require_mount,
            births=self._almanac.birth,
            when=self._almanac.when,
        )
        self._spool = Spool(layout)
        self._rooms: list[Room] = []
        self._leave: Callable[[], None] = lambda: None
        boards = {id: CameraStatus(camera.name) for id, camera in config.cameras.items()}
        self.bus = Bus()
        self.health = Health(self._identity.node, self._identity.instance, clock, boards)
        self.health.almanac = self._almanac
        self._settings = Settings(config.cameras, self._state / "settings.json", self.bus, clock)
        self._hubs = {id: FrameHub(id, ring(camera)) for id, camera in config.cameras.items()}

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Start all, call `ready` when every component lives, serve until `stop`, end within 10 s.

        Raises Fatal for what needs a new process or a person: port taken, storage locked or not writable.
        """
        pool = aside.pool(2)
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
                self._settings.tidy()
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
        mender = Mender(self._library, self._wanted)
        uploader = self._uploader(mender)
        captures: dict[str, Camera] = {}
        alarms = {id: self._alarm(id, pool) for id in config.cameras}
        control = Control(
            hubs=self._hubs,
            status=self.health.cameras,
            shelf=self._library,
            clips=Saver(hubs=self._hubs, video=video, library=self._library, finisher=finisher, clock=clock),
            bus=bus,
            clock=clock,
            pool=pool,
            quality={id: camera.image.quality for id, camera in config.cameras.items()},
            mender=mender,
            bells=alarms,
            links=self._links,
            sender=uploader,
            captures=captures,
            lifetime=self._lifetime,
        )
        web = Web(
            config=config.http,
            cameras=config.cameras,
            hubs=self._hubs,
            health=self.health,
            control=control,
            settings=self._settings,
            library=self._library,
            bus=bus,
            signer=self._signer,
            clock=clock,
            pool=pool,
            local=local.place(self._state, self._environ),
        )
        self.health.http = await web.bind()
        board = Board(self.health, clock)
        await board.look()
        self._add(board)
        self._add_keeper(finisher, uploader)
        if uploader:
            self._add(uploader)
            self._add_reminder()
        self._add_mqtt(control, pool)
        self._add(finisher)
        house = House(
            clock=clock,
            bus=bus,
            settings=self._settings,
            library=self._library,
            finisher=finisher,
            transcoder=transcoder,
            lost=LostThreads(),
            pool=pool,
        )
        for id, camera in config.cameras.items():
            self._rooms += Station(id, camera, self._hubs[id], self.health.cameras[id], alarms[id], house).rooms()
        captures |= {room.name: room for room, _, _ in self._rooms if isinstance(room, Camera)}
        self._add(web)
        self._add(Watchdog(self._notifier, self.health, pool, clock))
        self.health.vitals = [
            vitals for room, vitals, _ in self._rooms if not isinstance(room, Camera | Microphone | Relay)
        ]

    def _add(self, component: Component) -> None:
        self._rooms.append(room(component))

    def _alarm(self, id: str, pool: Executor) -> Alarm:
        camera = self._config.cameras[id]
        return Alarm(
            id=id,
            config=camera.motion,
            hub=self._hubs[id],
            bus=self.bus,
            settings=self._settings,
            status=self.health.cameras[id],
            clock=self._clock,
            pool=pool,
            quality=camera.image.quality,
        )

    def _add_keeper(self, finisher: Finisher, uploader: Uploader | None) -> None:
        dating = Dating(
            library=self._library,
            almanac=self._almanac,
            bus=self.bus,
            carried=lambda: uploader.carrying if uploader else None,
        )
        keeper = Keeper(
            config=self._config.storage,
            cameras=self._config.cameras,
            library=self._library,
            bus=self.bus,
            clock=self._clock,
            status=self.health.disk,
            back=finisher.take,
            dating=dating,
            carrying=lambda: uploader.carrying if uploader else None,
        )
        library, settings = self._library, self._settings
        self.health.storage_trouble = lambda: library.full or keeper.trouble or finisher.trouble or settings.trouble
        self._add(keeper)

    def _add_reminder(self) -> None:
        assert self._config.offload is not None
        reminder = Reminder(self._config.offload.store, self._clock)
        self.health.store_warning = reminder.warning
        self._add(reminder)

    def _uploader(self, mender: Mender) -> Uploader | None:
        offload = self._config.offload
        if offload is None:
            return None
        ledger, hours = Ledger(self.health.spool, self._clock), Hours(offload.bandwidth or {}, self._clock)
        return Uploader(
            config=offload,
            wanted=self._wanted,
            node=self._identity.node,
            prefix=lambda id: self._config.key_prefix(id.camera, id.kind.value),
            spool=self._spool,
            worker=Worker(clock=self._clock, bandwidth=offload.bandwidth, left=ledger.left, heard=self._almanac.heard),
            bus=self.bus,
            status=self.health.spool,
            cameras_status=self.health.cameras,
            clock=self._clock,
            ledger=ledger,
            hold=lambda: self._almanac.hold,
            shut=hours,
            may_go=lambda camera: self._settings.on(camera, "offload"),
            mend=mender.mend,
        )

    def _add_mqtt(self, control: Control, pool: Executor) -> None:
        if self._config.mqtt is None:
            return
        from edgecam.mqtt.announcing.discovery import page_url
        from edgecam.mqtt.memory import Announced
        from edgecam.mqtt.publish import Publisher
        from edgecam.mqtt.wire.client import Mqtt

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
            announced=Announced(self._state),
            url=page_url(self._config.http.external_url, self.health.http or "", socket.gethostname()),
            links=self._links,
        )
        self._leave = mqtt.leave
        self._add(mqtt)
        self._add(publisher)

    def _wanted(self, id: MediaId) -> bool:
        return id.kind in self._config.offload_kinds(id.camera)


def _identity(config: Config, state: Path) -> Identity:
    try:
        return identify(config.node, state)
    except OSError as error:
        raise Fatal(f"the state folder {state} is not writable: {error.strerror}") from None
