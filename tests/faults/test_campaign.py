"""The campaign's own arithmetic: what becomes of a row, and what the table says of it."""

from pathlib import Path

from faults.campaign import report
from faults.rows import Found, Row, Trial, Unable, play


def passes(trial: Trial) -> Found:
    return Found(3, "three | in one attempt each")


def fails(trial: Trial) -> Found:
    raise AssertionError("one file is missing")


def fails_without_a_word(trial: Trial) -> Found:
    raise AssertionError


def cannot(trial: Trial) -> Found:
    raise Unable("needs root")


def test_each_row_has_its_line_whatever_became_of_it(tmp_path: Path) -> None:
    rows = [passes, fails, fails_without_a_word, cannot]
    outcomes = [play(Row(number, "a fault", "rclone", row), Trial(tmp_path)) for number, row in enumerate(rows, 1)]
    text = report(outcomes, "--rows 1,2", seed=7)
    for line in (
        "| 1 | a fault | rclone | 3 | three / in one attempt each | 0 | yes |",
        "| 2 | a fault | rclone |  | AssertionError: one file is missing | 0 | **NO** |",
        "| 3 | a fault | rclone |  | AssertionError: raise AssertionError | 0 | **NO** |",
        "| 4 | a fault | rclone |  | needs root | 0 | not run |",
        "1 of 4 passed, with 3 files; seed 7.",
    ):
        assert line in text
    assert 'make faults ARGS="--rows 1,2"' in text
