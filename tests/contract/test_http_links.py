"""Signed links at the door: they open one thing, from anywhere, until they end, and nothing beside it."""

import logging
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest
import yarl

from edgecam.health import CameraState
from edgecam.links import LIFE, of_media
from edgecam.media import MediaId, iso
from edgecam.record.disk.library import Library
from waiting import NOON, content, save
from webhouse import House, Reel, watching

LOGINS: Mapping[str, object] = {"users": {"anna": {"password": "correct horse", "role": "admin"}}}
ANNA = {"Authorization": "Basic " + b64encode(b"anna:correct horse").decode()}
ELSEWHERE = {"Host": "cam.example.org", "X-Forwarded-For": "192.0.2.7"}
EXPORT = f"api/cameras/birdbox/export.mp4?from={iso(NOON)}&to={iso(NOON + 60)}"
SNAPSHOT = "cameras/birdbox/snapshot.jpg"


@pytest.fixture
def clip(tmp_path: Path) -> MediaId:
    return save(tmp_path, size=1000).media


@pytest.fixture(params=[LOGINS, {}, {"auth": "none"}], ids=["with logins", "without", "auth none"])
def house(request: pytest.FixtureRequest, pool: ThreadPoolExecutor, library: Library) -> House:
    house = House(pool, http=request.param, library=library)
    house.shutter.film = Reel(bytes(2000))
    return house


def link(house: House, address: str, life: float = LIFE) -> yarl.URL:
    return yarl.URL("/" + house.signer.sign(address, life), encoded=True)


async def asked(client: aiohttp.ClientSession, url: yarl.URL | str, **more: object) -> tuple[int, str]:
    """Status, and the reason where there is one."""
    method = str(more.pop("method", "GET"))
    async with client.request(method, url, **more) as answer:  # type: ignore[arg-type]
        told = await answer.json() if answer.content_type == "application/json" and method != "HEAD" else {}
        return answer.status, told.get("reason", "")


async def test_whoever_has_a_link_sees_that_one_thing_from_anywhere(house: House, clip: MediaId) -> None:
    async with house.open() as client:
        house.publish()
        house.library.layout.media(clip.picture).write_bytes(b"jpeg")
        for address in (of_media(clip), of_media(clip.picture), SNAPSHOT, EXPORT):
            assert await asked(client, link(house, address), headers=ELSEWHERE) == (200, ""), address
        async with watching(
            house, str(link(house, "cameras/birdbox/stream.mjpg")), head="X-Forwarded-For: 192.0.2.7\r\n"
        ) as viewer:
            assert viewer.status == 200


async def test_a_clip_is_played_by_its_link_in_ranges(house: House, clip: MediaId) -> None:
    url = link(house, of_media(clip))
    async with house.open() as client:
        async with client.get(url, headers={**ELSEWHERE, "Range": "bytes=100-199"}) as answer:
            assert answer.status == 206
            assert await answer.read() == content(1000, int(NOON))[100:200]
        async with client.head(url, headers=ELSEWHERE) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, "1000")


async def test_a_link_that_has_ended_says_so_and_is_held_against_nobody(house: House, clip: MediaId) -> None:
    url = link(house, of_media(clip), 60.0)
    async with house.open() as client:
        house.clock.step(59)
        assert await asked(client, url, headers=ELSEWHERE) == (200, "")
        house.clock.step(1)
        for _ in range(10):
            assert await asked(client, url, headers=ELSEWHERE) == (403, "link_expired")


async def test_links_of_another_key_open_nothing_and_count_as_failed_logins(
    pool: ThreadPoolExecutor, library: Library, clip: MediaId, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(pool, http=LOGINS, library=library)
    good = link(house, of_media(clip))
    bad = good.update_query(signature="A" * 43)
    async with house.open() as client:
        answers = [await asked(client, bad) for _ in range(7)]
        assert answers == [(403, "bad_link")] * 5 + [(429, "too_many_logins")] * 2
        assert await asked(client, "/api/health", headers=ANNA) == (429, "too_many_logins")
        assert await asked(client, good) == (200, "")
        await house.clock.advance(61)
        assert (await asked(client, "/api/health", headers=ANNA))[0] == 200
        assert (await asked(client, bad, headers=ANNA))[0] == 200, "a login counts, whatever else the address says"
    assert "a link with a wrong signature from 127.0.0.1" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/media/{other}.mp4", 403),
        ("GET", "/media/{clip}.jpg", 403),
        ("GET", "/cameras/birdbox/snapshot.jpg", 403),
        ("GET", "/cameras/birdbox/stream.mjpg", 403),
        ("GET", "/api/cameras/birdbox/export.mp4", 403),
        ("GET", "/api/media/{clip}", 401),
        ("DELETE", "/api/media/{clip}", 401),
        ("POST", "/media/{clip}.mp4", 401),
        ("GET", "/", 401),
        ("GET", "/?action=snapshot", 401),
        ("GET", "/api/health", 401),
        ("GET", "/metrics", 401),
    ],
)
async def test_a_link_opens_nothing_beside_what_it_is_for(
    pool: ThreadPoolExecutor, library: Library, tmp_path: Path, clip: MediaId, method: str, path: str, status: int
) -> None:
    house = House(pool, http=LOGINS, library=library)
    other = save(tmp_path, start=NOON + 60).media
    url = yarl.URL(path.format(clip=clip, other=other)).extend_query(link(house, of_media(clip)).query)
    async with house.open() as client:
        house.publish()
        assert (await asked(client, url, method=method))[0] == status
    assert library.find(clip.text)


async def test_an_export_s_link_is_for_that_interval(house: House) -> None:
    url = link(house, EXPORT)
    async with house.open() as client:
        assert await asked(client, url.update_query(to=iso(NOON + 3600)), headers=ELSEWHERE) == (403, "bad_link")
    assert house.shutter.exported == []


async def test_a_link_to_nothing_is_404_and_tells_no_more(house: House) -> None:
    async with house.open() as client:
        for nothing in (f"media/{'x' * 20}.mp4", "cameras/attic/snapshot.jpg"):
            assert await asked(client, link(house, nothing), headers=ELSEWHERE) == (404, "not_found")


async def test_privacy_closes_a_live_link_as_it_does_to_all(house: House) -> None:
    async with house.open() as client:
        house.publish()
        house.status["birdbox"].state = CameraState.PRIVACY
        house.hubs["birdbox"].clear()
        assert await asked(client, link(house, SNAPSHOT), headers=ELSEWHERE) == (503, "privacy")


async def test_signatures_stay_out_of_the_log(
    pool: ThreadPoolExecutor, library: Library, clip: MediaId, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(pool, http={**LOGINS, "access_log": True}, library=library)
    url = link(house, of_media(clip))
    with caplog.at_level(logging.DEBUG):
        async with house.open() as client:
            await asked(client, url)
            await asked(client, url.update_query(expires="1"))
            await asked(client, url, method="DELETE")
            house.clock.step(2 * LIFE)
            await asked(client, url)
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert f"GET {url.path} 200" in text
    assert "signature=" not in text
    assert url.query["signature"] not in text
