"""Killed at any moment on the way to the store: then there is one object with its manifest, and a receipt here."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from peers import S3
from waiting import NOON, save, stored_once

CHILD = Path(__file__).with_name("offload_child.py")
TESTS = Path(__file__).parents[1]


def child(root: Path, how: object) -> "subprocess.Popen[str]":
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(root), str(how)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )


def outcome(process: "subprocess.Popen[str]") -> tuple[int, list[str]]:
    """The exit code, and the ids that were announced as stored."""
    told, _ = process.communicate(timeout=60)
    return process.returncode, told.split()


def test_killed_before_any_change_on_disk_the_next_start_finishes_the_work_once(tmp_path: Path) -> None:
    for step in itertools.count(1):
        root = tmp_path / str(step)
        clip = save(root)
        code, told = outcome(child(root, step))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        code, told_later = outcome(child(root, 0))
        assert code == 0
        stored_once(root / "nas", root, [clip], node="garden-pi")
        assert told + told_later == [clip.id], "not announced once"
    stored_once(root / "nas", root, [clip], node="garden-pi")
    assert step > 10, "the steps were not counted"


def test_a_daemon_killed_in_the_middle_of_its_uploads_goes_on_where_it_was(tmp_path: Path) -> None:
    root = tmp_path / "box"
    clips = [save(root, start=NOON + hour * 3600, size=3_000_000) for hour in range(4)]
    with S3(tmp_path / "s3") as server:
        bucket = server.bucket("birdbox")
        killed = child(root, server.endpoint)
        while not any(path.is_file() for path in bucket.rglob("*")):
            assert killed.poll() is None
            time.sleep(0.001)
        killed.kill()
        code, told = outcome(killed)
        assert code == -signal.SIGKILL
        code, told_later = outcome(child(root, server.endpoint))
        assert code == 0
        stored_once(bucket, root, clips, node="garden-pi")
        assert len({*told, *told_later}) == len(told + told_later), "announced twice"
