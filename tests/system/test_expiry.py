"""A SAS token that is about to end, seen from outside: a problem of the box, which a renewed token takes away."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from outside import Edgecam, until

pytestmark = pytest.mark.system


def token(days: float) -> str:
    return f"sp=cw&se={datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}&sig=c2VjcmV0"


class Read(yaml.YAMLObject):
    """`!file PATH` in the configuration."""

    yaml_tag, yaml_dumper = "!file", yaml.SafeDumper

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def to_yaml(cls, dumper: yaml.representer.BaseRepresenter, data: "Read") -> yaml.Node:
        return dumper.represent_scalar("!file", str(data.path))


def test_a_token_that_ends_soon_is_a_problem_until_it_is_renewed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token(2.1))
    store = {"type": "azure", "account": "birds", "container": "birdbox", "sas_token": Read(file)}
    with Edgecam(tmp_path, {"offload": {"store": store}}) as edgecam:
        assert "store: the SAS token ends in 2 days (20" in "\n".join(edgecam.health()["problems"])
        assert "the SAS token ends in 2 days" in edgecam.log
        file.write_text(token(100))
        until("the renewed token is believed", lambda: "SAS" not in str(edgecam.health()["problems"]))
        assert "c2VjcmV0" not in edgecam.log
