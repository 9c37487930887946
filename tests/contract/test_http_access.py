"""Who gets in, and who does not: default deny on every route, logins, tokens, public pictures, origins."""

import asyncio
import logging
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest
import yarl

from edgecam.media import Layout
from edgecam.record.disk.library import Library
from edgecam.web.password import hash_password
from waiting import save
from webhouse import House, watching

PICTURE = "/cameras/birdbox/snapshot.jpg"

LOGINS: Mapping[str, object] = {
    "users": {
        "anna": {"password": "correct horse", "role": "admin"},
        "bert": {"password": hash_password("battery")},
    },
    "tokens": {
        "tablet": {"token": "tablet-token", "cameras": ["birdbox"]},
        "panel": {"token": "panel-token"},
        "robot": {"token": "robot-token", "role": "admin"},
        "nobody": {"token": "nothing-token", "cameras": []},
    },
}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def house(pool: ThreadPoolExecutor) -> House:
    return House(pool, http=LOGINS)


async def ask(
    client: aiohttp.ClientSession, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, dict[str, str]]:
    """Status, and the words when the answer is JSON."""
    async with client.request(method, yarl.URL(path, encoded=True), headers=headers) as answer:
        told = await answer.json() if answer.content_type == "application/json" else {}
        return answer.status, told if isinstance(told, dict) else {}


async def test_every_route_but_healthz_needs_a_login(house: House) -> None:
    async with house.open() as client:
        routes = [
            (route.method, route.resource.canonical)
            for route in house.web.application().router.routes()
            if route.resource is not None and route.method != "*"
        ]
        assert len(routes) > 20
        for method, path in routes:
            filled = path.replace("{camera}", "birdbox").replace("{file}", "page.js").replace("{place}", "2")
            filled = filled.replace("{slash}", "/").replace("{date}", "2026-11-21").replace("{id}", "x")
            async with client.request(method, filled) as answer:
                if path == "/healthz":
                    assert answer.status == 200
                    continue
                assert answer.status == 401, f"{method} {path} is open"
                assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            assert (await ask(client, PICTURE, method=method))[0] == 401
        assert (await ask(client, "/no/such/place"))[0] == 401, "what is not there is not told either"


@pytest.mark.parametrize(
    "headers",
    [
        basic("anna", "correct horse"),
        basic("bert", "battery"),
        bearer("panel-token"),
        {"authorization": "bearer  panel-token"},
        basic("anything", "panel-token"),
        basic("", "panel-token"),
    ],
)
async def test_users_and_tokens_get_in(house: House, headers: dict[str, str]) -> None:
    async with house.open() as client:
        house.publish()
        for _ in range(2):
            assert (await ask(client, PICTURE, headers))[0] == 200
            assert (await ask(client, "/api/health", headers))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        basic("anna", "wrong"),
        basic("bert", hash_password("battery")),
        basic("Anna", "correct horse"),
        basic("nobody", ""),
        bearer(""),
        bearer("panel-token2"),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + b64encode(b"\xff\xfe:x").decode()},
        {"Authorization": "Digest username=anna"},
        {"Authorization": ""},
    ],
)
async def test_wrong_logins_stay_out(house: House, headers: dict[str, str]) -> None:
    async with house.open() as client:
        house.publish()
        status, told = await ask(client, PICTURE, headers)
        assert status == 401
        assert told["error"]


async def test_five_failed_logins_close_the_door_for_a_minute_but_not_to_those_inside(house: House) -> None:
    async with house.open() as client:
        house.publish()
        assert (await ask(client, PICTURE, basic("anna", "correct horse")))[0] == 200
        wrong = [asyncio.create_task(ask(client, PICTURE, basic("anna", f"guess {n}"))) for n in range(12)]
        statuses = [status for status, _ in await asyncio.gather(*wrong)]
        assert sorted(statuses) == [401] * 5 + [429] * 7
        async with client.get(PICTURE, headers=bearer("panel-token")) as answer:
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "60"
        assert (await ask(client, PICTURE, basic("anna", "correct horse")))[0] == 200
        assert (await ask(client, "/healthz"))[0] == 200
        await house.clock.advance(61)
        house.publish()
        assert (await ask(client, PICTURE, bearer("panel-token")))[0] == 200


async def test_bytes_that_are_no_text_are_a_wrong_login(house: House) -> None:
    async with house.open():
        head = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xff\xfe\r\n\r\n" % PICTURE.encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(head)
        assert (await reader.readline()).split()[1] == b"401"
        writer.close()
        await writer.wait_closed()


async def test_browsers_that_ask_without_a_login_first_are_not_counted(house: House) -> None:
    async with house.open() as client:
        house.publish()
        for _ in range(10):
            assert (await ask(client, PICTURE))[0] == 401
        assert (await ask(client, PICTURE, bearer("panel-token")))[0] == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (PICTURE + "?token=panel-token", 200),
        ("/?action=snapshot&token=panel-token", 200),
        ("/webcam2/?action=snapshot&token=panel-token", 200),
        ("/?token=panel-token", 401),
        ("/webcam/?token=panel-token", 401),
        ("/api/cameras?token=panel-token", 401),
        ("/api/health?token=panel-token", 401),
        ("/metrics?token=panel-token", 401),
        (PICTURE + "?token=wrong", 401),
        (PICTURE + "?token=", 401),
    ],
)
async def test_a_token_in_the_address_opens_pictures_only(house: House, path: str, status: int) -> None:
    async with house.open() as client:
        house.publish()
        house.publish("garden")
        assert (await ask(client, path))[0] == status


async def test_a_token_in_the_address_opens_the_stream(house: House) -> None:
    async with (
        house.open(),
        watching(house, "/cameras/birdbox/stream.mjpg?token=tablet-token") as viewer,
        watching(house, "/webcam/?action=stream&token=tablet-token") as other,
    ):
        assert viewer.status == other.status == 200


async def test_a_limited_token_cannot_tell_other_cameras_from_none(house: House, tmp_path: Path) -> None:
    tablet = bearer("tablet-token")
    async with house.open() as client:
        house.publish()
        house.publish("garden")
        assert (await ask(client, PICTURE, tablet))[0] == 200
        for path in ("/cameras/{}/snapshot.jpg", "/cameras/{}/stream.mjpg", "/cameras/{}", "/api/cameras/{}"):
            other, none = [await ask(client, path.format(camera), tablet) for camera in ("garden", "attic")]
            assert other == none
            assert other[0] == 404
        assert (await ask(client, "/webcam2/?action=snapshot", tablet)) == (
            await ask(client, "/webcam3/?action=snapshot", tablet)
        )
        async with client.get("/api/cameras", headers=tablet) as answer:
            assert [camera["id"] for camera in await answer.json()] == ["birdbox"]
        for path in ("/api/health", "/metrics"):
            assert (await ask(client, path, tablet))[0] == 403
        async with client.get("/api/cameras", headers=bearer("nothing-token")) as answer:
            assert await answer.json() == []


async def test_a_limited_token_gets_its_own_clips_only(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    mine, other = (save(tmp_path, camera=camera).id for camera in ("birdbox", "garden"))
    house = House(pool, http=LOGINS, library=Library(Layout(tmp_path), wanted=lambda _: False))
    async with house.open() as client:
        assert (await ask(client, f"/media/{mine}.mp4", bearer("tablet-token")))[0] == 200
        assert (await ask(client, f"/media/{other}.mp4", bearer("tablet-token")))[0] == 404
        assert (await ask(client, f"/media/{other}.mp4", bearer("panel-token")))[0] == 200
        assert (await ask(client, f"/media/{mine}.mp4?token=tablet-token"))[0] == 401


@pytest.mark.parametrize("path", ["/api/cameras/birdbox/snapshot", "/api/cameras/birdbox/trigger"])
async def test_viewers_change_nothing(house: House, path: str) -> None:
    async with house.open() as client:
        house.publish()
        for headers in (basic("bert", "battery"), bearer("panel-token"), bearer("tablet-token")):
            assert (await ask(client, path, headers, "POST"))[0] == 403
        for headers in (basic("anna", "correct horse"), bearer("robot-token")):
            assert (await ask(client, path, headers, "POST"))[0] == 200
        assert (await ask(client, path, bearer("robot-token"), "GET"))[0] == 405
    assert len(house.shutter.taken + house.shutter.triggered) == 2


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://{host}", 200),
        ("https://cam.example.org", 200),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://{host}.evil.example", 403),
        ("http://[", 403),
        ("", 403),
    ],
)
async def test_another_sites_page_cannot_act_through_my_browser(
    pool: ThreadPoolExecutor, origin: str, status: int
) -> None:
    house = House(pool, http={"external_url": "https://anna:word@cam.example.org/garden"})
    async with house.open() as client:
        house.publish()
        headers = {"Origin": origin.format(host=f"127.0.0.1:{house.port}")}
        assert (await ask(client, "/api/cameras/birdbox/snapshot", headers, "POST"))[0] == status


async def test_without_a_login_only_this_computer_gets_in(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.publish()
        for host in ("127.0.0.1", "localhost", "localhost:8000", "[::1]:8000", "127.0.0.5:1"):
            assert (await ask(client, PICTURE, {"Host": host}))[0] == 200
        for host in ("evil.example", "192.168.1.5:8000", "127.0.0.1.evil.example", "[", "", "0.0.0.0"):
            status, told = await ask(client, PICTURE, {"Host": host})
            assert status == 403
            assert "http.users" in told["error"]
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Ingress-Path", "Via", "x-forwarded-host"):
            assert (await ask(client, PICTURE, {header: "127.0.0.1"}))[0] == 403
        assert (await ask(client, "/healthz", {"Host": "evil.example"}))[0] == 200


async def test_auth_none_lets_everybody_in(pool: ThreadPoolExecutor) -> None:
    house = House(pool, http={"auth": "none"})
    async with house.open() as client:
        house.publish()
        assert (await ask(client, PICTURE, {"Host": "cam.example.org", "X-Forwarded-For": "192.0.2.7"}))[0] == 200
        assert (await ask(client, "/api/cameras/birdbox/snapshot", method="POST"))[0] == 200


async def test_what_is_public_needs_no_login_and_nothing_else_opens_with_it(pool: ThreadPoolExecutor) -> None:
    house = House(pool, http={**LOGINS, "public": ["birdbox/snapshot", "metrics"]})
    async with house.open() as client:
        house.publish()
        house.publish("garden")
        for path in (PICTURE, PICTURE + "?width=160", "/?action=snapshot", "/webcam/?action=snapshot", "/metrics"):
            assert (await ask(client, path))[0] == 200, path
        assert (await ask(client, PICTURE, {"Host": "elsewhere.example", "X-Forwarded-For": "192.0.2.7"}))[0] == 200
        for path in (
            "/cameras/birdbox/stream.mjpg",
            "/cameras/garden/snapshot.jpg",
            "/?action=stream",
            "/webcam2/?action=snapshot",
            "/",
            "/cameras/birdbox",
            "/api/cameras/birdbox",
            "/api/health",
        ):
            assert (await ask(client, path))[0] == 401, path
        assert (await ask(client, PICTURE, method="POST"))[0] == 401


async def test_tokens_and_passwords_stay_out_of_the_log(
    pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(pool, http={**LOGINS, "access_log": True})
    with caplog.at_level(logging.DEBUG):
        async with house.open() as client:
            house.publish()
            await ask(client, PICTURE + "?token=panel-token")
            await ask(client, PICTURE + "?token=guessed-token")
            await ask(client, "/%0aforged%20line", basic("anna", "correct horse"))
            await ask(client, PICTURE, basic("anna", "guessed-password"))
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert f"GET {PICTURE} 200" in text
    for secret in ("panel-token", "guessed", "correct horse", "?"):
        assert secret not in text
    assert not any("\n" in record.getMessage() for record in caplog.records if "forged" in record.getMessage())


async def test_a_changed_secret_ends_the_old_login(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    from edgecam.config.secret import FromFile, Secret

    file = tmp_path / "secret"
    file.write_text("first-secret\n")
    secret = Secret(FromFile("first-secret", file))
    house = House(pool, http={"users": {"anna": {"password": secret}}})
    async with house.open() as client:
        house.publish()
        assert (await ask(client, PICTURE, basic("anna", "first-secret")))[0] == 200
        file.write_text("second, longer secret\n")
        assert (await ask(client, PICTURE, basic("anna", "first-secret")))[0] == 401
        assert (await ask(client, PICTURE, basic("anna", "second, longer secret")))[0] == 200


async def test_a_damaged_hash_keeps_its_user_out_and_is_told_to_the_owner(
    pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(pool, http={"users": {"anna": {"password": "scrypt$16384$8$1$short"}}})
    async with house.open() as client:
        assert (await ask(client, PICTURE, basic("anna", "x")))[0] == 401
    assert "http.users.anna.password is not a whole password hash" in caplog.text
