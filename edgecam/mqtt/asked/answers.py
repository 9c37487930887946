"""Answers: does what arrives at `request/<verb>`, and tells whoever asked what came of it, or why nothing did."""

import asyncio
import logging
import math
from collections.abc import Callable, Collection
from typing import Protocol
from urllib.parse import urlencode

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import units
from edgecam.config.places import ConfigErrors
from edgecam.control import LONGEST_EXPORT, Film, Reloaded, Saved, Unavailable
from edgecam.events import SnapshotTaken
from edgecam.media import MediaId, iso
from edgecam.mqtt.asked import deeds, orders, requests
from edgecam.mqtt.asked.orders import shown
from edgecam.mqtt.asked.requests import Asked, Envelope, Json, Question, Refused
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire.messages import Incoming
from edgecam.mqtt.wire.outlet import Outlet, compact
from edgecam.settings import SETTINGS, Settings

log = logging.getLogger(__name__)

UNDER_WAY = 8
"""Different requests that are worked on at a time."""
ECHO = 60.0
"""Seconds within which our own clearing comes back to us over MQTT 3.1.1; over MQTT 5 it never does."""


class Link(Protocol):
    """Where media opens without a login: at this box, at the store, until when (unix seconds)."""

    @property
    def url(self) -> str | None: ...

    @property
    def store(self) -> str | None: ...

    @property
    def expires(self) -> float: ...


class Control(orders.Control, Protocol):
    """What can be asked, by buttons too. All raise Unavailable with the reason; `reload` and `restart` ConfigErrors."""

    async def take_snapshot(self, camera: str) -> SnapshotTaken: ...

    async def save_clip(self, camera: str, last: float) -> Saved: ...

    async def export(self, camera: str, begin: float, end: float) -> Film: ...

    async def reload(self) -> Reloaded: ...

    def effective(self) -> dict[str, object]: ...

    async def link(self, id: str) -> Link: ...


class Addresses(Protocol):
    """Where things open without a login; None without `http.external_url`."""

    def media(self, id: MediaId) -> str | None: ...

    def export(self, camera: str, begin: float, end: float) -> str | None: ...


class Answers:
    """Loop thread only. Whoever asks the same while it is under way gets the same answer."""

    def __init__(
        self,
        *,
        mqtt: Outlet,
        topics: Topics,
        cameras: Collection[str],
        settings: Settings,
        control: Control,
        links: Addresses,
        health: Callable[[], Json],
        clock: Clock,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._mqtt, self._topics, self._cameras, self._settings = mqtt, topics, cameras, settings
        self._control, self._links, self._health = control, links, health
        self._clock, self._tasks = clock, tasks
        self._askers: dict[Question, list[Envelope]] = {}
        """What is under way, and whom to tell."""
        self._cutting = asyncio.Lock()
        """One film at a time: a long one takes seconds of work and some memory."""
        self._cleared: dict[str, float] = {}
        """Topic -> when (monotonic)."""

    def hear(self, message: Incoming) -> None:
        now = self._clock.monotonic()
        if not message.payload and now - self._cleared.pop(message.topic, -math.inf) < ECHO:
            return
        match requests.parse(message, self._topics, self._cameras):
            case Asked(question, envelope) if question in self._askers:
                self._askers[question].append(envelope)
            case Asked(_, envelope) if len(self._askers) >= UNDER_WAY:
                self._refuse(f"{UNDER_WAY} requests are under way: ask again when they are answered", envelope)
            case Asked(question, envelope):
                self._askers[question] = [envelope]
                verb = message.topic.rpartition("/")[2]
                if not aside.join(self._tasks, self._work(question, verb), f"request {shown(message.topic)}"):
                    self._fail(question, shown(message.topic), "edgecam is stopping: ask again when it is back")
            case Refused(why, envelope):
                log.warning("mqtt: %s: refused: %s", shown(message.topic), why)
                self._refuse(why, envelope)
            case deeds.Replay():
                log.warning("mqtt: %s: ignored and cleared: a request must not be retained", shown(message.topic))
                self._cleared[message.topic] = now
                self._mqtt.forget(message.topic)
            case None:
                pass

    async def _work(self, question: Question, name: str) -> None:
        try:
            data = await self._answer(question)
        except Unavailable as error:
            self._fail(question, name, str(error))
        except ConfigErrors as errors:  # the log has them
            self._tell(question, f"the configuration is wrong, what was in force stays so:\n{errors}")
        except Exception:  # a mistake of ours costs one answer, not all that MQTT tells
            log.exception("mqtt: request %s failed", name)
            self._fail(question, name, "edgecam made a mistake here; its log says more")
        else:
            log.debug("mqtt: request %s is answered", name)
            for envelope in self._askers.pop(question):
                self._send(requests.answer(data, envelope), envelope)
        finally:
            self._askers.pop(question, None)

    def _fail(self, question: Question, name: str, why: str) -> None:
        log.info("mqtt: request %s: %s", name, why)
        self._tell(question, why)

    def _tell(self, question: Question, why: str) -> None:
        for envelope in self._askers.pop(question):
            self._refuse(why, envelope)

    def _refuse(self, why: str, envelope: Envelope) -> None:
        self._send(requests.refusal(why, envelope), envelope)

    def _send(self, said: Json, envelope: Envelope) -> None:
        self._mqtt.send(envelope.topic, compact(said), correlation=envelope.correlation)

    async def _answer(self, question: Question) -> Json | None:
        match question:
            case deeds.TakeSnapshot(camera):
                return self._picture(await self._control.take_snapshot(camera))
            case deeds.SaveClip(camera, last):
                return self._clip(camera, await self._control.save_clip(camera, last))
            case deeds.Trigger(camera, duration, cause):
                return {"event_id": self._control.trigger(camera, duration, cause)}
            case requests.Export(camera, begin, end):
                return await self._export(camera, begin, end)
            case deeds.Reload():
                told = await self._control.reload()
                return {"changed": told.changed, "restarted": told.restarted}
            case deeds.Restart():
                await self._control.restart()
                return None
            case requests.Config():
                return {"config": self._control.effective(), "settings": self._changed()}
            case requests.Health():
                return self._health()
            case requests.Link(id):
                return _link(id, await self._control.link(id))

    def _picture(self, taken: SnapshotTaken) -> Json:
        media = taken.media
        return {
            "id": media.id if media else None,
            "camera": taken.camera,
            "time": iso(taken.at),
            "width": taken.width,
            "height": taken.height,
            "size": len(taken.jpeg),
            "sha256": media.sha256 if media else None,
            **(self._addresses(media.media) if media else {"path": None, "url": None}),
        }

    def _clip(self, camera: str, saved: Saved) -> Json:
        found: Json = {"id": saved.id, "camera": camera, "begin": iso(saved.begin), "end": iso(saved.end)}
        duration = round(saved.end - saved.begin, 3)
        return found | {"duration": duration, "note": saved.note, **self._addresses(MediaId.parse(saved.id))}

    async def _export(self, camera: str, begin: float, end: float) -> Json:
        if end - begin > LONGEST_EXPORT:
            raise Unavailable(f"an export is at most {units.duration_text(LONGEST_EXPORT)} long: ask for it in parts")
        async with self._cutting:
            film = await self._control.export(camera, begin, end)
        asked = urlencode({"from": iso(begin), "to": iso(end)})
        return {
            "camera": camera,
            "begin": iso(film.begin),
            "end": iso(film.end),
            "size": film.size,
            "gaps": [[iso(since), iso(until)] for since, until in film.gaps],
            "path": f"api/cameras/{camera}/export.mp4?{asked}",
            "url": self._links.export(camera, begin, end),
        }

    def _addresses(self, id: MediaId) -> Json:
        return {"path": _path(id), "url": self._links.media(id)}

    def _changed(self) -> Json:
        """Live settings that win over the file, by camera."""
        settings = self._settings
        return {
            camera: {
                key: {"value": settings.get(camera, key), "file": settings.file(camera, key)}
                for key in SETTINGS
                if settings.is_changed(camera, key)
            }
            for camera in self._cameras
        }


def _path(id: MediaId) -> str:
    """Below the page's address; opens for who logs in there."""
    return f"media/{id.text}{id.suffix}"


def _link(id: str, link: Link) -> Json:
    return {
        "id": id,
        "path": _path(MediaId.parse(id)),
        "url": link.url,
        "link": link.store,
        "expires": iso(link.expires),
    }
