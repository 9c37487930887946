"""A few of what `make scale` does with many: five cameras in one daemon, five nodes on one broker."""

from pathlib import Path

import pytest

import scale

pytestmark = pytest.mark.system


def test_five_cameras_are_announced_again_after_a_birth_and_a_broker_without_memory(tmp_path: Path) -> None:
    seen, cost = scale.cameras(tmp_path, 5, 0.0)
    assert seen.count == 6
    assert len(seen.birth) == 1
    assert cost.memory > 10 * scale.MB


def test_five_nodes_on_one_broker_are_each_announced(tmp_path: Path) -> None:
    seen = scale.nodes(tmp_path, 5)
    assert seen.count == 5 * (1 + scale.CAMERAS_OF_A_NODE)
    assert len(seen.birth) == 5
