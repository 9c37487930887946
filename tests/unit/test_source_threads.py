"""The capture thread: items in order, nothing lost silently, and a hung library that holds up nobody."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from edgecam.clock import SystemClock
from edgecam.frame import Frame, Kind, Sound, Stamp, Use
from edgecam.sources import LostThreads
from edgecam.sources.threaded import MOST_SOUND, CaptureThread


@dataclass(frozen=True)
class Number:
    value: int
    keyframe: bool = True


class Library:
    """A camera library that reads what the test gives it. `hang` blocks a read until it is set."""

    def __init__(self, items: Iterator[Number | Exception | None], hang: threading.Event | None = None) -> None:
        self._items, self._hang = items, hang
        self.opened, self.closed = 0, threading.Event()

    def open(self) -> None:
        self.opened += 1

    def read(self) -> Number | None:
        item = next(self._items)
        if item is None and self._hang is not None:
            self._hang.wait()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.closed.set()


def numbers(count: int) -> Iterator[Number | Exception | None]:
    yield from (Number(value) for value in range(count))
    yield None


def capturing() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "capture birdbox"]


async def test_items_arrive_in_order_and_the_library_is_closed_at_the_end() -> None:
    library = Library(numbers(100))
    capture = CaptureThread[Number](library, "birdbox", LostThreads(), patient=True, ahead=3)
    assert [item.value async for item in capture.items()] == list(range(100))
    await capture.close()
    assert library.closed.is_set()
    assert (library.opened, capture.dropped) == (1, 0)


async def test_what_the_library_raises_ends_the_life_after_what_came_before() -> None:
    capture = CaptureThread[Number](Library(iter([Number(1), OSError("unplugged")])), "birdbox", LostThreads())
    items = capture.items()
    assert (await anext(items)).value == 1
    with pytest.raises(OSError, match="unplugged"):
        await anext(items)
    await capture.close()


async def test_a_library_that_cannot_even_be_opened_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(numbers(0))

    def refuse() -> None:
        raise OSError("no such device")

    def close_badly() -> None:
        library.closed.set()
        raise OSError("not open")

    monkeypatch.setattr(library, "open", refuse)
    monkeypatch.setattr(library, "close", close_badly)
    capture = CaptureThread[Number](library, "birdbox", LostThreads())
    with pytest.raises(OSError, match="no such device"):
        await anext(capture.items())
    await capture.close()
    assert library.closed.is_set()


async def test_a_source_that_is_closed_early_stops_reading() -> None:
    def endless() -> Iterator[Number | Exception | None]:
        while True:
            yield Number(0)

    lost = LostThreads()
    for patient in (True, False):
        library = Library(endless())
        capture = CaptureThread[Number](library, "birdbox", lost, patient=patient, ahead=2)
        async with aclosing(capture.items()) as items:
            await anext(items)
        await capture.close()
        await capture.close()
        assert library.closed.is_set()
    assert lost.count == 0


async def test_a_source_that_was_never_opened_can_be_closed() -> None:
    library = Library(numbers(1))
    await CaptureThread[Number](library, "birdbox", LostThreads()).close()
    assert library.opened == 0


async def test_a_live_camera_loses_whole_groups_while_the_loop_is_busy_and_counts_them() -> None:
    done = threading.Event()

    def live() -> Iterator[Number | Exception | None]:
        for value in range(10):
            yield Number(value, keyframe=value in (0, 8))
        done.set()
        yield None

    capture = CaptureThread[Number](Library(live()), "birdbox", LostThreads(), ahead=4)
    items = capture.items()
    first = asyncio.ensure_future(anext(items))
    await asyncio.sleep(0)
    assert done.wait(5)  # the loop is busy all the while
    seen = [(await first).value] + [item.value async for item in items]
    await capture.close()
    assert seen == [0, 1, 2, 3]
    assert capture.dropped == 6


async def test_after_a_loss_the_next_item_is_a_keyframe() -> None:
    full, emptied = threading.Event(), threading.Event()

    def live() -> Iterator[Number | Exception | None]:
        for value in range(5):
            yield Number(value, keyframe=value == 0)
        full.set()
        emptied.wait(5)
        yield Number(5, keyframe=False)
        yield Number(6)
        yield None

    capture = CaptureThread[Number](Library(live()), "birdbox", LostThreads(), ahead=2)
    items = capture.items()
    first = asyncio.ensure_future(anext(items))
    await asyncio.sleep(0)
    assert full.wait(5)
    seen = [(await first).value, (await anext(items)).value]
    emptied.set()
    seen += [item.value async for item in items]
    await capture.close()
    assert seen == [0, 1, 6]


class Live:
    """A camera that gives all of `items` while the loop is busy."""

    def __init__(self, *items: Frame | Sound) -> None:
        self._items = iter(items)
        self.given = threading.Event()

    def open(self) -> None: ...

    def read(self) -> Frame | Sound | None:
        item = next(self._items, None)
        if item is None:
            self.given.set()
        return item

    def close(self) -> None: ...


async def while_busy(*items: Frame | Sound, patient: bool = False) -> list[Frame | Sound]:
    """What arrives of items that were all read before the loop came to them; four coded frames may wait."""
    live = Live(*items)
    capture = CaptureThread[Frame | Sound](live, "birdbox", LostThreads(), ahead=4, patient=patient)
    found = capture.items()
    first = asyncio.ensure_future(anext(found))
    await asyncio.sleep(0)
    assert patient or live.given.wait(5)
    arrived = [await first] + [item async for item in found]
    await capture.close()
    return arrived


def picture(stamp: Stamp, use: Use = Use.ALL) -> Frame:
    return stamp(Kind.RAW, b"", 64, 48, use=use)


def coded(stamp: Stamp, *, keyframe: bool = False) -> Frame:
    return stamp(Kind.H264, b"x", 64, 48, keyframe=keyframe)


def sound() -> Sound:
    return Sound("birdbox", 0.0, b"x", 0.02, 48000, 1, b"")


async def test_only_the_newest_picture_of_each_use_waits() -> None:
    stamp = Stamp("birdbox", SystemClock())
    looks = [picture(stamp, use) for use in (Use.PEOPLE, Use.MOTION) * 20]
    assert await while_busy(*looks) == looks[-2:]


async def test_pictures_and_sound_take_no_coded_frame_s_room() -> None:
    stamp = Stamp("birdbox", SystemClock())
    items: list[Frame | Sound] = []
    for n in range(4):
        items += [coded(stamp, keyframe=not n), picture(stamp), sound(), sound()]
    arrived = await while_busy(*items)
    assert [item for item in arrived if isinstance(item, Sound) or item.is_coded] == [
        item for item in items if isinstance(item, Sound) or item.is_coded
    ]
    assert [item for item in arrived if isinstance(item, Frame) and not item.is_coded] == items[-3:-2]


async def test_a_picture_does_not_mend_a_broken_group() -> None:
    stamp = Stamp("birdbox", SystemClock())
    frames = [coded(stamp, keyframe=not n) for n in range(5)]
    late: list[Frame | Sound] = [picture(stamp), coded(stamp), sound()]
    assert await while_busy(*frames, *late) == [*frames[:4], late[0], late[2]]


async def test_sound_is_bounded() -> None:
    assert len(await while_busy(*(sound() for _ in range(1000)))) == 4 + MOST_SOUND


async def test_a_patient_reader_loses_no_picture() -> None:
    stamp = Stamp("birdbox", SystemClock())
    looks = [picture(stamp) for _ in range(20)]
    assert await while_busy(*looks, patient=True) == looks


async def test_a_thread_that_hangs_in_its_library_is_given_up_and_what_it_still_brings_is_thrown_away() -> None:
    hang, lost = threading.Event(), LostThreads()
    library = Library(iter([Number(1), None, Number(2)]), hang)
    capture = CaptureThread[Number](library, "birdbox", lost, grace=0.01)
    items = capture.items()
    assert (await anext(items)).value == 1
    await items.aclose()
    await capture.close()
    assert lost.count == 1
    assert all(thread.daemon for thread in capturing())
    hang.set()
    assert library.closed.wait(5)
    for thread in capturing():
        await asyncio.to_thread(thread.join)
    assert lost.count == 0


def test_a_process_whose_loop_is_gone_is_not_disturbed_by_a_late_thread() -> None:
    hang = threading.Event()
    library = Library(iter([Number(1), None]), hang)

    async def live() -> None:
        capture = CaptureThread[Number](library, "birdbox", LostThreads(), grace=0.01)
        async with aclosing(capture.items()) as items:
            await anext(items)
        await capture.close()

    asyncio.run(live())
    hang.set()
    for thread in capturing():
        thread.join(5)
    assert library.closed.is_set()
