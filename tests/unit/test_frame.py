"""Frames and the Stamp that numbers and times them."""

import pytest

from edgecam.frame import Kind, Stamp
from fakes import FakeClock


def test_numbers_grow_by_one_over_all_lives_of_a_source() -> None:
    stamp = Stamp("birdbox", FakeClock())
    assert stamp.next == 1
    assert [stamp(Kind.JPEG, b"x", 64, 48).number for _ in range(3)] == [1, 2, 3]
    assert stamp.next == 4


def test_a_frame_says_when_it_was_in_both_clocks() -> None:
    clock = FakeClock(wall=1_800_000_000.0, monotonic=50.0)
    stamp = Stamp("birdbox", clock)
    clock.tick(1.5)
    frame = stamp(Kind.JPEG, b"x", 64, 48)
    assert (frame.camera, frame.mono, frame.wall) == ("birdbox", 51.5, 1_800_000_001.5)
    assert (frame.kind, frame.data, frame.width, frame.height, frame.keyframe) == ("jpeg", b"x", 64, 48, True)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (0.4, 0.0),  # ntpd slews: frames stay evenly spaced
        (-0.4, 0.0),
        (0.6, 0.6),  # the clock was set: people are told the new time
        (-3600.0, -3600.0),
    ],
)
def test_a_stepped_clock_is_followed_and_jitter_is_not(step: float, told: float) -> None:
    clock = FakeClock(wall=1_800_000_000.0, monotonic=50.0)
    stamp = Stamp("birdbox", clock)
    clock.step(step)
    assert stamp(Kind.JPEG, b"x", 64, 48).wall == pytest.approx(1_800_000_000.0 + told)
