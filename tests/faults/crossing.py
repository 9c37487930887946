"""The way of waiting files through a proxy to a real server, by the daemon's own spool, uploader and worker."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TypeVar

from edgecam.clock import SystemClock
from edgecam.config.store import Offload, StoreConfig
from edgecam.events import Bus, ClipStored
from edgecam.health import SpoolStatus, StoreState
from edgecam.media import Layout, Sidecar
from edgecam.offload.deliver import Delivered, Parcel
from edgecam.offload.patience import Patience, Pause
from edgecam.offload.stores import StoreError
from edgecam.offload.uploader import Uploader
from edgecam.offload.waiting.spool import Spool
from edgecam.offload.worker import STALL, Worker
from fakes import until
from faultproxy import Proxy
from faults.rows import Found, Trial
from faults.site import Site, open_site
from faults.witness import Thing, Witness
from waiting import NOON, content, save

T = TypeVar("T")
HOUR = 3600.0
HASTE = 0.01
"""What is left, in the tests, of each of the product's pauses."""
WITHIN = 60.0, 1800.0
"""Seconds, in the tests and in the campaign, in which must come true what a row waits for."""


MOST_MEMORY = 130
"""Of the worker, MB, with its libraries, however large a file is."""
CLEAN_WITHIN = 10.0
"""Seconds that a server gets to clear away what came of a body whose connection has ended."""


class Courier(Worker):
    """The worker, whose attempts, to bring something or to ask for the time, are kept."""

    def __init__(self, *, stall: float, command: Sequence[str] | None = None) -> None:
        if command:
            super().__init__(clock=SystemClock(), stall=stall, command=command)
        else:
            super().__init__(clock=SystemClock(), stall=stall)
        self.begun: list[float] = []
        """Of each attempt, monotonic seconds."""
        self.failures: list[StoreError] = []
        self.memory = 0
        """That the child held at most, MB."""

    async def deliver(self, store: StoreConfig, parcel: Parcel) -> Delivered:
        delivered = await self._attempt(super().deliver(store, parcel))
        self.memory = max(self.memory, peak(self.pid))
        return delivered

    async def look(self, store: StoreConfig, key: str) -> None:
        await self._attempt(super().look(store, key))

    async def _attempt(self, job: Coroutine[object, object, T]) -> T:
        self.begun.append(time.monotonic())
        try:
            return await job
        except StoreError as error:
            self.failures.append(error)
            raise


def peak(pid: int | None) -> int:
    """Resident memory that a process held at most, MB (proc(5), VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1000


class Counted(Patience):
    """The patience, whose pauses are kept."""

    def __init__(self, jitter: Callable[[], float], *, pace: float) -> None:
        super().__init__(jitter, pace=pace)
        self.pauses: list[float] = []
        """Seconds of each."""
        self.begun: list[float] = []
        """Of each, monotonic seconds."""

    def failed(self, error: StoreError, now: float) -> Pause:
        pause = super().failed(error, now)
        self.pauses.append(pause.seconds)
        self.begun.append(time.monotonic())
        return pause


class Crossing:
    """One row on its way. Its methods run on the daemon's loop: nothing here may block."""

    def __init__(self, trial: Trial, site: Site, proxy: Proxy, clips: Sequence[Sidecar], stall: float) -> None:
        self.trial, self.site, self.proxy, self.clips = trial, site, proxy, list(clips)
        self.chance = random.Random(trial.seed)
        self.layout = Layout(trial.folder / "box")
        self.config: StoreConfig = site.config(proxy)
        """May be changed before `start`, as may the next three."""
        self.numbers: dict[str, int] = {}
        """Clips whose key is `<id>-2` or so."""
        self.before: dict[str, bytes] = {}
        """Clips at whose key these bytes lie at first."""
        self.others: dict[str, bytes] = {}
        """Objects of other people, which must stay."""
        self.status, self.stored = SpoolStatus(), list[str]()
        self.courier = Courier(stall=stall)
        self.pace = 1.0 if trial.full else HASTE
        self.patience = Counted(self.chance.random, pace=self.pace)
        self.late = 0.0
        """Seconds by which the loop was late at most."""
        self._bus = Bus()
        self._bus.on(ClipStored, lambda event: self.stored.append(event.media.id))
        self._witness: Witness | None = None
        self._life: asyncio.Task[None] | None = None

    # What shall be where

    def key(self, clip: Sidecar, suffix: str = ".mp4") -> str:
        """Without a conflict."""
        return clip.media.key(self.config.prefix, "garden-pi") + suffix

    def _thing(self, clip: Sidecar) -> Thing:
        number = self.numbers.get(clip.id)
        media, manifest = (self.key(clip, f"-{number}{suffix}" if number else suffix) for suffix in (".mp4", ".json"))
        before = [self.before[clip.id]] if clip.id in self.before else []
        return Thing(self.layout.marker(clip.media), (media, data(clip)), (manifest, clip.dump()), before)

    # What happens

    def start(self) -> None:
        uploader = Uploader(
            config=Offload(store=self.config, link_expiry=None),
            wanted=lambda _: True,
            node="garden-pi",
            prefix=lambda _: self.config.prefix,
            spool=Spool(self.layout),
            worker=self.courier,
            bus=self._bus,
            status=self.status,
            cameras_status={},
            clock=SystemClock(),
            patience=self.patience,
        )
        self._witness = Witness(self.site, self.proxy, [self._thing(clip) for clip in self.clips])
        self._witness.begin()
        self._life = asyncio.create_task(uploader.run())

    async def stop(self) -> None:
        if self._witness:
            self._witness.end()
        if self._life:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)

    async def until(self, what: str, true: Callable[[], object]) -> None:
        """Raises AssertionError when it does not come true, or when the uploader ends."""
        await until(what, lambda: self._alive() and true(), within=WITHIN[self.trial.full], meanwhile=self._tick)

    def _alive(self) -> bool:
        assert self._life is not None, "not started"
        assert not self._life.done(), f"the uploader ended: {self._life}"
        return True

    async def _tick(self) -> None:
        began = time.monotonic()
        await asyncio.sleep(0.02)
        self.late = max(self.late, time.monotonic() - began - 0.02)

    async def failures(self, count: int) -> None:
        """Wait until so many attempts in all have failed."""
        await self.until(f"{count} attempts fail", lambda: len(self.patience.pauses) >= count)

    async def blocked(self, *words: str) -> str:
        """Wait until only a person can help; returns what this person is told."""
        await self.until("the store is blocked", lambda: self.status.state is StoreState.BLOCKED)
        reason = self.status.reason or ""
        assert all(word in reason for word in words), f"not {words} in the reason: {reason}"
        assert self.stored == [], "something was stored all the same"
        return reason

    async def drained(self) -> None:
        """Wait until nothing waits."""
        await self.until("all is stored", lambda: len(self.stored) >= len(self.clips) and not self.waiting())

    def waiting(self) -> list[str]:
        return sorted(path.name for path in self.layout.wait.iterdir())

    # What must be true

    def check(self) -> None:
        """At the end of every row."""
        assert self._witness is not None
        self._witness.end()
        assert not self._witness.wrong, f"seen: {self._witness.wrong}"
        assert self._witness.looks > 0
        expected = dict(self.others)
        for thing in map(self._thing, self.clips):
            expected |= dict([thing.media, thing.manifest])
        self.proxy.go()
        deadline = time.monotonic() + CLEAN_WITHIN
        while (others := self.site.keys() ^ expected.keys()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not others, f"in the store, or missing: {sorted(others)}"
        spoilt = [key for key, whole in expected.items() if self.site.read(key) != whole]
        assert self.courier.memory < MOST_MEMORY, f"the worker held {self.courier.memory} MB"
        assert not spoilt, f"not what was recorded: {spoilt}"
        assert sorted(self.stored) == sorted(clip.id for clip in self.clips), "not announced exactly once"
        assert self.status.state is StoreState.OK, f"the store is said to be {self.status.state}"
        self._check_disk()
        self._check_pauses()

    def _check_disk(self) -> None:
        spool = Spool(self.layout)
        assert not self.waiting(), f"left in the spool: {self.waiting()}"
        for clip in self.clips:
            kept = spool.sidecar(clip.media)
            assert kept.receipt is not None, f"{clip.id} has no receipt"
            assert kept.receipt.key == self._thing(clip).media[0], f"{clip.id} is said to be at {kept.receipt.key}"
            assert self.layout.media(clip.media).read_bytes() == data(clip), f"{clip.id} is changed here"

    def _check_pauses(self) -> None:
        """The store was left alone after each failure, as long as it was said."""
        for pause, since in zip(self.patience.pauses, self.patience.begun, strict=True):
            early = [at for at in self.courier.begun if since < at < since + pause]
            assert not early, f"tried {early[0] - since:.2f} s after a failure, not {pause:.2f} s"

    def sent_twice(self) -> int:
        """Bytes of media that reached the server in whole requests, beyond those of each file once."""
        puts = [put for put in self.proxy.asked("PUT", ".mp4") if "comp=blocklist" not in put.path]
        return sum(put.passed for put in puts if put.passed == put.size) - sum(clip.size for clip in self.clips)


def data(clip: Sidecar) -> bytes:
    """The media that `waiting.save` made."""
    return content(clip.size, int(clip.start))


Scenario = Callable[[Crossing], Awaitable[str]]
"""Plays a row from before `start` until all is drained; returns what it saw, in a few words."""


def cross(
    trial: Trial,
    *,
    scenario: Scenario,
    server: str,
    files: tuple[int, int] = (3, 24),
    size: tuple[int, int] = (200_000, 2_000_000),
    stall: tuple[float, float] = (STALL, STALL),
    tls: bool = False,
    bucket: bool = True,
) -> Found:
    """A row's `play`. Of each pair the first is the tests', the second the campaign's.

    A file is up to a tenth smaller than `size` bytes. `tls`: the proxy speaks it before a server that does not;
    `bucket`: it is there.
    """
    chance, top = random.Random(trial.seed), size[trial.full]
    box = trial.folder / "box"
    clips = [
        save(box, start=NOON + number * HOUR, size=chance.randint(top * 9 // 10, top))
        for number in range(files[trial.full])
    ]
    with open_site(server, trial, empty=bucket) as site, site.proxy(tls=tls) as proxy:
        crossing = Crossing(trial, site, proxy, clips, stall[trial.full])
        text = asyncio.run(_whole(crossing, scenario))
    return Found(len(clips), text)


async def _whole(crossing: Crossing, scenario: Scenario) -> str:
    try:
        text = await scenario(crossing)
        await asyncio.get_running_loop().run_in_executor(None, crossing.check)
    finally:
        await crossing.stop()
    return text
