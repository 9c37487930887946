"""`edgecam discovery`: what a person sees of it, without any broker."""

import json
from pathlib import Path

import pytest

from edgecam.__main__ import main
from edgecam.board import read
from edgecam.config import model
from edgecam.discovery import about
from edgecam.identity import Identity

CAMERAS = "cameras: {birdbox: {source: synthetic, name: Bird box}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(f"mqtt: {{host: broker.local}}\nstorage: {{path: {tmp_path / 'library'}}}\n{CAMERAS}")
    return path


def typed(*words: object) -> int:
    return main(["discovery", *map(str, words)])


def test_it_lists_the_entities_of_each_device(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("-c", file, "--set", "node=garden-pi") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("edgecam garden-pi (Camera node): ")
    assert "Bird box (Synthetic camera): " in "\n".join(lines)
    motion = next(line for line in lines if line.startswith("  Motion  "))
    assert motion.split() == ["Motion", "binary_sensor", "motion", "enabled", "edgecam/garden-pi/birdbox/motion"]
    assert any(line.startswith("  (the device) ") and " camera " in line for line in lines)
    assert any(line.startswith("  Viewers ") and " disabled " in line for line in lines)


def test_programs_get_the_messages_by_their_topics(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("-c", file, "--json", "--set", "node=garden-pi") == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == [
        "homeassistant/device/edgecam_garden-pi/config",
        "homeassistant/device/edgecam_garden-pi_birdbox/config",
    ]
    node = told["homeassistant/device/edgecam_garden-pi/config"]
    senses = read(Path("/")).senses
    assert ("temperature" in node["cmps"]) == ("temperature" in senses)
    assert "sn" not in node["dev"]


def test_looking_leaves_nothing_on_the_disk(file: Path, tmp_path: Path) -> None:
    assert typed("-c", file) == 0
    assert list(tmp_path.iterdir()) == [file]


def test_a_box_that_ran_already_is_called_as_then(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "library" / "state"
    state.mkdir(parents=True)
    (state / "identity.json").write_text('{"node": "old-name", "instance": "a1b2c3"}')
    assert typed("-c", file, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["homeassistant/device/edgecam_old-name/config"]["dev"]["sn"] == "a1b2c3"


def test_without_a_broker_in_the_file_there_is_nothing_to_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CAMERAS)
    assert typed("-c", path) == 2
    assert capsys.readouterr().err == "edgecam discovery: there is no `mqtt` section: nothing is announced\n"


def test_discovery_that_is_off_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("-c", file, "--set", "mqtt.discovery=false") == 0
    assert capsys.readouterr().out == "mqtt.discovery is false: nothing is announced\n"


def test_a_wrong_configuration_ends_with_two(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("-c", file, "--set", "mqtt.colour=blue") == 2
    assert "mqtt.colour" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("http", "url"),
    [
        ({"listen": "127.0.0.1:0"}, "http://127.0.0.1/"),
        ({"listen": "[::1]:9000"}, "http://[::1]:9000/"),
        ({"external_url": "https://cams.example.org"}, "https://cams.example.org/"),
    ],
)
def test_the_page_is_where_the_daemon_would_listen(tmp_path: Path, http: dict[str, object], url: str) -> None:
    config = model.Config.model_validate({"http": http})
    assert about(config, Identity("pi", ""), tmp_path, lambda: None).url == url
