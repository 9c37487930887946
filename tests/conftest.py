"""Guards over every test: it leaves no asyncio task, no thread that keeps the process alive, no child process."""

import asyncio
import inspect
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio
from hypothesis import settings

T = TypeVar("T")

settings.register_profile("edgecam", deadline=None)  # how fast the machine is decides nothing
settings.load_profile("edgecam")

PATIENCE = 2.0
"""Seconds that something which is already ending may still need. Only a test that left something waits at all."""


def children() -> dict[int, str]:
    """Child processes of this one, zombies too: pid -> command line. Python's own resource tracker does not count."""
    found: dict[int, str] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            pids = (task / "children").read_text().split()
        except OSError:  # the thread ended while we looked
            continue
        for pid in pids:
            command = _command(pid)
            if "multiprocessing.resource_tracker" not in command:
                found[int(pid)] = command
    return found


def _command(pid: str) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return "gone"
    return raw.replace(b"\0", b" ").decode(errors="replace").strip() or "a zombie that nobody waited for"


def keeping_alive() -> set[threading.Thread]:
    """Threads that the interpreter would wait for at exit; those of the loop's own executor end with the loop."""
    return {
        thread
        for thread in threading.enumerate()
        if not thread.daemon and not thread.name.startswith(("asyncio_", "MainThread"))
    }


@pytest.fixture(autouse=True)
def no_thread_or_child_left() -> Iterator[None]:
    threads, before = keeping_alive(), children().keys()
    yield
    deadline = time.monotonic() + PATIENCE
    for thread in keeping_alive() - threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    stayed = sorted(thread.name for thread in keeping_alive() - threads)
    if stayed:
        pytest.fail(f"the test left threads behind: {', '.join(stayed)}", pytrace=False)
    while (left := {pid: text for pid, text in children().items() if pid not in before}) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.02)
    if left:
        pytest.fail(f"the test left child processes behind: {left}", pytrace=False)


@pytest_asyncio.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Set up first and torn down last of all fixtures on the test's loop."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=PATIENCE)
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=PATIENCE)
        names = ", ".join(sorted(f"{task.get_name()} ({task.get_coro()})" for task in left))
        pytest.fail(f"the test left tasks behind: {names}", pytrace=False)


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest, no_thread_or_child_left: None) -> None:
    """Tests with a loop are watched for tasks as well."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("no_task_left")


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Call it for a TCP port of the loopback that nobody uses, another one each time."""
    given: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if port not in given:
                given.add(port)
                return port

    return find


@pytest.fixture
def sockets() -> Callable[[], int]:
    """Call it for the number of sockets that this process holds."""

    def count() -> int:
        held = 0
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  (Path objects for each of them cost more)
            try:
                held += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")  # noqa: PTH115
            except OSError:  # the listing's own descriptor
                continue
        return held

    return count


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The box stands in Berlin."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def disk_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disk work is done in line: a fake clock cannot wait for threads."""

    async def at_once(work: Callable[..., T], *args: object) -> T:
        return work(*args)

    monkeypatch.setattr("edgecam.aside.run", at_once)
