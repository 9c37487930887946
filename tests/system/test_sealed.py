"""Encryption from end to end: the daemon seals what waits, and who has the key fetches it."""

import json
from pathlib import Path

import pytest

from edgecam.__main__ import main
from outside import Edgecam, until
from sealing import Key
from waiting import NOON, content, save

pytestmark = pytest.mark.system


def test_the_daemon_seals_and_its_owner_opens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, nas, identity = Key(), tmp_path / "nas", tmp_path / "key"
    identity.write_text(f"# made for this test\n{key.identity}\n")
    clip = save(tmp_path / "library", size=3_000_000)
    offload = {"store": {"type": "folder", "path": str(nas)}, "encrypt": key.recipient}
    with Edgecam(tmp_path, {"offload": offload}) as edgecam:
        until("the store has it", lambda: not edgecam.waiting())
        assert edgecam.health()["spool"]["stored"] == 1
    stored = {path.suffix: path.read_bytes() for path in nas.rglob("*") if path.is_file()}
    assert set(stored) == {".age", ".json"}
    assert content(3_000_000, int(NOON))[1000:1100] not in stored[".age"]
    assert json.loads(stored[".json"])["sealed"]["recipients"] == 1
    assert list((tmp_path / "library/spool/sealed").iterdir()) == []
    assert (
        main(["fetch", "-c", str(tmp_path / "config.yaml"), "-o", str(tmp_path / "out"), "--identity", str(identity)])
        == 0
    )
    assert "1 fetched" in capsys.readouterr().out
    (fetched,) = (tmp_path / "out").rglob(f"{clip.id}.mp4")
    assert fetched.read_bytes() == content(3_000_000, int(NOON))
