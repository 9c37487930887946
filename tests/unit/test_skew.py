"""What time it is at the store."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from edgecam.offload.stores.skew import CLOSE, Skew
from edgecam.offload.stores.verdict import moment
from fakes import FakeClock

NOW = 1_790_000_000.0
HOUR = 3600.0


def date(at: float) -> dict[str, str]:
    return {"Date": format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True)}


def test_before_the_store_answered_our_clock_is_believed() -> None:
    skew = Skew(FakeClock(NOW))
    assert skew.ahead is None
    assert skew.now.timestamp() == NOW
    assert skew.header == date(NOW)["Date"]


@pytest.mark.parametrize(
    ("ahead", "used", "news"),
    [(0.0, 0.0, False), (CLOSE, 0.0, False), (-CLOSE, 0.0, False), (CLOSE + 1, CLOSE + 1, True), (-HOUR, -HOUR, True)],
)
def test_what_is_signed_has_the_stores_time_where_ours_is_wrong(ahead: float, used: float, news: bool) -> None:
    skew = Skew(FakeClock(NOW))
    assert skew.hear(date(NOW + ahead)) is news
    assert skew.ahead == ahead
    assert skew.now.timestamp() == NOW + used
    assert skew.hear(date(NOW + ahead)) is False  # known


def test_setting_our_clock_changes_nothing_of_it() -> None:
    clock = FakeClock(NOW)
    skew = Skew(clock)
    skew.hear(date(NOW + HOUR))
    clock.step(HOUR)
    assert (skew.ahead, skew.now.timestamp()) == (0.0, NOW + HOUR)
    clock.step(-5 * HOUR)
    clock.tick(10)
    assert (skew.ahead, skew.now.timestamp()) == (5 * HOUR, NOW + HOUR + 10)


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": "Fri, 27 Nov 2026 10:00:00 -0000"}])
def test_an_answer_without_a_sound_date_tells_nothing(headers: dict[str, str]) -> None:
    skew = Skew(FakeClock(NOW))
    assert skew.hear(headers) is False
    assert skew.ahead is None


def test_the_name_of_the_header_is_spelt_as_the_server_likes() -> None:
    found = moment({"server": "x", "date": date(NOW)["Date"]})
    assert found
    assert found.timestamp() == NOW
