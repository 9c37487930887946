"""The ledger: what left, how fast, how late, and what did not."""

from pathlib import Path

import pytest

from edgecam.health import Health, SpoolStatus, StoreState, spool_json
from edgecam.histogram import Histogram
from edgecam.media import MediaKind
from edgecam.offload.ledger import Ledger
from fakes import FakeClock
from waiting import NOON, save


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=NOON)


@pytest.fixture
def status() -> SpoolStatus:
    return SpoolStatus()


@pytest.fixture
def ledger(status: SpoolStatus, clock: FakeClock) -> Ledger:
    return Ledger(status, clock)


def test_a_long_upload_has_a_rate_while_it_runs_and_a_minute_after_its_end_there_is_none(
    ledger: Ledger, status: SpoolStatus, clock: FakeClock
) -> None:
    seen = list[float]()
    for second in range(180):
        clock.tick(1)
        if second < 90:
            ledger.left(100_000)
        if second % 30 == 29:
            seen.append(round(status.rate()))
    assert seen == [50_000, 100_000, 100_000, 50_000, 0, 0]


def test_how_long_it_took_to_the_store_is_counted_by_kind(
    ledger: Ledger, status: SpoolStatus, clock: FakeClock, tmp_path: Path
) -> None:
    clip, segment = save(tmp_path, size=700), save(tmp_path, kind=MediaKind.CONTINUOUS, size=50)  # 10 s from NOON
    clock.tick(18)
    ledger.stored(clip)
    assert (status.delay, status.bytes_stored, status.last_stored) == (8, 700, NOON + 18)
    clock.tick(100_000)
    ledger.stored(segment)
    ledger.stored(clip.model_copy(update={"clock": "unsynced"}))
    assert (status.stored, status.bytes_stored) == (3, 1450)
    event, late = status.delays[MediaKind.EVENT], status.delays[MediaKind.CONTINUOUS]
    assert [count for _, count in event.buckets()][:3] == [0, 1, 1]
    assert [count for _, count in late.buckets()][-1] == 0
    assert (event.count, late.count, late.sum) == (1, 1, 100_008)


def test_a_clock_that_was_set_back_makes_nothing_negative(
    ledger: Ledger, status: SpoolStatus, clock: FakeClock, tmp_path: Path
) -> None:
    clock.step(-3600)
    ledger.stored(save(tmp_path))
    assert status.delay == 0


def test_since_when_it_stands_like_that_and_when_it_is_tried_again(
    ledger: Ledger, status: SpoolStatus, clock: FakeClock
) -> None:
    ledger.stands(StoreState.OK, None)
    assert (status.since, status.next_try) == (NOON, None)
    clock.tick(5)
    ledger.failed(30)
    ledger.stands(StoreState.RETRYING, "connection refused")
    clock.tick(30)
    ledger.failed(60)
    ledger.stands(StoreState.RETRYING, "no answer in time")
    assert (status.since, status.next_try, status.failures) == (NOON + 5, NOON + 95, 2)
    assert status.reason == "no answer in time"
    clock.tick(1)
    ledger.stands(StoreState.HELD, "the window opens at 22:00")
    assert (status.since, status.next_try, status.failures) == (NOON + 36, None, 2)


def test_health_shows_it_as_plain_data(ledger: Ledger, status: SpoolStatus, clock: FakeClock, tmp_path: Path) -> None:
    ledger.left(6000)
    ledger.stands(StoreState.OK, None)
    clock.tick(12.34)
    ledger.stored(save(tmp_path))
    shown = spool_json(status)
    assert (shown["rate"], shown["delay"], shown["since"]) == (100, 2.3, "2026-09-21T14:13:20.000Z")
    assert shown["next_try"] is None
    assert "delays" not in shown
    assert Health("pi", "abcdef", clock, {}).snapshot()["spool"] == spool_json(SpoolStatus())


def test_a_bucket_takes_what_is_at_most_its_edge() -> None:
    histogram = Histogram((5, 10))
    for number in (0, 5, 5.1, 10, 11):
        histogram.add(number)
    assert list(histogram.buckets()) == [(5, 2), (10, 4)]
    assert (histogram.count, histogram.sum) == (5, 31.1)
