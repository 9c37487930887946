"""How fast bytes leave: as fast as the plan says, by the clock on the wall, and not at all while it says 0."""

import pytest

from edgecam.config.timetable import ELSE
from edgecam.offload.valve import Closed, Hours, Valve
from fakes import FakeClock

HOUR = 3600.0


class Line:
    """A valve at work: how many seconds pass until bytes have left, and how often somebody heard of it."""

    def __init__(self, plan: dict[str, float], clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.breaths = 0
        self.valve = Valve(self.clock, self.clock.tick)
        self.valve.turn(plan)

    def sends(self, count: int, piece: int = 1000) -> float:
        begin = self.clock.monotonic()
        for _ in range(count // piece):
            self.valve.let(piece, self._breathe)
        return self.clock.monotonic() - begin

    def _breathe(self) -> None:
        self.breaths += 1


@pytest.mark.parametrize(
    ("plan", "piece", "seconds"),
    [
        ({}, 1000, 0),
        ({ELSE: 100_000.0}, 1000, 10),
        ({ELSE: 100_000.0}, 500_000, 10),  # a piece of more than a second's worth
        ({ELSE: 1000.0}, 16_000, 1000),
        ({ELSE: 2_500_000.0}, 64_000, 0.4),
    ],
)
def test_a_million_bytes_take_as_long_as_the_rate_says(plan: dict[str, float], piece: int, seconds: float) -> None:
    line = Line(plan)
    assert line.sends(1_000_000, piece) == pytest.approx(seconds, abs=2 * piece / plan.get(ELSE, 1e9))


def test_a_pause_is_worth_a_quarter_of_a_second_and_no_more() -> None:
    line = Line({ELSE: 40_000.0})
    line.clock.tick(HOUR)
    assert line.sends(10_000) == 0
    assert line.sends(10_000) == pytest.approx(0.25)


def test_small_files_one_after_the_other_obey_together() -> None:
    line = Line({ELSE: 10_000.0})
    for _ in range(20):
        line.valve.turn({ELSE: 10_000.0})
        line.sends(1000)
    assert line.clock.monotonic() == pytest.approx(FakeClock().monotonic() + 2)


def test_who_watches_hears_every_second_that_a_slow_upload_lives() -> None:
    line = Line({ELSE: 100.0})
    assert line.sends(16_000, 16_000) == pytest.approx(160)
    assert line.breaths >= 160


@pytest.mark.parametrize(("rate", "most"), [(2e6, 500_000), (8000.0, 2000), (10.0, 1024), (None, None)])
def test_a_piece_is_a_quarter_of_a_seconds_worth_at_most(rate: float | None, most: int | None) -> None:
    assert Line({} if rate is None else {ELSE: rate}).valve.most() == most


@pytest.mark.parametrize(
    ("later", "seconds"),
    [
        (10_000.0, 40 + 60),  # 40 s at 1 kB/s are 40 kB; 600 kB at 10 kB/s
        (None, 40),  # then nothing limits it
    ],
)
def test_a_long_upload_changes_its_speed_when_another_span_begins(later: float | None, seconds: float) -> None:
    clock = FakeClock()  # 14:13:20 in UTC: whole minutes are 40 s away wherever this box is
    plan = {clock.span(0, 40): 1000.0} | ({} if later is None else {ELSE: later})
    assert Line(plan, clock).sends(640_000) == pytest.approx(seconds, abs=1.1)


def test_an_upload_is_stopped_when_nothing_may_leave_any_more() -> None:
    clock = FakeClock()
    line = Line({clock.span(40, HOUR): 0, ELSE: 1000.0}, clock)
    with pytest.raises(Closed, match=r"the window of offload\.bandwidth opens at "):
        line.sends(640_000)
    assert clock.monotonic() == pytest.approx(FakeClock().monotonic() + 40, abs=1.1)


def test_before_it_begins_the_daemon_knows_that_nothing_may_leave_and_until_when() -> None:
    clock = FakeClock()
    closed_then = clock.span(40, 640)
    hours, told = Hours({closed_then: 0}, clock), list[str | None]()
    for seconds in (0, 39, 1, 599, 1):
        clock.tick(seconds)
        told.append(hours())
    closed = f"the window of offload.bandwidth opens at {closed_then.partition('-')[2]}"
    assert told == [None, None, closed, closed, None]


def test_a_clock_that_is_set_is_believed() -> None:
    clock = FakeClock()
    hours = Hours({clock.span(-HOUR, HOUR): 0}, clock)
    assert hours()
    for step, closed in ((2 * HOUR, False), (-2 * HOUR, True), (-2 * HOUR, False)):
        clock.step(step)
        assert (hours() is not None) is closed


def test_a_plan_that_never_lets_anything_leave_says_so() -> None:
    assert Hours({ELSE: 0}, FakeClock())() == "offload.bandwidth lets nothing leave at any time"


def test_without_a_plan_there_is_always_time() -> None:
    assert Hours({}, FakeClock())() is None
