"""The power goes while the daemon records: what it had finished is whole, and little of the rest is lost."""

from pathlib import Path

import pytest

from crash import power

pytestmark = pytest.mark.system


def test_after_power_cuts_everything_finished_is_whole_and_a_few_seconds_are_lost(tmp_path: Path) -> None:
    if why := power.unable():
        pytest.skip(why)
    mains = power.Mains(tmp_path, seed=3, longest=7.0)
    assert [mains.cut().wrong for _ in range(2)] == [[], []]
