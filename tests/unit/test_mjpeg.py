"""The HTTP stream camera: untouched pictures, truthful ends, and a login that goes nowhere else."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from edgecam.camera import Camera, Liveness
from edgecam.config import model
from edgecam.events import Bus, CameraLost
from edgecam.frame import Frame, Stamp
from edgecam.health import CameraStatus
from edgecam.hub import FrameHub, Ring
from edgecam.sources import Broken, Rig, open_source
from edgecam.supervisor import Vitals, keep
from fakes import FakeClock, Switchboard, frames_of, until
from httpcam import Fault, HttpCam
from pictures import jpeg

PICTURES = [jpeg(seed) for seed in range(4)]


async def first(count: int, url: str, **keys: float) -> list[Frame]:
    """The first frames of a new life."""
    clock = FakeClock()
    source = open_source(model.MjpegSource(url=model.Url(url), **keys), Rig(Stamp("birdbox", clock), clock))
    try:
        async with aclosing(frames_of(source)) as frames:
            return [await anext(frames) for _ in range(count)]
    finally:
        await source.close()


@asynccontextmanager
async def serving(answer: web.Application) -> AsyncGenerator[str, None]:
    runner = web.AppRunner(answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "fault",
    [
        Fault.NONE,
        Fault.NO_LENGTH,
        Fault.SHORT_LENGTH,
        Fault.LONG_LENGTH,
        Fault.BARE,
        Fault.LF,
        Fault.OTHER_BOUNDARY,
        Fault.PREAMBLE,
    ],
)
async def test_the_camera_s_own_bytes_are_passed_on(fault: Fault) -> None:
    async with HttpCam(PICTURES, fps=500, fault=fault) as camera:
        found = [frame.data for frame in await first(6, camera.url)]
    begin = PICTURES.index(found[0])
    assert found == [PICTURES[(begin + n) % 4] for n in range(6)]


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (Fault.CLOSE, "ended the stream"),
        (Fault.END, "ended the stream"),
        (Fault.GARBAGE, "sends data in which there is no JPEG"),
    ],
)
async def test_a_stream_that_breaks_off_says_so(fault: Fault, complaint: str) -> None:
    async with HttpCam(PICTURES, fps=500, fault=fault) as camera:
        with pytest.raises(Broken, match=complaint):
            await first(10, camera.url)


async def test_bad_pictures_between_good_ones_are_left_out() -> None:
    async with HttpCam([PICTURES[0], b"\xff\xd8\xff\xe0 not a picture", PICTURES[1]], fps=500) as camera:
        found = await first(4, camera.url)
    assert {frame.data for frame in found} == {PICTURES[0], PICTURES[1]}
    assert [frame.number for frame in found] == [1, 2, 3, 4]


async def test_the_login_in_the_address_is_sent_and_not_shown() -> None:
    async with HttpCam(PICTURES, login="anna:pä:ss") as camera:
        await first(1, camera.url.replace("//", "//anna:p%C3%A4%3Ass@"))
        assert [request["path"] for request in camera.requests] == ["/stream", "/stream"]
        assert "authorization" not in camera.requests[0]


async def test_a_single_picture_is_not_taken_for_a_stream() -> None:
    async with HttpCam(PICTURES) as camera:
        with pytest.raises(Broken, match="use source type still"):
            await first(1, camera.still)


async def test_a_redirect_within_the_camera_is_followed_and_a_circle_is_not() -> None:
    seen: list[str | None] = []

    async def lead(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        raise web.HTTPFound("/stream" if request.path == "/live" else "/circle")

    async def stream(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(PICTURES[0])
        return response

    app = web.Application()
    app.add_routes([web.get("/live", lead), web.get("/circle", lead), web.get("/stream", stream)])
    async with serving(app) as address:
        login = address.replace("//", "//anna:secret@")
        assert (await first(1, f"{login}/live"))[0].data == PICTURES[0]
        assert len(seen) == 2
        with pytest.raises(Broken, match="redirects in a circle"):
            await first(1, f"{login}/circle")


@pytest.mark.parametrize(
    ("status", "headers", "complaint"),
    [
        (401, {"WWW-Authenticate": 'Digest realm="cam"'}, r"wants a login \(401\); write source.url as http://user:"),
        (403, {}, "check the rights of the user"),
        (302, {"Location": "http://["}, "ValueError|InvalidURL"),
        (302, {}, "answers 302"),
        (204, {}, "answers 204"),
    ],
)
async def test_other_answers_are_told_in_words(status: int, headers: dict[str, str], complaint: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    app = web.Application()
    app.router.add_get("/", answer)
    async with serving(app) as address:
        with pytest.raises(Broken, match=complaint):
            await first(1, f"{address}/")


async def test_a_port_that_nobody_listens_on_is_told_in_the_system_s_words(free_port: Callable[[], int]) -> None:
    with pytest.raises(Broken, match=r"cannot reach http://127\.0\.0\.1:\d+/: Connection refused$"):
        await first(1, f"http://127.0.0.1:{free_port()}/")


async def test_a_name_that_does_not_exist_is_told() -> None:
    with pytest.raises(Broken, match=r"cannot reach http://camera\.invalid/: "):
        await first(1, "http://camera.invalid/")


async def test_a_camera_that_drips_bytes_is_stalled_and_one_that_recovers_is_taken_back() -> None:
    """The whole way: a real stream, the supervisor, and a clock that the test moves."""
    clock, bus, vitals = FakeClock(), Bus(), Vitals("birdbox")
    hub, status, lost = FrameHub("birdbox", Ring(5.0)), CameraStatus("Bird box"), list[CameraLost]()
    bus.on(CameraLost, lost.append)
    async with HttpCam(PICTURES, fps=500, fault=Fault.DRIP) as server:
        server.drip = 0.001
        rig = Rig(Stamp("birdbox", clock), clock)
        camera = Camera(
            id="birdbox",
            source=lambda: open_source(model.MjpegSource(url=model.Url(server.url)), rig),
            patience=10.0,
            hub=hub,
            settings=Switchboard(bus, clock),
            status=status,
            bus=bus,
            clock=clock,
            vitals=vitals,
            lost=rig.lost,
        )
        tasks = [
            asyncio.create_task(keep(camera, clock, vitals, longest=8.0)),
            asyncio.create_task(Liveness(camera, clock).run()),
        ]
        await until("the camera is asked", lambda: server.requests)
        await clock.advance(10.0)
        assert [event.reason for event in lost] == [f"no frame for 10.0 s from {server.url}"]
        server.fault = Fault.NONE
        await until("the camera is back", lambda: status.online, meanwhile=lambda: clock.advance(0.1))
        assert hub.newest is not None
        assert hub.newest.data in PICTURES
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
