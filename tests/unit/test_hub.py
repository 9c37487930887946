"""The hub: newest frame, pre-roll, taps, demand."""

import asyncio
import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.frame import Frame, Kind, Sound, Use
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


def test_a_camera_that_gives_one_keyframe_and_never_again_does_not_eat_the_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edgecam.hub.MOST_WITHOUT_KEYFRAME", 100)
    house = hub()
    for number in range(50):
        house.publish(frame(number, keyframe=number == 0))
        assert house.ring.bytes <= 100
    assert house.ring.since(0.0) == []
    house.publish(frame(50))
    house.publish(frame(51, keyframe=False))
    assert [each.number for each in house.ring.since(0.0)] == [50, 51]
    for number in range(52, 80):
        house.publish(frame(number, keyframe=False))
    assert house.ring.since(0.0) == []
    assert caplog.text.count("birdbox: 100 bytes of video without a keyframe") == 1


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


def raw(number: int, use: Use = Use.ALL, *, mono: float | None = None) -> Frame:
    """A picture made of frame `number`; nobody here touches its pixels."""
    return replace(frame(number, mono=mono), kind=Kind.RAW, data=b"", use=use)


def video(number: int, *, mono: float | None = None, keyframe: bool = True) -> Frame:
    return replace(frame(number, mono=mono, keyframe=keyframe), kind=Kind.H264)


def test_a_picture_of_before_privacy_is_not_remembered_however_long_somebody_held_it() -> None:
    house = hub()
    house.publish(frame(1))
    before = frame(2)
    house.publish(before)
    house.lose()
    assert house.remembers(before)
    house.clear()
    assert not house.remembers(before)
    assert house.remembers(frame(3))


async def test_a_video_camera_records_what_is_coded_and_shows_what_is_decoded() -> None:
    house, seen = hub(), list[Frame]()
    with house.tap(seen.append):
        for each in (video(1), raw(1), video(2)):
            house.publish(each)
    assert [each.kind for each in seen] == [Kind.H264, Kind.RAW, Kind.H264]
    assert [each.kind for each in house.ring.since(0.0)] == [Kind.H264, Kind.H264]
    assert house.newest is seen[1]
    assert house.look is seen[1]


async def test_motion_with_pictures_of_its_own_does_not_show_them_to_people() -> None:
    house = hub()
    view, look = asyncio.create_task(house.next()), asyncio.create_task(house.next_look())
    await settle()
    small, large = raw(1, Use.MOTION), raw(2, Use.PEOPLE)
    house.publish(small)
    await settle()
    assert (view.done(), await look) == (False, small)
    house.publish(large)
    assert await view is large
    assert house.look is small
    again = asyncio.create_task(house.next_look(after=1))
    await settle()
    house.publish(raw(3, Use.MOTION))
    assert (await again).number == 3


def test_a_picture_is_not_the_newest_when_video_has_gone_on_without_pictures() -> None:
    house = hub()
    house.publish(raw(1, mono=10.0))
    house.publish(video(2, mono=12.0))
    assert house.newest is not None
    house.publish(video(3, mono=12.1))
    assert house.newest is None
    assert house.look is None


def sound(at: float) -> Sound:
    return Sound("birdbox", at, b"aac", 0.02, 48000, 1, b"\x11\x88")


def test_sound_is_kept_as_long_as_the_pictures_are(caplog: pytest.LogCaptureFixture) -> None:
    house, heard = hub(), list[float]()

    def broken(sound: Sound) -> None:
        raise ZeroDivisionError

    with house.tap_sound(broken), house.tap_sound(lambda sound: heard.append(sound.mono)):
        for second in range(20):
            house.publish(frame(second))
            house.hear(sound(second))
    house.hear(sound(20.0))
    assert heard == [float(second) for second in range(20)]
    assert [each.mono for each in house.heard(17.0)] == [17.0, 18.0, 19.0, 20.0]
    assert house.heard(0.0)[0].mono == 14.0
    assert "birdbox: a consumer of sound failed" in caplog.text
    house.clear()
    assert house.heard(0.0) == []


def test_demand_says_what_a_source_has_to_make() -> None:
    house = hub()
    asked = house.demand
    assert (asked.people, asked.motion, asked.coded, asked.any) == (False, False, False, False)
    for want, told in (
        (Want.VIEWER, (True, False, False)),
        (Want.SNAPSHOT, (True, False, False)),
        (Want.MOTION, (False, True, False)),
        (Want.LIGHT, (False, True, False)),
        (Want.RECORD, (False, False, True)),
        (Want.PUBLISH, (False, False, True)),
    ):
        with house.want(want), house.want(want):
            assert (asked.people, asked.motion, asked.coded) == told
            assert house.wanting.is_set() is asked.any is (want is not Want.LIGHT)
        assert not house.wanting.is_set()


async def test_a_picture_that_was_captured_before_the_question_is_not_the_answer() -> None:
    here = hub()
    here.publish(frame(1))
    answer = asyncio.create_task(here.fresh(2.5))
    await settle()
    here.publish(frame(2))  # late: captured at 2
    await settle()
    assert not answer.done()
    here.publish(frame(3))
    assert (await answer).number == 3


def test_what_motion_sees_is_shown_to_who_listens_and_nothing_of_before_privacy() -> None:
    house, seen = hub(), list[int]()
    with house.want(Want.DEBUG):
        assert house.demand[Want.DEBUG]
        assert not house.wanted, "no camera is kept open for that"
        assert not house.wanting.is_set(), "nor opened"
    for number in (1, 2):
        house.publish(frame(number))
    house.show(frame(1))
    with house.tap_debug(lambda it: seen.append(it.number)):
        house.show(frame(2))
        assert house.newest is not None
        assert house.newest.number == 2
        house.clear()
        house.show(frame(2))
        house.show(frame(3))
    house.show(frame(4))
    assert seen == [2, 3]
