"""The worker process: a child that talks to the store, and the daemon's end of the pipe to it.

The child loads boto3 or azure, may hang, may be killed, and leaves when idle, so the daemon pays for none of it. It
gets the store's configuration with every job: a key that was corrected is used at once.
"""

import asyncio
import contextlib
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter

from edgecam import aside
from edgecam.clock import Clock, SystemClock
from edgecam.config.secret import secrets_in
from edgecam.config.store import StoreConfig
from edgecam.offload.deliver import Delivered, Parcel, deliver
from edgecam.offload.leaving import Leaving
from edgecam.offload.pipe import Abandon, Answer, Deliver, Failure, Job, Look, MakeLink, Task, Try, plain, scrubbed
from edgecam.offload.probe import Tried, probe
from edgecam.offload.stores import Permanent, Store, StoreError, Transient, open_store
from edgecam.offload.valve import Valve

log = logging.getLogger(__name__)

IDLE = 60.0
STALL = 120.0
"""Seconds without a sign of progress after which the child is replaced."""
TAIL, THIN = 600.0, 10_000
"""The same once the last byte is in the hands of the network, at most, and how thin a line, in bytes per second, may
still be that drains them: megabytes of buffers take their time, a dead line is to be noticed in STALL.
"""
FAREWELL = 2.0
PULSE = 1.0
"""Seconds between the child's reports of progress."""
LINE = 1 << 20
"""Longest line of the child, bytes."""


class Worker:
    """Starts the child when there is a job, kills it when it makes no progress, lets it go when idle. Loop thread only.

    Every failure is a StoreError; that of the child itself is a Transient one.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        bandwidth: Mapping[str, float] | None = None,
        left: Callable[[int], None] = lambda _: None,
        idle: float = IDLE,
        stall: float = STALL,
        heard: Callable[[float], None] = lambda ahead: None,
        command: Sequence[str] = (sys.executable, "-m", "edgecam.offload.worker"),
    ) -> None:
        """`left` is told of bytes that left the box, once a second or so while they do; `heard`, how far the store's
        clock is ahead of ours (s), whenever it answered.
        """
        self._bandwidth, self._left, self._heard = bandwidth or {}, left, heard
        self._clock, self._idle, self._stall, self._command = clock, idle, stall, command
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._idling: asyncio.Task[None] | None = None
        self._secrets: Sequence[str] = ()

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        return self._process.pid if self._process else None

    async def deliver(self, store: StoreConfig, parcel: Parcel) -> Delivered:
        """See deliver.deliver."""
        answer = await self._do(store, Deliver(parcel=parcel, bandwidth=self._bandwidth))
        if answer.delivered is None:
            raise Transient("the offload worker answered something else")
        return answer.delivered

    async def link(self, store: StoreConfig, key: str, expiry: float) -> tuple[str, float] | None:
        """A URL for anybody, and the unix time when it ends; None where the store has no such thing."""
        return (await self._do(store, MakeLink(key=key, expiry=expiry))).link

    async def abandon(self, store: StoreConfig, journal: Path) -> None:
        """See Store.abandon."""
        await self._do(store, Abandon(journal=journal))

    async def look(self, store: StoreConfig, key: str) -> None:
        """Ask the store for an object, so that it tells the time. Raises StoreError, also when it did."""
        await self._do(store, Look(key=key))

    async def probe(self, store: StoreConfig, key: str) -> Tried:
        """See probe.probe."""
        answer = await self._do(store, Try(key=key))
        if answer.tried is None:
            raise Transient("the offload worker answered something else")
        return answer.tried

    async def close(self) -> None:
        """Let the child go, whatever it is doing."""
        async with self._lock:
            await self._stop_idling()
            await self._end()

    async def _do(self, store: StoreConfig, task: Task) -> Answer:
        async with self._lock:
            await self._stop_idling()
            self._secrets = list(secrets_in(store))
            job = Job(store=plain(store), task=task)
            try:
                answer = await self._ask(job)
            except BaseException:  # cancelled, stalled, dead: this child's state is not known any more
                await self._end(kill=True)
                raise
            self._idling = asyncio.create_task(self._leave_when_idle(), name="offload worker idles")
        if answer.ahead is not None:
            self._heard(answer.ahead)
        if answer.failed:
            raise answer.failed.error()
        return answer

    async def _ask(self, job: Job) -> Answer:
        process = await self._started()
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it died: reading says how
            process.stdin.write(job.model_dump_json().encode() + b"\n")
            await process.stdin.drain()
        size = job.task.parcel.size if isinstance(job.task, Deliver) else 0
        tail = max(self._stall, min(TAIL, size / THIN))
        patience = self._stall
        while True:
            try:
                answer = Answer.model_validate_json(await self._line(process, patience))
            except ValueError:
                raise Transient("the offload worker answered nonsense") from None
            self._left(answer.left)
            if answer.sent is None:
                return answer
            patience = tail if answer.sent >= size else self._stall

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process and self._process.returncode is not None:
            await self._end()
        if self._process is None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=-1, stdout=-1, stderr=-1, limit=LINE
                )
            except OSError as error:
                raise Transient(f"the offload worker cannot be started: {error.strerror}") from None
            self._listening = asyncio.create_task(self._listen(self._process), name="offload worker's stderr")
        return self._process

    async def _line(self, process: asyncio.subprocess.Process, patience: float) -> bytes:
        """The child's next line. Raises Transient when it dies or says nothing for too long."""
        assert process.stdout is not None
        try:
            line = await aside.within(self._clock, patience, process.stdout.readline())
        except TimeoutError:
            raise Transient(f"no byte left for {patience:.0f} s; the worker is replaced") from None
        if line:
            return line
        raise Transient(f"the offload worker died ({_fate(await process.wait())})")

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Log what the child and its libraries have to say."""
        assert process.stderr is not None
        with contextlib.suppress(ValueError):  # a line beyond all measure
            async for line in process.stderr:
                log.warning("offload worker: %s", scrubbed(line.decode(errors="replace").rstrip(), self._secrets))

    async def _leave_when_idle(self) -> None:
        await self._clock.sleep(self._idle)
        async with self._lock:
            await self._end()

    async def _stop_idling(self) -> None:
        task, self._idling = self._idling, None
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _end(self, *, kill: bool = False) -> None:
        """The end of stdin is the child's sign to leave; one that does not see it is killed."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        if not kill:
            with contextlib.suppress(TimeoutError):
                await aside.within(self._clock, FAREWELL, process.wait())
        if process.returncode is None:
            process.kill()
        await process.wait()
        if self._listening:
            await asyncio.gather(self._listening, return_exceptions=True)


def _fate(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"


class Clerk:
    """The child's end: does one job after another and keeps the store open as long as its configuration is the same."""

    _ADAPTER: TypeAdapter[StoreConfig] = TypeAdapter(StoreConfig)

    def __init__(
        self,
        say: Callable[[Answer], None],
        clock: Clock,
        opener: Callable[[StoreConfig], Store] = open_store,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tell, self._clock, self._opener = say, clock, opener
        self._valve = Valve(clock, sleep)
        self._left = 0
        self._store: Store | None = None
        self._config: StoreConfig | None = None
        self._said = clock.monotonic()

    def serve(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            answer = self._answer(Job.model_validate_json(line))
            self._say(answer.model_copy(update={"ahead": self._store.ahead if self._store else None}))

    def _answer(self, job: Job) -> Answer:
        config = self._ADAPTER.validate_python(job.store)
        secrets = [text for text in secrets_in(config) if text]
        try:
            return self._work(config, job.task)
        except StoreError as error:
            if isinstance(error, Permanent):  # whatever a person changes, the SDK's own chain is asked anew
                self._config = None
            return Answer(failed=Failure.of(error, secrets))
        except Exception as error:  # a bug in us or in a library must not look like the end of a clip
            self._config = None
            sys.stderr.write(scrubbed(traceback.format_exc(), secrets))
            return Answer(failed=Failure.of(Transient(f"unexpected {type(error).__name__}: {error}"), secrets))

    def _work(self, config: StoreConfig, task: Task) -> Answer:
        if self._store is None or self._config != config:
            self._store, self._config = self._opener(config), config
        if isinstance(task, Abandon):
            self._store.abandon(task.journal)
            return Answer()
        if isinstance(task, MakeLink):
            return Answer(link=self._store.link(task.key, task.expiry))
        if isinstance(task, Look):
            self._store.stat(task.key)
            return Answer()
        if isinstance(task, Try):
            return Answer(tried=probe(self._store, task.key))
        self._valve.turn(task.bandwidth)
        return Answer(
            delivered=deliver(self._store, task.parcel, Upstream(task.parcel.size, self._valve, self._report))
        )

    def _report(self, sent: int, left: int, whole: bool) -> None:
        self._left += left
        now = self._clock.monotonic()
        if whole or now - self._said >= PULSE:
            self._said = now
            self._say(Answer(sent=sent))

    def _say(self, answer: Answer) -> None:
        """With what has left in the meantime."""
        left, self._left = self._left, 0
        self._tell(answer.model_copy(update={"left": left}))


class Upstream:
    """The way out of one job's bytes: the Gate that a store is given as `progress`."""

    def __init__(self, size: int, valve: Valve, report: Callable[[int, int, bool], None]) -> None:
        """`report` gets the bytes sent so far, those that left since the last report, and whether all are sent."""
        self._size, self._valve, self._report = size, valve, report
        self._sent = 0

    def __call__(self, sent: int) -> None:
        self._sent = sent
        self._report(sent, 0, sent >= self._size)

    def most(self) -> int | None:
        return self._valve.most()

    def let(self, count: int) -> None:
        self._valve.let(count, lambda: self._report(self._sent, 0, False))
        self._report(self._sent, count, False)


def _lines_of_stdin() -> Iterable[bytes]:
    """Each line. When the daemon closes the pipe or dies, this process ends at once, whatever it is doing."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin.buffer:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while True:
        yield lines.get()


def main(opener: Callable[[StoreConfig], Store] = open_store) -> None:
    """`python -m edgecam.offload.worker`: answers on what was stdout; whatever a library prints goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which then closes the pipe
    os.nice(10)
    with os.fdopen(os.dup(1), "wb", buffering=0) as out:
        os.dup2(2, 1)
        leaving = Leaving(lambda answer: _write(out, answer))
        leaving.watch(PULSE)
        Clerk(leaving.say, SystemClock(), opener).serve(_lines_of_stdin())


def _write(out: BinaryIO, answer: Answer) -> None:
    out.write(answer.model_dump_json(exclude_none=True).encode() + b"\n")


if __name__ == "__main__":
    main()
