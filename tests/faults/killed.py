"""The daemon or its worker dies, stops, or loses its power, while it uploads."""

import asyncio
import os
import random
import signal
from pathlib import Path

from crash import campaign, power
from crash.offload_child import upload
from edgecam.clock import SystemClock
from edgecam.config.secret import Secret, Url
from edgecam.config.store import S3Store
from edgecam.offload.worker import STALL, Worker
from faults.home import Home, worker
from faults.rows import Found, Trial, Unable
from outside import until
from peers import S3

MB = 1_000_000
BRIEF = 4.0
"""Seconds without a sign of life in the short form: a worker needs one or two to begin."""


def daemon_dies(trial: Trial) -> Found:
    """Row 22: it is killed again and again in the middle of its uploads."""
    chance, kills = random.Random(trial.seed), 40 if trial.full else 4
    with Home(trial.folder) as home:
        home.waits(kills * 3, 2 * MB)
        for number in range(kills):
            home.box.up()
            enough = len(home.arrived()) + chance.randrange(3)
            until(f"more is stored in life {number}", lambda enough=enough: len(home.arrived()) >= enough and worker(home.box))
            home.box.down(signal.SIGKILL)
        assert home.box.waiting(), "it was never killed in the middle"
        with home.box:
            home.drained()
            assert home.box.health()["problems"] == []
        home.check()
        return Found(len(home.clips), f"{kills} kills in the middle of uploads")


def daemon_dies_recording(trial: Trial) -> Found:
    """Row 22: two cameras record, everything goes to S3, and the daemon is killed at random moments."""
    place = trial.folder / "house"
    place.mkdir()
    with S3(trial.folder / "s3") as server:
        tally = campaign.Campaign(place, trial.seed, lambda _: None, server).run(20 if trial.full else 2)
        assert not tally.wrong, "; ".join(tally.wrong)
        arrived = sum(path.suffix == ".mp4" for path in server.bucket("birdbox").rglob("*"))
    return Found(arrived, f"{tally.kills.total()} kills while two cameras record; see crash.txt")


def power_goes(trial: Trial) -> Found:
    """Row 24: the same, and the disk has only what reached it."""
    if why := power.unable():
        raise Unable(why)
    cuts = 4 if trial.full else 1
    place = trial.folder / "house"
    place.mkdir()
    with S3(trial.folder / "s3") as server:
        mains = power.Mains(place, trial.seed, longest=8.0 if trial.full else 3.0, server=server)
        wrong = [line for _ in range(cuts) for line in mains.cut().wrong]
        assert not wrong, "; ".join(wrong)
        arrived = sum(path.suffix == ".mp4" for path in server.bucket("birdbox").rglob("*"))
    return Found(arrived, f"{cuts} power cuts while two cameras record; see crash.txt")


def worker_dies(trial: Trial) -> Found:
    """Row 23: the worker is killed in the middle of uploads; the daemon starts another one."""
    chance, kills = random.Random(trial.seed), 25 if trial.full else 3
    with Home(trial.folder) as home:
        home.waits(kills * 3, 2 * MB)
        with home.box as box:
            for _ in range(kills):
                enough = len(home.arrived()) + chance.randrange(3)
                pid = until("there is a worker at work", lambda enough=enough: len(home.arrived()) >= enough and worker(box))
                os.kill(pid, signal.SIGKILL)
                until("it is gone", lambda pid=pid: worker(box) != pid)
            assert box.waiting(), "it was never killed in the middle"
            home.drained()
            assert "the offload worker died (killed by SIGKILL)" in box.log
            assert box.health()["problems"] == []
        home.check()
        return Found(len(home.clips), f"{kills} kills in the middle of uploads")


def worker_stops(trial: Trial) -> Found:
    """Row 23: the worker stops (SIGSTOP) when it has stored the first file; another one takes its place."""
    with Home(trial.folder) as home:
        home.waits(6, 2 * MB)
        asyncio.run(_stopped(home, STALL if trial.full else BRIEF))
        home.check(node="garden-pi")
        return Found(len(home.clips), f"replaced after {STALL if trial.full else BRIEF:.0f} s without a sign of life")


async def _stopped(home: Home, stall: float) -> None:
    server = home.server
    config = S3Store(
        bucket="birdbox",
        endpoint=Url(server.endpoint),
        access_key=Secret(server.access_key),
        secret_key=Secret(server.secret_key),
    )
    worker, first = Worker(clock=SystemClock(), stall=stall), list[int]()

    def stored(_: str) -> None:
        if not first and worker.pid:
            first.append(worker.pid)
            os.kill(worker.pid, signal.SIGSTOP)

    async with asyncio.timeout(stall + 60):
        await upload(home.box.library, config, worker, stored)
    assert first
    assert not Path(f"/proc/{first[0]}").exists(), "the one that hung is still there"
