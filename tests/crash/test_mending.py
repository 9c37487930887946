"""Killed at any moment while it mends what was lost, or brings back what was set aside: the next run finishes it."""

import itertools
import os
import shutil
import signal
from pathlib import Path

from clips import opened
from crash.offload_child import die_at
from edgecam.media import Layout, Sidecar
from edgecam.offload.waiting.spool import Spool
from edgecam.record.disk.mender import Mender
from edgecam.record.disk.recovery import recover
from lost import events


def prepared(root: Path) -> list[tuple[Sidecar, Sidecar]]:
    """One event of which all was lost but the media, one of which the picture's marker, and one that was set aside."""
    found = (bare, _), (pictured, _), aside = events(root, 3)
    layout = Layout(root)
    for path in (layout.sidecar(bare.media), layout.marker(bare.media), layout.marker(bare.media.picture)):
        path.unlink()
    layout.marker(pictured.media.picture).write_bytes(b"")
    for facts in aside:
        Spool(layout).bad(facts.media, "the store refused it 3 times")
    return list(found)


def mended(root: Path) -> None:
    """A start after a crash, then all that `edgecam spool verify` and `retry` do."""
    with opened(root, wanted=lambda _: True) as library:
        recover(library)
        mender = Mender(library, lambda _: True)
        for path in sorted(library.layout.bad.iterdir()):
            mender.bring_back(path.name)
        for day in library.layout.rooms[0].glob("*/*"):
            for id in library.list(day.parent.name, day.name):
                mender.mend(id)


def killed_at(step: int, root: Path) -> bool:
    """Whether a child that dies at this change on disk came so far."""
    pid = os.fork()
    if pid == 0:
        die_at(step, root)
        mended(root)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGKILL
    return os.WIFSIGNALED(status)


def test_killed_before_any_change_on_disk_the_next_run_mends_the_rest(tmp_path: Path) -> None:
    found = prepared(tmp_path / "0")
    hashes = {facts.media.name: facts.sha256 for event in found for facts in event}
    for step in itertools.count(1):
        root = tmp_path / str(step)
        shutil.copytree(tmp_path / "0", root)
        if not killed_at(step, root):
            break
        mended(root)
        spool = Spool(Layout(root))
        assert {thing.id.name: spool.sidecar(thing.id).sha256 for thing in spool.census().new} == hashes
        assert not [path for path in Layout(root).bad.iterdir() if not path.name.endswith(".json")]  # a reason may stay
        assert not list(root.rglob("*.tmp"))
    assert step > 15, "the steps were not counted"
