"""How long a store that failed is left alone, and when people hear of it."""

import itertools

import pytest

from edgecam.health import StoreState
from edgecam.offload.patience import Absence, Patience
from edgecam.offload.stores import (
    BadClock,
    BadCredentials,
    BadSettings,
    Corrupt,
    Permanent,
    StoreError,
    StoreFull,
    Transient,
)

BUSY, REFUSED, NO_BUCKET = Transient("busy"), BadCredentials("refused", "check the key"), BadSettings("no bucket")
FULL, ASKEW = StoreFull("full"), BadClock("the clocks differ")
HOUR = 3600.0


def pauses(*errors: StoreError, jitter: float = 1.0) -> list[float]:
    patience = Patience(lambda: jitter)
    return [patience.failed(error, now=0.0).seconds for error in errors]


def test_what_passes_by_itself_is_tried_again_sooner_and_then_later_and_for_ever() -> None:
    assert pauses(*[BUSY] * 9) == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert pauses(*[BUSY] * 3, jitter=0.25) == [0.5, 1, 2]
    assert pauses(*[BUSY] * 3000)[-1] == 300
    assert pauses(Corrupt("a bit flipped")) == [2]


@pytest.mark.parametrize("error", [REFUSED, NO_BUCKET, FULL, Permanent("whatever")])
def test_what_only_a_person_can_mend_is_probed_slowly_and_for_ever(error: StoreError) -> None:
    assert pauses(*[error] * 6) == [60, 120, 240, 480, 900, 900]
    assert pauses(*[error] * 3000)[-1] == 900


def test_a_clock_is_measured_by_the_answer_so_the_next_attempt_is_soon_and_the_others_are_not() -> None:
    assert pauses(*[ASKEW] * 7) == [2, 60, 120, 240, 480, 900, 900]
    assert pauses(REFUSED, ASKEW, ASKEW) == [60, 2, 60]


def test_all_pauses_can_be_shortened_alike() -> None:
    patience = Patience(lambda: 1.0, pace=0.01)
    assert [patience.failed(error, 0.0).seconds for error in (BUSY, BUSY, REFUSED)] == [0.02, 0.04, 0.6]


def test_a_new_kind_of_trouble_starts_its_own_pauses() -> None:
    assert pauses(BUSY, BUSY, REFUSED, REFUSED, NO_BUCKET, BUSY) == [2, 4, 60, 120, 60, 2]
    assert pauses(BUSY, Corrupt("a bit flipped"), BUSY) == [2, 4, 8]


@pytest.mark.parametrize(("asked", "waited"), [(30.0, 30.0), (1.0, 2.0), (1e9, 3600.0)])
def test_a_busy_store_is_left_alone_as_long_as_it_asks(asked: float, waited: float) -> None:
    assert pauses(Transient("busy", retry_after=asked)) == [waited]


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (BUSY, StoreState.RETRYING, "busy"),
        (Corrupt("spoiled"), StoreState.RETRYING, "spoiled"),
        (REFUSED, StoreState.BLOCKED, "refused; check the key"),
        (ASKEW, StoreState.BLOCKED, "the clocks differ"),
        (FULL, StoreState.FULL, "full"),
    ],
)
def test_the_state_says_whether_a_person_must_act_and_the_reason_what_to_do(
    error: StoreError, state: StoreState, reason: str
) -> None:
    patience = Patience()
    patience.failed(error, 0.0)
    assert (patience.open, patience.state, patience.reason) == (True, state, reason)


@pytest.mark.parametrize(
    ("story", "told"),
    [
        ([(0, BUSY), (5, BUSY), (10, Transient("timed out"))], "new - -"),  # the state is what matters
        ([(0, REFUSED), (60, REFUSED), (180, Permanent("no bucket"))], "new - new"),
        ([(0, BUSY), (5, REFUSED), (65, BUSY), (70, REFUSED)], "new new - -"),  # a store of two minds is no flood
        ([(0, REFUSED), (3500, REFUSED), (4400, REFUSED), (5300, REFUSED), (8000, REFUSED)], "new - 4400 - 8000"),
    ],
)
def test_the_same_is_told_once_and_then_once_an_hour_with_how_long_it_has_lasted(
    story: list[tuple[float, StoreError]], told: str
) -> None:
    patience = Patience()
    found = [patience.failed(error, at) for at, error in story]
    words = ["-" if not one.news else "new" if one.lasting is None else f"{one.lasting:.0f}" for one in found]
    assert " ".join(words) == told


def test_a_store_that_works_again_is_ok_and_its_failures_were_counted_and_the_next_trouble_is_news() -> None:
    patience = Patience()
    assert patience.worked(0.0) is None
    for at, error in ((10.0, BUSY), (20.0, REFUSED)):
        patience.failed(error, at)
    assert patience.attempts == 2
    assert patience.worked(25.0) == Absence(seconds=15.0, attempts=2)
    assert (patience.open, patience.state, patience.reason) == (False, StoreState.OK, None)
    assert patience.failed(REFUSED, 30.0).news
    assert patience.worked(31.0) == Absence(seconds=1.0, attempts=1)


def test_jitter_keeps_two_boxes_apart() -> None:
    first = [Patience().failed(BUSY, 0.0).seconds for _ in range(20)]
    assert all(0 <= pause <= 2 for pause in first)
    assert any(one != other for one, other in itertools.pairwise(first))
