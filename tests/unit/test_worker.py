"""The worker process: started when needed, replaced when it hangs or dies, gone when idle, never a secret in sight."""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from edgecam import aside
from edgecam.clock import SystemClock
from edgecam.config.secret import Secret, Url
from edgecam.config.store import FolderStore, S3Store, StoreConfig
from edgecam.media import Layout
from edgecam.offload.deliver import Damaged, Delivered, Gone, Parcel
from edgecam.offload.pipe import Abandon, Answer, Deliver, Failure, Job, Look, MakeLink, Task, Try, plain
from edgecam.offload.stores import (
    BadClock,
    BadCredentials,
    BadSettings,
    Corrupt,
    Permanent,
    Store,
    Stored,
    StoreError,
    StoreFull,
    Transient,
    Upload,
    open_store,
)
from edgecam.offload.stores.memory import Memory
from edgecam.offload.valve import Closed
from edgecam.offload.waiting.spool import Spool
from edgecam.offload.worker import Clerk, Worker
from fakes import FakeClock, until
from waiting import save

SECRET = "s3cr3t-of-the-store"


def parcel(tmp_path: Path, size: int = 1000) -> Parcel:
    spool = Spool(Layout(tmp_path))
    return spool.parcel(save(tmp_path, size=size), node="garden-pi", prefix="")


def s3(url: str = "http://127.0.0.1:1") -> S3Store:
    return S3Store(bucket="birdbox", endpoint=Url(url), access_key=Secret("AKIAKNOWN"), secret_key=Secret(SECRET))


def child(script: str) -> list[str]:
    """A stand-in for the child that behaves as badly as `script`."""
    return [sys.executable, "-c", f"import os, sys, time\nline = sys.stdin.readline()\n{script}"]


@pytest_asyncio.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker(clock=SystemClock())
    yield worker
    await worker.close()


async def gone(pid: int) -> None:
    await until(f"nothing of process {pid} is left", lambda: not Path(f"/proc/{pid}").exists())


# The daemon's end, with a real child


async def test_one_child_brings_clip_after_clip(worker: Worker, tmp_path: Path) -> None:
    assert worker.pid is None
    config, pids = FolderStore(path=tmp_path / "nas"), set[int | None]()
    for _ in range(3):
        clip = parcel(tmp_path)
        delivered = await worker.deliver(config, clip)
        assert (tmp_path / "nas" / delivered.key).read_bytes() == clip.file.read_bytes()
        pids.add(worker.pid)
    assert await worker.link(config, "some/key.mp4", 60) is None
    await worker.abandon(config, tmp_path / "no-journal")
    tried = await worker.probe(config, "cams/_edgecam/probe")
    assert (tried.where, tried.asked, tried.deleted) == (f"folder {tmp_path / 'nas'}", True, True)
    pids.add(worker.pid)
    assert len(pids) == 1


async def test_the_secret_is_in_neither_arguments_nor_environment(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(Transient, match="Connection refused"):
        await worker.deliver(s3(), parcel(tmp_path))
    for name in ("cmdline", "environ"):
        assert SECRET not in Path(f"/proc/{worker.pid}/{name}").read_text()


async def test_a_killed_child_is_replaced(worker: Worker, tmp_path: Path) -> None:
    config = FolderStore(path=tmp_path / "nas")
    await worker.deliver(config, parcel(tmp_path))
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(Transient, match=r"the offload worker died \(killed by SIGKILL\)"):
        await worker.deliver(config, parcel(tmp_path))
    assert await worker.deliver(config, parcel(tmp_path))


@pytest.mark.parametrize("ahead", [None, -3600.0])
async def test_how_far_the_stores_clock_is_ahead_is_handed_on_whether_it_works_or_not(ahead: float | None) -> None:
    heard: list[float] = []
    for failed in (None, Failure(verdict="clock", text="skewed")):
        line = Answer(ahead=ahead, failed=failed).model_dump_json(exclude_none=True)
        worker = Worker(
            clock=SystemClock(),
            command=child(f"print({line!r}, flush=True); line = sys.stdin.readline()"),
            heard=heard.append,
        )
        with pytest.raises(BadClock) if failed else contextlib.nullcontext():
            await worker.look(s3(), "_edgecam/probe")
        await worker.close()
    assert heard == ([] if ahead is None else [ahead] * 2)


async def test_ctrl_c_is_for_the_daemon(worker: Worker, tmp_path: Path) -> None:
    config = FolderStore(path=tmp_path / "nas")
    await worker.deliver(config, parcel(tmp_path))
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    await worker.deliver(config, parcel(tmp_path))
    assert worker.pid == pid


async def test_an_idle_child_leaves_and_a_new_one_comes(tmp_path: Path) -> None:
    worker, config = Worker(clock=SystemClock(), idle=0.01), FolderStore(path=tmp_path / "nas")
    for _ in range(2):
        await worker.deliver(config, parcel(tmp_path))
        pid = worker.pid
        assert pid is not None
        await gone(pid)
        assert worker.pid is None
    await worker.close()


async def test_a_child_whose_daemon_dies_leaves_at_once_even_in_the_middle_of_an_upload(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = s3(f"http://127.0.0.1:{silent.getsockname()[1]}")
        job = Job(store=plain(config), task=Deliver(parcel=parcel(tmp_path)))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edgecam.offload.worker", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert process.stdin is not None
        process.stdin.write(job.model_dump_json().encode() + b"\n")
        connection, _ = await aside.run(silent.accept)
        process.stdin.close()
        assert await process.wait() == 0
        connection.close()


# The daemon's end, with children that misbehave


class Watched(FakeClock):
    """Tells when somebody begins to sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(self, seconds: float) -> None:
        self.begun.put_nowait(seconds)
        await super().sleep(seconds)


async def test_a_child_that_hangs_is_killed_but_each_sign_of_progress_buys_time(tmp_path: Path) -> None:
    clock = Watched()
    worker = Worker(clock=clock, command=child("print('{\"sent\": 7}', flush=True); time.sleep(1000)"))
    task = asyncio.create_task(worker.deliver(s3(), parcel(tmp_path)))
    assert await clock.begun.get() == 120
    assert await clock.begun.get() == 120  # the line has come
    pid = worker.pid
    await clock.advance(119)
    assert not task.done()
    await clock.advance(1)
    with pytest.raises(Transient, match="no byte left for 120 s"):
        await task
    assert worker.pid is None
    assert pid is not None
    await gone(pid)


@pytest.mark.parametrize(("size", "patience"), [(1000, 120), (3_000_000, 300), (7_000_000, 600)])
async def test_once_everything_is_sent_a_thin_line_gets_the_time_it_needs(
    tmp_path: Path, size: int, patience: float
) -> None:
    clock = Watched()
    worker = Worker(clock=clock, command=child(f"print('{{\"sent\": {size}}}', flush=True); time.sleep(1000)"))
    task = asyncio.create_task(worker.deliver(s3(), parcel(tmp_path, size=size)))
    assert await clock.begun.get() == 120
    assert await clock.begun.get() == patience
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("sys.exit(3)", r"died \(exit 3\)"),
        ("print('pardon?')", "answered nonsense"),
        ("print('x' * 5_000_000)", "answered nonsense"),
        ('print(\'{"link": ["u", 1]}\', flush=True); time.sleep(1000)', "answered something else"),
    ],
)
async def test_a_child_that_fails_is_only_a_reason_to_try_again(tmp_path: Path, script: str, words: str) -> None:
    worker = Worker(clock=Watched(), command=child(f"{script}\nsys.stdout.flush()"))
    with pytest.raises(Transient, match=words):
        await worker.deliver(s3(), parcel(tmp_path))
    if worker.pid:
        os.kill(worker.pid, signal.SIGKILL)
    await worker.close()


async def test_a_child_that_answers_another_question_has_not_tried_the_store() -> None:
    answer = json.dumps({"link": ["u", 1]})
    worker = Worker(clock=SystemClock(), command=child(f"print('{answer}', flush=True)"))
    with pytest.raises(Transient, match="answered something else"):
        await worker.probe(s3(), "probe")
    await worker.close()


async def test_a_child_that_cannot_be_started_is_only_a_reason_to_try_again(tmp_path: Path) -> None:
    worker = Worker(clock=SystemClock(), command=["/nonexistent/python"])
    with pytest.raises(Transient, match="cannot be started: No such file"):
        await worker.deliver(s3(), parcel(tmp_path))
    await worker.close()


async def test_a_child_that_ignores_the_end_is_killed(tmp_path: Path) -> None:
    answer = json.dumps({"link": ["u", 1]})
    worker = Worker(clock=SystemClock(), command=child(f"print('{answer}', flush=True); time.sleep(1000)"))
    await worker.link(s3(), "k", 60)
    pid = worker.pid
    assert pid is not None
    await worker.close()
    await gone(pid)


async def test_a_cancelled_job_takes_its_child_along(tmp_path: Path) -> None:
    clock = Watched()
    worker = Worker(clock=clock, command=child("time.sleep(1000)"))
    task = asyncio.create_task(worker.deliver(s3(), parcel(tmp_path)))
    await clock.begun.get()
    pid = worker.pid
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert pid is not None
    await gone(pid)


async def test_what_libraries_write_is_logged_without_the_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(
        clock=SystemClock(), command=child("sys.stderr.write('seen: ' + line + '\\n'); sys.stderr.flush(); sys.exit(1)")
    )
    with caplog.at_level(logging.WARNING), pytest.raises(Transient):
        await worker.deliver(s3(), parcel(tmp_path))
    await worker.close()
    assert "offload worker: seen:" in caplog.text
    assert SECRET not in caplog.text


# The child's end, in this process


class Desk:
    """A clerk, what it said, and the stores it opened."""

    def __init__(self, store: Store, says: Callable[[Answer], None] | None = None) -> None:
        self.said: list[Answer] = []
        self.opened: list[StoreConfig] = []
        self.clock = FakeClock()
        self._store = store
        self._clerk = Clerk(says or self.said.append, self.clock, self._open, self.clock.tick)

    def _open(self, config: StoreConfig) -> Store:
        self.opened.append(config)
        return self._store

    def ask(self, task: Task, config: StoreConfig | None = None) -> Answer:
        job = Job(store=plain(config or s3()), task=task)
        self._clerk.serve([job.model_dump_json().encode()])
        return self.said[-1]


def test_the_store_stays_open_until_its_configuration_changes(tmp_path: Path) -> None:
    desk = Desk(Memory())
    for config in (s3(), s3(), s3().changed(secret_key=Secret("corrected")), s3("http://127.0.0.1:2")):
        assert desk.ask(Deliver(parcel=parcel(tmp_path)), config).delivered
    assert desk.opened == [s3(), s3().changed(secret_key=Secret("corrected")), s3("http://127.0.0.1:2")]


def test_after_a_refusal_the_credentials_are_looked_up_anew(tmp_path: Path) -> None:
    store = Memory()
    desk = Desk(store)
    for fault, opened in ((Transient("busy"), 1), (Permanent("refused"), 1), (None, 2)):
        store.faults.extend([None, fault])  # the question passes, the put does not
        desk.ask(Deliver(parcel=parcel(tmp_path)))
        assert len(desk.opened) == opened


def test_links_are_made_by_the_store() -> None:
    assert Desk(Memory()).ask(MakeLink(key="k.mp4", expiry=60)).link == ("memory:k.mp4", 60)


def test_an_upload_that_nobody_will_complete_is_abandoned_by_the_store(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4.parts").touch()
    assert Desk(Memory()).ask(Abandon(journal=tmp_path / "clip.mp4.parts")).failed is None
    assert not (tmp_path / "clip.mp4.parts").exists()


@pytest.mark.parametrize("fault", [None, Transient("busy"), Permanent("403")])
def test_whatever_the_store_answers_it_tells_the_time(fault: StoreError | None) -> None:
    store = Memory()
    desk = Desk(store)
    assert desk.ask(Look(key="_edgecam/probe")).ahead is None
    store.ahead = 7380.0
    store.faults.append(fault)
    answer = desk.ask(Look(key="_edgecam/probe"))
    assert len(desk.opened) == 1, "once a minute is too often for what costs so much"
    assert (answer.ahead, answer.sent, answer.failed is None) == (7380.0, None, fault is None)


def test_a_store_is_tried_with_an_object_that_does_not_stay() -> None:
    store = Memory()
    tried = Desk(store).ask(Try(key="probe")).tried
    assert (tried and (tried.where, tried.asked, tried.deleted), store.puts) == (("memory", True, True), ["probe"])
    assert store.objects == {}


def test_a_key_that_may_neither_ask_nor_delete_is_good_enough() -> None:
    store = Memory()
    store.put_only = Permanent("refused")
    store.faults.extend([None, Transient("busy")])
    tried = Desk(store).ask(Try(key="probe")).tried
    assert tried
    assert (tried.asked, tried.deleted) == (False, False)


@pytest.mark.parametrize(("there", "why"), [(b"", "1 are there"), (None, "does not have it")])
def test_a_store_that_does_not_have_what_it_took_does_not_work(there: bytes | None, why: str) -> None:
    class Forgetful(Memory):
        def stat(self, key: str, pulse: Callable[[], object] = lambda: None) -> Stored | None:
            return None if there is None else Stored(key, 1)

    failed = Desk(Forgetful()).ask(Try(key="probe")).failed
    assert failed
    assert (failed.verdict, why in failed.text) == ("transient", True)


@pytest.mark.parametrize(
    "kind", [BadClock, BadCredentials, BadSettings, StoreFull, Transient, Permanent, Corrupt, Damaged, Gone, Closed]
)
def test_every_verdict_survives_the_pipe(kind: type[StoreError], tmp_path: Path) -> None:
    store = Memory()
    store.faults.extend([None, kind(f"it is {SECRET}", "do this", retry_after=5)])
    answer = Desk(store).ask(Deliver(parcel=parcel(tmp_path)))
    assert answer.failed is not None
    error = Failure.model_validate_json(answer.failed.model_dump_json()).error()
    assert (type(error), str(error), error.hint, error.retry_after) == (kind, "it is ***", "do this", 5)


def test_a_bug_is_only_a_reason_to_try_again_and_shows_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Memory):
        def stat(self, key: str, pulse: Callable[[], object] = lambda: None) -> None:
            raise KeyError(SECRET)

    answer = Desk(Broken()).ask(Deliver(parcel=parcel(tmp_path)))
    assert answer.failed is not None
    assert isinstance(answer.failed.error(), Transient)
    assert "unexpected KeyError" in answer.failed.text
    told = answer.failed.text + capsys.readouterr().err
    assert "in stat" in told
    assert SECRET not in told


def test_progress_is_told_once_a_second_at_most(tmp_path: Path) -> None:
    class Slow(Memory):
        def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
            for sent in range(5):
                desk.clock.tick(0.5)
                progress(sent)
            return super().put(upload, lambda _: None)

    desk = Desk(Slow())
    assert isinstance(desk.ask(Deliver(parcel=parcel(tmp_path))).delivered, Delivered)
    assert [answer.sent for answer in desk.said if answer.sent is not None] == [1, 3, 0, 2, 4]


async def test_what_left_is_told_while_it_leaves(tmp_path: Path) -> None:
    left = list[int]()
    answers = [{"sent": 5, "left": 5}, {"sent": 5, "left": 0}, {"sent": 9, "left": 4}, {"link": ["u", 1], "left": 2}]
    script = "".join(f"print('{json.dumps(answer)}')\n" for answer in answers)
    worker = Worker(clock=SystemClock(), left=left.append, command=child(f"{script}sys.stdout.flush()"))
    await worker.link(s3(), "k", 60)
    assert left == [5, 0, 4, 2]
    await worker.close()


async def test_the_child_is_told_how_fast_bytes_may_leave(tmp_path: Path) -> None:
    worker = Worker(clock=SystemClock(), bandwidth={"else": 0}, stall=20)
    with pytest.raises(Closed, match="lets nothing leave at any time"):
        await worker.deliver(FolderStore(path=tmp_path / "nas"), parcel(tmp_path))
    await worker.close()
    assert not list((tmp_path / "nas").rglob("*.mp4*"))


def test_an_upload_of_a_hundred_bytes_a_second_is_never_silent_for_long(tmp_path: Path) -> None:
    """Else the daemon would replace the child."""

    def says(answer: Answer) -> None:
        desk.said.append(answer)
        times.append(desk.clock.monotonic())

    times = list[float]()
    desk = Desk(open_store(FolderStore(path=tmp_path / "nas")), says)
    answer = desk.ask(Deliver(parcel=parcel(tmp_path, size=20_000), bandwidth={"else": 100.0}))
    assert answer.delivered
    assert times[-1] - times[0] >= 198
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 3
    manifest = (tmp_path / "nas" / answer.delivered.key).with_suffix(".json").stat().st_size
    assert sum(answer.left for answer in desk.said) == 20_000 + manifest


def test_a_file_that_is_only_read_to_be_compared_has_not_left(tmp_path: Path) -> None:
    desk, clip = Desk(Memory()), parcel(tmp_path)
    for left in (len(clip.manifest) + clip.size, 0):
        desk.said.clear()
        assert desk.ask(Deliver(parcel=clip)).delivered
        assert sum(answer.left for answer in desk.said) == left
