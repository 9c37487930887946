"""The hub: newest frame, pre-roll, taps, demand."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.frame import Frame, Kind
from edgecam.hub import FrameHub, Ring, Want
from fakes import settle


def frame(number: int, *, mono: float | None = None, size: int = 10, keyframe: bool = True) -> Frame:
    at = float(number) if mono is None else mono
    return Frame("birdbox", number, at, 1e9 + at, Kind.JPEG, bytes(size), 64, 48, keyframe)


def hub(seconds: float = 5.0) -> FrameHub:
    return FrameHub("birdbox", Ring(seconds))


def filled(ring: Ring, frames: str) -> list[int]:
    """Adds a frame a second: `k` keyframe, `.` another; returns the numbers that the ring still holds."""
    for number, letter in enumerate(frames):
        ring.add(frame(number, keyframe=letter == "k"))
    return [each.number for each in ring.since(-1.0)]


@pytest.mark.parametrize(
    ("frames", "held"),
    [
        ("", []),
        ("...", []),  # nothing can be decoded before the first keyframe
        ("..k.", [2, 3]),
        ("kkkkkkkk", [2, 3, 4, 5, 6, 7]),  # 5 s before the newest
        ("k..k..k..", [3, 4, 5, 6, 7, 8]),  # whole groups only
        ("k.......", [0, 1, 2, 3, 4, 5, 6, 7]),  # a long group stays as long as it is needed
    ],
)
def test_the_pre_roll_holds_what_was_asked_and_begins_at_a_keyframe(frames: str, held: list[int]) -> None:
    assert filled(Ring(5.0), frames) == held


@pytest.mark.parametrize(
    ("memory", "held"),
    [
        (0, 6),  # the limit never cuts the pre-roll
        (100, 10),
        (10_000, 21),  # no more than the reach
    ],
)
def test_beyond_the_pre_roll_memory_is_the_limit(memory: int, held: int) -> None:
    ring = Ring(5.0, reach=20.0, memory=memory)
    assert len(filled(ring, "k" * 40)) == held
    assert ring.span == held - 1
    assert ring.bytes == held * 10


@pytest.mark.parametrize(("since", "first"), [(4.5, 3), (6.0, 6), (2.0, 3), (99.0, 9)])
def test_a_clip_begins_at_the_last_keyframe_before_its_start(since: float, first: int) -> None:
    ring = Ring(6.0)
    filled(ring, "k..k..k..k")
    assert ring.since(since)[0].number == first


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 3.0), st.integers(0, 50)), max_size=60))
def test_whatever_comes_the_ring_is_decodable_ordered_and_reaches_back(steps: list[tuple[bool, float, int]]) -> None:
    ring, now, sent = Ring(5.0, 10.0, 200), 0.0, list[Frame]()
    for number, (keyframe, gap, size) in enumerate(steps):
        now += gap
        sent.append(frame(number, mono=now, size=size, keyframe=keyframe))
        ring.add(sent[-1])
    held = ring.since(-1.0)
    first_key = next((each for each in sent if each.keyframe), None)
    assert ring.bytes == sum(len(each.data) for each in held)
    if first_key is None:
        assert held == []
        return
    assert held[0].keyframe
    assert held == sent[held[0].number :]
    assert held[0] is first_key or now - held[0].mono >= 5.0


def test_an_empty_ring_reaches_nowhere() -> None:
    ring = Ring(5.0)
    filled(ring, "kkk")
    ring.clear()
    assert (ring.span, ring.bytes, ring.since(0.0)) == (0.0, 0, [])


async def test_a_frame_reaches_the_slot_the_ring_the_taps_and_who_waits() -> None:
    house, seen = hub(), list[Frame]()
    waiting = asyncio.create_task(house.next())
    await settle()
    one = frame(1)
    with house.tap(seen.append):
        house.publish(one)
    house.publish(frame(2))
    assert await waiting is not None
    assert seen == [one]
    assert house.newest is not None
    assert house.newest.number == 2
    assert len(house.ring.since(0.0)) == 2


async def test_who_waits_for_a_newer_frame_is_not_given_the_old_one() -> None:
    house = hub()
    house.publish(frame(1))
    assert (await house.next()).number == 1
    waiting = asyncio.create_task(house.next(after=2))
    await settle()
    house.publish(frame(2))
    await settle()
    assert not waiting.done()
    house.publish(frame(3))
    assert (await waiting).number == 3


async def test_one_who_gives_up_waiting_does_not_disturb_the_others() -> None:
    house = hub()
    impatient, patient = asyncio.create_task(house.next()), asyncio.create_task(house.next())
    await settle()
    impatient.cancel()
    await settle()
    house.publish(frame(1))
    assert (await patient).number == 1
    assert impatient.cancelled()


def test_a_broken_consumer_takes_the_frame_from_nobody(caplog: pytest.LogCaptureFixture) -> None:
    house, seen = hub(), list[Frame]()

    def broken(frame: Frame) -> None:
        raise ZeroDivisionError

    with house.tap(broken), house.tap(seen.append), caplog.at_level(logging.ERROR):
        house.publish(frame(1))
    assert len(seen) == 1
    assert "birdbox: a consumer failed on frame 1" in caplog.text


def test_demand_counts_each_consumer_while_it_is_there() -> None:
    house = hub()
    assert not house.wanted
    with house.want(Want.VIEWER), house.want(Want.VIEWER), house.want(Want.MOTION):
        assert (house.demand[Want.VIEWER], house.demand[Want.MOTION]) == (2, 1)
        assert house.wanted
    assert not house.wanted


def test_a_lost_camera_shows_no_old_picture_and_a_new_clip_does_not_begin_before_the_outage() -> None:
    house = hub(seconds=60.0)
    house.publish(frame(1))
    house.lose()
    assert house.newest is None
    assert [each.number for each in house.ring.since(0.0)] == [1]
    house.publish(frame(2))
    assert [each.number for each in house.ring.since(0.0)] == [2]


def test_cleared_means_forgotten() -> None:
    house = hub()
    house.publish(frame(1))
    house.clear()
    assert house.newest is None
    assert house.ring.since(0.0) == []
