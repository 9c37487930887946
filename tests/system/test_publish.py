"""Publishing to a real RTSP server: what arrives is what the camera gave, and no server can harm the camera."""

import asyncio
import math
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

import outside
from broadcast import Receiver, aac, hevc, later, sent_units
from clips import h264, probe
from edgecam import nal
from edgecam.clock import SystemClock
from edgecam.config.model import Url
from edgecam.events import Bus
from edgecam.frame import Frame, Kind, Sound
from edgecam.health import PublishState, PublishStatus
from edgecam.hub import FrameHub, Ring, Want
from edgecam.relay import backlog, line
from edgecam.relay.component import Relay
from edgecam.supervisor import Vitals, keep
from fakes import Switchboard, until
from outside import Edgecam
from video import write_video

pytestmark = pytest.mark.system


class Studio:
    """A camera that plays what it is given, published to `url`."""

    def __init__(self, url: str) -> None:
        self.clock, self.bus = SystemClock(), Bus()
        self.hub, self.board, self.vitals = FrameHub("cam", Ring(2.0)), PublishStatus(), Vitals("cam publish")
        self.relay = Relay(
            id="cam",
            title="Bird box",
            url=Url(url),
            hub=self.hub,
            settings=Switchboard(self.bus, self.clock),
            board=self.board,
            bus=self.bus,
            clock=self.clock,
            vitals=self.vitals,
        )

    def play(self, items: Sequence[Frame | Sound]) -> None:
        for item in sorted(items, key=lambda item: item.mono):
            if isinstance(item, Frame):
                self.hub.publish(item)
            else:
                self.hub.hear(item)

    async def waiting(self) -> None:
        await until("the server answers", lambda: self.board.state is PublishState.WAITING)


@asynccontextmanager
async def publishing(url: str) -> AsyncIterator[Studio]:
    studio = Studio(url)
    task = asyncio.create_task(keep(studio.relay, studio.clock, studio.vitals, longest=1.0, jitter=lambda: 0.0))
    try:
        yield studio
    finally:
        task.cancel()
        await asyncio.wait({task})


def arrived(receiver: Receiver, kind: Kind) -> list[bytes]:
    """The units that the receiver wrote down."""
    return nal.units(Frame("cam", 0, 0, 0, kind, receiver.video.read_bytes(), 0, 0))


@pytest.mark.parametrize("with_sound", [False, True], ids=["silent", "with sound"])
@pytest.mark.parametrize(
    "frames",
    [h264(45), h264(45, annexb=False), hevc(45), hevc(45, annexb=False)],
    ids=["h264", "h264 of a file", "h265", "h265 of a file"],
)
async def test_what_arrives_is_what_the_camera_gave(
    frames: tuple[Frame, ...], with_sound: bool, tmp_path: Path
) -> None:
    kind, sounds = frames[0].kind, aac(3.0) if with_sound else ()
    with Receiver(tmp_path, kind) as receiver:
        async with publishing(receiver.url) as studio:
            if with_sound:
                studio.hub.hear(replace(sounds[0], mono=frames[0].mono - 0.1))
            await studio.waiting()
            studio.play([*frames, *sounds])
            await until("all is sent", lambda: studio.board.frames == len(frames) and not studio.relay.waiting)
            assert (studio.board.sessions, studio.board.dropped, studio.board.trouble) == (1, 0, None)
        receiver.finish()
        assert arrived(receiver, kind) == sent_units(frames)
        seen = probe(receiver.film)
        assert (seen.codec, seen.width, seen.frames, seen.complaints) == (kind.value, 320, len(frames), "")
        assert math.isclose(seen.duration, 3.0, abs_tol=0.2)
        with av.open(str(receiver.film)) as film:
            heard = [bytes(packet) for packet in film.demux(audio=0) if packet.size] if film.streams.audio else []
        assert heard == [sound.data for sound in sounds]


async def test_frames_that_are_shown_in_another_order_arrive_in_theirs(tmp_path: Path) -> None:
    frames = h264(45, reorder=2, annexb=False)
    with Receiver(tmp_path) as receiver:
        async with publishing(receiver.url) as studio:
            await studio.waiting()
            studio.play(frames)
            await until("all is sent", lambda: studio.board.frames == len(frames))
        receiver.finish()
        assert arrived(receiver, Kind.H264) == sent_units(frames)


async def test_a_server_that_was_killed_is_published_to_again_when_it_is_back(tmp_path: Path) -> None:
    frames = h264(30)
    receiver = Receiver(tmp_path)
    try:
        receiver.up()
        async with publishing(receiver.url) as studio:
            await studio.waiting()
            studio.play(frames)
            await until("it is published", lambda: studio.board.frames == 30)
            receiver.down(kill=True)
            await until("the trouble is told", lambda: studio.board.trouble)
            assert "is the server running there?" in str(studio.board.trouble)
            assert studio.hub.demand[Want.PUBLISH] == 0
            receiver.up()
            await studio.waiting()
            studio.play([later(frame, 10) for frame in frames])
            await until("it is published again", lambda: studio.board.frames == 60)
            assert (studio.board.sessions, studio.board.reconnects) == (2, 1)
        receiver.finish()
        assert arrived(receiver, Kind.H264) == sent_units(frames)
    finally:
        receiver.down(kill=True)


async def test_a_frozen_server_costs_frames_of_its_own_stream_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, *_ = h264(30)
    seen: list[Frame] = []
    with ExitStack() as watched, Receiver(tmp_path) as receiver:
        async with publishing(receiver.url) as studio:
            watched.enter_context(studio.hub.tap(seen.append))
            await studio.waiting()
            studio.play([key])
            await until("it is published", lambda: studio.board.frames == 1)
            monkeypatch.setattr(line, "ANSWER_WITHIN", 1.0)
            os.kill(receiver.process, signal.SIGSTOP)
            try:
                large = key.data + b"\0\0\1\x65" + b"\xab" * 300_000
                for number in range(1, 150):  # more than the kernel takes
                    studio.play([replace(later(key, number, number=number), data=large)])
                    assert studio.relay.waiting <= backlog.LIMIT
                    await asyncio.sleep(0)
                await until("it is given up", lambda: studio.vitals.error)
            finally:
                os.kill(receiver.process, signal.SIGCONT)
            assert "has taken nothing for 1 s" in str(studio.vitals.error)
            assert len(seen) == 150
            assert studio.board.dropped > 0
        receiver.down(kill=True)


def test_a_file_of_jpegs_is_told_once_and_the_camera_runs_on(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", 50)
    camera = {"source": f"file:{video}", "publish": {"rtsp": "rtsp://anna:hidden@127.0.0.1:1/cam"}}
    with Edgecam(tmp_path / "box", {"cameras": {"cam": camera}}) as box:

        def published() -> Any:
            return box.health()["cameras"]["cam"]["publish"]

        outside.until("it is told", lambda: published()["state"] == "unfit")
        assert "gives JPEG pictures" in published()["trouble"]
        assert box.health()["cameras"]["cam"]["state"] == "running"
    assert box.log.count("gives JPEG pictures") == 1
    assert "hidden" not in box.log
