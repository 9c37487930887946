"""Orders: does what arrives at `…/set`, and says in one line why not when it does not."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Protocol

from edgecam import aside
from edgecam.config.places import ConfigErrors
from edgecam.control import Unavailable
from edgecam.knobs import Value
from edgecam.mqtt.asked import commands, deeds
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire.messages import Incoming
from edgecam.mqtt.wire.outlet import Outlet
from edgecam.settings import Settings

log = logging.getLogger(__name__)

REPLAYS = 5
"""So many retained commands are told one by one."""


class Control(Protocol):
    """What buttons need. All raise Unavailable with the reason, the last two ConfigErrors."""

    async def take_snapshot(self, camera: str) -> object: ...

    async def save_clip(self, camera: str, last: float) -> object: ...

    def trigger(self, camera: str, duration: float, cause: str) -> str: ...

    def restart_camera(self, camera: str) -> None: ...

    async def reload(self) -> object: ...

    async def restart(self) -> None: ...


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
        self._pressed: set[commands.Press] = set()
        """What is being done: pressing again meanwhile asks for the same."""
        self._replays = 0

    def obey(self, message: Incoming) -> None:
        match commands.parse(message, self._topics, self._cameras):
            case commands.SetSetting(camera, key, value):
                self._settings.set(camera, key, value)
            case deeds.Replay():
                self._clear(message.topic)
            case commands.Refused(why, camera, key):
                log.warning("mqtt: %s: ignored: %s", shown(message.topic), why)
                if camera is not None and key is not None:
                    self._show(camera, key, self._settings.get(camera, key))
            case None:
                pass
            case asked if asked not in self._pressed:
                self._pressed.add(asked)
                if not aside.join(self._tasks, self._do(asked), f"order of {shown(message.topic)}"):
                    self._pressed.discard(asked)
                    log.warning("mqtt: %s: ignored: edgecam is stopping", shown(message.topic))

    def _clear(self, topic: str) -> None:
        """A broker may remember any number of them."""
        self._replays += 1
        if self._replays <= REPLAYS:
            more = "; more of them are cleared without a word" if self._replays == REPLAYS else ""
            log.warning("mqtt: %s: ignored and cleared: a command must not be retained%s", shown(topic), more)
        self._mqtt.forget(topic)

    async def _do(self, asked: commands.Press) -> None:
        try:
            await self._obey(asked)
        except Unavailable as error:
            log.warning("%s: %s", _WORDS[type(asked)].format(asked), error)
        except ConfigErrors:
            pass  # the log has them, and who listens to the node's events
        except Exception:  # a mistake of ours costs one press, not all that MQTT tells
            log.exception("%s", _WORDS[type(asked)].format(asked))
        finally:
            self._pressed.discard(asked)

    async def _obey(self, asked: commands.Press) -> None:
        match asked:
            case deeds.TakeSnapshot(camera):
                await self._control.take_snapshot(camera)
            case deeds.SaveClip(camera, last):
                await self._control.save_clip(camera, last)
            case deeds.Trigger(camera, duration, cause):
                self._control.trigger(camera, duration, cause)
            case commands.RestartCamera(camera):
                self._control.restart_camera(camera)
            case deeds.Reload():
                await self._control.reload()
            case deeds.Restart():
                await self._control.restart()


_WORDS = {
    deeds.TakeSnapshot: "{0.camera}: no snapshot",
    deeds.SaveClip: "{0.camera}: no clip",
    deeds.Trigger: "{0.camera}: no event",
    commands.RestartCamera: "{0.camera}: not restarted",
    deeds.Reload: "no reload",
    deeds.Restart: "no restart",
}
"""What a press that came to nothing is called in the log."""


def shown(topic: str) -> str:
    """A topic that somebody else wrote, fit for a log line."""
    text = topic if topic.isprintable() else ascii(topic)
    return text if len(text) <= 120 else text[:117] + "..."
