"""One Home Assistant from outside: REST, and the websocket that tells every change of state as it happens."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import aiohttp

T = TypeVar("T")
Json = Any
"""What another program says; looked at, never kept."""

POLLED = 0.2
"""Seconds between two looks at what tells no change."""


@dataclass(frozen=True)
class Change:
    """A new state and when we heard of it (unix seconds)."""

    at: float
    entity: str
    state: str
    attributes: Mapping[str, Json]


class Refused(AssertionError):
    """Home Assistant did not do what it was asked."""


class Api:
    """Use it in one loop. `move_in`, then `connect`; `close` at the end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tokens: dict[str, Json] = {}
        self.states: dict[str, Change] = {}
        """As the websocket told them."""
        self.changes: list[Change] = []
        self._session = aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(60))
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._listener: asyncio.Task[None] | None = None
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Json]] = {}
        self._changed = asyncio.Condition()

    @property
    def client_id(self) -> str:
        return f"{self.url}/"

    async def move_in(self) -> None:
        """The first page that a new house shows, and the steps behind it, answered with what is proposed."""
        person = {"name": "Anna", "username": "anna", "password": "a first password", "language": "en"}
        code = await self.post("/api/onboarding/users", {**person, "client_id": self.client_id})
        form = {"grant_type": "authorization_code", "code": code["auth_code"], "client_id": self.client_id}
        async with self._session.post("/auth/token", data=form) as answer:
            self.tokens = await answer.json()
        for step in ("core_config", "analytics"):
            await self.post(f"/api/onboarding/{step}")
        where = {"client_id": self.client_id, "redirect_uri": self.client_id}
        await self.post("/api/onboarding/integration", where)

    async def connect(self) -> None:
        """The websocket, and every state from now on; once more after Home Assistant began anew."""
        if self._listener is not None:
            self._listener.cancel()
            self.states.clear()
        self._socket = await self._session.ws_connect("/api/websocket", max_msg_size=0, heartbeat=30)
        await self._socket.receive_json()
        await self._socket.send_json({"type": "auth", "access_token": self.tokens["access_token"]})
        if (await self._socket.receive_json())["type"] != "auth_ok":
            raise Refused("the token that it gave")
        self._listener = asyncio.create_task(self._listen(self._socket))
        await self.ask("subscribe_events", event_type="state_changed")
        for state in await self.ask("get_states"):
            self._hear(state["entity_id"], state)

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
        await self._session.close()

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            said = message.json()
            if said["type"] == "event":
                self._hear(said["event"]["data"]["entity_id"], said["event"]["data"]["new_state"])
                async with self._changed:
                    self._changed.notify_all()
            elif said["type"] == "result" and (asked := self._asked.pop(said["id"], None)) and not asked.done():
                if said["success"]:
                    asked.set_result(said["result"])
                else:
                    asked.set_exception(Refused(said["error"]["message"]))

    def _hear(self, entity: str, state: Json) -> None:
        if state is None:
            self.states.pop(entity, None)
            return
        change = Change(time.time(), entity, state["state"], state["attributes"])
        self.states[entity] = change
        self.changes.append(change)

    async def ask(self, kind: str, **fields: object) -> Json:
        """The result of a websocket command; raises Refused."""
        assert self._socket is not None
        number = next(self._numbers)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "type": kind, **fields})
        try:
            return await asyncio.wait_for(asked, 60)
        except Refused as error:
            raise Refused(f"{kind}: {error}") from None

    async def raw(self, method: str, path: str, body: Json = None) -> tuple[int, str, bytes]:
        """Status, content type and body of any answer."""
        headers = {"Authorization": f"Bearer {self.tokens.get('access_token', '')}"} if self.tokens else {}
        async with self._session.request(method, path, json=body, headers=headers) as answer:
            return answer.status, answer.content_type, await answer.read()

    async def get(self, path: str) -> Json:
        return await self._json("GET", path)

    async def post(self, path: str, body: Json = None) -> Json:
        return await self._json("POST", path, {} if body is None else body)

    async def _json(self, method: str, path: str, body: Json = None) -> Json:
        status, kind, said = await self.raw(method, path, body)
        if status >= 400 or kind != "application/json":
            raise Refused(f"{method} {path}: {status} {said[:300].decode(errors='replace')}")
        return json.loads(said)

    async def call(self, action: str, **data: object) -> None:
        """`call("switch.turn_off", entity_id=…)`."""
        await self.post(f"/api/services/{action.replace('.', '/')}", data)

    async def flow(self, handler: str) -> Json:
        """The first form of an integration."""
        return await self.post("/api/config/config_entries/flow", {"handler": handler})

    async def answer(self, form: Json, values: Mapping[str, object]) -> Json:
        """What follows when `form` is sent with `values` and, else, with what it proposes."""
        return await self.post(
            f"/api/config/config_entries/flow/{form['flow_id']}", filled(form["data_schema"], values)
        )

    async def add(self, handler: str, values: Mapping[str, object]) -> Json:
        """Set up an integration whose first form is its last one; raises Refused with the form's errors."""
        made = await self.answer(await self.flow(handler), values)
        if made["type"] != "create_entry":
            raise Refused(f"{handler}: {made.get('errors') or made}")
        return made

    async def until(self, what: str, look: Callable[["Api"], Awaitable[T]], within: float = 20.0) -> T:
        """The first true answer of `look`, asked again and again."""
        async with _limit(what, within):
            while not (found := await look(self)):
                await asyncio.sleep(POLLED)
            return found

    async def hears(self, what: str, find: Callable[[Change], bool], since: int = 0, within: float = 20.0) -> Change:
        """The first change, of those from number `since` on, for which `find` is true."""
        async with _limit(what, within), self._changed:
            while True:
                for change in self.changes[since:]:
                    if find(change):
                        return change
                since = len(self.changes)
                await self._changed.wait()

    async def state(self, entity: str, *wanted: str, within: float = 20.0) -> Change:
        """`entity` in one of the states `wanted`, now or soon."""

        def found() -> Change | None:
            change = self.states.get(entity)
            return change if change is not None and change.state in wanted else None

        is_now = self.states.get(entity)
        what = f"{entity} {' or '.join(wanted)} (it was {is_now.state if is_now else 'absent'})"
        async with _limit(what, within), self._changed:
            while (change := found()) is None:
                await self._changed.wait()
            return change


@asynccontextmanager
async def _limit(what: str, within: float) -> AsyncIterator[None]:
    """`asyncio.timeout` that says what was waited for."""
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError:
        raise AssertionError(f"not within {within:g} s: {what}") from None


def filled(fields: Json, values: Mapping[str, object]) -> dict[str, Json]:
    """A form's fields: ours, else what it proposes, else no. Sections are forms in the form."""
    found: dict[str, Json] = {}
    for field in fields:
        name, kind = field["name"], field.get("selector") or {}
        proposed = field.get("default", (field.get("description") or {}).get("suggested_value"))
        if name in values:
            found[name] = values[name]
        elif field.get("type") == "expandable":
            found[name] = filled(field["schema"], values)
        elif proposed is not None:
            found[name] = proposed
        elif field.get("required"):
            found[name] = False if "boolean" in kind or field.get("type") == "boolean" else _first(kind)
    return found


def _first(kind: Json) -> Json:
    option = kind["select"]["options"][0]
    return option["value"] if isinstance(option, dict) else option
