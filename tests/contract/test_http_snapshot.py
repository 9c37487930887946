"""`snapshot.jpg`: one picture that is true now, or the reason why there is none."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

import aiohttp
import numpy as np
import pytest
import simplejpeg

from edgecam.health import CameraState
from edgecam.hub import Want
from edgecam.web.variant import encode
from fakes import settle
from pictures import jpeg
from webhouse import House

PICTURE = "/cameras/birdbox/snapshot.jpg"


async def test_the_newest_picture_comes_untouched_with_its_age_and_exact_length(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        frame = house.publish()
        house.clock.tick(1.25)
        async with client.get(PICTURE) as answer:
            assert answer.status == 200
            assert await answer.read() == frame.data
            assert answer.content_type == "image/jpeg"
            assert answer.headers["Content-Length"] == str(len(frame.data))
            assert answer.headers["X-Timestamp"] == f"{frame.wall:.6f}"
            assert answer.headers["X-Frame-Age"] == "1.250"
            assert answer.headers["Last-Modified"] == formatdate(frame.wall, usegmt=True)
            assert "Transfer-Encoding" not in answer.headers
        async with client.head(PICTURE) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Length"] == str(len(frame.data))
            assert await answer.read() == b""


async def test_the_same_picture_is_not_sent_twice(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish()
        async with client.get(PICTURE) as answer:
            etag = answer.headers["ETag"]
        for known in (etag, f'W/"x", {etag}', "*"):
            async with client.get(PICTURE, headers={"If-None-Match": known}) as answer:
                assert answer.status == 304
                assert answer.headers["ETag"] == etag
                assert await answer.read() == b""
        house.publish()
        async with client.get(PICTURE, headers={"If-None-Match": etag}) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("state", [CameraState.STARTING, CameraState.STALLED, CameraState.ERROR, CameraState.RUNNING])
async def test_without_a_true_picture_the_answer_is_the_reason(pool: ThreadPoolExecutor, state: CameraState) -> None:
    house = House(pool)
    async with house.open() as client:
        house.status["birdbox"].state = state
        asking = asyncio.create_task(_ask(client))
        await house.until(lambda: house.hubs["birdbox"].demand[Want.SNAPSHOT] == 1)
        await house.clock.advance(6)
        status, told, wait = await asking
        assert status == 503
        assert told["reason"] == ("stalled" if state is CameraState.RUNNING else state.value)
        assert "birdbox" in told["error"]
        assert wait == "5"
        assert house.hubs["birdbox"].demand[Want.SNAPSHOT] == 0


async def _ask(client: aiohttp.ClientSession, query: str = "") -> tuple[int, dict[str, str], str | None]:
    async with client.get(PICTURE + query) as answer:
        told = await answer.json() if answer.content_type == "application/json" else {}
        return answer.status, told, answer.headers.get("Retry-After")


async def test_a_frozen_camera_gives_no_old_picture(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish()
        await house.clock.advance(5.1)
        asking = asyncio.create_task(_ask(client))
        await house.until(lambda: house.hubs["birdbox"].demand[Want.SNAPSHOT] == 1)
        house.lose()
        await house.clock.advance(5.1)
        status, told, _ = await asking
        assert (status, told["reason"]) == (503, "stalled")
        assert "no frame for 10.0 s" in told["error"]


async def test_with_privacy_on_the_answer_is_that_and_comes_at_once(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.status["birdbox"].state = CameraState.PRIVACY
        status, told, _ = await _ask(client)
        assert (status, told["reason"]) == (503, "privacy")
        assert "privacy is on" in told["error"]


def _go_private(house: House) -> None:
    house.status["birdbox"].state = CameraState.PRIVACY
    house.hubs["birdbox"].clear()


async def test_after_privacy_no_picture_of_before_is_given_again(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish(size=(640, 480))
        before = await _read(client, "?width=320")
        _go_private(house)
        house.clock.tick(1)
        house.status["birdbox"].state = CameraState.RUNNING
        house.publish(size=(640, 480), data=jpeg(7, 640, 480))
        assert await _read(client, "?width=320") != before


async def test_a_picture_that_was_being_coded_as_privacy_began_is_not_given(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(*args: Any) -> tuple[bytes, int, int]:
        begun.set()
        go.wait()
        return encode(*args)

    monkeypatch.setattr("edgecam.web.variant.encode", slow)
    house = House(pool)
    try:
        async with house.open() as client:
            house.publish(size=(640, 480))
            asking = asyncio.create_task(_ask(client, "?width=320"))
            await house.until(begun.is_set)
            _go_private(house)
            go.set()
            status, told, _ = await asking
            assert (status, told["reason"]) == (503, "privacy")
    finally:
        go.set()


@pytest.mark.parametrize(("query", "size"), [("", (240, 320)), ("?width=160", (120, 160)), ("?grey=1", (240, 320))])
async def test_a_camera_that_gives_video_gives_stills(
    pool: ThreadPoolExecutor, query: str, size: tuple[int, int]
) -> None:
    house = House(pool)
    async with house.open() as client:
        frame = house.publish_pixels(size=(320, 240))
        async with client.get(PICTURE + query) as answer:
            assert (answer.status, answer.content_type) == (200, "image/jpeg")
            assert answer.headers["X-Frame"] == str(frame.number)
            assert simplejpeg.decode_jpeg_header(await answer.read())[:2] == size


async def test_who_asks_wakes_a_sleeping_camera(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish()
        await house.clock.advance(60)
        asking = asyncio.create_task(_read(client))
        await house.until(lambda: house.hubs["birdbox"].wanted)
        frame = house.publish()
        assert await asking == frame.data


async def _read(client: aiohttp.ClientSession, query: str = "") -> bytes:
    async with client.get(PICTURE + query) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


async def test_max_age_zero_means_a_new_picture_each_time(pool: ThreadPoolExecutor) -> None:
    house = House(pool, camera={"snapshot": {"max_age": 0}})
    async with house.open() as client:
        house.publish()
        house.clock.tick(0.01)
        asking = asyncio.create_task(_read(client))
        await house.until(lambda: house.hubs["birdbox"].wanted)
        frame = house.publish()
        assert await asking == frame.data


async def test_a_polled_still_is_current_until_the_next_poll(pool: ThreadPoolExecutor) -> None:
    source = {"type": "still", "url": "http://192.0.2.1/now.jpg", "every": 60}
    house = House(pool, camera={"source": source})
    async with house.open() as client:
        frame = house.publish()
        await house.clock.advance(80)
        assert await _read(client) == frame.data


async def test_fresh_is_captured_after_the_question_and_at_most_once_a_second(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish()
        house.clock.tick(0.001)
        asking = [asyncio.create_task(_read(client, "?fresh=1")) for _ in range(3)]
        await house.until(lambda: house.hubs["birdbox"].demand[Want.SNAPSHOT] == 3)
        first = house.publish()
        assert await asyncio.gather(*asking) == [first.data] * 3
        again = asyncio.create_task(_read(client, "?fresh"))
        await house.until(lambda: house.hubs["birdbox"].demand[Want.SNAPSHOT] == 1)
        for _ in range(9):
            house.clock.tick(0.1)
            house.publish()
        await settle()
        assert not again.done()
        house.clock.tick(0.1)
        second = house.publish()
        assert await again == second.data


async def test_a_smaller_picture_is_encoded_once_and_given_again_for_a_while(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish(size=(1280, 720))
        first, other = await asyncio.gather(_read(client, "?width=330"), _read(client, "?width=310"))
        assert first == other
        assert simplejpeg.decode_jpeg_header(first)[:2] == (180, 320)
        house.clock.tick(4)
        later = house.publish(size=(1280, 720))
        assert await _read(client, "?width=320") == first, "not older than max_age: no second encoding"
        house.clock.tick(2)
        house.hubs["birdbox"].publish(later)
        house.publish(size=(1280, 720))
        assert await _read(client, "?width=320") != first


async def test_the_configured_width_holds_where_none_is_asked(pool: ThreadPoolExecutor) -> None:
    house = House(pool, camera={"snapshot": {"width": 200}})
    async with house.open() as client:
        house.publish(size=(640, 480))
        assert simplejpeg.decode_jpeg_header(await _read(client))[:2] == (150, 200)


async def test_quality_alone_makes_it_smaller_not_narrower(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        frame = house.publish(size=(640, 480))
        small = await _read(client, "?quality=12")
        assert len(small) < len(frame.data) / 2
        assert simplejpeg.decode_jpeg_header(small)[:2] == (480, 640)


async def test_grey_is_grey(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish(size=(640, 480))
        for query in ("?grey=1", "?grey=1&width=160", "?grey=1&width=480"):
            picture = simplejpeg.decode_jpeg(await _read(client, query)).astype(int)
            assert np.abs(picture[..., 0] - picture[..., 2]).max() == 0


async def test_a_damaged_picture_cannot_be_made_smaller_and_says_so(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish(data=b"\xff\xd8 no picture", size=(640, 480))
        status, told, _ = await _ask(client, "?width=160")
        assert (status, told["reason"]) == (503, "damaged")
        house.publish(data=jpeg(1, 640, 480), size=(640, 480))
        await _read(client, "?width=160")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("/?action=snapshot", "birdbox"),
        ("/webcam/?action=snapshot", "birdbox"),
        ("/webcam?action=snapshot", "birdbox"),
        ("/webcam2/?action=snapshot", "garden"),
        ("/webcam1/?action=snapshot&_=1234", "birdbox"),
    ],
)
async def test_mjpg_streamers_names_reach_the_cameras_in_the_files_order(
    pool: ThreadPoolExecutor, query: str, name: str
) -> None:
    house = House(pool)
    async with house.open() as client:
        frames = {camera: house.publish(camera) for camera in ("birdbox", "garden")}
        house.publish("garden")
        frames["garden"] = house.publish("garden")
        async with client.get(query) as answer:
            assert await answer.read() == frames[name].data


@pytest.mark.parametrize(
    ("query", "status"), [("/?action=command", 400), ("/webcam3/?action=stream", 404), ("/webcam99/", 404)]
)
async def test_other_actions_and_places_are_refused(pool: ThreadPoolExecutor, query: str, status: int) -> None:
    house = House(pool)
    async with house.open() as client, client.get(query) as answer:
        assert answer.status == status
        assert (await answer.json())["error"]


async def test_root_can_be_the_picture_or_the_stream(pool: ThreadPoolExecutor) -> None:
    house = House(pool, http={"root": "snapshot"})
    async with house.open() as client:
        frame = house.publish()
        async with client.get("/") as answer:
            assert await answer.read() == frame.data
        async with client.get("/webcam/") as answer:
            assert answer.content_type == "text/html"
    house = House(pool, http={"root": "stream"})
    async with house.open() as client, client.get("/") as answer:
        assert answer.content_type == "multipart/x-mixed-replace"


async def test_an_offline_camera_is_answered_at_once(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.lose()
        status, told, _ = await _ask(client)  # nobody moves the clock
        assert (status, told["reason"]) == (503, "stalled")
