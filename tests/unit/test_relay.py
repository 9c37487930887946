"""The relay: when it publishes and when it must not, what a server's refusal reads like, how it heals."""

import asyncio
import logging
import random
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from broadcast import Stub, aac, later, stub
from clips import h264, jpegs
from edgecam.config.model import Url
from edgecam.events import Bus, CameraLost
from edgecam.frame import Frame, Use
from edgecam.health import PublishState, PublishStatus
from edgecam.hub import FrameHub, Ring, Want
from edgecam.relay import line
from edgecam.relay.component import SOUND_WITHIN, Relay
from edgecam.supervisor import Vitals, keep
from fakes import FakeClock, Switchboard, settle, until
from peers import self_signed

FRAMES = h264(30)


class Yard:
    """A camera whose stream is published, on a clock that the test moves."""

    def __init__(self, url: str, *, sound: bool = False) -> None:
        self.clock, self.bus = FakeClock(), Bus()
        self.settings = Switchboard(self.bus, self.clock)
        self.hub, self.board, self.vitals = FrameHub("cam", Ring(2.0)), PublishStatus(), Vitals("cam publish")
        self.relay = Relay(
            id="cam",
            title="Bird box",
            url=Url(url),
            hub=self.hub,
            settings=self.settings,
            board=self.board,
            bus=self.bus,
            clock=self.clock,
            vitals=self.vitals,
            sound=sound,
        )

    @property
    def wanted(self) -> bool:
        return self.hub.demand[Want.PUBLISH] > 0

    async def state(self, state: PublishState) -> None:
        await until(state, lambda: self.board.state is state)

    async def play(self, *frames: Frame) -> None:
        """Publish frames and see them sent."""
        end = self.board.frames + len(frames)
        for frame in frames:
            self.hub.publish(frame)
        await until("they are sent", lambda: self.board.frames == end)

    async def failed(self, times: int = 1) -> str:
        """Why the relay failed, `times` in a row."""
        await until("it fails", lambda: self.vitals.attempts >= times, meanwhile=self._wake)
        return str(self.vitals.error)

    async def _wake(self) -> None:
        if not self.vitals.living:
            await self.clock.advance(1.0)


@asynccontextmanager
async def publishing(url: str, *, private: bool = False, sound: bool = False) -> AsyncIterator[Yard]:
    yard = Yard(url, sound=sound)
    if private:
        yard.settings.set("cam", "privacy", True)
    task = asyncio.create_task(keep(yard.relay, yard.clock, yard.vitals, jitter=lambda: 0.0))
    try:
        yield yard
    finally:
        task.cancel()
        await asyncio.wait({task})


# -- when it publishes ----------------------------------------------------------------------------------------------


async def test_the_video_is_wanted_only_when_the_server_has_answered() -> None:
    async with stub(silent=True) as server, publishing(server.url) as yard:
        await until("the server is asked", lambda: server.methods() == ["OPTIONS"])
        assert not yard.wanted
        server.silent = False
        server.hang_up()
        await yard.failed()
        assert not yard.wanted
        await yard.clock.advance(1.0)
        await yard.state(PublishState.WAITING)
        assert yard.wanted
    assert not yard.wanted


async def test_the_server_is_told_everything_before_the_first_packet() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        await yard.play(*FRAMES)
        assert server.methods() == ["OPTIONS", "ANNOUNCE", "SETUP", "RECORD"]
        assert "sprop-parameter-sets=" in server.requests[1].body
        assert server.requests[2].uri == f"{server.url}/streamid=0"
        assert server.requests[3].headers["Session"] == "12"
    await until("the end is told", lambda: server.methods()[-1] == "TEARDOWN")


async def test_a_fresh_keyframe_of_the_past_is_the_beginning() -> None:
    async with stub() as server:
        yard = Yard(server.url)
        for frame in FRAMES[15:20]:
            yard.hub.publish(later(frame, -1.2))
        yard.hub.hear(replace(aac(1.0)[0], mono=1000.0))
        life = asyncio.create_task(yard.relay.run())
        await until("they are sent", lambda: yard.board.frames == 5)
        assert server.methods().count("SETUP") == 2
        life.cancel()
        await asyncio.wait({life})


async def test_an_old_keyframe_is_not() -> None:
    async with stub() as server, publishing(server.url) as yard:
        yard.hub.publish(later(FRAMES[0], -2.0))
        await yard.state(PublishState.WAITING)
        yard.hub.publish(FRAMES[1])
        await settle()
        assert yard.board.state is PublishState.WAITING
        await yard.play(FRAMES[15])
        assert yard.board.frames == 1


async def test_a_connection_that_waited_long_for_the_camera_is_made_anew() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        await yard.clock.advance(60)
        await yard.play(*FRAMES)
        assert server.connections == 2
        assert yard.board.sessions == 1


async def test_a_long_session_tells_the_server_that_it_lives() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        await yard.play(FRAMES[0], later(FRAMES[15], 1.5))
        await until("it is told", lambda: server.methods()[-1] == "OPTIONS")
        assert server.requests[-1].headers["Session"] == "12"


# -- when it must not -----------------------------------------------------------------------------------------------


async def test_privacy_ends_the_session_at_once_and_its_end_begins_another() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        await yard.play(FRAMES[0])
        yard.settings.set("cam", "privacy", True)
        await yard.state(PublishState.PRIVACY)
        assert not yard.wanted
        await until("the server knows", lambda: server.methods()[-1] == "TEARDOWN")
        count = len(server.received)
        yard.hub.publish(later(FRAMES[0], 1))
        await settle()
        yard.hub.clear()
        yard.settings.set("cam", "privacy", False)
        await yard.state(PublishState.WAITING)
        assert len(server.received) == count
        await yard.play(later(FRAMES[0], 2))
        assert (yard.board.sessions, yard.board.reconnects, yard.vitals.attempts) == (2, 0, 0)


async def test_a_private_camera_is_not_published_at_all() -> None:
    async with stub() as server, publishing(server.url, private=True) as yard:
        await yard.state(PublishState.PRIVACY)
        yard.hub.publish(FRAMES[0])
        await settle()
        assert server.connections == 0


async def test_a_lost_camera_ends_the_session_and_its_return_begins_another() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        await yard.play(FRAMES[0])
        for camera in ("other", "cam"):
            yard.bus.publish(CameraLost(camera=camera, at=0, reason="unplugged"))
        await yard.state(PublishState.WAITING)
        assert yard.wanted
        await until("the server knows", lambda: server.methods()[-1] == "TEARDOWN")
        yard.hub.publish(FRAMES[1])
        await yard.play(later(FRAMES[15], 30))
        assert (yard.board.sessions, yard.board.reconnects) == (2, 0)


async def test_a_camera_of_jpegs_is_told_once_and_not_published(caplog: pytest.LogCaptureFixture) -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        for jpeg in jpegs(3):
            yard.hub.publish(jpeg)
        await yard.state(PublishState.UNFIT)
        assert not yard.wanted
        assert "the camera gives JPEG pictures" in str(yard.board.trouble)
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert server.methods() == ["OPTIONS"]
        await yard.play(FRAMES[0])  # another camera is plugged in
        assert yard.board.trouble is None


async def test_a_server_is_not_asked_for_a_camera_that_gave_jpegs_before() -> None:
    async with stub() as server:
        yard = Yard(server.url)
        yard.hub.publish(jpegs(1)[0])
        life = asyncio.create_task(yard.relay.run())
        await yard.state(PublishState.UNFIT)
        for private in (True, False):
            yard.settings.set("cam", "privacy", private)
            await settle()
        assert (yard.board.state, server.connections) == (PublishState.UNFIT, 0)
        assert "gives JPEG pictures" in str(yard.board.trouble)
        life.cancel()
        await asyncio.wait({life})


async def test_a_small_jpeg_for_motion_says_nothing_about_the_camera() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        yard.hub.publish(replace(jpegs(1)[0], use=Use.MOTION))
        await yard.play(FRAMES[0])


# -- when the camera changes ----------------------------------------------------------------------------------------


async def test_another_size_begins_another_session_with_its_keyframe() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        await yard.play(*FRAMES, *(replace(later(frame, 2), width=640) for frame in FRAMES))
        assert (yard.board.sessions, yard.board.frames, yard.board.dropped) == (2, 60, 0)
        assert server.methods().count("ANNOUNCE") == 2


@pytest.mark.parametrize("comes", [True, False])
async def test_the_first_session_waits_a_little_for_a_camera_s_sound(comes: bool) -> None:
    async with stub() as server, publishing(server.url, sound=True) as yard:
        await yard.state(PublishState.WAITING)
        for frame in FRAMES[:5]:
            yard.hub.publish(frame)
        await settle()
        assert "ANNOUNCE" not in server.methods()
        if comes:
            yard.hub.hear(replace(aac(1.0)[0], mono=1000.0))
        else:
            await yard.clock.advance(SOUND_WITHIN)
        await until("the frames are sent", lambda: yard.board.frames == 5)
        [announced] = [request for request in server.requests if request.method == "ANNOUNCE"]
        assert ("m=audio" in announced.body) is comes
        assert yard.board.sessions == 1


async def test_sound_that_begins_later_is_added_at_the_next_keyframe_and_other_sound_too() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        await yard.play(*FRAMES[:15])
        tone = aac(1.0)[0]
        yard.hub.hear(replace(tone, mono=1001.5))
        await yard.play(FRAMES[15])
        assert server.methods().count("SETUP") == 3
        yard.hub.hear(replace(tone, mono=1002.0))
        yard.hub.hear(replace(tone, mono=1002.1, rate=8000))
        await yard.play(later(FRAMES[16], 0.2))
        assert [channel for channel, _ in server.received if channel in (2, 3)] == [3, 2]
        await yard.play(later(FRAMES[0], 2))
        assert yard.board.sessions == 3


async def test_parameter_sets_of_a_configuration_record_are_sent_with_each_keyframe() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        await yard.play(*h264(16, annexb=False))
        await until("all is there", lambda: len([p for p in server.video() if p[12] & 0x1F == 7]) == 2)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (replace(FRAMES[0], data=b"\0\0\1\x65abc"), "brings no parameter sets"),
        (replace(FRAMES[0], extradata=b"\1.."), "configuration is damaged"),
    ],
)
async def test_a_stream_that_nobody_could_decode_is_told(frame: Frame, words: str) -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        yard.hub.publish(frame)
        assert words in await yard.failed()


# -- a server that refuses ------------------------------------------------------------------------------------------


SECRET = "anna:hid%40den"


def addressed(server: Stub, login: str) -> str:
    return server.url.replace("rtsp://", f"rtsp://{login}@")


@pytest.mark.parametrize(
    ("method", "status", "words"),
    [
        (
            "OPTIONS",
            "401 Unauthorized",
            "wants a login (401 Unauthorized); write publish.rtsp as rtsp://user:password@…",
        ),
        ("ANNOUNCE", "404 Not Found", "refuses ANNOUNCE (404 Not Found): the path must exist there"),
        ("ANNOUNCE", "400 Bad Request", "perhaps somebody else publishes to this path"),
        ("ANNOUNCE", "405 Method Not Allowed", "it is no server that streams can be published to"),
        ("SETUP", "461 Unsupported Transport", "it does not take RTP over TCP"),
        ("RECORD", "500 Internal\tError", "refuses RECORD (500 InternalError)"),
        ("RECORD", "599", "refuses RECORD (599)"),
    ],
)
async def test_a_refusal_is_told_in_words(method: str, status: str, words: str) -> None:
    async with stub(statuses={method: status}) as server, publishing(server.url) as yard:
        if method != "OPTIONS":
            await yard.state(PublishState.WAITING)
            yard.hub.publish(FRAMES[0])
        assert words in await yard.failed()
        assert server.url in str(yard.vitals.error)


async def test_a_wrong_login_is_told_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    digest = {"WWW-Authenticate": 'Digest realm="live", nonce="abc"'}
    statuses = {"OPTIONS": "401 Unauthorized"}
    async with stub(statuses=statuses, headers=digest) as server, publishing(addressed(server, SECRET)) as yard:
        assert "refuses the login" in await yard.failed(2)
        assert "check user:password@ in publish.rtsp" in str(yard.board.trouble)
        told = caplog.text + str(yard.board) + repr(server.requests)
        assert "hid" not in told
        assert "***@127.0.0.1" in told


async def test_a_login_is_given_when_it_is_asked_for() -> None:
    statuses, basic = {"ANNOUNCE": "401 Unauthorized", "login": "right"}, {"WWW-Authenticate": 'Basic realm="x"'}
    async with stub(statuses=statuses, headers=basic) as server, publishing(addressed(server, SECRET)) as yard:
        await yard.state(PublishState.WAITING)
        await yard.play(*FRAMES)
        assert server.methods() == ["OPTIONS", "ANNOUNCE", "ANNOUNCE", "SETUP", "RECORD"]
        assert "Authorization" not in server.requests[1].headers
        assert server.requests[2].headers["Authorization"] == "Basic YW5uYTpoaWRAZGVu"
        assert "@" not in server.requests[2].uri


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "does not speak RTSP (it says 'HTTP/1.1 400 Bad Request')"),
        (b"220 mail\r\n", "does not speak RTSP (it says '220 mail')"),
        (b"x" * 200_000, "does not speak RTSP; check the port"),
        (b" ", "does not speak RTSP; check the port"),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "does not speak RTSP"),
    ],
)
async def test_a_server_of_another_kind_is_told(greeting: bytes, words: str) -> None:
    async with stub(greeting=greeting) as server, publishing(server.url) as yard:
        assert words in await yard.failed()


@pytest.mark.parametrize("seed", range(20))
async def test_a_server_of_noise_is_a_trouble_in_words_and_no_more(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    noise = random.Random(seed)
    pieces = [
        b"RTSP/1.0 200 OK\r\n",
        b"CSeq: 1\r\n",
        b"Content-Length: 9\r\n",
        b"\r\n",
        b"$\0\0\2",
        b"\xff\0\xc3",
        b": ",
        b" RTSP/1.0",
    ]
    greeting = b"".join(noise.choices(pieces, k=noise.randrange(1, 12)))
    async with stub(greeting=greeting) as server, publishing(server.url) as yard:
        await until("it is tried twice", lambda: yard.vitals.lives > 1 or yard.wanted, meanwhile=yard._wake)
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    async with stub(silent=True) as server, publishing(server.url) as yard:
        await until("it is asked", lambda: server.requests)
        await yard.clock.advance(line.ANSWER_WITHIN)
        assert (await yard.failed()).endswith("does not answer")
        assert not yard.wanted


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "rtsp://127.0.0.1:1/cam",
            "rtsp://127.0.0.1:1/cam: cannot connect (Connection refused); is the server running there?",
        ),
        ("rtsp://no.such.host.invalid/cam", "there is no such host"),
    ],
)
async def test_a_server_that_is_not_there_is_told(url: str, words: str) -> None:
    async with publishing(url) as yard:
        assert words in await yard.failed()


async def test_a_name_server_that_hangs_holds_no_thread_that_others_need(monkeypatch: pytest.MonkeyPatch) -> None:
    released, asked = threading.Event(), threading.Event()

    def hangs(*_: object, **__: object) -> list[object]:
        asked.set()
        released.wait()
        return []

    monkeypatch.setattr("socket.getaddrinfo", hangs)
    try:
        async with publishing("rtsp://mediamtx/cam") as yard:
            await until("the name is asked for", asked.is_set)
            await yard.clock.advance(line.ANSWER_WITHIN)
            assert (await yard.failed()).endswith("does not answer")
        assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    finally:
        released.set()


async def test_a_server_without_tls_is_told() -> None:
    plain = b"RTSP/1.0 400 Bad Request\r\n\r\n"
    async with stub(greeting=plain) as server, publishing(server.url.replace("rtsp:", "rtsps:")) as yard:
        assert "no TLS is spoken there" in await yard.failed()


@pytest.mark.parametrize("trusted", [True, False])
async def test_the_certificate_of_a_server_is_checked(
    trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    self_signed(certificate, key)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with stub(tls) as server, publishing(server.url) as yard:
        assert server.url.startswith("rtsps://")
        if trusted:
            await yard.state(PublishState.WAITING)
            await yard.play(*FRAMES)
        else:
            assert "the certificate is not to be trusted (self-signed certificate)" in await yard.failed()


# -- healing --------------------------------------------------------------------------------------------------------


async def test_one_broken_session_is_no_problem_a_second_failure_is_and_only_a_steady_session_ends_it() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        await yard.play(FRAMES[0])
        server.hang_up()
        assert "the server closed the connection" in await yard.failed()
        assert (yard.board.state, yard.board.trouble) == (PublishState.CONNECTING, None)
        server.greeting = b"RTSP/1.0 503 Busy\r\n\r\n"
        assert "503 Busy" in await yard.failed(2)
        assert "503 Busy" in str(yard.board.trouble)
        server.greeting = b""
        await until("it is asked again", lambda: yard.wanted, meanwhile=yard._wake)
        await yard.play(later(FRAMES[0], 20))
        assert yard.board.trouble
        assert (yard.board.sessions, yard.board.reconnects) == (2, 1)
        await yard.play(later(FRAMES[15], 30))
        assert yard.board.trouble is None
        assert yard.vitals.attempts == 0


async def test_what_the_server_says_in_between_is_passed_over() -> None:
    async with stub() as server, publishing(server.url) as yard:
        await yard.state(PublishState.WAITING)
        await yard.play(FRAMES[0])
        for writer in server._writers:
            writer.write(
                b"$\1\0\4abcd" + b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" + b"RTSP/1.0 200 OK\r\nCSeq: 77\r\n\r\n"
            )
        await yard.play(later(FRAMES[15], 1))
        assert yard.board.sessions == 1
