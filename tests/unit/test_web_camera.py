"""HTTP cameras behind a door: how often we knock, whom we trust, and where the login goes."""

import asyncio
import ssl
import threading
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from cryptography import x509

from doorkeeper import Doorkeeper
from edgecam.config import model
from edgecam.frame import Frame, Stamp
from edgecam.sources import Broken, Rig, open_source
from fakes import FakeClock, frames_of, until
from httpcam import HttpCam
from peers import Lighttpd, self_signed
from pictures import jpeg

PICTURES = [jpeg(seed) for seed in range(4)]
PASSWORD = "p@ss:w%rd/ü?#"


def inside(url: str, password: str = PASSWORD) -> str:
    return url.replace("//", f"//anna:{quote(password, safe='')}@")


@asynccontextmanager
async def polled(url: str, **keys: object) -> AsyncGenerator[AsyncIterator[Frame], None]:
    """What a source yields that polls as fast as it can."""
    clock = FakeClock()
    config = model.StillSource.model_validate({"url": url, "every": 5.0, "stall_timeout": 15.0, **keys})
    source = open_source(config, Rig(Stamp("birdbox", clock), clock))

    async def poll() -> AsyncGenerator[Frame, None]:
        async with aclosing(frames_of(source)) as frames:
            while True:
                coming = asyncio.ensure_future(anext(frames))
                await until("a picture comes", coming.done, meanwhile=lambda: clock.advance(5.0))
                yield await coming

    try:
        async with aclosing(poll()) as frames:
            yield frames
    finally:
        await source.close()


async def take(url: str, count: int, **keys: object) -> list[Frame]:
    async with polled(url, **keys) as frames:
        return [await anext(frames) for _ in range(count)]


DOORS = {
    "md5": Doorkeeper("anna", PASSWORD, ("MD5",)),
    "sha256": Doorkeeper("anna", PASSWORD, ("SHA-256",)),
    "no algorithm, no qop": Doorkeeper("anna", PASSWORD, (None,), qop=None, opaque=None),
    "body too": Doorkeeper("anna", PASSWORD, ("MD5",), qop="auth-int"),
    "session": Doorkeeper("anna", PASSWORD, ("MD5-sess",)),
    "session, sha256": Doorkeeper("anna", PASSWORD, ("SHA-256-sess", "MD5")),
    "basic first": Doorkeeper("anna", PASSWORD, ("MD5",), basic=True),
    "basic": Doorkeeper("anna", PASSWORD, basic=True),
}


@pytest.mark.parametrize("door", DOORS)
async def test_the_door_opens_and_stays_open(door: str) -> None:
    async with HttpCam(PICTURES, door=DOORS[door]) as camera:
        await take(inside(camera.still), 5)
        assert len(camera.requests) == 6, "one refusal, five pictures"
        assert camera.accepted == 1, "all over one connection"
        assert DOORS[door].refused == []


@pytest.mark.parametrize("says_stale", [True, False])
async def test_a_nonce_that_is_good_only_once_costs_a_request_and_no_picture(says_stale: bool) -> None:
    door = Doorkeeper("anna", PASSWORD, ("MD5",), uses=1, says_stale=says_stale)
    async with HttpCam(PICTURES, door=door) as camera:
        await take(inside(camera.still), 5)
        assert len(camera.requests) == 10


async def test_the_nonce_that_the_camera_names_for_the_next_time_is_used() -> None:
    door = Doorkeeper("anna", PASSWORD, ("MD5",), uses=1, next_nonce=True)
    async with HttpCam(PICTURES, door=door) as camera:
        await take(inside(camera.still), 5)
        assert len(camera.requests) == 6


async def test_a_password_that_was_changed_is_told_after_one_try() -> None:
    door = Doorkeeper("anna", PASSWORD, ("MD5",))
    async with HttpCam(PICTURES, door=door) as camera, polled(inside(camera.still)) as frames:
        await anext(frames)
        door.password = "another"
        with pytest.raises(Broken, match="check the user and password"):
            await anext(frames)
        assert len(door.refused) == 2, "the old nonce, and a fresh one to be sure"


@pytest.mark.parametrize("door", DOORS)
async def test_a_camera_that_serves_one_connection_is_never_asked_for_two(door: str) -> None:
    async with HttpCam(PICTURES, door=DOORS[door], alone=True) as camera:
        await take(inside(camera.still), 3)
        assert camera.turned_away == 0


async def test_a_camera_without_a_login_in_its_address_asks_for_one_in_words() -> None:
    async with HttpCam(PICTURES, login="anna:x") as camera:
        with pytest.raises(Broken, match=r"wants a login \(401\); write source.url as http://user:password@…"):
            await take(camera.still, 1)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_camera_that_refuses_without_saying_what_it_wants_is_tried_with_basic(status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Basic {b64encode(f'anna:{PASSWORD}'.encode()).decode()}":
            return web.Response(status=status)
        return web.Response(body=PICTURES[0], content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/", answer)
    async with serving(app) as address:
        assert (await take(inside(address), 1))[0].data == PICTURES[0]
        with pytest.raises(Broken, match=f"\\({status}\\)"):
            await take(inside(address, "wrong"), 1)


async def test_a_login_that_we_do_not_speak_is_named() -> None:
    door = Doorkeeper("anna", PASSWORD, ("SHA-512",))
    async with HttpCam(PICTURES, door=door) as camera:
        with pytest.raises(Broken, match="wants a login by Digest SHA-512; set the camera to Digest or Basic"):
            await take(inside(camera.still), 1)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_another_people_s_web_server_lets_us_in(algorithm: str, tmp_path: Path) -> None:
    async with HttpCam(PICTURES) as camera:
        with Lighttpd(tmp_path, camera.port, algorithm=algorithm) as door:
            address = f"http://{door.host}:{door.port}"
            found = await take(inside(f"{address}/still.jpg?a=%20b", door.password), 3)
            assert {frame.data for frame in found} <= set(PICTURES)
            assert len(camera.requests) == 3
            with pytest.raises(Broken, match="refuses the user name or password"):
                await take(inside(f"{address}/still.jpg", "wrong"), 1)
            url = model.Url(inside(f"{address}/stream", door.password))
            stream = open_source(model.MjpegSource(url=url), Rig(Stamp("birdbox", FakeClock()), FakeClock()))
            async with aclosing(frames_of(stream)) as frames:
                assert (await anext(frames)).data in PICTURES
            await stream.close()


# ---- where the login goes


@asynccontextmanager
async def serving(answer: web.Application, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str, None]:
    runner = web.AppRunner(answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def leading(location: str) -> tuple[web.Application, list[str | None]]:
    """A camera that redirects, and the logins that it saw."""
    seen: list[str | None] = []

    async def lead(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        raise web.HTTPFound(location)

    app = web.Application()
    app.router.add_get("/{path:.*}", lead)
    return app, seen


@pytest.fixture
def certified(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """The camera's side of TLS, and its certificate, which vouches for itself."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    self_signed(certificate, key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context, certificate


async def test_another_port_of_the_host_is_another_house() -> None:
    async with HttpCam(PICTURES) as other:
        app, _ = leading(other.still)
        async with serving(app) as address:
            with pytest.raises(Broken, match=f"redirects to http://127.0.0.1:{other.port}; if you trust it"):
                await take(inside(address), 1)
        assert other.requests == []


async def test_the_camera_s_own_tls_is_followed_and_what_it_asks_for_there_is_said_only_there(
    certified: tuple[ssl.SSLContext, Path],
) -> None:
    tls, certificate = certified
    async with HttpCam(PICTURES, login=f"anna:{PASSWORD}", tls=tls) as camera:
        app, seen = leading(camera.still.replace("//", "//eve:elsewhere@"))
        async with serving(app) as address:
            await take(inside(address), 3, ca=certificate)
    assert seen == [None, None, None]


async def test_tls_leads_nobody_back_into_the_open(certified: tuple[ssl.SSLContext, Path]) -> None:
    tls, _ = certified
    async with HttpCam(PICTURES) as camera:
        app, _ = leading(camera.still)
        async with serving(app, tls) as address:
            with pytest.raises(Broken, match="redirects to http://127"):
                await take(inside(address), 1, verify=False)


async def test_a_cookie_comes_back_though_the_camera_is_known_by_its_ip_address() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.cookies.get("session") != "abc":
            found = web.Response(status=302, headers={"Location": "/"})
            found.set_cookie("session", "abc")
            return found
        return web.Response(body=PICTURES[0], content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/", answer)
    async with serving(app) as address:
        assert (await take(address, 1))[0].data == PICTURES[0]


# ---- whom we trust


async def test_a_certificate_that_vouches_for_itself_is_refused_with_the_cure(
    certified: tuple[ssl.SSLContext, Path],
) -> None:
    tls, certificate = certified
    async with HttpCam(PICTURES, login=f"anna:{PASSWORD}", tls=tls) as camera:
        complaint = "is not trusted: self-signed certificate; set source.ca to .*, or source.verify: false"
        with pytest.raises(Broken, match=complaint):
            await take(inside(camera.still), 1)
        assert camera.requests == []
        assert len(await take(inside(camera.still), 2, ca=certificate)) == 2
        assert len(await take(inside(camera.still), 2, verify=False)) == 2
        named = camera.still.replace("127.0.0.1", "localhost")
        with pytest.raises(Broken, match="is not trusted: hostname mismatch"):
            await take(named, 1, ca=certificate)


async def test_the_camera_s_own_certificate_is_enough_whoever_signed_it(tmp_path: Path) -> None:
    certificate, key = tmp_path / "camera.pem", tmp_path / "camera.key"
    self_signed(certificate, key, by=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the factory")]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with HttpCam(PICTURES, tls=context) as camera:
        assert len(await take(camera.still, 1, ca=certificate)) == 1


async def test_certificates_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name, why in (("gone.pem", "No such file or directory"), ("empty.pem", "no certificate in PEM")):
        with pytest.raises(Broken, match=f"source.ca: cannot use .*{name}: {why}"):
            await take("https://127.0.0.1:1/", 1, ca=tmp_path / name)


async def test_plain_http_where_tls_was_meant_is_told() -> None:
    async with serving(web.Application()) as address:
        with pytest.raises(Broken, match="cannot agree on TLS with https://127"):
            await take(address.replace("http:", "https:"), 1)


async def test_a_name_server_that_hangs_is_told_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hangs(*_: object, **__: object) -> list[object]:
        released.wait()
        return []

    monkeypatch.setattr("socket.getaddrinfo", hangs)
    try:
        with pytest.raises(Broken, match=r"cannot reach http://camera\.test/: no answer within 0\.1 s"):
            await take("http://camera.test/", 1, every=0.01, stall_timeout=0.1)
        assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    finally:
        released.set()


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        ("7", 7.0),
        ("86400", 60.0),
        ("Mon, 21 Sep 2026 14:13:35 GMT", 15.0),  # the clock stands at 14:13:20
        ("Mon, 21 Sep 2026 14:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("", 0.0),
    ],
)
async def test_retry_after_is_obeyed_within_reason(asked: str, pause: float) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": asked})

    app = web.Application()
    app.router.add_get("/", answer)
    async with serving(app) as address:
        with pytest.raises(Broken) as broken:
            await take(address, 1)
    assert broken.value.pause == pytest.approx(pause)
