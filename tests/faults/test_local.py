"""The rows of the fault matrix in which the box itself fails, with few files; `make faults` plays them in full."""

from pathlib import Path

import pytest

from faults.local import ROWS
from faults.rows import Row, Trial, Unable

pytestmark = pytest.mark.system


@pytest.mark.parametrize("row", [row for row in ROWS if row.tested], ids=lambda row: row.name)
def test_whatever_fails_on_the_box_each_file_arrives_once(row: Row, tmp_path: Path) -> None:
    try:
        row.play(Trial(tmp_path))
    except Unable as why:
        pytest.skip(str(why))
