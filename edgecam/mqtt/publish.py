"""Publisher: the house in topics. Fills the table, tells the story, answers Home Assistant.

Knows the words (topics, payloads, discovery); the wire is `client.Mqtt`.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from edgecam import placeholder
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.events import Bus, CameraLost, CameraOnline, Event, SettingChanged
from edgecam.health import Health
from edgecam.hub import FrameHub
from edgecam.links import Links
from edgecam.mqtt import payloads
from edgecam.mqtt.announcing import discovery
from edgecam.mqtt.announcing.announcer import Announcer
from edgecam.mqtt.asked import answers, orders
from edgecam.mqtt.memory import Announced
from edgecam.mqtt.rival import Rival
from edgecam.mqtt.states import States
from edgecam.mqtt.stills import Stills
from edgecam.mqtt.story import Story
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire.messages import Incoming
from edgecam.mqtt.wire.outlet import Outlet
from edgecam.settings import SETTINGS, Settings

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two looks at the status boards."""
CARD = (640, 360)
"""Pixels of the card that is shown with privacy on."""
BIRTH_SPREAD = 3.0
"""Seconds over which a fleet of nodes answers Home Assistant's birth."""


class Publisher:
    """Component. Where MQTT is not configured there is none."""

    name = "publisher"

    def __init__(
        self,
        *,
        config: model.Config,
        mqtt: Outlet,
        hubs: Mapping[str, FrameHub],
        health: Health,
        settings: Settings,
        bus: Bus,
        clock: Clock,
        control: answers.Control,
        url: str,
        links: Links,
        pool: Executor,
        announced: Announced,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`url` is the page's, as `discovery.page_url` gives it. Raises ValueError without `config.mqtt`."""
        if config.mqtt is None:
            raise ValueError("MQTT is not configured")
        self._config, self._broker, self._mqtt, self._hubs, self._health = config, config.mqtt, mqtt, hubs, health
        self._settings, self._bus, self._clock, self._control = settings, bus, clock, control
        self._jitter, self._pool, self._links = jitter, pool, links
        about = discovery.about(health, url)
        wanted = discovery.messages(config, about)
        self._announcer = Announcer(mqtt, health.node, wanted, announced, clock, pool, self._complete)
        self._topics = Topics(f"{config.mqtt.base_topic}/{health.node}")
        self._states = States(mqtt, self._topics, health, clock)
        self._story = Story(mqtt, self._topics, config.cameras, settings, url, links, clock)
        self._rival = Rival(health.node, health.instance, health.mqtt, clock)
        self._born: asyncio.Task[None] | None = None
        self._stills = {
            id: Stills(
                camera=id,
                config=camera.image,
                hub=hubs[id],
                settings=settings,
                story=self._story,
                clock=clock,
                pool=pool,
            )
            for id, camera in config.cameras.items()
        }

    async def run(self) -> None:
        """Mqtt begins when everything is in the table."""
        silence = self._story.listen(self._bus)
        ears = [self._bus.on(CameraOnline, self._look), self._bus.on(CameraLost, self._look)]
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._announcer.begin()
                self._subscribe(tasks)
                self._fill()
                tasks.create_task(self._announcer.run(), name="announcer")
                for camera in self._config.cameras:
                    tasks.create_task(self._stills[camera].run(), name=f"stills of {camera}")
                    tasks.create_task(self._hide(camera), name=f"privacy of {camera}")
                ears.append(self._bus.on(SettingChanged, lambda change: self._obey(change, tasks)))
                tasks.create_task(self._watch(), name="states")
        finally:
            silence()
            for end in ears:
                end()

    def _fill(self) -> None:
        """Every state as it is now; motion is over until somebody says otherwise."""
        for camera in self._config.cameras:
            status = self._health.cameras[camera]
            self._mqtt.set(self._topics.camera(camera).motion, payloads.on_off(status.moving))
            for zone in self._config.cameras[camera].motion.zones:
                self._story.zone(camera, zone, zone in status.zones)
            absent = set[str]() if self._config.offload_kinds(camera) else discovery.NEEDS_STORE
            for key in (key for key in SETTINGS if key not in absent):
                self._story.setting(camera, key, self._settings.get(camera, key))
        self._states.look()
        self._complete()

    def _complete(self) -> None:
        """What an entity hears is cleared after the entity is gone: empty it would be a complaint in somebody's log."""
        topics = [*self._announcer.topics, *self._topics.retained(self._config.cameras)]
        self._mqtt.complete(topics, spare=self._announcer.busy)

    def _subscribe(self, tasks: asyncio.TaskGroup) -> None:
        def birth(message: Incoming) -> None:
            if message.retain:  # of long ago, and what it asks for was sent with this connection
                return
            if message.payload == b"online" and (self._born is None or self._born.done()):
                self._born = tasks.create_task(self._welcome(), name="announce")

        self._mqtt.subscribe(self._topics.health, self._rival.hear)
        self._mqtt.subscribe(self._topics.status, self._rival.leave)
        if self._broker.discovery:
            self._announcer.search(self._broker.discovery)
        if self._broker.discovery or self._announcer.mourning:
            self._mqtt.subscribe(self._broker.birth_topic, birth)
        if self._broker.commands:
            buttons = orders.Orders(
                mqtt=self._mqtt,
                topics=self._topics,
                cameras=self._config.cameras,
                settings=self._settings,
                control=self._control,
                show=self._story.setting,
                tasks=tasks,
            )
            self._mqtt.subscribe(self._topics.commands, buttons.obey)
            self._mqtt.subscribe(self._topics.node_commands, buttons.obey)
            desk = answers.Answers(
                mqtt=self._mqtt,
                topics=self._topics,
                cameras=self._config.cameras,
                settings=self._settings,
                control=self._control,
                links=self._links,
                health=self._health.snapshot,
                clock=self._clock,
                tasks=tasks,
            )
            self._mqtt.subscribe(self._topics.requests, desk.hear)

    async def _welcome(self) -> None:
        await self._clock.sleep(BIRTH_SPREAD * self._jitter())
        await self._announcer.born()
        self._mqtt.announce()

    def _look(self, event: Event) -> None:
        self._states.look_at(event.camera)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(LOOK)
            if self._rival.look():
                self._mqtt.announce(pictures=True)
            self._states.look()

    def _obey(self, change: SettingChanged, tasks: asyncio.TaskGroup) -> None:
        if change.key in ("privacy", "snapshot_interval"):
            self._stills[change.camera].renew()
        if change.key == "privacy":
            tasks.create_task(self._hide(change.camera), name=f"privacy of {change.camera}")

    async def _hide(self, camera: str) -> None:
        """With privacy on, the broker shows a card in the place of the last pictures."""
        if not self._settings.on(camera, "privacy"):
            return
        name = self._config.cameras[camera].name
        drawing = self._pool.submit(placeholder.draw, "privacy is on", name, CARD)
        self._story.hide(camera, await asyncio.wrap_future(drawing))
