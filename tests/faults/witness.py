"""Somebody who asks a server for the same objects all the time, past the proxy, and sees what is never to be seen."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faultproxy import Proxy
from faults.site import Site

PAUSE, RESTING = 0.02, 0.2
"""Seconds between two looks, and while nothing passes the proxy."""


@dataclass
class Thing:
    """A clip on its way: its marker, what it is in the store, and what else may be seen there before."""

    marker: Path
    media: tuple[str, bytes]
    """Key and bytes."""
    manifest: tuple[str, bytes]
    before: Sequence[bytes] = field(default=())


class Witness:
    """Looks from `begin` to `end`, in a thread of its own."""

    def __init__(self, site: Site, proxy: Proxy, things: Sequence[Thing]) -> None:
        self._site, self._proxy, self._things = site, proxy, list(things)
        self.looks = 0
        self.wrong: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="witness")

    def _watch(self) -> None:
        turn = 0
        while not self._over.wait(PAUSE if self._busy() else RESTING):
            turn += 1
            for thing in self._chosen(turn):
                try:
                    self._look(thing)
                except OSError:  # the server is away, and answers nobody
                    self._over.wait(RESTING)

    def _busy(self) -> bool:
        return bool(self._proxy.seen) and self._proxy.seen[-1].at > time.monotonic() - 1

    def _chosen(self, turn: int) -> list[Thing]:
        """What is on its way now, and one after the other of those that still wait."""
        asked = self._proxy.seen[-1].path if self._proxy.seen else ""
        moving = [thing for thing in self._things if thing.media[0].rpartition(".")[0] in asked]
        return [*moving, self._things[turn % len(self._things)]] if self._things else []

    def _look(self, thing: Thing) -> None:
        gone = not thing.marker.exists()  # before we ask: what is gone by now must be there
        manifest = self._see(thing, *thing.manifest)
        media = self._see(thing, *thing.media)
        if manifest and not media:
            self._complain(f"{thing.manifest[0]} was there before its media")
        if gone and media and manifest:
            self._things = [other for other in self._things if other is not thing]
        elif gone:
            self._complain(f"{thing.marker.name} had left the spool before it was whole in the store")

    def _see(self, thing: Thing, key: str, whole: bytes) -> bool:
        """Whether it is there, whole."""
        found = self._site.seen(key)
        self.looks += 1
        if found is not None and found != whole and found not in thing.before:
            self._complain(f"{key} was seen with {len(found)} bytes that are not the {len(whole)} of the clip")
        return found == whole

    def _complain(self, what: str) -> None:
        if what not in self.wrong:
            self.wrong.append(what)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Once more is fine."""
        self._over.set()
        self._thread.join()
