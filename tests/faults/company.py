"""Others beside the daemon: a broker that goes away, a second daemon on the same storage."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection

from faultproxy import Fault, Strike
from faults.home import Home
from faults.rows import Found, Trial
from outside import Ear, Edgecam, until
from peers import Mosquitto

MB = 1_000_000
HEALTH, STATUS = "edgecam/testbox/health", "edgecam/testbox/status"
COUNTS = ("state", "files", "bytes", "oldest", "stored", "last_stored", "lost", "conflicts", "bad")


def broker_ends(trial: Trial) -> Found:
    """33. The broker dies while clips are uploaded, and comes again when all are stored."""
    return _without_a_broker(trial, lambda broker: broker.down(kill=True), lambda broker: broker.up(), ())


def broker_hangs(trial: Trial) -> Found:
    """33. The same, but it only hangs, and keeps its connections."""
    return _without_a_broker(
        trial,
        lambda broker: os.kill(broker.pid, signal.SIGSTOP),
        lambda broker: os.kill(broker.pid, signal.SIGCONT),
        ("clip_stored",),  # what it was sent while it hung, it delivers
    )


def _without_a_broker(
    trial: Trial, ends: Callable[[Mosquitto], object], comes: Callable[[Mosquitto], object], late: Collection[str]
) -> Found:
    """`late`: events that may be told when they are over."""
    files = 60 if trial.full else 8
    with Mosquitto(trial.folder / "mqtt") as broker, Home(trial.folder, broker=broker) as home:
        home.waits(files, MB // 3)
        home.proxy.suffer(Strike(Fault(rate=MB)))
        with home.box as box:
            with Ear(broker.port) as ear:
                until("it is online", lambda: ear.last(STATUS) == b"online")
                until("it uploads", home.arrived)
            ends(broker)
            assert box.waiting(), "all was stored before the broker was away"
            home.drained(120)
            comes(broker)
            with Ear(broker.port) as ear:
                _true_again(box, ear, files)
                told = {heard.json["event_type"] for heard in ear.all("/event")}
                assert told <= {*late}, "news of a time that is over"
        home.check()
        return Found(files, f"the counters ({', '.join(COUNTS)}) are right when it is back")


def _true_again(box: Edgecam, ear: Ear, stored: int) -> None:
    until("it is online", lambda: ear.last(STATUS) == b"online", 60)
    until("MQTT's health tells that nothing waits", lambda: _spool(ear).get("files") == 0, 60)
    told, true = _spool(ear), box.health()["spool"]
    assert {name: told[name] for name in COUNTS} == {name: true[name] for name in COUNTS}
    assert (true["state"], true["files"], true["stored"]) == ("ok", 0, stored)


def _spool(ear: Ear) -> dict[str, object]:
    found: dict[str, object] = json.loads(ear.last(HEALTH) or b"{}").get("spool", {})
    return found


def second_daemon(trial: Trial) -> Found:
    """34. It refuses to start on a storage that is in use, touches nothing there, and may when the first is gone."""
    with Home(trial.folder) as home:
        clips = home.waits(24 if trial.full else 4, MB)
        home.proxy.suffer(Strike(Fault(rate=2 * MB)))
        with home.box as box:
            until("it uploads", lambda: home.proxy.asked("PUT"))
            assert box.process is not None
            second = _run(box)
            words = f"storage: {box.library} is in use by another edgecam (process {box.process.pid}); stop it"
            assert (second.returncode, words in second.stderr) == (1, True), second.stderr
            box.down(signal.SIGKILL)
        home.proxy.mend()
        with home.box:
            home.drained()
        home.check()
        return Found(len(clips), f"exit code 1: {words.replace(str(box.library), 'storage.path')}")


def _run(box: Edgecam) -> "subprocess.CompletedProcess[str]":
    """Another one with the same configuration, until it ends."""
    command = [sys.executable, "-m", "edgecam", "run", "-c", str(box.folder / "config.yaml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
