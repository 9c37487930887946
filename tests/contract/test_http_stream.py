"""`stream.mjpg`: what viewers see, fast or slow, many or few, with the camera there or gone."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import aiohttp
import pytest
import simplejpeg

from edgecam.health import CameraState
from edgecam.hub import Want
from edgecam.web.fanout import Viewer
from edgecam.web.live import Live
from fakes import until
from pictures import jpeg, truncated
from webhouse import House, not_reading, watching

STREAM = "/cameras/birdbox/stream.mjpg"


def live(house: House, camera: str = "birdbox") -> Live:
    return house.web.lives[camera]


async def test_each_part_carries_its_exact_length_its_capture_time_and_its_number(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open(), watching(house) as viewer:
        assert viewer.status == 200
        assert viewer.headers["Content-Type"].startswith("multipart/x-mixed-replace; boundary=")
        assert viewer.headers["X-Accel-Buffering"] == "no"
        assert "no-cache" in viewer.headers["Cache-Control"]
        assert "Transfer-Encoding" not in viewer.headers
        assert "Content-Length" not in viewer.headers
        for _ in range(3):
            frame = house.publish()
            seen = await viewer.part()
            assert seen.body == frame.data
            assert seen.headers["Content-Type"] == "image/jpeg"
            assert seen.headers["X-Timestamp"] == f"{frame.wall:.6f}"
            assert seen.headers["X-Frame"] == str(frame.number)
            house.clock.tick(0.1)


async def test_home_assistants_own_client_library_reads_the_stream(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client, client.get(STREAM) as answer:
        first = house.publish()
        parts = aiohttp.MultipartReader.from_response(answer)
        seen = await parts.next()
        assert isinstance(seen, aiohttp.BodyPartReader)
        assert await seen.read() == first.data


async def test_a_viewer_sees_the_newest_picture_at_once_and_only_once(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open():
        house.publish()
        newest = house.publish()
        async with watching(house) as viewer:
            assert (await viewer.part()).body == newest.data
            following = house.publish()
            assert (await viewer.part()).body == following.data


async def test_fifty_viewers_cost_one_part_per_frame(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open(), AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(watching(house)) for _ in range(50)]
        await house.until(lambda: house.status["birdbox"].clients == 50)
        for count in range(1, 5):
            frame = house.publish()
            parts = await asyncio.gather(*(viewer.part() for viewer in viewers))
            assert {seen.body for seen in parts} == {frame.data}
            assert live(house).original.built == count


async def test_nothing_is_built_and_nobody_counted_while_nobody_watches(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    hub = house.hubs["birdbox"]
    async with house.open():
        house.publish()
        assert live(house).original.built == 0
        assert hub.demand[Want.VIEWER] == 0
        async with watching(house):
            await house.until(lambda: hub.demand[Want.VIEWER] == 1)
            assert house.status["birdbox"].clients == 1
        await house.until(lambda: house.publish() is not None and hub.demand[Want.VIEWER] == 0)
        assert house.status["birdbox"].clients == 0
        built = live(house).original.built
        house.publish()
        assert live(house).original.built == built


async def test_a_viewer_that_left_is_noticed_without_a_frame(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open():
        async with watching(house):
            await house.until(lambda: len(live(house).viewers) == 1)
        status = house.status["birdbox"]
        await until("the viewer is let go", lambda: status.clients == 0, meanwhile=lambda: house.clock.advance(1))


BIG = 400_000
FRAMES = [bytes([number]) * BIG for number in range(60)]


async def test_a_viewer_that_does_not_read_costs_less_than_two_frames_and_gets_the_newest_when_it_does(
    pool: ThreadPoolExecutor,
) -> None:
    house = House(pool)
    async with house.open(), watching(house) as quick, not_reading(house) as narrow:
        await house.until(lambda: len(live(house).viewers) == 2)
        for data in FRAMES:
            house.publish(data=data)
            assert (await quick.part()).body == data, "the slow one delays nobody"
            assert max(viewer.waiting for viewer in live(house).viewers) < 2 * BIG
            house.clock.tick(0.1)
        slow = max(live(house).viewers, key=lambda viewer: viewer.sent.skipped)
        assert slow.sent.skipped > 40
        seen = await _drain(house, narrow, slow)
        assert all(set(body) == {body[0]} and len(body) == BIG for body in seen), "only whole frames"
        numbers = [body[0] for body in seen]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == len(FRAMES) - 1, "the newest frame, although none came since"
        assert len(numbers) <= 3, "old frames do not pile up in the kernel either"


async def _drain(house: House, reader: asyncio.StreamReader, viewer: Viewer) -> list[bytes]:
    """Read all that the server has for a viewer: frames that were queued, then the newest."""
    await reader.readuntil(b"\r\n\r\n")
    seen: list[bytes] = []
    while not seen or seen[-1][0] != len(FRAMES) - 1:
        if viewer.behind:
            await house.clock.advance(1)
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Content-Length: %d\r\n" % BIG in head
            seen.append(await reader.readexactly(BIG))
    return seen


async def test_fps_limits_what_one_viewer_gets_and_nobody_else(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open(), watching(house) as all_frames, watching(house, f"{STREAM}?fps=5") as some:
        await house.until(lambda: len(live(house).viewers) == 2)
        expected = []
        for place in range(30):
            frame = house.publish()
            assert (await all_frames.part()).body == frame.data
            if place % 3 == 0:
                expected.append(frame.data)
            house.clock.tick(1 / 15)
        assert [(await some.part()).body for _ in range(10)] == expected


async def test_the_files_own_rate_holds_for_everybody(pool: ThreadPoolExecutor) -> None:
    house = House(pool, camera={"stream": {"fps": 1}})
    async with house.open(), watching(house, f"{STREAM}?fps=15") as viewer:
        await house.until(lambda: len(live(house).viewers) == 1)
        for place in range(21):
            frame = house.publish()
            if place % 10 == 0:
                assert (await viewer.part()).body == frame.data
            house.clock.tick(0.1)


async def test_a_variant_is_encoded_once_for_all_who_want_it(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    path = f"{STREAM}?width=170&quality=42"
    async with house.open(), watching(house, path) as one, watching(house, f"{STREAM}?quality=38&width=159") as other:
        await house.until(lambda: len(live(house).viewers) == 2)
        frame = house.publish(size=(640, 480))
        first, second = await one.part(), await other.part()
        assert first.body == second.body != frame.data
        assert simplejpeg.decode_jpeg_header(first.body)[:2] == (120, 160)
        assert first.headers["X-Frame"] == str(frame.number)
        assert first.headers["X-Timestamp"] == f"{frame.wall:.6f}"
        variant = list(live(house).fanouts)[1]
        assert variant.built == 1
        assert live(house).original.built == 0, "nobody wants the original"


async def test_a_variant_starts_with_the_newest_picture_and_survives_a_damaged_one(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open():
        house.publish(data=b"no jpeg", size=(640, 480))
        async with watching(house, f"{STREAM}?width=160") as viewer:
            await house.until(lambda: len(live(house).viewers) == 1)
            house.publish(data=b"neither", size=(640, 480))
            house.clock.tick(2)
            good = house.publish(size=(640, 480))
            assert (await viewer.part()).headers["X-Frame"] == str(good.number)
            async with watching(house, f"{STREAM}?width=160") as late:
                assert (await late.part()).headers["X-Frame"] == str(good.number)


async def test_a_wider_picture_than_the_cameras_is_the_cameras_own(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open():
        frame = house.publish()
        async with watching(house, f"{STREAM}?width=1920") as viewer:
            assert (await viewer.part()).body == frame.data


async def test_a_fifth_variant_is_refused_until_one_was_unused_for_a_while(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish(size=(1280, 720))
        for width in (160, 320, 480, 640):
            async with client.get("/cameras/birdbox/snapshot.jpg", params={"width": width}) as answer:
                assert answer.status == 200
        async with client.get(STREAM, params={"width": 800}) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "10"
            assert (await answer.json())["reason"] == "too_many_variants"
        await house.clock.advance(11)
        async with watching(house, f"{STREAM}?width=800") as viewer:
            assert viewer.status == 200


async def test_more_viewers_than_allowed_are_told_to_come_back(pool: ThreadPoolExecutor) -> None:
    house = House(pool, http={"max_clients": 2})
    async with house.open() as client, AsyncExitStack() as stack:
        for camera in ("birdbox", "garden"):
            await stack.enter_async_context(watching(house, f"/cameras/{camera}/stream.mjpg"))
        async with client.get(STREAM) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "10"
            assert "http.max_clients" in (await answer.json())["error"]
        async with client.get("/healthz") as answer:
            assert answer.status == 200


def _delivered(house: House, frames: int) -> bool:
    return live(house).sent.frames >= frames


async def test_a_lost_camera_shows_a_placeholder_every_second_and_then_lives_on(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open(), watching(house) as viewer, watching(house, f"{STREAM}?width=320") as small:
        await house.until(lambda: len(live(house).viewers) == 2)
        last = house.publish(size=(640, 480))
        assert (await viewer.part()).body == last.data
        await small.part()
        house.lose()
        cards = []
        for second in range(1, 4):
            house.clock.tick(0.5)
            await house.clock.advance(0.5)
            await house.until(partial(_delivered, house, 2 * (second + 1)))
            cards.append(await viewer.part())
            assert (await small.part()).body == cards[-1].body
        assert len({card.body for card in cards}) == 1
        assert simplejpeg.decode_jpeg_header(cards[0].body)[:2] == (480, 640)
        assert float(cards[-1].headers["X-Timestamp"]) > last.wall, "not an old picture's time"
        house.status["birdbox"].online = True
        back = house.publish(size=(640, 480))
        assert (await viewer.part()).body == back.data


async def test_who_comes_while_the_camera_is_away_sees_the_placeholder_not_an_old_picture(
    pool: ThreadPoolExecutor,
) -> None:
    house = House(pool)
    async with house.open():
        old = house.publish()
        house.lose()
        house.hubs["birdbox"].newest = old
        async with watching(house) as viewer:
            await house.until(lambda: len(live(house).viewers) == 1)
            await house.clock.advance(1)
            card = await viewer.part()
            assert simplejpeg.decode_jpeg_header(card.body)[:2] == (360, 640)
            assert card.headers["X-Frame"] == "0"
            assert card.body != old.data


async def test_a_camera_that_gives_video_is_shown_as_jpeg_coded_once_for_all(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with (
        house.open(),
        watching(house) as one,
        watching(house) as two,
        watching(house, f"{STREAM}?width=160") as small,
    ):
        await house.until(lambda: len(live(house).viewers) == 3)
        for _ in range(3):
            frame = house.publish_pixels(size=(320, 240))
            seen, small_seen = await one.part(), await small.part()
            assert (await two.part()).body == seen.body
            assert simplejpeg.decode_jpeg_header(seen.body)[:2] == (240, 320)
            assert simplejpeg.decode_jpeg_header(small_seen.body)[:2] == (120, 160)
            assert seen.headers["X-Frame"] == str(frame.number)
            house.clock.tick(0.1)
        assert live(house).original.built == 3


async def test_who_comes_sees_the_newest_picture_of_a_video_camera_at_once(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open():
        house.publish_pixels()
        async with watching(house) as viewer:
            assert simplejpeg.decode_jpeg_header((await viewer.part()).body)[:2] == (48, 64)


async def test_privacy_shows_a_card_and_no_picture_of_before(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open(), watching(house) as viewer:
        await house.until(lambda: len(live(house).viewers) == 1)
        before = house.publish()
        await viewer.part()
        status = house.status["birdbox"]
        status.state, status.width, status.height = CameraState.PRIVACY, 320, 240
        house.hubs["birdbox"].clear()
        await house.clock.advance(1)
        card = (await viewer.part()).body
        assert simplejpeg.decode_jpeg_header(card)[:2] == (240, 320)
        assert card != before.data
        status.state, status.online, status.trouble = CameraState.ERROR, False, "gone"
        await house.clock.advance(1)
        assert (await viewer.part()).body != card  # "is offline" is another card


async def test_a_stream_that_is_switched_off_says_so(pool: ThreadPoolExecutor) -> None:
    house = House(pool, camera={"stream": {"enabled": False}})
    async with house.open() as client, client.get(STREAM) as answer:
        assert answer.status == 503
        assert (await answer.json()) == {
            "error": "streaming is switched off for birdbox (setting streaming); snapshot.jpg gives single pictures",
            "reason": "disabled",
        }


@pytest.mark.parametrize("query", ["", "?width=320"])
async def test_streaming_switched_off_ends_running_streams_and_leaves_stills(
    pool: ThreadPoolExecutor, tmp_path: Path, query: str
) -> None:
    house = House(pool, state=tmp_path)
    async with house.open() as client, watching(house, f"{STREAM}{query}") as viewer:
        house.publish(size=(640, 480))
        await viewer.part()
        async with watching(house, "/cameras/garden/stream.mjpg") as other:
            await house.until(lambda: house.status["garden"].clients == 1)
            house.settings.set("birdbox", "streaming", False)
            assert await viewer.ended()
            await house.until(lambda: house.status["birdbox"].clients == 0)
            assert not house.hubs["birdbox"].wanted
            async with client.get(STREAM) as answer:
                assert (answer.status, (await answer.json())["reason"]) == (503, "disabled")
            async with client.get("/api/cameras/birdbox") as answer:
                assert not (await answer.json())["stream"]
            async with client.get("/cameras/birdbox/snapshot.jpg") as answer:
                assert answer.status == 200
            house.publish("garden")
            await other.part()
        house.settings.set("birdbox", "streaming", None)
        async with watching(house, f"{STREAM}{query}") as again:
            house.publish(size=(640, 480))
            await again.part()
    await house.settings.close()


async def test_who_comes_as_streaming_is_switched_off_is_not_kept(tmp_path: Path) -> None:
    """It waits for its first picture, which is still being coded, and is no viewer yet."""
    free = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        house = House(pool, state=tmp_path)
        try:
            async with house.open():
                house.publish(size=(640, 480))
                pool.submit(free.wait)
                async with watching(house, f"{STREAM}?width=320") as viewer:
                    await house.until(lambda: house.status["birdbox"].clients == 1)
                    house.settings.set("birdbox", "streaming", False)
                    free.set()
                    assert await viewer.ended()
                    await house.until(lambda: house.status["birdbox"].clients == 0)
        finally:
            free.set()
        await house.settings.close()


async def test_head_tells_the_type_and_ends(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client, client.head(STREAM) as answer:
        assert answer.status == 200
        assert answer.content_type == "multipart/x-mixed-replace"
    assert house.status["birdbox"].clients == 0


@pytest.mark.parametrize(
    "query",
    ["fps=0", "fps=-1", "fps=nan", "fps=inf", "fps=fast", "width=-160", "width=1e9", "quality=" + "9" * 5000],
)
async def test_absurd_numbers_are_refused_with_a_sentence(pool: ThreadPoolExecutor, query: str) -> None:
    house = House(pool)
    async with house.open() as client, client.get(f"{STREAM}?{query}") as answer:
        assert answer.status == 400
        assert "must be a number" in (await answer.json())["error"]


@pytest.mark.parametrize("data", [truncated(jpeg(1)), jpeg(1)[:100]])
async def test_a_damaged_picture_is_passed_on_untouched_and_hurts_nobody(pool: ThreadPoolExecutor, data: bytes) -> None:
    house = House(pool)
    async with house.open(), watching(house) as viewer:
        await house.until(lambda: len(live(house).viewers) == 1)
        house.publish(data=data)
        assert (await viewer.part()).body == data


async def test_stopping_ends_open_streams_at_once(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        async with house.open():
            viewers = [await stack.enter_async_context(watching(house)) for _ in range(3)]
            await stack.enter_async_context(not_reading(house))
            await house.until(lambda: house.status["birdbox"].clients == 4)
            for data in FRAMES[:20]:
                house.publish(data=data)
            began = loop.time()
        assert loop.time() - began < 2
        for viewer in viewers:
            assert await viewer.ended()
        assert house.status["birdbox"].clients == 0
