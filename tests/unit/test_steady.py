"""Sound stays in step with the clock, whatever the card's own clock does and however late the reader is."""

import random

import pytest

from edgecam.sources.steady import WINDOW, Steady

RATE = 48000
BLOCK = 1024


@pytest.mark.parametrize("drift", [0.0, 200e-6, -200e-6])
@pytest.mark.parametrize("late", [0.0, 0.02, 0.2])
def test_after_an_hour_sound_is_where_it_was_heard(drift: float, late: float) -> None:
    steady, dice, true, worst = Steady(RATE), random.Random(7), 100.0, 0.0
    step = BLOCK / RATE * (1 + drift)
    for number in range(3600 * RATE // BLOCK):
        begin = steady.block(true + step + dice.random() ** 3 * late, BLOCK)
        if number > 2 * WINDOW * RATE / BLOCK:
            worst = max(worst, abs(begin - true))
        true += step
    assert worst < 0.012


def test_blocks_follow_each_other_while_only_the_reader_is_late() -> None:
    steady = Steady(RATE)
    begins = [steady.block(10 + (n + 1) * 0.1 + (n % 3) * 0.05, 4800) for n in range(60)]
    assert begins == pytest.approx([10 + n * 0.1 for n in range(60)])


def test_a_gap_is_believed_when_all_that_follows_is_late() -> None:
    steady = Steady(RATE)
    for n in range(20):
        steady.block(10 + (n + 1) * 0.1, 4800)
    begins = [steady.block(12.5 + (n + 1) * 0.1, 4800) for n in range(40)]
    assert begins[0] == pytest.approx(12.0)
    assert begins[-1] == pytest.approx(12.5 + 3.9)


def test_a_reading_that_is_early_moves_the_time_at_once() -> None:
    steady = Steady(RATE)
    assert steady.block(10.5, 4800) == pytest.approx(10.4)  # half a second late, as first readings are
    assert steady.block(10.1, 4800) == pytest.approx(10.0)
