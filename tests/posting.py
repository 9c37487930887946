"""Requests over MQTT without a broker: a desk that answers, and an outlet that keeps what was answered."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asking import Desk, Signs
from edgecam.config import model
from edgecam.events import Bus
from edgecam.mqtt.asked.answers import Answers
from edgecam.mqtt.topics import Topics
from edgecam.mqtt.wire.messages import Incoming, Rank
from edgecam.settings import Settings
from fakes import FakeClock, settle

TOPICS = Topics("edgecam/pi")


class Post:
    """An outlet that keeps the answers: topic, JSON, correlation."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, object], bytes | None]] = []
        self.forgotten: list[str] = []

    def send(self, topic: str, payload: str, *, correlation: bytes | None = None, surely: bool = False) -> None:
        self.sent.append((topic, json.loads(payload), correlation))

    def forget(self, topic: str) -> None:
        self.forgotten.append(topic)

    def set(self, topic: str, payload: str, *, rank: Rank = Rank.STATE, qos: int = 1) -> None:
        raise AssertionError("an answer is never retained")

    def picture(self, *_: object, **__: object) -> None: ...

    def subscribe(self, *_: object) -> None: ...

    def complete(self, *_: object, spare: bool = False) -> None: ...

    def announce(self, *, pictures: bool = False) -> None: ...

    async def settled(self) -> None: ...


class House:
    def __init__(self, folder: Path, base: str | None = "https://cams.example.org/") -> None:
        self.post, self.desk, self.signs = Post(), Desk(at_once=True), Signs(base)
        self.clock = FakeClock()
        cameras = {id: model.Camera.model_validate({"source": "synthetic"}) for id in ("birdbox", "gate")}
        self.settings = Settings(cameras, folder / "settings.json", Bus(), self.clock)
        self.answers: Answers

    @asynccontextmanager
    async def open(self) -> AsyncIterator["House"]:
        async with asyncio.TaskGroup() as tasks:
            self.answers = Answers(
                mqtt=self.post,
                topics=TOPICS,
                cameras=("birdbox", "gate"),
                settings=self.settings,
                control=self.desk,
                links=self.signs,
                health=lambda: {"problems": []},
                clock=self.clock,
                tasks=tasks,
            )
            yield self
        await self.settings.close()

    def ask(self, verb: str, sent: dict[str, object], *, retain: bool = False, mark: bytes | None = None) -> None:
        self.answers.hear(Incoming(TOPICS.request(verb), json.dumps(sent).encode(), retain, None, mark))

    async def answer(self, verb: str, **sent: object) -> dict[str, object]:
        """The one answer to a request, which bears our transaction."""
        said = await self.said(verb, {"transaction": 7, **sent})
        assert said["transaction"] == 7
        return said

    async def said(self, verb: str, sent: dict[str, object]) -> dict[str, object]:
        before = len(self.post.sent)
        self.ask(verb, sent)
        await settle()
        [(topic, said, correlation)] = self.post.sent[before:]
        assert (topic, correlation) == (f"edgecam/pi/response/{verb}", None)
        return said

    async def data(self, verb: str, **sent: object) -> object:
        said = await self.answer(verb, **sent)
        assert (said["status"], said["error"]) == ("ok", None)
        return said["data"]

    async def error(self, verb: str, **sent: object) -> object:
        said = await self.answer(verb, **sent)
        assert (said["status"], said["data"]) == ("error", None)
        return said["error"]
