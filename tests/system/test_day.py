"""An hour of the day of a camera whose times lie (`make day` lives all of it)."""

from pathlib import Path

import pytest

from day import FAULTS, live

pytestmark = pytest.mark.system


async def test_times_that_lie_break_no_clip(tmp_path: Path) -> None:
    day = await live(tmp_path, hours=1.0, seed=20261127)
    assert day.complaints == []
    assert (len(day.clips) >= day.events > 3, day.steps > 0) == (True, True)
    assert set(day.faults) - {""} == set(FAULTS)
