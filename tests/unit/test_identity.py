"""The box keeps its name, whatever happens to the host's."""

from pathlib import Path

import pytest

from edgecam.identity import identify


def test_the_hosts_name_is_taken_once_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = identify(None, tmp_path, "Garden_Pi.local")
    assert first.node == "garden-pi"
    assert identify(None, tmp_path, "shed") == first
    assert "the node stays garden-pi" in caplog.text


def test_a_configured_name_wins_and_the_instance_stays(tmp_path: Path) -> None:
    first = identify(None, tmp_path, "shed")
    second = identify("barn", tmp_path, "shed")
    assert second.node == "barn"
    assert second.instance == first.instance
    assert len(first.instance) == 6


@pytest.mark.parametrize("garbage", [b"", b"\x00\xff", b"[]", b'{"node": 3}'])
def test_a_damaged_file_gives_a_new_identity_and_says_so(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "identity.json").write_bytes(garbage)
    assert identify(None, tmp_path, "shed").node == "shed"
    assert "unreadable" in caplog.text


@pytest.mark.parametrize(("host", "node"), [("---", "edgecam"), ("A" * 40, "a" * 32), ("Küche", "k-che")])
def test_any_host_name_becomes_a_legal_node(tmp_path: Path, host: str, node: str) -> None:
    assert identify(None, tmp_path, host).node == node
