"""The commands as a person types them: what they print, where, and with which exit code."""

import json
from pathlib import Path

import pytest

from edgecam import __version__
from edgecam.__main__ import main

GOOD = "cameras:\n  birdbox:\n    source: synthetic\n"


def typed(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text("cameras:\n  birdbox:\n    sorce: synthetic\n")
    return path


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        typed("--version")
    assert end.value.code == 0
    assert capsys.readouterr().out == f"edgecam {__version__}\n"


@pytest.mark.parametrize("words", [(), ("fly",), ("check", "--nonsense"), ("config", "poetry")])
def test_wrong_usage_ends_with_two(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        typed(*words)
    assert end.value.code == 2
    assert "usage: edgecam" in capsys.readouterr().err


def test_check_says_valid(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("check", "-c", good) == 0
    assert capsys.readouterr().out == f"{good}: valid, 1 camera\n"


def test_check_says_what_is_wrong_and_where(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("check", "-c", bad) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert f"{bad}:3:5: cameras.birdbox.sorce: unknown option (did you mean 'source'?)" in found.err


def test_check_takes_the_first_usual_place(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(good.parent)
    assert typed("check") == 0
    assert "config.yaml: valid" in capsys.readouterr().out


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("check", "-c", tmp_path / "none.yaml") == 2
    assert str(tmp_path / "none.yaml") in capsys.readouterr().err


def test_a_warning_is_told_and_strict_makes_it_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("mqtt: {host: broker, password: hunter2}\n" + GOOD)
    path.chmod(0o644)
    assert typed("check", "-c", path) == 0
    assert typed("check", "--strict", "-c", path) == 2
    found = capsys.readouterr().err
    assert "warning: " in found
    assert "hunter2" not in found


def test_config_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("config", "schema") == 0
    assert "cameras" in json.loads(capsys.readouterr().out)["properties"]


def test_config_reference_is_the_file_in_the_docs(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("config", "reference") == 0
    shipped = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert capsys.readouterr().out == shipped.read_text()


def test_config_effective_shows_overrides_and_no_secret(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["--set", "mqtt.host=broker", "--set", "mqtt.password=hunter2"]
    assert typed("config", "effective", "-c", good, *overrides) == 0
    shown = capsys.readouterr().out
    assert "host: broker" in shown
    assert "hunter2" not in shown


def test_config_effective_shows_live_settings_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"state: {tmp_path}\ncameras:\n  gate:\n    source: synthetic\n    motion: {{cooldown: 20s}}\n")
    kept = {"cooldown": [5, 20], "min_area": [0.5, 0.3], "streaming": [False, True], "sensitivity": [80, 10]}
    (tmp_path / "settings.json").write_text(json.dumps({"gate": kept}))
    assert typed("config", "effective", "-c", file) == 0
    shown = [line.split("#") for line in capsys.readouterr().out.splitlines() if "(setting " in line]
    assert [(key.strip(), mark.split(", ")[-1].strip()) for key, mark in shown] == [
        ("enabled: true", "now off (setting streaming)"),
        ("min_area: 0.3%", "now 0.5 (setting min_area)"),
        ("cooldown: 20s", "now 5 (setting cooldown)"),
    ]


def test_config_effective_of_a_wrong_file_ends_with_two(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("config", "effective", "-c", bad) == 2
    assert "sorce" in capsys.readouterr().err


def test_password_makes_a_hash_that_the_configuration_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from edgecam.web.password import verify

    (tmp_path / "typed").write_text("hunter2\n")
    with (tmp_path / "typed").open() as typing:
        monkeypatch.setattr("sys.stdin", typing)
        assert typed("password") == 0
    assert verify("hunter2", capsys.readouterr().out.strip())


def test_an_empty_password_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "typed").write_text("\n")
    with (tmp_path / "typed").open() as typing:
        monkeypatch.setattr("sys.stdin", typing)
        assert typed("password") == 2
    assert "protects nothing" in capsys.readouterr().err


def test_run_with_a_wrong_file_ends_with_two_before_anything_starts(
    bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("run", "-c", bad) == 2
    assert "sorce" in capsys.readouterr().err


def test_demo_with_a_wrong_time_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("demo", "--for", "soon") == 2
    assert "edgecam demo: --for: must be a duration" in capsys.readouterr().err
