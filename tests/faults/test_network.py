"""The network's rows of the fault matrix, with few files and short pauses; `make faults` plays them in full."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.network import ROWS
from faults.rows import Row, Trial, Unable
from peers import Azurite

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def servers(azurite: Azurite) -> None:
    """Up before the first test, so that no test is blamed for leaving it behind."""


@pytest.mark.parametrize("row", [row for row in ROWS if row.tested], ids=lambda row: row.name)
def test_nothing_is_lost_doubled_or_half_visible(row: Row, azurite: Azurite, tmp_path: Path) -> None:
    try:
        row.play(Trial(tmp_path, azurite=azurite))
    except Unable as why:
        pytest.skip(str(why))
