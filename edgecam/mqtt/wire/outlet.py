"""Outlet: the part of Mqtt that those who speak need; tests bring one that remembers."""

import json
from collections.abc import Callable, Iterable
from typing import Protocol

from edgecam.mqtt.wire.messages import Incoming, Rank


class Outlet(Protocol):
    """See `client.Mqtt`, which keeps these promises."""

    def set(self, topic: str, payload: str, *, rank: Rank = Rank.STATE, qos: int = 1) -> None: ...

    def picture(self, topic: str, jpeg: bytes, *, width: int | None = None, expiry: float | None = None) -> None: ...

    def forget(self, topic: str) -> None: ...

    def send(self, topic: str, payload: str, *, correlation: bytes | None = None, surely: bool = False) -> None: ...

    def subscribe(self, name: str, callback: Callable[[Incoming], None]) -> None: ...

    def complete(self, topics: Iterable[str], *, spare: bool = False) -> None: ...

    def announce(self, *, pictures: bool = False) -> None: ...

    async def settled(self) -> None: ...


def compact(data: object) -> str:
    """JSON without a needless byte."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
