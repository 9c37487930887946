"""The daemon or its worker dies, stops, or loses its power, while it uploads."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crash import campaign, power
from faultproxy import Fault, Strike
from faults.crossing import Crossing
from faults.home import Home
from faults.rows import Found, Trial, Unable
from outside import until
from peers import S3

MB = 1_000_000


def daemon_dies(trial: Trial) -> Found:
    """22. It is killed again and again, each time in the middle of an upload."""
    chance, kills = random.Random(trial.seed), 40 if trial.full else 2
    with Home(trial.folder) as home:
        home.waits(kills + 3, MB)
        home.proxy.suffer(Strike(Fault(rate=4 * MB)))
        for number in range(kills):
            home.box.start()
            asked, share = len(home.proxy.seen), chance.random() * 0.9
            until(f"it uploads in life {number}", lambda: home.under_way(asked, share))  # noqa: B023  (asked at once)
            home.box.down(signal.SIGKILL)
        home.proxy.mend()
        with home.box as box:
            home.drained()
            assert box.health()["problems"] == []
        home.check()
        return Found(len(home.clips), f"{kills} kills in the middle of an upload")


def daemon_dies_recording(trial: Trial) -> Found:
    """22. Two cameras record, all of it goes to S3, and the daemon is killed at random moments."""
    with _server(trial) as server:
        place = trial.folder / "house"
        tally = campaign.Campaign(place, trial.seed, lambda _: None, server).run(20 if trial.full else 2)
        assert not tally.wrong, "; ".join(tally.wrong)
        return Found(_arrived(server), f"{tally.kills.total()} kills while two cameras record; more in crash.txt")


def power_goes(trial: Trial) -> Found:
    """24. The same, and the disk has only what had reached it."""
    if why := power.unable():
        raise Unable(why)
    cuts = 4 if trial.full else 1
    with _server(trial) as server:
        place = trial.folder / "house"
        mains = power.Mains(place, trial.seed, longest=10.0, server=server)
        wrong = [line for _ in range(cuts) for line in mains.cut().wrong]
        assert not wrong, "; ".join(wrong)
        return Found(_arrived(server), f"{cuts} power cuts while two cameras record; more in crash.txt")


@contextmanager
def _server(trial: Trial) -> Iterator[S3]:
    (trial.folder / "house").mkdir()
    server = S3(trial.folder / "s3")
    server.bucket("birdbox")  # before it is up: it looks for new folders now and then only
    with server:
        yield server


def _arrived(server: S3) -> int:
    return sum(path.suffix == ".mp4" for path in server.bucket("birdbox").rglob("*"))


async def worker_dies(crossing: Crossing) -> str:
    """23. The worker is killed in the middle of a body, over and over."""
    kills = len(crossing.clips)
    crossing.proxy.suffer(Strike(Fault(rate=MB)))
    crossing.start()
    for number in range(1, kills + 1):
        os.kill(await _in_the_middle(crossing), signal.SIGKILL)
        await crossing.failures(number)
        assert "killed by SIGKILL" in (crossing.status.reason or "")
    crossing.proxy.mend()
    await crossing.drained()
    return f"{kills} kills in the middle of an upload"


async def worker_stops(crossing: Crossing) -> str:
    """23. The worker is stopped in the middle of a body, and gives no sign of life."""
    crossing.proxy.suffer(Strike(Fault(rate=4 * MB)))
    crossing.start()
    pid = await _in_the_middle(crossing)
    os.kill(pid, signal.SIGSTOP)
    crossing.proxy.mend()
    await crossing.failures(1)
    reason = crossing.status.reason
    await crossing.drained()
    assert not Path(f"/proc/{pid}").exists(), "the one that hangs is still there"
    return str(reason)


async def _in_the_middle(crossing: Crossing) -> int:
    """The worker's process, when a part of a clip's body, and not all, is with the store."""
    before, share = len(crossing.proxy.seen), crossing.chance.uniform(0.1, 0.5)

    def under_way() -> bool:
        asked = [one for one in crossing.proxy.seen[before:] if one.method == "PUT" and ".mp4" in one.path]
        return any(share * one.size <= one.passed < one.size for one in asked[-1:])

    await crossing.until("an upload is under way", under_way)
    assert crossing.courier.pid is not None
    return crossing.courier.pid
