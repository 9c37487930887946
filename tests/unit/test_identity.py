"""The box keeps its name, whatever happens to the host's."""

from pathlib import Path

import pytest

from edgecam.identity import identify, signing_key


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


def test_the_key_of_links_is_made_once_and_is_for_us_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = signing_key(tmp_path / "state")
    assert len(key) == 32
    assert key != signing_key(tmp_path / "other")
    assert signing_key(tmp_path / "state") == key
    assert (tmp_path / "state" / "links.key").stat().st_mode & 0o777 == 0o600
    assert caplog.text == ""


@pytest.mark.parametrize("garbage", [b"", b"short", bytes(33)])
def test_a_damaged_key_is_made_anew_and_that_links_end_is_said(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "links.key").write_bytes(garbage)
    key = signing_key(tmp_path)
    assert signing_key(tmp_path) == key
    assert "a new key is made, earlier links end" in caplog.text
    assert key.hex() not in caplog.text


def test_a_state_folder_that_takes_no_key_costs_nothing_but_the_life_of_links(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "links.key").mkdir()
    assert len(signing_key(tmp_path)) == 32
    assert "links.key: Is a directory: a new key is made" in caplog.text
    assert "links end with this run" in caplog.text
