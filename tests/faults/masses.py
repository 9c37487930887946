"""Much of it: ten thousand files after a week without the store, and files of half a gigabyte."""

import asyncio
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecam.clock import SystemClock
from edgecam.config.store import FolderStore, StoreConfig
from edgecam.digest import Digest, digest
from edgecam.media import MediaKind
from edgecam.offload.deliver import Parcel
from edgecam.offload.worker import Worker
from faults.crossing import peak
from faults.home import Home
from faults.rows import Found, Trial
from faults.site import open_site
from waiting import content

MB = 1_000_000
FOLDER = "folder"
WEEK = 7 * 24
SOON = 5.0
"""Seconds to a start that is complete, however much waits."""
FLAT, LITTLE = 8.0, 20.0
"""MB by which memory may grow: of the daemon while it uploads thousands of files, of the worker for a large one."""
QUIET = {
    "birdbox": {
        "source": {"type": "synthetic", "size": "320x240", "fps": 5},
        "motion": {"enabled": False},
        "record": {"enabled": False, "continuous": {"keep": "30d"}},
    }
}
"""The camera whose recordings wait; it makes no new ones."""


# 30


def week_offline(trial: Trial) -> Found:
    """30. Everything of a week waits: the newest events go first, and nothing grows with the number of files."""
    count = 10_000 if trial.full else 80
    notify = trial.folder / "notify"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        Home(
            trial.folder, cameras=QUIET, kinds=("event", "continuous"), environ={"NOTIFY_SOCKET": str(notify)}
        ) as home,
    ):
        manager.bind(str(notify))
        manager.settimeout(60)
        home.waits(count // 2, 2000, kind=MediaKind.CONTINUOUS, hours=WEEK, last=WEEK - 1)
        events = home.waits(count - count // 2, 2000, hours=WEEK, last=WEEK - 1)
        began = time.monotonic()
        home.box.start()
        while not manager.recv(4096).startswith(b"READY=1"):
            pass
        ready = time.monotonic() - began
        memory = list(_watched(home, 3600.0 if trial.full else 60.0))
        stored = re.findall(r"stored (\S+-event-\S+)", home.box.log)
        home.box.down()
        _fair([clip.id for clip in events], stored)
        _frugal(home, count)
        home.check()
    begin = memory[len(memory) // 20]  # all is loaded by then
    grown = max(memory) - begin
    if trial.full:
        assert ready < SOON, f"it was ready after {ready:.1f} s"
        assert grown < FLAT, f"its memory grew by {grown:.1f} MB"
    return Found(
        count,
        f"ready after {ready:.1f} s; memory {begin:.1f} MB at the start, {memory[len(memory) // 2]:.1f} in the "
        f"middle, {memory[-1]:.1f} at the end, {max(memory):.1f} at most; one HEAD and no listing for each file",
    )


def _watched(home: Home, within: float) -> Iterator[float]:
    """The daemon's resident MB, until nothing waits."""
    deadline = time.monotonic() + within
    assert home.box.process is not None
    while any((home.box.library / "spool/wait").iterdir()):
        assert time.monotonic() < deadline, f"not all within {within:g} s"
        yield resident(home.box.process.pid)
        time.sleep(0.1)
    yield resident(home.box.process.pid)


def resident(pid: int) -> float:
    """MB of a process (proc(5), VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / MB for line in lines if line.startswith("VmRSS:"))


def _fair(events: list[str], stored: list[str]) -> None:
    """Of each four one was the oldest that was left, the others were the newest that were left, in turn."""
    assert sorted(stored) == sorted(events)
    left = sorted(events)
    for at in range(0, len(stored) - 8, 4):
        four = stored[at : at + 4]
        assert left[0] in four, f"the oldest had no turn after {at}: {four}"
        newest = [id for id in four if id != left[0]]
        assert newest == left[-1:-4:-1], f"not the newest after {at}: {newest}"
        left = [id for id in left if id not in four]


def _frugal(home: Home, count: int) -> None:
    """What it asked the server."""
    heads = [asked.path for asked in home.proxy.asked("HEAD", ".mp4")]
    assert len(heads) == len(set(heads)) == count
    assert len(home.proxy.asked("PUT", ".mp4")) == len(home.proxy.asked("PUT", ".json")) == count
    assert home.proxy.asked("GET") == [], "it listed or read what lies there"


# Large files


def large_file(trial: Trial, server: str) -> Found:
    """The worker's memory hardly grows from a small file to a large one."""
    large = (500 if trial.full else 96) * MB
    with _store(server, trial) as (config, arrived):
        small, big = (_file(trial.folder / f"{size}.mp4", size) for size in (5 * MB, large))
        least, most = asyncio.run(_brought(config, [small, big]))
        for parcel in (small, big):
            assert arrived(parcel.stem + ".mp4") == (parcel.size, parcel.md5, parcel.sha256)
    assert most - least < LITTLE, f"the worker's memory grew by {most - least} MB"
    return Found(2, f"worker {least} MB after a file of 5 MB, {most} MB after one of {large // MB} MB")


async def _brought(config: StoreConfig, parcels: list[Parcel]) -> list[int]:
    """The most memory that the worker, which is the same for all, had had after each."""
    worker, found = Worker(clock=SystemClock()), []
    try:
        for parcel in parcels:
            await worker.deliver(config, parcel)
            assert worker.pid is not None
            found.append(peak(worker.pid))
    finally:
        await worker.close()
    return found


@contextmanager
def _store(server: str, trial: Trial) -> Iterator[tuple[StoreConfig, Callable[[str], Digest]]]:
    """How to reach one, and what tells of an object that has arrived."""
    if server == FOLDER:
        place = trial.folder / "nas"
        yield FolderStore(path=place), lambda key: _told(place / key)
        return
    with open_site(server, trial) as site:

        def fetched(key: str) -> Digest:
            site.store.get(key, trial.folder / "fetched")
            return _told(trial.folder / "fetched")

        yield site.config(None), fetched


def _told(path: Path) -> Digest:
    with path.open("rb") as file:
        return digest(file)


def _file(path: Path, size: int) -> Parcel:
    """A clip of that size; no two of its megabytes are alike."""
    block = content(MB)
    with path.open("wb") as file:
        for number in range(size // MB):
            file.write(number.to_bytes(4) + block[4:])
    told = _told(path)
    return Parcel(
        file=path,
        stem=f"garden-pi/{path.stem}",
        suffix=path.suffix,
        size=told.size,
        md5=told.md5,
        sha256=told.sha256,
        content_type="video/mp4",
        metadata={},
        manifest=f'{{"sha256": "{told.sha256}"}}',
        journal=path.with_suffix(".parts"),
    )
