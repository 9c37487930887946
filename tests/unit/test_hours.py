"""When a camera's motion is looked for, and in which zones. What a schedule is stands in test_schedule.py."""

import pytest

from edgecam.config import model
from edgecam.motion.hours import Hours
from fakes import FakeClock

CORNER = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
CLOCK = FakeClock()
NOW = CLOCK.wall()
SOON = {"daily": (CLOCK.span(600, 1200),)}


def test_without_a_schedule_it_is_always_open() -> None:
    hours = Hours(model.Motion(zones={"door": model.Zone(polygon=CORNER)}))
    assert not hours
    assert (hours.open(NOW), hours.opens(NOW), hours.shut(NOW)) == (True, None, frozenset())


def test_it_opens_when_its_schedule_says() -> None:
    hours = Hours(model.Motion(schedule=SOON))
    assert hours
    assert not hours.open(NOW)
    opens = hours.opens(NOW)
    assert opens == pytest.approx(NOW + 600, abs=60)
    assert hours.open(NOW + 900)
    assert hours.opens(NOW + 900) is None
    assert hours.opens(NOW + 1) == opens


def test_when_the_clock_was_set_back_it_opens_earlier_than_was_thought() -> None:
    hours = Hours(model.Motion(schedule=SOON))
    assert hours.opens(NOW + 7200) == pytest.approx(NOW + 600 + 86400, abs=3660)
    assert hours.opens(NOW) == pytest.approx(NOW + 600, abs=60)


def test_each_zone_has_its_own_hours() -> None:
    zones = {"door": model.Zone(polygon=CORNER, schedule=SOON), "gate": model.Zone(polygon=CORNER)}
    hours = Hours(model.Motion(zones=zones))
    assert hours
    assert hours.shut(NOW) == {"door"}
    assert hours.shut(NOW + 900) == set()
    assert hours.open(NOW)
