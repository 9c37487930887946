"""Between the threads of the camera and ours: nobody waits for ever, nothing is raised, what is lost is counted."""

import time
from collections.abc import Mapping

from edgecam.sources.pi.sightings import MOST_PACKETS, MOST_SEEN, Packet, Seen, Sightings


class Frame:
    def __init__(self, at: object) -> None:
        self.at, self.held = at, 0

    def acquire(self) -> None:
        self.held += 1

    def release(self) -> None:
        self.held -= 1

    def get_metadata(self) -> Mapping[str, object]:
        if isinstance(self.at, Exception):
            raise self.at
        return {"SensorTimestamp": self.at}


def test_every_frame_is_seen_and_one_is_held_at_a_time() -> None:
    sightings, frames = Sightings(lambda at: True), [Frame(at) for at in range(1, 4)]
    for frame in frames:
        sightings.saw(frame)
    assert [sightings.take(0) for _ in range(3)] == [Seen(1, frames[0]), Seen(2, None), Seen(3, None)]
    assert [frame.held for frame in frames] == [1, 0, 0]
    sightings.done(frames[0])
    sightings.saw(last := Frame(4))
    assert [frame.held for frame in (*frames, last)] == [0, 0, 0, 1]


def test_a_frame_that_is_not_newer_than_the_last_is_none() -> None:
    sightings = Sightings(lambda at: False)
    for at in (5, 5, 4, 6):
        sightings.saw(Frame(at))
    assert [sightings.take(0) for _ in range(3)] == [Seen(5, None), Seen(6, None), None]
    assert sightings.stale == 2


def test_nothing_is_raised_into_the_cameras_thread() -> None:
    def fails(at: int) -> bool:
        raise ValueError("a bug of ours")

    sightings = Sightings(fails)
    sightings.saw(Frame(RuntimeError("the request is gone")))
    sightings.saw(Frame(None))
    sightings.saw(Frame(1))
    assert sightings.take(0) is None


def test_when_too_many_coded_frames_wait_all_are_lost_up_to_the_next_keyframe() -> None:
    sightings = Sightings(lambda at: False)
    for at in range(MOST_PACKETS + 3):
        sightings.coded(b"", at == 0, at)
    assert isinstance(sightings.take(0), Packet)
    sightings.coded(b"", False, 100)  # there is room again, but nothing to build on
    sightings.coded(b"", True, 101)
    left = []
    while (item := sightings.take(0)) is not None:
        assert isinstance(item, Packet)
        left.append(item.at)
    assert left == [*range(1, MOST_PACKETS), 101]
    assert sightings.dropped == 4


def test_memory_is_bounded_while_nobody_reads() -> None:
    sightings = Sightings(lambda at: False)
    for at in range(1, 1000):
        sightings.saw(Frame(at))
        sightings.coded(b"", True, at)
    count = 0
    while sightings.take(0) is not None:
        count += 1
    assert count <= MOST_SEEN + 2 * MOST_PACKETS


def test_closing_wakes_the_reader_and_gives_back_what_is_held() -> None:
    sightings, frame = Sightings(lambda at: True), Frame(1)
    sightings.saw(frame)
    sightings.close()
    assert sightings.take(60) is None
    assert sightings.drain() == [frame]
    sightings.saw(late := Frame(2))
    assert late.held == 0


def test_waiting_ends_in_time() -> None:
    before = time.monotonic()
    assert Sightings(lambda at: False).take(0.01) is None
    assert time.monotonic() - before >= 0.01
