"""When frames were captured: as even as the camera says, never later than they came, never backward."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.record.mp4 import Seats
from edgecam.sources.timeline import EARLY, JUMP, LATE, TICK, WINDOW, AsTold, Timeline

Packet = tuple[float | None, float]
"""The camera's own time, and the arrival."""

RATE = 25
STEP = 1 / RATE


def stream(
    seconds: float, *, own: float = 0.0, at: float = 1000.0, drift: float = 0.0, jitter: tuple[float, ...] = (0.0,)
) -> list[Packet]:
    """Even frames that arrive with so much delay in turn, of a camera whose clock is `drift` too fast."""
    count = round(seconds * RATE)
    return [(own + n * STEP * (1 + drift), at + n * STEP + jitter[n % len(jitter)]) for n in range(count)]


def told(packets: list[Packet]) -> list[float]:
    timeline = Timeline()
    return [timeline(own, arrival) for own, arrival in packets]


def steps(times: list[float]) -> list[float]:
    return [two - one for one, two in pairwise(times)]


def test_frames_that_arrive_in_fits_and_starts_are_as_even_as_the_camera_says() -> None:
    times = told(stream(20, own=77.0, jitter=(0.03, 0.0, 0.035, 0.02, 0.005)))
    assert steps(times)[5:] == pytest.approx([STEP] * (len(times) - 6), abs=1e-6)


def test_they_are_dated_by_the_frame_that_was_least_late() -> None:
    packets = stream(10, jitter=(0.06, 0.04, 0.02))
    late = [arrival - time for (_, arrival), time in zip(packets, told(packets), strict=True)]
    assert late[3:6] == pytest.approx([0.04, 0.02, 0.0], abs=1e-6)


@pytest.mark.parametrize("drift", [0.0001, -0.0001, 0.002, -0.002])
def test_a_camera_whose_clock_drifts_is_followed(drift: float) -> None:
    packets = stream(600, drift=drift)
    late = [arrival - time for (_, arrival), time in zip(packets, told(packets), strict=True)]
    assert max(late) < 2 * abs(drift) * WINDOW + 0.001
    assert steps(told(packets)) == pytest.approx([STEP] * (len(packets) - 1), rel=0.011)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("they begin anew", 0.0),
        ("they fall back a little", 9.5),
        ("they stand still for a moment", 10.0 - STEP),
        ("they leap ahead", 5000.0),
        ("they leap ahead a little", 12.0),
    ],
)
def test_times_that_jump_cost_nothing_but_that_one_step(name: str, own: float) -> None:
    packets = [*stream(10), *stream(10, own=own, at=1010.0)]
    times = told(packets)
    assert times[-1] == pytest.approx(packets[-1][1], abs=0.001)
    assert max(steps(times)) < 2 * STEP + 0.001
    assert min(steps(times)) > 0


def test_a_clock_that_was_set_back_within_its_own_seconds_is_found_out() -> None:
    """The camera paused its own times for 2 s: every frame seems 2 s late from then on."""
    packets = [*stream(10), *stream(3 * WINDOW, own=10.0, at=1012.0)]
    late = [arrival - time for (_, arrival), time in zip(packets, told(packets), strict=True)]
    assert late[10 * RATE] == pytest.approx(2.0, abs=0.1)
    assert late[-1] < JUMP


def test_a_network_that_stalls_and_catches_up_keeps_the_spacing() -> None:
    even = stream(10)
    burst = [(own, max(arrival, 1008.0)) for own, arrival in even]  # the last frames before 1008 all come at once
    late = [(own, arrival + 1e-5 * n) for n, (own, arrival) in enumerate(burst) if own is not None and own >= 6]
    times = told([*even[: 6 * RATE], *late])
    assert steps(times) == pytest.approx([STEP] * (len(times) - 1), abs=0.001)


def test_a_gap_stays_a_gap() -> None:
    packets = [*stream(5), *stream(5, own=65.0, at=1065.0)]
    assert max(steps(told(packets))) == pytest.approx(60 + STEP, abs=0.001)


def test_frames_without_times_are_dated_by_their_arrival() -> None:
    assert told([(None, 10.0), (None, 10.5), (None, 11.0)]) == [10.0, 10.5, 11.0]


def test_times_that_always_say_the_same_are_no_times() -> None:
    assert told([(3.0, 10.0 + n) for n in range(30)]) == [10.0 + n for n in range(30)]


def test_frames_that_arrive_at_once_still_follow_each_other() -> None:
    times = told([(None, 10.0)] * 5)
    assert min(steps(times)) > 0
    assert times[-1] == pytest.approx(10.0, abs=0.001)


def test_one_time_from_another_world_is_not_believed() -> None:
    packets = [*stream(5), (-1e9, 1005.0), *stream(5, own=5 + STEP, at=1005.0 + STEP)]
    assert max(steps(told(packets))) < 3 * STEP


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-3, 3).map(float)), st.floats(0.001, 2 * LATE)
        ),
        max_size=60,
    )
)
def test_whatever_a_camera_says_times_grow_and_none_lies_in_the_future(said: list[Packet]) -> None:
    timeline, arrival, before = Timeline(), 1000.0, float("-inf")
    for own, pause in said:
        arrival += pause
        mono = timeline(own, arrival)
        assert before < mono <= arrival
        assert timeline.beside(own, arrival) <= arrival + EARLY + TICK
        before = mono


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=20), st.floats(-0.0005, 0.0005), st.floats(-1e6, 1e6))
def test_whatever_the_network_does_an_even_camera_stays_even(jitter: list[float], drift: float, own: float) -> None:
    count = RATE * 10
    arrivals: list[float] = []
    for n in range(count):
        arrivals.append(max(1000 + n * STEP + jitter[n % len(jitter)], (arrivals or [0.0])[-1] + 1e-4))
    times = told([(own + n * STEP * (1 + drift), arrival) for n, arrival in enumerate(arrivals)])
    settled = steps(times)[2 * len(jitter) :]
    assert settled == pytest.approx([STEP] * len(settled), rel=0.02)


def test_sound_is_dated_like_the_pictures_it_belongs_to() -> None:
    timeline = Timeline()
    assert timeline.beside(5.0, 1005.0) == 1005.0  # nothing is known yet
    timeline(5.0, 1005.1)
    assert timeline.beside(5.02, 1005.3) == pytest.approx(1005.12)
    assert timeline.beside(5.5, 1005.2) == pytest.approx(1005.6)  # its picture is still being coded
    assert timeline.beside(7.0, 1005.2) == 1005.2  # so early there is none
    assert timeline.beside(-90.0, 1005.2) == 1005.2
    assert timeline.beside(None, 1005.2) == 1005.2


@pytest.mark.parametrize("skew", [0.0, 0.15, 5.0, -40.0])
def test_no_sound_is_lost_when_packets_come_many_at_once_and_before_their_pictures(skew: float) -> None:
    timeline, seats, length = Timeline(), Seats(8000), 1024
    timeline(0.0, 1000.2)
    for n in range(80):
        arrival = 1000.2 + (n // 8 * 8 + 7) * length / 8000
        at = timeline.beside(n * length / 8000 + skew, arrival)
        assert seats.place(round((at - 990) * 8000), length) is not None, f"packet {n}"


def test_who_knows_the_time_is_believed() -> None:
    told = AsTold()
    assert told(None, 1000.0) == told.beside(5.0, 1000.0) == 1000.0
    assert told(5.0, 1001.0) == 1001.0
    assert told.beside(5.5, 1002.0) == 1001.5
    assert told.beside(None, 1002.0) == 1002.0
    assert told(5.0, 1001.0) > 1001.0, "two at once are still one after the other"
