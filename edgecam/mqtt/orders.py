"""Orders: does what arrives at `…/set`, and says in one line why not when it does not."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Protocol

from edgecam.control import Unavailable
from edgecam.mqtt import commands
from edgecam.mqtt.messages import Incoming
from edgecam.mqtt.outlet import Outlet
from edgecam.mqtt.topics import Topics
from edgecam.settings import Settings, Value

log = logging.getLogger(__name__)


class Snapshots(Protocol):
    """The part of Control that buttons need."""

    async def take_snapshot(self, camera: str) -> object:
        """Raises Unavailable with the reason."""
        ...


class Orders:
    """Loop thread only."""

    def __init__(
        self,
        *,
        mqtt: Outlet,
        topics: Topics,
        cameras: Collection[str],
        settings: Settings,
        control: Snapshots,
        show: Callable[[str, str, Value], None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`show` publishes a setting; what takes time runs in `tasks`."""
        self._mqtt, self._topics, self._cameras = mqtt, topics, cameras
        self._settings, self._control, self._show, self._tasks = settings, control, show, tasks
        self._pressed: set[str] = set()
        """Cameras that are taking a picture: pressing again meanwhile asks for the same one."""

    def obey(self, message: Incoming) -> None:
        match commands.parse(message, self._topics, self._cameras):
            case commands.SetSetting(camera, key, value):
                self._settings.set(camera, key, value)
            case commands.Press(camera, _) if camera not in self._pressed:
                self._pressed.add(camera)
                self._tasks.create_task(self._take(camera), name=f"snapshot {camera}")
            case commands.Replay():
                log.warning("mqtt: %s: ignored and cleared: a command must not be retained", shown(message.topic))
                self._mqtt.forget(message.topic)
            case commands.Refused(why, camera, key):
                log.warning("mqtt: %s: ignored: %s", shown(message.topic), why)
                if camera is not None and key is not None:
                    self._show(camera, key, self._settings.get(camera, key))
            case _:
                pass

    async def _take(self, camera: str) -> None:
        try:
            await self._control.take_snapshot(camera)
        except Unavailable as error:
            log.warning("%s: no snapshot: %s", camera, error)
        finally:
            self._pressed.discard(camera)


def shown(topic: str) -> str:
    """A topic that somebody else wrote, fit for a log line."""
    text = topic if topic.isprintable() else ascii(topic)
    return text if len(text) <= 120 else text[:117] + "..."
