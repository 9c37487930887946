"""Markers and sidecars that somebody, or the disk, lost: after `edgecam spool verify` the store has all, each once."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from edgecam.media import Layout, Sidecar
from lost import CASES, HURT, THINGS, events, spoil
from outside import Edgecam, until
from peers import S3

pytestmark = pytest.mark.system


def edgecam(folder: Path, s3: S3) -> Edgecam:
    store = {"type": "s3", "endpoint": s3.endpoint, "bucket": "birdbox"}
    keys = {"access_key": s3.access_key, "secret_key": s3.secret_key}
    camera = {"source": "synthetic", "motion": {"enabled": False}}
    return Edgecam(folder, {"offload": {"store": store | keys}, "cameras": {"cam": camera}})


def typed(box: Edgecam, *words: str) -> "subprocess.CompletedProcess[str]":
    """`edgecam spool` as a person types it."""
    command = [sys.executable, "-m", "edgecam", "spool", *words, "-c", str(box.folder / "config.yaml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def objects(bucket: Path) -> dict[str, tuple[str, int]]:
    """What a listing of the store shows: the hash of each object and when it was written."""
    found = [path for path in bucket.rglob("*") if path.is_file()]
    return {path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in found}


def check(bucket: Path, found: list[tuple[Sidecar, Sidecar]]) -> None:
    """Each clip, its picture and its manifest once, whole, and nothing else."""
    stored = objects(bucket)
    media = {f"{facts.id}{facts.media.suffix}": facts.sha256 for event in found for facts in event}
    assert {name: sha256 for name, (sha256, _) in stored.items() if not name.endswith(".json")} == media
    assert {name for name in stored if name.endswith(".json")} == {f"{clip.id}.json" for clip, _ in found}
    manifests = [json.loads(path.read_bytes()) for path in bucket.rglob("*.json")]
    assert {told["id"]: told["sha256"] for told in manifests} == {clip.id: clip.sha256 for clip, _ in found}


@pytest.mark.parametrize("running", [True, False], ids=["while the daemon runs", "without a daemon"])
def test_what_was_lost_is_rebuilt_and_everything_is_in_the_store_once(tmp_path: Path, *, running: bool) -> None:
    s3 = S3(tmp_path / "s3")
    bucket, box = s3.bucket("birdbox"), edgecam(tmp_path / "box", s3)
    found = events(box.library, len(CASES))
    box.up()
    try:
        if not running:
            box.down()
        for (clip, _), (thing, fate) in zip(found, CASES, strict=True):
            spoil(box.library, clip, thing, fate)
        done = typed(box, "verify", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert told["damaged"] == []
        with s3:
            if not running:
                assert len(told["mended"]) == len(HURT)
                box.up()
            assert typed(box, "retry").returncode == 0
            until("nothing waits", lambda: not box.waiting(), 30)
            check(bucket, found)
            assert typed(box, "verify").stdout.endswith("all as recorded\n")
            assert box.health()["problems"] == []
    finally:
        box.down()


def test_what_the_store_has_already_is_recognised_and_not_sent_again(tmp_path: Path) -> None:
    with S3(tmp_path / "s3") as s3:
        bucket, box = s3.bucket("birdbox"), edgecam(tmp_path / "box", s3)
        found = events(box.library, 3)
        with box:
            until("all is stored", lambda: not box.waiting(), 30)
            before = objects(bucket)
            for clip, _ in found:
                Layout(box.library).sidecar(clip.media).unlink()
            assert "3 mended" in typed(box, "verify").stdout
            until("all is stored again", lambda: not box.waiting(), 30)
            assert all(told["receipt"] for told in box.sidecars())
            check(bucket, found)
            media = {name for name in before if not name.endswith(".json")}
            assert {name: objects(bucket)[name] for name in media} == {name: before[name] for name in media}
            assert typed(box, "verify").stdout.endswith("all as recorded\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_what_root_mends_is_the_daemons_own(tmp_path: Path) -> None:
    """`sudo edgecam spool verify` must not leave files that the service's user cannot read."""
    user = 65534
    with tempfile.TemporaryDirectory() as folder:  # nobody else may enter pytest's
        box = Edgecam(Path(folder), {"offload": {"store": {"type": "folder", "path": str(tmp_path / "nas")}}})
        ((clip, _),) = events(box.library, 1)
        lost = [THINGS[thing](Layout(box.library), clip.media) for thing in ("sidecar", "marker")]
        for path in lost:
            path.unlink()
        (box.folder / "config.yaml").write_text(yaml.safe_dump(box.config))
        for path in (box.folder, box.library, *box.library.rglob("*")):
            os.chown(path, user, user)
        done = typed(box, "verify")
        assert "1 mended" in done.stdout, done.stdout + done.stderr
        assert {(path.stat().st_uid, path.stat().st_gid) for path in lost} == {(user, user)}


def test_what_was_set_aside_is_brought_back_and_stored(tmp_path: Path) -> None:
    """A sidecar that was lost while the media was unreadable, and both are mended by hand."""
    with S3(tmp_path / "s3") as s3:
        bucket, box = s3.bucket("birdbox"), edgecam(tmp_path / "box", s3)
        found = events(box.library, 2)
        layout, clip = Layout(box.library), found[0][0]
        data = layout.media(clip.media).read_bytes()
        layout.media(clip.media).write_bytes(b"not a film")
        layout.sidecar(clip.media).write_bytes(b"")
        with box:
            until("it is set aside", lambda: list(layout.bad.glob("*.mp4")), 30)
            assert f"spool/bad/{clip.id}.mp4 stays: it is not a video of ours" in typed(box, "retry").stdout
            (layout.bad / f"{clip.id}.mp4").write_bytes(data)
            assert f"{clip.id}.mp4: back in its place" in typed(box, "retry").stdout
            until("all is stored", lambda: not box.waiting() and len(objects(bucket)) == 6, 30)
            check(bucket, found)
            assert box.health()["spool"]["bad"] == 0
