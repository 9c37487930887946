"""The rows of the fault matrix in which the box itself fails, with few files; `make faults` plays them in full."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.local import ROWS
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
def test_whatever_fails_on_the_box_each_file_arrives_once(row: Row, azurite: Azurite, tmp_path: Path) -> None:
    try:
        row.play(Trial(tmp_path, azurite=azurite))
    except Unable as why:
        pytest.skip(str(why))
