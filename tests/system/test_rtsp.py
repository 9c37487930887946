"""Network cameras, real ones: GStreamer's RTSP server with H.264 and H.265, sound, logins, and all that breaks."""

import asyncio
import logging
import socket
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import TypeAdapter

from clips import probe
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Frame, Kind, Sound, Stamp, Use
from edgecam.hub import Demand, Want
from edgecam.record.mp4 import Mp4
from edgecam.sources import Broken, LostThreads, Rig, Source, open_source, overlay
from edgecam.sources.decoder import Decoder, Seen
from peers import RtspCam
from rtsp_faults import FAULTS, campaign

pytestmark = pytest.mark.system

PASSWORD = "c@nary:w/ örd%"
FPS = 30
SOURCE: TypeAdapter[model.SourceConfig] = TypeAdapter(model.SourceConfig)


def made(*wants: Want, audio: bool = False) -> Rig:
    demand = Demand()
    for want in wants:
        demand[want] += 1
    clock = SystemClock()
    return Rig(Stamp("yard", clock), clock, demand=demand, audio=model.Audio() if audio else None)


@asynccontextmanager
async def watching(url: str, rig: Rig, **keys: object) -> AsyncIterator[AsyncIterator[Frame | Sound]]:
    source: Source = open_source(SOURCE.validate_python({"type": "rtsp", "url": url, **keys}), rig)
    try:
        async with aclosing(source.frames()) as items:
            yield items
    finally:
        await source.close()


async def take(items: AsyncIterator[Frame | Sound], frames: int) -> list[Frame | Sound]:
    """Up to so many coded frames."""
    found: list[Frame | Sound] = []
    async for item in items:
        found.append(item)
        frames -= isinstance(item, Frame) and item.is_coded
        if not frames:
            break
    return found


async def broken(url: str, rig: Rig | None = None, **keys: object) -> str:
    """What a life that cannot go on says."""
    async with watching(url, rig or made(), **keys) as items:
        with pytest.raises(Broken) as caught:
            await take(items, 10_000)
    assert quote(PASSWORD, safe="") not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def coded(items: list[Frame | Sound]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame) and item.is_coded]


def pictures(items: list[Frame | Sound]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame) and item.kind is Kind.RAW]


def number_in(frame: Frame) -> int:
    """What the camera wrote into its picture."""
    assert frame.image is not None
    return overlay.read_counter(frame.image.luma(frame.width))


@pytest.fixture(scope="module")
def main_camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspCam]:
    """H.264 and a second, smaller stream; G.711 sound; wants a login."""
    folder = tmp_path_factory.mktemp("h264")
    with RtspCam(folder, password=PASSWORD, audio="pcma", size="640x480", sub="320x240", fps=FPS, gop=20) as peer:
        yield peer


@pytest.fixture(scope="module")
def modern_camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspCam]:
    """H.265 with parameter sets in its description only, AAC, the older login."""
    folder = tmp_path_factory.mktemp("h265")
    with RtspCam(folder, password=PASSWORD, auth="basic", codec="h265", audio="aac", fps=FPS, gop=10, sets=0) as peer:
        yield peer


@pytest.fixture(params=["h264", "h265"])
def camera(request: pytest.FixtureRequest, main_camera: RtspCam, modern_camera: RtspCam) -> RtspCam:
    return {"h264": main_camera, "h265": modern_camera}[request.param]


async def test_its_video_passes_untouched_into_a_clip_that_plays(camera: RtspCam, tmp_path: Path) -> None:
    async with watching(camera.url(), made(Want.RECORD)) as items:
        frames = coded(await take(items, 45))
    assert [frame.number for frame in frames] == list(range(1, 46))
    assert frames[0].keyframe
    assert sum(frame.keyframe for frame in frames) >= 2
    path = tmp_path / "clip.mp4"
    with path.open("wb", buffering=0) as file:
        clip = Mp4(file, frames[0])
        for frame in frames:
            clip.write(frame)
        clip.close()
    found = probe(path)
    assert (found.codec, found.frames, found.complaints) == (str(frames[0].kind), 45, "")
    assert (found.width, found.height) == (frames[0].width, frames[0].height)


async def test_pictures_come_while_somebody_looks_and_each_is_the_one_of_its_frame(camera: RtspCam) -> None:
    async with watching(camera.url(), made(Want.RECORD, Want.VIEWER)) as items:
        found = await take(items, 20)
    seen = pictures(found)
    numbers = [frame.number for frame in seen]
    assert numbers == sorted(set(numbers))
    assert len({number_in(frame) - frame.number for frame in seen}) == 1
    of = {frame.number: (frame.mono, frame.wall) for frame in coded(found)}
    assert all((frame.mono, frame.wall) == of[frame.number] for frame in seen)


async def test_nothing_is_decoded_while_nobody_looks(camera: RtspCam, monkeypatch: pytest.MonkeyPatch) -> None:
    decodes: list[Frame] = []
    give = Decoder._give

    def counted(self: Decoder, frame: Frame) -> list[Seen]:
        decodes.append(frame)
        return give(self, frame)

    monkeypatch.setattr(Decoder, "_give", counted)
    rig = made(Want.RECORD, Want.PUBLISH)
    async with watching(camera.url(), rig) as items:
        assert pictures(await take(items, 20)) == []
        assert decodes == []
        rig.demand[Want.SNAPSHOT] += 1
        assert pictures(await take(items, 4))
        assert decodes


async def test_its_frames_are_as_even_as_the_camera_made_them(main_camera: RtspCam) -> None:
    async with watching(main_camera.url(), made(Want.RECORD)) as items:
        frames = coded(await take(items, 40))[-20:]
    assert (frames[-1].mono - frames[0].mono) / 19 == pytest.approx(1 / FPS, rel=0.1)


@pytest.mark.parametrize(("camera", "rate"), [("h264", 8000), ("h265", 48000)], indirect=["camera"])
async def test_its_sound_comes_as_aac_where_it_is_wanted(camera: RtspCam, rate: int) -> None:
    async with watching(camera.url(), made(Want.RECORD, audio=True)) as items:
        found = await take(items, 25)
    heard = [item for item in found if isinstance(item, Sound)]
    assert len(heard) > 4
    assert {(sound.rate, sound.channels) for sound in heard} == {(rate, 1)}
    assert all(sound.data and sound.extradata for sound in heard)
    assert abs(heard[-1].mono - coded(found)[-1].mono) < 1.0


async def test_its_sound_is_left_alone_where_it_is_not(camera: RtspCam) -> None:
    async with watching(camera.url(), made(Want.RECORD)) as items:
        assert not [item for item in await take(items, 15) if isinstance(item, Sound)]


async def test_it_comes_over_udp_too(main_camera: RtspCam) -> None:
    async with watching(main_camera.url(), made(Want.RECORD), transport="udp") as items:
        assert len(coded(await take(items, 25))) == 25


async def test_it_comes_encrypted_too(tmp_path: Path) -> None:
    with RtspCam(tmp_path, password=PASSWORD, tls=True) as peer:
        async with watching(peer.url(), made(Want.RECORD)) as items:
            assert len(coded(await take(items, 15))) == 15


# ---- a smaller stream for motion


async def test_motion_looks_at_the_smaller_stream(main_camera: RtspCam) -> None:
    rig = made(Want.RECORD, Want.MOTION)
    async with watching(main_camera.url(), rig, detect_url=main_camera.url("sub")) as items:
        before = await take(items, FPS)
        found = await take(items, FPS)
        looks = pictures(found)
        assert {(look.use, look.width) for look in looks} == {(Use.MOTION, 320)}
        assert all(look.number in {frame.number for frame in coded(before + found)} for look in looks)
        assert 3 <= len(looks) <= 7  # in a second
        rig.demand[Want.VIEWER] += 1
        both = {(frame.use, frame.width) for frame in pictures(await take(items, 20))}
    assert both == {(Use.MOTION, 320), (Use.PEOPLE, 640)}


async def test_a_smaller_stream_that_fails_is_told_once_and_motion_looks_at_the_main_one(
    main_camera: RtspCam, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecam.sources.substream.FIRST_WAIT", 0.1)
    monkeypatch.setattr("edgecam.sources.substream.LONGEST_WAIT", 0.2)
    caplog.set_level(logging.INFO)

    async def looks_of(items: AsyncIterator[Frame | Sound], use: Use) -> None:
        async with asyncio.timeout(20):
            async for item in items:
                if isinstance(item, Frame) and item.kind is Kind.RAW and item.use is use:
                    return

    with RtspCam(tmp_path) as sub:
        rig = made(Want.RECORD, Want.MOTION)
        async with watching(main_camera.url(), rig, detect_url=sub.url()) as items:
            await looks_of(items, Use.MOTION)
            sub.down(kill=True)
            await looks_of(items, Use.ALL)
            await take(items, 40)  # several attempts
            sub.up()
            await looks_of(items, Use.MOTION)
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"yard: {sub.url()} ended the stream; motion looks at the main stream meanwhile",
        "yard: motion looks at the smaller stream again",
    ]


# ---- what goes wrong


async def test_a_server_that_is_killed_ends_the_life(tmp_path: Path) -> None:
    with RtspCam(tmp_path, fps=FPS) as peer:
        async with watching(peer.url(), made(Want.RECORD)) as items:
            await take(items, 5)
            peer.down(kill=True)
            with pytest.raises(Broken, match="ended the stream"):
                await take(items, 10_000)


async def test_a_server_that_freezes_ends_the_life_in_time(tmp_path: Path) -> None:
    lost = LostThreads()
    with RtspCam(tmp_path) as peer:
        async with watching(peer.url(), made(Want.RECORD), stall_timeout=1) as items:
            await take(items, 5)
            peer.freeze()
            async with asyncio.timeout(5):
                with pytest.raises(Broken, match=r"is silent for 0\.8 s"):
                    await take(items, 10_000)
        async with asyncio.timeout(5):
            assert "is silent for 0.8 s" in await broken(peer.url(), stall_timeout=1)
    assert lost.count == 0


async def test_a_wrong_password_and_a_wrong_path_are_told_as_such(camera: RtspCam) -> None:
    assert "refuses the user name or password (401)" in await broken(camera.url(password="wr@ng"))
    assert "refuses the user name or password (401)" in await broken(camera.url(password=""))
    said = await broken(camera.url("nowhere"))
    assert "has nothing at this address (404); check the path in source.url" in said


async def test_a_name_that_nobody_knows_is_told_as_such() -> None:
    assert "cannot find nobody.invalid: " in await broken(f"rtsp://anna:{quote(PASSWORD, safe='')}@nobody.invalid/main")


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """A port that takes a connection and says so much, or nothing; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def serve() -> None:
            with server.accept()[0] as client:
                if answer is not None:
                    client.recv(1000)
                    client.sendall(answer)
                else:
                    stop.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"rtsp://anna:{quote(PASSWORD, safe='')}@127.0.0.1:{server.getsockname()[1]}/main"
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "is silent for 0.4 s"),
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "check the port in source.url"),
        (b"SSH-2.0-OpenSSH_9.2\r\n" * 50, "check the port in source.url"),
        (bytes(range(256)) * 40, "check the port in source.url"),
        (b"", "check the"),
        (b"RTSP/1.0 403 Forbidden\r\nCSeq: 1\r\n\r\n", "check the rights of the user in source.url"),
        (b"RTSP/1.0 500 Internal Server Error\r\nCSeq: 1\r\n\r\n", "check the"),
    ],
    ids=["silence", "http", "ssh", "garbage", "hang up", "forbidden", "broken"],
)
async def test_a_port_that_is_no_camera_is_told_as_such(answer: bytes | None, complaint: str) -> None:
    with listening(answer) as url:
        assert complaint in await broken(url, stall_timeout=0.5)


async def test_no_login_is_seen_anywhere(
    main_camera: RtspCam, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    url = main_camera.url()
    source = open_source(SOURCE.validate_python({"type": "rtsp", "url": url, "detect_url": url}), made())
    said = [source.describe(), repr(source), await broken(main_camera.url("nowhere"))]
    await source.close()
    async with watching(url, made(Want.MOTION), detect_url=main_camera.url("nowhere")) as items:
        await take(items, 20)
    said += [caplog.text, *capfd.readouterr()]
    assert "404" in caplog.text
    for secret in (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD)):
        assert secret not in "".join(said)


async def test_a_camera_that_breaks_again_and_again_comes_back_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A short form of `make rtsp-faults`."""
    rounds = await campaign(FAULTS, tmp_path, seed=1, longest=1.0)
    assert [one.fault for one in rounds] == list(FAULTS)
