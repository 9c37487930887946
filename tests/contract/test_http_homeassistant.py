"""What Home Assistant's `mjpeg` and `generic` cameras do with our addresses, done by the means that they use."""

import asyncio
import http.client
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import aiohttp
import av
import pytest
import simplejpeg

from webhouse import House, watching

STREAM, STILL = "/cameras/birdbox/stream.mjpg", "/cameras/birdbox/snapshot.jpg"
LOGINS: Mapping[str, object] = {
    "users": {"anna": {"password": "correct horse"}},
    "tokens": {"homeassistant": {"token": "panel-token"}},
}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


LOGGED_IN = [
    pytest.param(basic("anna", "correct horse"), id="a user"),
    pytest.param(basic("homeassistant", "panel-token"), id="a token as password"),
]


@pytest.fixture
def house(pool: ThreadPoolExecutor) -> House:
    return House(pool, http=LOGINS)


@pytest.fixture
async def client(house: House) -> AsyncIterator[aiohttp.ClientSession]:
    async with house.open() as client:
        house.publish()
        yield client


def looks(port: int, path: str, headers: Mapping[str, str]) -> int:
    """The config flow's look at an address: GET, the head of the answer and hardly more, and away. Blocking."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        assert len(answer.read(1)) == 1  # by now we are counted among the viewers
        return answer.status
    finally:
        connection.close()


@pytest.mark.parametrize("headers", LOGGED_IN)
@pytest.mark.usefixtures("client")
async def test_the_config_flow_looks_at_both_addresses_and_leaves_nothing_behind(
    house: House, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        caplog.clear()
        for path in (STREAM, STILL, STREAM):
            assert await asyncio.to_thread(looks, house.port, path, headers) == 200
        await house.until(lambda: _ticked(house) and house.status["birdbox"].clients == 0)
    assert not house.web.lives["birdbox"].viewers
    assert caplog.text == ""


def _ticked(house: House) -> bool:
    """A frame passes, with which viewers that left are noticed."""
    house.publish()
    return True


async def test_a_wrong_password_is_challenged_once_and_costs_one_failed_login_an_address(
    house: House, client: aiohttp.ClientSession
) -> None:
    for _ in range(2):  # Basic, and since that is refused, a try without any, which is where Digest would begin
        for headers in (basic("anna", "wrong"), {}):
            async with client.get(STREAM, headers=headers) as answer:
                assert answer.status == 401
                [challenge] = answer.headers.getall("WWW-Authenticate")
                assert challenge.startswith("Basic ")
                assert "digest" not in challenge.lower()
    for _ in range(3):
        async with client.get(STILL, headers=basic("anna", "wrong")) as answer:
            assert answer.status == 401
    async with client.get(STILL, headers=basic("anna", "wrong")) as answer:
        assert answer.status == 429


@pytest.mark.parametrize("headers", LOGGED_IN)
async def test_each_still_is_fetched_anew_with_its_type_and_length(
    house: House, client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    for _ in range(3):
        frame = house.publish()
        async with client.get(STILL, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (200, "image/jpeg")
            assert answer.headers["Content-Length"] == str(len(frame.data))
            assert await answer.read() == frame.data
        async with client.head(STILL, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (200, "image/jpeg")


@pytest.mark.parametrize("headers", LOGGED_IN)
async def test_two_of_them_watch_and_take_stills_at_once(
    house: House, client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    login = f"Authorization: {headers['Authorization']}\r\n"
    async with AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(watching(house, head=login)) for _ in range(2)]
        for viewer in viewers:
            await viewer.part()
        frame = house.publish()
        for viewer in viewers:
            assert (await viewer.part()).body == frame.data
        answers = [await stack.enter_async_context(client.get(STILL, headers=headers)) for _ in range(2)]
        assert [await answer.read() for answer in answers] == [frame.data] * 2


async def test_without_a_still_address_the_first_picture_is_cut_out_of_the_stream(
    house: House, client: aiohttp.ClientSession
) -> None:
    async with client.get(STREAM, headers=basic("anna", "correct horse")) as answer:
        data = b""
        while (end := data.find(b"\xff\xd9")) < 0:
            data += await answer.content.readany()
    picture = data[data.index(b"\xff\xd8") : end + 2]
    assert simplejpeg.decode_jpeg(picture).shape == (48, 64, 3)
    newest = house.hubs["birdbox"].newest
    assert newest is not None
    assert picture == newest.data


async def filmed(house: House, watch: Callable[[], int]) -> int:
    """What `watch`, on a thread of its own, makes of the stream while the camera films."""
    watching = asyncio.create_task(asyncio.to_thread(watch))
    await house.until(lambda: _ticked(house) and watching.done())
    return await watching


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("login", ["anna:correct%20horse", "homeassistant:panel-token"])
async def test_the_stream_component_opens_it_with_a_login_in_the_address(house: House, login: str) -> None:
    def watch() -> int:
        with av.open(f"http://{login}@127.0.0.1:{house.port}{STREAM}", timeout=10) as container:
            assert container.streams.video[0].codec_context.name == "mjpeg"
            return sum(1 for _, frame in zip(range(3), container.decode(video=0), strict=False) if frame.width == 64)

    assert await filmed(house, watch) == 3


@pytest.mark.usefixtures("client")
async def test_the_stream_component_is_told_that_its_login_is_wrong(house: House) -> None:
    def watch() -> int:
        with pytest.raises(av.error.HTTPUnauthorizedError):
            av.open(f"http://anna:wrong@127.0.0.1:{house.port}{STREAM}", timeout=10)
        return 0

    await filmed(house, watch)
