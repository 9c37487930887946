"""The fan-out by itself: one and the same bytes object for everybody, and nothing queued for the slow."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edgecam.frame import Frame, Kind
from edgecam.web.fanout import Fanout, Sent, Viewer
from fakes import settle


class Wire(asyncio.Transport):
    """A connection that the test fills and empties."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})
        self.written: list[bytes] = []
        self.held = 0
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.held

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert isinstance(data, bytes)
        self.written.append(data)

    def abort(self) -> None:
        self.closing = True


def frame(number: int, kind: Kind = Kind.JPEG) -> Frame:
    return Frame("birdbox", number, float(number), 1.8e9 + number, kind, b"picture %d" % number, 64, 48)


@asynccontextmanager
async def watched(fanout: Fanout, wires: list[Wire], newest: Frame | None = None) -> AsyncIterator[list[Viewer]]:
    viewers = [Viewer(wire, address="", since=0.0) for wire in wires]
    watching = [asyncio.create_task(fanout.watch(viewer, newest)) for viewer in viewers]
    await settle()
    try:
        yield viewers
    finally:
        fanout.close()
        await asyncio.gather(*watching)
        assert not fanout.viewers


async def test_fifty_connections_are_written_one_and_the_same_object() -> None:
    with socket.socket() as sock:
        fanout, wires = Fanout(), [Wire(sock) for _ in range(50)]
        async with watched(fanout, wires):
            for number in range(3):
                fanout.deliver(frame(number))
        assert fanout.built == 3
        for place in range(3):
            assert len({id(wire.written[place]) for wire in wires}) == 1


async def test_late_comers_are_written_the_part_that_is_there() -> None:
    with socket.socket() as sock:
        fanout, early, late = Fanout(), Wire(sock), [Wire(sock) for _ in range(5)]
        async with watched(fanout, [early]):
            fanout.deliver(frame(1))
            async with watched(fanout, late, frame(1)):
                assert {id(wire.written[0]) for wire in late} == {id(early.written[0])}
                assert fanout.built == 1


async def test_a_busy_connection_skips_and_catches_up_with_the_newest() -> None:
    with socket.socket() as sock:
        fanout, wire = Fanout(), Wire(sock)
        async with watched(fanout, [wire]) as (viewer,):
            fanout.deliver(frame(1))
            wire.held = 1
            for number in (2, 3, 4):
                fanout.deliver(frame(number))
            fanout.catch_up()
            assert (viewer.sent.frames, viewer.sent.skipped, viewer.behind) == (1, 3, True)
            wire.held = 0
            fanout.catch_up()
            fanout.catch_up()
            assert [b"picture 4" in data for data in wire.written] == [False, True]
            assert not viewer.behind
        assert fanout.sent == Sent(2, 3, sum(map(len, wire.written)))


async def test_what_is_forgotten_is_owed_to_nobody() -> None:
    with socket.socket() as sock:
        fanout, wire = Fanout(), Wire(sock)
        async with watched(fanout, [wire]):
            wire.held = 1
            fanout.deliver(frame(1))
            fanout.forget()
            wire.held = 0
            fanout.catch_up()
            assert wire.written == []


async def test_video_frames_that_are_no_pictures_are_not_shown() -> None:
    with socket.socket() as sock:
        fanout, wire = Fanout(), Wire(sock)
        async with watched(fanout, [wire], frame(1, Kind.H264)):
            fanout.deliver(frame(2, Kind.H264))
            assert wire.written == []


async def test_a_closed_connection_is_let_go_by_the_next_frame_or_look() -> None:
    with socket.socket() as sock:
        for by_frame in (True, False):
            fanout, wire = Fanout(), Wire(sock)
            async with watched(fanout, [wire]) as (viewer,):
                wire.closing = True
                if by_frame:
                    fanout.deliver(frame(1))
                else:
                    fanout.check()
                await settle()
                assert viewer.gone.done()
                assert not fanout.viewers
                assert wire.written == []


async def test_a_peer_that_left_without_a_word_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecam.web.tcp.is_gone", lambda _: True)
    with socket.socket() as sock:
        fanout, wire = Fanout(), Wire(sock)
        async with watched(fanout, [wire]):
            fanout.check()
            await settle()
            assert wire.closing
            assert not fanout.viewers


async def test_a_viewer_that_is_still_busy_at_the_end_is_not_waited_for() -> None:
    with socket.socket() as sock:
        fanout, busy, free = Fanout(), Wire(sock), Wire(sock)
        async with watched(fanout, [busy, free]):
            busy.held = 1
        assert busy.closing
        assert not free.closing
