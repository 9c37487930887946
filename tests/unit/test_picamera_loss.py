"""The Pi camera when it fails: whatever happens has an end, words, and a next life; what cannot be freed is counted."""

import asyncio
import atexit
import gc
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import aclosing, suppress

import pytest

import picam
from edgecam.camera import Camera
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.events import Bus
from edgecam.frame import Frame, Stamp
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring, Want
from edgecam.sources import Broken, LostThreads, Rig, Source, open_source
from edgecam.sources.pi import camera as picamera
from edgecam.sources.pi import device as pidevice
from edgecam.supervisor import Fatal, Vitals
from fakes import Switchboard, frames_of, until


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[picam.Board]:
    monkeypatch.setattr(pidevice, "STEP", 0.3)
    monkeypatch.setattr(picamera, "STEP", 0.3)
    monkeypatch.setattr(picamera, "WAIT", 0.01)
    board = picam.install(monkeypatch)
    yield board
    for sensor in board.cameras:
        sensor.released.set()
    for thread in threading.enumerate():
        if thread.name.startswith(("picamera2", "capture", "NullPreview")):
            thread.join(10)


def config(**keys: object) -> model.Picamera2Source:
    return model.Picamera2Source.model_validate({"type": "picamera2", "size": "320x240", "stall_timeout": 0.2, **keys})


def rig(lost: LostThreads | None = None, name: str = "birdbox") -> Rig:
    made = Rig(Stamp(name, SystemClock()), SystemClock(), lost=lost or LostThreads())
    made.demand[Want.RECORD] = made.demand[Want.VIEWER] = 1
    return made


async def seen(source: Source, count: int = 3) -> list[Frame]:
    """The first frames; the source stays open."""
    found = []
    async for frame in source.frames():
        assert isinstance(frame, Frame)
        found.append(frame)
        if len(found) == count:
            break
    return found


async def ends(source: Source, *found: list[Frame]) -> str:
    """Why it ends, in its own words; the frames before that are appended to `found`. It is closed afterwards."""
    try:
        async with aclosing(frames_of(source)) as frames:
            async for frame in frames:
                for seen in found:
                    seen.append(frame)
    except Broken as broken:
        return str(broken)
    finally:
        await source.close()
    raise AssertionError("it ended without a word")


async def test_frames_that_cease_end_the_life_and_the_next_one_has_them_again(board: picam.Board) -> None:
    wish = rig()
    for turn in range(3):
        source = open_source(config(), wish)
        board.device.unplugged = False
        async with aclosing(frames_of(source)) as frames:
            await anext(frames)
            board.device.unplugged = True
            with pytest.raises(Broken, match=r"^no frame for 0\.\d s from the Pi camera imx219$"):
                async for _ in frames:
                    pass
        await source.close()
        assert board.device.history.count("closed") == turn + 1
    assert wish.lost.count == 0


async def test_one_frame_over_and_over_is_no_sign_of_life(board: picam.Board) -> None:
    found: list[Frame] = []
    board.device.frozen = True
    assert "only the last one again and again" in await ends(open_source(config(), rig()), found)
    assert len({(frame.kind, frame.number) for frame in found}) == len(found) <= 2


async def test_a_frame_that_arrives_much_too_late_is_no_sign_of_life(
    board: picam.Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picamera, "OLD", -1.0)
    assert "no frame for" in await ends(open_source(config(), rig()))


async def test_a_capture_that_timed_out_does_not_keep_the_camera_from_stopping(board: picam.Board) -> None:
    """It stays at the head of the camera's queue, and `stop` would wait behind it for ever."""
    wish = rig()
    source = open_source(config(), wish)
    async with aclosing(frames_of(source)) as frames:
        await anext(frames)
        camera, board.device.unplugged = board.camera, True
        camera.capture_request(5).release()  # the last one is served although it is old

        def ask() -> None:
            with suppress(TimeoutError, CancelledError):
                camera.capture_request(0.01).release()

        await asyncio.to_thread(ask)
        assert camera.jobs
        await source.close()
    assert board.device.history[-2:] == ["stopped", "closed"]
    assert wish.lost.count == 0


@pytest.mark.parametrize("what", ["stop_encoder", "stop", "close"])
async def test_a_step_that_hangs_costs_one_thread_and_the_third_time_the_process(board: picam.Board, what: str) -> None:
    wish = rig()
    source = open_source(config(), wish)
    board.device.hangs = {what}
    async with aclosing(frames_of(source)) as frames:
        await anext(frames)
        await source.close()
    freed = what == "stop_encoder"  # the steps after it let go of the camera all the same
    assert (board.device.opened is None) is freed
    assert wish.lost.count == 1
    for count in (2, 3):
        assert "did not let go when it was closed" in await ends(open_source(config(), wish))
        assert wish.lost.count == count
    board.device.hangs = set()
    board.device.released.set()
    await until("what hung goes on", lambda: wish.lost.count == 0)
    source = open_source(config(), wish)
    assert len(await seen(source)) == 3
    await source.close()


async def test_a_camera_that_hangs_while_it_is_opened_is_given_up(
    board: picam.Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = rig()
    monkeypatch.setattr(picamera, "GRACE", 0.1)
    source = open_source(config(), wish)
    board.device.hangs = {"start"}
    opening = asyncio.ensure_future(anext(frames_of(source)))
    await until("it is being started", lambda: board.device.opened)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await source.close()
    assert wish.lost.count == 1
    assert "did not let go" in await ends(open_source(config(), wish))
    assert wish.lost.count == 2


async def test_the_third_lost_thread_ends_the_process(board: picam.Board) -> None:
    lost, clock, bus = LostThreads(patience=0.0), SystemClock(), Bus()
    hub = FrameHub("birdbox", Ring(1))
    status, vitals = CameraStatus("birdbox"), Vitals("birdbox")
    wish = rig(lost)
    camera = Camera(
        id="birdbox",
        source=lambda: open_source(config(), wish),
        patience=5,
        hub=hub,
        settings=Switchboard(bus, clock),
        status=status,
        bus=bus,
        clock=clock,
        vitals=vitals,
        lost=lost,
    )
    board.device.hangs = {"close"}
    running = asyncio.ensure_future(camera.run())
    await until("frames come", lambda: status.frames)
    board.device.unplugged = True
    with pytest.raises(Broken, match="no frame for"):
        await running
    with pytest.raises(Broken, match="did not let go"):
        await camera.run()
    with pytest.raises(Fatal, match="3 capture threads hang"):
        await camera.run()


async def test_another_camera_opens_while_one_hangs(board: picam.Board) -> None:
    board.cameras.append(picam.Sensor("imx708", "/base/imx708"))
    lost = LostThreads()
    first = open_source(config(device="imx219"), rig(lost))
    board.device.hangs = {"close"}
    await seen(first)
    await first.close()
    second = open_source(config(device="imx708"), rig(lost, "door"))
    assert len(await seen(second)) == 3
    await second.close()
    assert lost.count == 1


async def test_cameras_are_opened_one_after_the_other(board: picam.Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picamera, "TURN", 0.1)
    board.cameras.append(picam.Sensor("imx708", "/base/imx708"))
    board.device.hangs = {"open"}
    first = open_source(config(device="imx219"), rig())
    opening = asyncio.ensure_future(anext(frames_of(first)))
    await until("the first is being opened", lambda: picamera._opening.locked())
    assert "another Pi camera is still being opened" in await ends(open_source(config(device="1"), rig(name="door")))
    board.device.released.set()
    await opening
    await first.close()
    second = open_source(config(device="1"), rig(name="door"))
    await seen(second)
    await second.close()


async def test_a_camera_that_is_in_use_is_told(board: picam.Board) -> None:
    board.device.busy = True
    assert await ends(open_source(config(), rig())) == (
        "the Pi camera imx219 is in use by another program, or by another camera of this configuration"
    )


async def test_no_camera_at_all_is_told(board: picam.Board) -> None:
    board.cameras.clear()
    assert "there is no Pi camera: check its cable" in await ends(open_source(config(), rig()))


async def test_a_camera_of_another_kind_is_told(board: picam.Board) -> None:
    board.device.format = "NV12"
    assert "gives NV12, not YUV420" in await ends(open_source(config(), rig()))
    assert board.device.history[-1] == "closed"


async def test_a_mode_that_does_not_exist_is_told(board: picam.Board) -> None:
    assert "sensor_mode is auto, an index or a size" in await ends(open_source(config(sensor_mode="9"), rig()))


async def test_with_too_little_memory_it_runs_on_fewer_buffers(
    board: picam.Board, caplog: pytest.LogCaptureFixture
) -> None:
    board.device.most_buffers = 4
    source = open_source(config(buffers=6), rig())
    assert len(await seen(source)) == 3
    await source.close()
    assert [wish["buffer_count"] for wish in board.configurations] == [6, 4]
    assert "birdbox: no memory for 6 camera buffers, trying with 4" in caplog.messages


async def test_memory_that_is_missing_only_at_the_start_costs_buffers_too(board: picam.Board) -> None:
    board.device.most_running = 3
    source = open_source(config(buffers=5), rig())
    assert len(await seen(source)) == 3
    assert len(board.camera.encoders) == 1
    await source.close()


async def test_without_memory_it_is_told_what_to_do(board: picam.Board) -> None:
    board.device.most_buffers = 1
    words = await ends(open_source(config(), rig()))
    assert words.startswith("no memory for the buffers of the Pi camera imx219")
    assert "lower source.size or source.buffers" in words
    assert board.device.history[-1] == "closed"


async def test_a_camera_that_had_memory_and_has_none_now_asks_for_a_new_process(board: picam.Board) -> None:
    wish = rig()
    source = open_source(config(), wish)
    await seen(source)
    await source.close()
    board.device.most_buffers = 1
    source = open_source(config(), wish)
    with pytest.raises(Fatal, match=r"^birdbox: no memory .*; a new process may get it again$"):
        await seen(source)
    await source.close()


async def test_an_unknown_failure_is_told_from_its_cause_on(
    board: picam.Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    def configure(self: picam.Picamera2, wish: object) -> None:
        try:
            raise OSError(5, "Input/output error")
        except OSError as error:
            raise RuntimeError("Configuration failed") from error

    monkeypatch.setattr(picam.Picamera2, "configure", configure)
    assert await ends(open_source(config(), rig())) == (
        "the Pi camera imx219 cannot be opened: [Errno 5] Input/output error; Configuration failed"
    )


async def test_an_encoder_that_hangs_ends_the_life(board: picam.Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picamera, "LINGER", 0.0)
    wish = rig()
    source = open_source(config(), wish)
    async with aclosing(frames_of(source)) as frames:
        await anext(frames)
        board.device.hangs, wish.demand[Want.RECORD] = {"stop_encoder"}, 0
        with pytest.raises(Broken, match=r"its H\.264 encoder hangs"):
            async for _ in frames:
                pass
    await source.close()
    assert wish.lost.count == 1


async def test_software_that_cannot_code_is_told(board: picam.Board, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: picam.Encoder) -> None:
        raise ImportError("No module named 'av'")

    monkeypatch.setattr(picam.Encoder, "_start", start)
    assert "its H.264 encoder does not start: No module named 'av'" in await ends(open_source(config(), rig()))


async def test_closing_ends_even_while_nothing_comes(board: picam.Board) -> None:
    source = open_source(config(stall_timeout=60), rig())
    board.device.unplugged = True
    opening = asyncio.ensure_future(anext(frames_of(source)))
    await until("it is open", lambda: "started" in board.device.history)
    before = time.monotonic()
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await source.close()
    assert time.monotonic() - before < 10
    assert board.device.history[-1] == "closed"


async def test_a_closed_camera_gives_its_memory_back_at_once(board: picam.Board) -> None:
    source = open_source(config(), rig())
    await seen(source)
    camera = weakref.ref(board.camera)
    gc.disable()
    try:
        await source.close()
        assert camera() is None
    finally:
        gc.enable()


async def test_a_camera_that_hangs_does_not_keep_the_process_from_ending(
    board: picam.Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """picamera2 wants to close its cameras when the interpreter ends, and would wait for ever."""
    at_exit: list[object] = []

    def forget(call: object) -> None:
        at_exit[:] = [other for other in at_exit if other != call]

    monkeypatch.setattr(atexit, "register", at_exit.append)
    monkeypatch.setattr(atexit, "unregister", forget)
    source = open_source(config(), rig())
    await seen(source)
    assert at_exit == []
    await source.close()
