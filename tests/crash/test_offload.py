"""Killed at any moment on the way to the store: then there is one object with its manifest, and a receipt here."""

import hashlib
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from edgecam.media import Layout, Sidecar
from peers import S3
from sealing import Key
from waiting import NOON, save, stored_once

CHILD = Path(__file__).with_name("offload_child.py")
TESTS = Path(__file__).parents[1]


def child(root: Path, how: object, *recipients: str) -> "subprocess.Popen[str]":
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(root), str(how), *recipients],
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


def test_killed_while_it_seals_there_is_one_object_in_the_end_that_opens(tmp_path: Path) -> None:
    key = Key()
    for step in itertools.count(1):
        root = tmp_path / str(step)
        clip = save(root)
        code, told = outcome(child(root, step, key.recipient))
        ended = code == 0
        if not ended:
            assert code == -signal.SIGKILL
            code, told_later = outcome(child(root, 0, key.recipient))
            told += told_later
        assert (code, told) == (0, [clip.id])
        sealed_once(root, clip, key)
        if ended:
            break
    assert step > 6, "the steps were not counted"


def sealed_once(root: Path, clip: Sidecar, key: Key) -> None:
    """One sealed object and its manifest; here the receipt, no marker, and nothing sealed any more."""
    layout, nas, stem = Layout(root), root / "nas", clip.media.key("", "garden-pi")
    assert sorted(path.relative_to(nas).as_posix() for path in nas.rglob("*") if path.is_file()) == [
        f"{stem}.json",
        f"{stem}.mp4.age",
    ]
    data = (nas / f"{stem}.mp4.age").read_bytes()
    told = Sidecar.model_validate_json((nas / f"{stem}.json").read_bytes())
    assert hashlib.sha256(key.opens(data)).hexdigest() == clip.sha256
    assert told.sealed is not None
    assert told.sealed.sha256 == hashlib.sha256(data).hexdigest()
    kept = Sidecar.model_validate_json(layout.sidecar(clip.media).read_bytes())
    assert kept.receipt is not None
    assert (kept.receipt.key, kept.receipt.size) == (f"{stem}.mp4.age", len(data))
    assert not list(layout.wait.iterdir())
    assert not list(layout.seals.iterdir())
