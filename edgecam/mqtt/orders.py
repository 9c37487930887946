"""Orders: does what arrives at `…/set`, and says in one line why not when it does not."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Protocol

from edgecam.control import Unavailable
from edgecam.knobs import Value
from edgecam.mqtt import commands
from edgecam.mqtt.messages import Incoming
from edgecam.mqtt.outlet import Outlet
from edgecam.mqtt.topics import Topics
from edgecam.settings import Settings

log = logging.getLogger(__name__)

Pressed = commands.TakeSnapshot | commands.SaveClip


class Control(Protocol):
    """What buttons need. Both raise Unavailable with the reason."""

    async def take_snapshot(self, camera: str) -> object: ...

    async def save_clip(self, camera: str, last: float) -> object: ...


class Orders:
    """Loop thread only."""

    def __init__(
        self,
        *,
        mqtt: Outlet,
        topics: Topics,
        cameras: Collection[str],
        settings: Settings,
        control: Control,
        show: Callable[[str, str, Value], None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`show` publishes a setting; what takes time runs in `tasks`."""
        self._mqtt, self._topics, self._cameras = mqtt, topics, cameras
        self._settings, self._control, self._show, self._tasks = settings, control, show, tasks
        self._pressed: set[Pressed] = set()
        """What is being done: pressing again meanwhile asks for the same."""

    def obey(self, message: Incoming) -> None:
        match commands.parse(message, self._topics, self._cameras):
            case commands.SetSetting(camera, key, value):
                self._settings.set(camera, key, value)
            case (commands.TakeSnapshot() | commands.SaveClip()) as asked if asked not in self._pressed:
                self._pressed.add(asked)
                self._tasks.create_task(self._do(asked), name=f"order of {asked.camera}")
            case commands.Replay():
                log.warning("mqtt: %s: ignored and cleared: a command must not be retained", shown(message.topic))
                self._mqtt.forget(message.topic)
            case commands.Refused(why, camera, key):
                log.warning("mqtt: %s: ignored: %s", shown(message.topic), why)
                if camera is not None and key is not None:
                    self._show(camera, key, self._settings.get(camera, key))
            case _:
                pass

    async def _do(self, asked: Pressed) -> None:
        try:
            match asked:
                case commands.TakeSnapshot(camera):
                    await self._control.take_snapshot(camera)
                case commands.SaveClip(camera, last):
                    await self._control.save_clip(camera, last)
        except Unavailable as error:
            what = "snapshot" if isinstance(asked, commands.TakeSnapshot) else "clip"
            log.warning("%s: no %s: %s", asked.camera, what, error)
        finally:
            self._pressed.discard(asked)


def shown(topic: str) -> str:
    """A topic that somebody else wrote, fit for a log line."""
    text = topic if topic.isprintable() else ascii(topic)
    return text if len(text) <= 120 else text[:117] + "..."
