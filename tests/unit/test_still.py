"""The HTTP camera that is polled: only what has changed, and an honest age for what has not."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest
from aiohttp import web

from edgecam.config import model
from edgecam.frame import Frame, Stamp
from edgecam.sources import Broken, Rig, open_source
from fakes import FakeClock, frames_of, until
from pictures import jpeg, truncated


class Camera:
    """Answers each request with the next of its answers, the last one for ever."""

    def __init__(self, *answers: web.Response | bytes) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str | None, str | None]] = []
        """If-None-Match and If-Modified-Since of each request."""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers.get("If-None-Match"), request.headers.get("If-Modified-Since")))
        given = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return picture(given) if isinstance(given, bytes) else given

    async def __aenter__(self) -> "Camera":
        app = web.Application()
        app.router.add_get("/", self.answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def polled(self) -> AsyncGenerator[Frame, None]:
        """What a source yields that polls as fast as it can."""
        clock = FakeClock()
        url = model.Url(f"http://127.0.0.1:{self._runner.addresses[0][1]}/")
        rig = Rig(Stamp("birdbox", clock), clock)
        source = open_source(model.StillSource(url=url, every=5.0, stall_timeout=15.0), rig)
        try:
            async with aclosing(frames_of(source)) as frames:
                while True:
                    coming = asyncio.ensure_future(anext(frames))
                    await until("a picture comes", coming.done, meanwhile=lambda: clock.advance(5.0))
                    yield await coming
        finally:
            await source.close()


def picture(data: bytes, **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(body=data, content_type="image/jpeg", headers=named)


async def take(frames: AsyncIterator[Frame], count: int) -> list[Frame]:
    return [await anext(frames) for _ in range(count)]


async def test_each_new_picture_is_a_frame() -> None:
    async with Camera(jpeg(1), jpeg(2), jpeg(3)) as camera, aclosing(camera.polled()) as frames:
        found = await take(frames, 3)
    assert [frame.data for frame in found] == [jpeg(1), jpeg(2), jpeg(3)]
    assert [frame.number for frame in found] == [1, 2, 3]


async def test_the_same_picture_again_is_the_same_frame_with_its_true_age() -> None:
    async with Camera(jpeg(1), jpeg(1), jpeg(2)) as camera, aclosing(camera.polled()) as frames:
        one, same, two = await take(frames, 3)
    assert same is one
    assert two.number == 2


async def test_only_what_has_changed_is_asked_for() -> None:
    tagged = picture(jpeg(1), ETag='"abc"', Last_Modified="Sat, 21 Nov 2026 07:15:30 GMT")
    unchanged = [web.Response(status=304), web.Response(status=304)]
    async with Camera(tagged, *unchanged, jpeg(2), jpeg(3)) as camera, aclosing(camera.polled()) as frames:
        found = await take(frames, 5)
    assert found[0] is found[1] is found[2]
    assert [frame.number for frame in found[2:]] == [1, 2, 3]
    conditions = ('"abc"', "Sat, 21 Nov 2026 07:15:30 GMT")
    assert camera.asked[:5] == [(None, None), conditions, conditions, conditions, (None, None)]


async def test_a_bad_picture_is_left_out_and_asked_for_again() -> None:
    bad = picture(truncated(jpeg(1)), ETag='"bad"')
    async with Camera(bad, jpeg(1)) as camera, aclosing(camera.polled()) as frames:
        assert (await anext(frames)).data == jpeg(1)
    assert camera.asked[1] == (None, None)


async def test_nothing_is_yielded_for_not_modified_before_the_first_picture() -> None:
    async with Camera(web.Response(status=304), jpeg(1)) as camera, aclosing(camera.polled()) as frames:
        assert (await anext(frames)).data == jpeg(1)


async def test_a_stream_is_not_taken_for_a_picture() -> None:
    stream = web.Response(headers={"Content-Type": "multipart/x-mixed-replace; boundary=x"})
    async with Camera(stream) as camera, aclosing(camera.polled()) as frames:
        with pytest.raises(Broken, match="use source type mjpeg"):
            await anext(frames)


async def test_a_picture_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecam.sources.still.MAX_PART", 1000)
    async with Camera(jpeg(1)) as camera, aclosing(camera.polled()) as frames:
        with pytest.raises(Broken, match="sends a picture of more than 1000 bytes"):
            await anext(frames)
