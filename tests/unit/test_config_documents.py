"""What is made from the models: the example loads, nothing generated is stale, `effective` hides and marks."""

import re
from pathlib import Path

import pytest
import yaml

from edgecam.config import effective, generate, reference
from edgecam.config.load import load
from edgecam.config.model import Config

GOLDEN = Path(__file__).parents[1] / "golden"


def test_no_generated_file_is_stale() -> None:
    assert generate.stale(generate.ROOT) == [], "run `make generate`"


def test_stale_files_are_named_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docs").mkdir()
    assert generate.main(["--check"], tmp_path) == 1
    assert "config.example.yaml is stale" in capsys.readouterr().err
    assert generate.main([], tmp_path) == 0
    assert generate.main(["--check"], tmp_path) == 0


def test_the_example_works_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(reference.example())
    found = load(file, environ={})
    assert list(found.config.cameras) == ["birdbox"]
    assert found.warnings == ()


def test_the_example_works_with_every_key_set(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^#((?:  )*\w+:.*)$", r"\1", reference.example())
    secrets = re.findall(r"!secret (\w+)", text)
    (tmp_path / "secrets.yaml").write_text("".join(f"{name}: x\n" for name in secrets))
    (tmp_path / "config.yaml").write_text(text)
    found = load(tmp_path / "config.yaml", environ={})
    assert found.config.mqtt is not None
    assert found.config.offload is not None
    zones = {"feeder": {"polygon": found.config.cameras["birdbox"].motion.zones["feeder"].polygon}}
    without = Config.model_validate({"cameras": {"birdbox": {"source": "synthetic", "motion": {"zones": zones}}}})
    assert found.config.cameras == without.cameras
    assert found.config.storage == without.storage


def test_the_effective_configuration_hides_secrets_and_says_where_keys_were_set(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((GOLDEN / "effective.yaml").read_text())
    (tmp_path / "secrets.yaml").write_text("host: canary-1\npassword: canary-2\nmodule: debug\n")
    settings: dict[tuple[str | int, ...], str] = {
        ("cameras", "birdbox", "motion", "sensitivity"): "now 80 (setting sensitivity)",
        ("cameras", "birdbox", "motion", "width"): "now wider",
    }
    environ = {"EDGECAM__CAMERAS__BIRDBOX__SOURCE__STALL_TIMEOUT": "30s"}
    found = load(tmp_path / "config.yaml", environ=environ, overrides=["cameras.birdbox.motion.width=320"])
    shown = reference.effective(found, settings).replace(f"{tmp_path}/", "")
    assert "canary" not in shown
    assert shown == (GOLDEN / "effective.txt").read_text()
    assert yaml.safe_load(shown)["cameras"]["birdbox"]["record"]["manual"]["keep"] == "forever"
    assert effective.data(found) == yaml.safe_load(shown)


def test_the_schema_is_closed_and_shows_defaults_as_they_are_written() -> None:
    schema = reference.schema()
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    assert all(not definition["additionalProperties"] for definition in definitions.values())
    motion = definitions["Motion"]["properties"]
    assert motion["cooldown"]["default"] == "10s"
    assert motion["min_area"]["default"] == "0.3%"
    keys = [key for definition in definitions.values() for key in definition["properties"].values()]
    assert all("description" in key or "$ref" in key for key in keys)
    assert {"type": "string"} in definitions["Camera"]["properties"]["source"]["anyOf"]


def test_the_reference_names_every_key_and_what_is_not_built() -> None:
    text = reference.reference()
    for key in (
        "`sensitivity`",
        "`when_full`",
        "`connection_string`",
        "`stall_timeout`",
        "`cameras.<id>.motion.zones.<id>`",
    ):
        assert key in text
    assert "| `push` | list of text | `[]` | *not yet:* " in text
    assert "`offload.store` with `type: folder`" in text
    assert "base_topic" in text
