"""`debug.mjpg`: what motion sees, on the terms of `stream.mjpg`."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import simplejpeg

from edgecam.frame import Frame
from edgecam.health import CameraState
from edgecam.hub import Want
from pictures import jpeg
from webhouse import House, not_reading, watching

DEBUG = "/cameras/birdbox/debug.mjpg"
STREAM = "/cameras/birdbox/stream.mjpg"


def look(house: House, data: bytes | None = None) -> Frame:
    """The camera gives a frame, and motion shows what it sees in it."""
    frame = house.publish()
    drawn = replace(frame, data=data or jpeg(1000 + frame.number, 640, 440), width=640, height=440)
    house.hubs["birdbox"].show(drawn)
    return drawn


def wanted(house: House) -> int:
    """How many watch what motion sees of the camera."""
    return house.hubs["birdbox"].demand[Want.DEBUG]


async def test_each_part_is_one_look_with_its_length_its_capture_time_and_its_number(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open(), watching(house, DEBUG) as viewer, watching(house) as other:
        assert viewer.status == 200
        assert viewer.headers == other.headers | {"Date": viewer.headers["Date"]}
        await house.until(lambda: wanted(house) == 1 and house.status["birdbox"].clients == 2)
        for _ in range(3):
            drawn = look(house)
            seen = await viewer.part()
            assert seen.body == drawn.data
            assert seen.headers["X-Timestamp"] == f"{drawn.wall:.6f}"
            assert seen.headers["X-Frame"] == str(drawn.number)
            assert (await other.part()).body != drawn.data
            house.clock.tick(0.2)


async def test_it_is_wanted_by_name_while_somebody_watches_and_opens_no_camera(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    hub = house.hubs["birdbox"]
    async with house.open():
        async with watching(house, DEBUG), watching(house, DEBUG):
            await house.until(lambda: wanted(house) == 2)
            assert not hub.wanted
            assert not hub.demand.people
        await house.until(lambda: wanted(house) == 0)
        assert house.status["birdbox"].clients == 0


async def test_a_viewer_that_does_not_read_misses_looks_and_delays_nobody(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    big = [bytes([number]) * 400_000 for number in range(30)]
    async with house.open(), watching(house, DEBUG) as quick, not_reading(house, DEBUG):
        await house.until(lambda: wanted(house) == 2)
        for data in big:
            look(house, data)
            assert (await quick.part()).body == data
            house.clock.tick(0.2)
        slow = max(house.web.lives["birdbox"].viewers, key=lambda viewer: viewer.sent.skipped)
        assert slow.sent.skipped > 15
        assert slow.waiting < 2 * len(big[0])


async def test_fewer_looks_can_be_asked_for_and_absurd_numbers_are_refused(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client, watching(house, f"{DEBUG}?fps=1") as viewer:
        await house.until(lambda: wanted(house) == 1)
        for place in range(11):
            drawn = look(house)
            if place % 5 == 0:
                assert (await viewer.part()).body == drawn.data
            house.clock.tick(0.2)
        async with client.get(f"{DEBUG}?fps=nan") as answer:
            assert answer.status == 400


LOGINS = {"tokens": {"panel": {"token": "panel-token"}, "tablet": {"token": "tablet-token", "cameras": ["garden"]}}}


async def test_it_needs_a_login_takes_a_token_in_the_address_and_obeys_its_cameras(pool: ThreadPoolExecutor) -> None:
    house = House(pool, http=LOGINS)
    async with house.open() as client, watching(house, f"{DEBUG}?token=panel-token") as viewer:
        assert viewer.status == 200
        for path, status in ((DEBUG, 401), (f"{DEBUG}?token=wrong", 401), (f"{DEBUG}?token=tablet-token", 404)):
            async with client.get(path) as answer:
                assert answer.status == status
        async with client.head("/cameras/garden/debug.mjpg?token=tablet-token") as answer:
            assert (answer.status, answer.content_type) == (200, "multipart/x-mixed-replace")


async def test_places_for_viewers_are_shared_with_the_live_streams(pool: ThreadPoolExecutor) -> None:
    house = House(pool, http={"max_clients": 2})
    async with house.open() as client, AsyncExitStack() as stack:
        for path in (STREAM, DEBUG):
            await stack.enter_async_context(watching(house, path))
        async with client.get(DEBUG) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (503, "too_many_clients")
        async with client.get("/cameras/attic/debug.mjpg") as answer:
            assert (answer.status, (await answer.json())["reason"]) == (404, "not_found")


async def test_where_nobody_looks_for_motion_it_says_so_at_once(pool: ThreadPoolExecutor) -> None:
    house = House(pool, camera={"motion": {"enabled": False}})
    async with house.open() as client:
        for method in ("GET", "HEAD"):
            async with client.request(method, DEBUG) as answer:
                assert answer.status == 503
        async with client.get(DEBUG) as answer:
            assert (await answer.json()) == {
                "error": "there is nothing to see of birdbox: motion detection is switched off",
                "reason": "not_looking",
            }
        async with client.get("/api/cameras/birdbox") as answer:
            assert (await answer.json())["not_looking"] == "motion detection is switched off"


async def test_detection_switched_off_shows_a_card_to_its_viewers_alone_and_goes_on_when_it_is_on_again(
    pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    house = House(pool, state=tmp_path)
    async with house.open() as client, watching(house, DEBUG) as viewer, watching(house) as other:
        await house.until(lambda: len(house.web.lives["birdbox"].viewers) == 2)
        before = look(house)
        assert (await viewer.part()).body == before.data
        await other.part()
        house.settings.set("birdbox", "motion_detection", False)
        cards = []
        for _ in range(2):
            await house.clock.advance(1)
            cards.append(await viewer.part())
        assert cards[0].body == cards[1].body != before.data
        assert simplejpeg.decode_jpeg_header(cards[0].body)[:2] == (48, 64)
        assert float(cards[1].headers["X-Timestamp"]) > before.wall, "not an old picture's time"
        live = house.publish()
        assert (await other.part()).body == live.data, "the live picture goes on"
        house.settings.set("birdbox", "motion_detection", None)
        async with client.get("/api/cameras/birdbox") as answer:
            assert (await answer.json())["not_looking"] is None
        await house.clock.advance(1)
        after = look(house)
        assert (await viewer.part()).body == after.data
    await house.settings.close()


async def test_privacy_and_an_absent_camera_show_the_same_cards_as_the_live_stream(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open(), watching(house, DEBUG) as viewer, watching(house) as other:
        await house.until(lambda: len(house.web.lives["birdbox"].viewers) == 2)
        before = look(house)
        await viewer.part()
        await other.part()
        house.status["birdbox"].state = CameraState.PRIVACY
        house.hubs["birdbox"].clear()
        house.hubs["birdbox"].show(before)  # it was still being drawn
        await house.clock.advance(1)
        private = await viewer.part()
        assert private.body == (await other.part()).body != before.data
        house.lose()
        await house.clock.advance(1)
        away = await viewer.part()
        assert away.body == (await other.part()).body != private.body


@pytest.mark.parametrize("when", ["before", "while"])
async def test_with_streaming_switched_off_there_is_none(pool: ThreadPoolExecutor, tmp_path: Path, when: str) -> None:
    house = House(pool, state=tmp_path)
    async with house.open() as client, AsyncExitStack() as stack:
        if when == "while":
            viewer = await stack.enter_async_context(watching(house, DEBUG))
            await house.until(lambda: wanted(house) == 1)
        house.settings.set("birdbox", "streaming", False)
        if when == "while":
            assert await viewer.ended()
            await house.until(lambda: wanted(house) == 0)
        async with client.get(DEBUG) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (503, "disabled")
    await house.settings.close()


async def test_stopping_ends_it_at_once(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with AsyncExitStack() as stack:
        async with house.open():
            viewer = await stack.enter_async_context(watching(house, DEBUG))
            await house.until(lambda: wanted(house) == 1)
        assert await viewer.ended()
    assert wanted(house) == 0
