"""What every source promises: whole frames, growing numbers and times, an end that says why, nothing left behind."""

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from pydantic import TypeAdapter

import picam
import usbcam
from doorkeeper import Doorkeeper
from edgecam import jpeg
from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Frame, Kind, Stamp
from edgecam.hub import Demand, Want
from edgecam.sources import SOURCES, Broken, Finished, LostThreads, Rig, Source, Tone, open_source
from fakes import frames_of, until
from httpcam import Fault, HttpCam
from peers import RtspCam
from pictures import jpeg as picture
from video import write_video

PASSWORD = "correct-horse"
CONFIG: TypeAdapter[model.SourceConfig] = TypeAdapter(model.SourceConfig)


@dataclass
class Case:
    """One kind of source over something real, and how to break that."""

    config: model.SourceConfig
    pull_the_plug: Callable[[], Awaitable[None]]
    lost: LostThreads
    stamp: Stamp
    kind: Kind = Kind.JPEG
    tone: Tone = field(default_factory=Tone)
    codec: Literal["auto", "mjpeg"] = "auto"

    def open(self, *wants: Want) -> Source:
        demand = Demand()
        for want in wants:
            demand[want] += 1
        rig = Rig(self.stamp, SystemClock(), lost=self.lost, demand=demand, tone=self.tone)
        return open_source(self.config, replace(rig, video=model.Video(codec=self.codec)))

    @property
    def may_skip(self) -> bool:
        """A sensor does not wait: what a busy machine does not take in time is counted and not made."""
        return self.is_retouched or self.config.type == "picamera2"

    @property
    def is_retouched(self) -> bool:
        """The stage leaves out what a slow machine cannot change in time."""
        return self.config.rotate == 180 or self.tone.grey

    @asynccontextmanager
    async def life(self, *wants: Want) -> AsyncGenerator[AsyncIterator[Frame], None]:
        source = self.open(*(wants or (Want.RECORD,)))
        try:
            async with aclosing(frames_of(source)) as frames:
                yield frames
        finally:
            await source.close()


def config(**keys: object) -> model.SourceConfig:
    return CONFIG.validate_python(keys)


async def _nothing() -> None: ...


VIDEO = {"file h264": Kind.H264, "file h265": Kind.HEVC, "picamera2": Kind.H264, "rtsp": Kind.H264}
"""Those that give video; all others give JPEG."""
KINDS = sorted({*SOURCES, *VIDEO, "file mpeg4", "picamera2 mjpeg"})
UNPACED = ("picamera2", "picamera2 mjpeg", "rtsp", "v4l2")
"""Not turned by us, or played by the tests as fast as it can be read: then a stage leaves out most."""
CASES = [*KINDS, *(f"{kind}, {how}" for kind in KINDS if kind not in UNPACED for how in ("turned", "grey"))]
"""As they give it, and pictures also through the stage that turns and greys them."""


@pytest.fixture(params=CASES)
async def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Case]:
    param: str = request.param
    name, _, how = param.partition(", ")
    kind = Kind.JPEG if how else VIDEO.get(name, Kind.JPEG)
    if name == "rtsp":
        with RtspCam(tmp_path, password=PASSWORD, fps=30, gop=5) as peer:

            async def kill() -> None:
                peer.down(kill=True)

            url = peer.url() + f"?key={PASSWORD}"
            yield Case(config(type="rtsp", url=url), kill, LostThreads(), Stamp("birdbox", SystemClock()), kind)
        return
    if name.startswith("picamera2"):
        board = picam.install(monkeypatch)

        async def pull_the_cable() -> None:
            board.device.unplugged = True

        pi = config(type="picamera2", size="320x240", stall_timeout=1)
        codec: Literal["auto", "mjpeg"] = "mjpeg" if name.endswith("mjpeg") else "auto"
        yield Case(pi, pull_the_cable, LostThreads(), Stamp("birdbox", SystemClock()), kind, codec=codec)
        return
    pictures = [picture(seed) for seed in range(10)]
    async with HttpCam(pictures, login=f"anna:{PASSWORD}") as camera:
        coded = {"file h264": "libx264", "file h265": "libx265", "file mpeg4": "mpeg4"}.get(name, "mjpeg")
        video = write_video(tmp_path / "clip.mkv", 10, codec=coded)

        async def cut_the_video() -> None:
            video.write_bytes(b"not a video any more")

        webcam = usbcam.plug_in(monkeypatch, tmp_path / "video0.avi")

        async def unplug() -> None:
            webcam.write_bytes(b"")
            webcam.unlink()

        def login(url: str) -> str:
            return url.replace("//", f"//anna:{PASSWORD}@") + f"?key={PASSWORD}"

        configs: dict[str, tuple[model.SourceConfig, Callable[[], Awaitable[None]]]] = {
            "synthetic": (config(type="synthetic", size="320x240", fps=60), _nothing),
            "file": (config(type="file", path=video), cut_the_video),
            "mjpeg": (config(type="mjpeg", url=login(camera.url)), camera.stop),
            "still": (config(type="still", url=login(camera.still), every=0.02), camera.stop),
            "v4l2": (config(type="v4l2", device=webcam), unplug),
        }
        bare, plug = configs[name.split()[0]]
        turned = bare.model_copy(update={"rotate": 180} if how == "turned" else {})
        yield Case(turned, plug, LostThreads(), Stamp("birdbox", SystemClock()), kind, Tone(how == "grey"))


BREAKABLE = sorted(case for case in CASES if not case.startswith("synthetic"))


def capturing() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("capture")]


async def take(frames: AsyncIterator[Frame], count: int) -> list[Frame]:
    """The next frames that are new."""
    found: list[Frame] = []
    async for frame in frames:
        if not found or frame is not found[-1]:
            found.append(frame)
        if len(found) == count:
            break
    return found


async def test_frames_are_whole_and_in_order(case: Case) -> None:
    async with case.life() as frames:
        found = await take(frames, 12)
    assert all((frame.camera, frame.kind) == ("birdbox", case.kind) for frame in found)
    if case.kind is Kind.JPEG:
        assert all(frame.keyframe for frame in found)
        assert all(jpeg.size(frame.data) == (frame.width, frame.height) for frame in found)
    else:
        assert found[0].keyframe
        assert all(frame.data and frame.width and frame.height for frame in found)
    assert [frame.number for frame in found] == list(range(1, 13)) or case.may_skip
    assert all(one.number < two.number for one, two in pairwise(found))
    assert all(one.mono < two.mono and one.wall < two.wall for one, two in pairwise(found))


@pytest.mark.parametrize("case", sorted(VIDEO), indirect=True)
async def test_a_video_camera_makes_pictures_only_while_somebody_looks(case: Case) -> None:
    async with case.life(Want.RECORD) as frames:
        assert all(frame.is_coded for frame in await take(frames, 12))
    async with case.life(Want.RECORD, Want.VIEWER) as frames:
        found = await take(frames, 24)
    coded = {frame.number: frame for frame in found if frame.is_coded}
    pictures = [frame for frame in found if frame.kind is Kind.RAW]
    assert len(pictures) >= 8
    shown = [(frame, coded[frame.number]) for frame in pictures if frame.number in coded or not case.may_skip]
    assert shown
    for frame, of in shown:
        assert (frame.mono, frame.wall, frame.width, frame.height) == (of.mono, of.wall, of.width, of.height)
        assert frame.image is not None
        assert jpeg.size(frame.image.jpeg(80)) == (frame.width, frame.height)


async def test_the_next_life_goes_on_counting(case: Case) -> None:
    last = 0
    for _ in range(3):
        async with case.life() as frames:
            first, second = [frame.number for frame in await take(frames, 2)]
        assert last < first < last + 40  # what was read already and never shown has its number
        assert second == first + 1 or (case.may_skip and second > first)
        last = second


async def test_closing_leaves_no_thread_and_no_socket(case: Case, sockets: Callable[[], int]) -> None:
    before = sockets()
    for _ in range(5):
        async with case.life() as frames:
            await take(frames, 2)
    assert capturing() == []
    await until("the camera's own end has noticed and closed", lambda: sockets() <= before)
    assert case.lost.count == 0


async def test_it_can_be_closed_at_any_time_and_twice(case: Case) -> None:
    untouched = case.open()
    await untouched.close()
    await untouched.close()
    source = case.open()
    frames = source.frames()
    first = asyncio.create_task(anext(frames))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await source.close()
    await source.close()
    assert capturing() == []


@pytest.mark.parametrize("case", BREAKABLE, indirect=True)
async def test_a_break_ends_the_life_in_words(case: Case) -> None:
    async with case.life() as frames:
        await take(frames, 3)
        await case.pull_the_plug()
        with pytest.raises(Broken) as broken:
            await take(frames, 1000)
    assert PASSWORD not in str(broken.value)


WORDS = r"clip\.mkv|cannot reach (http|rtsp)://|video0\.avi is not there|no frame for .* from the Pi camera"


@pytest.mark.parametrize("case", BREAKABLE, indirect=True)
async def test_what_is_not_there_is_told_at_once_and_in_words(case: Case) -> None:
    await case.pull_the_plug()
    async with case.life() as frames:
        with pytest.raises(Broken) as broken:
            await take(frames, 1)
    assert PASSWORD not in str(broken.value)
    assert re.search(
        r"clip\.mkv|cannot reach (http|rtsp)://|video0\.avi is not there|from the Pi camera", str(broken.value)
    )


async def test_its_description_shows_no_secret(case: Case) -> None:
    source = case.open()
    described = source.describe() + repr(source) + repr(case.config)
    await source.close()
    assert described
    assert PASSWORD not in described


def test_a_missing_library_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'av'", name="av")

    monkeypatch.setattr("edgecam.sources.import_module", missing)
    with pytest.raises(Broken, match="source type file needs av: pip install av"):
        open_source(config(type="file", path="clip.mp4"), Rig(Stamp("x", SystemClock()), SystemClock()))


# ---- what only some of them promise


async def lives(url: str, kind: str, **keys: object) -> AsyncGenerator[Frame, None]:
    case = Case(config(type=kind, url=url, **keys), _nothing, LostThreads(), Stamp("birdbox", SystemClock()))
    async with case.life() as frames:
        async for frame in frames:
            yield frame


FAULTS = {
    Fault.SILENT: "is silent for 0.1 s",
    Fault.STALL: "is silent for 0.1 s",
    Fault.HANG_UP: "hung up without an answer",
    Fault.NOT_HTTP: "does not answer in HTTP",
    Fault.HEADERS: "does not answer in HTTP",
    Fault.REDIRECT: "redirects to http://elsewhere.invalid; if you trust it",
    Fault.MISSING: "check the path in source.url",
    Fault.BROKEN: "answers 500 Internal Server Error",
    Fault.CIRCLE: "redirects in a circle",
    Fault.BUSY: r"is busy \(503\); many cameras serve one client only",
    Fault.OFTEN: r"is asked too often \(429\)",
    Fault.PAGE: "gives a web page, not a picture; check the path",
    Fault.TRUNCATED: "bad pictures in a row; the last one is truncated",
    Fault.BOMB: "bad pictures in a row; the last one claims 10000x6000 pixels",
}


@pytest.mark.parametrize("kind", ["mjpeg", "still"])
@pytest.mark.parametrize(("fault", "complaint"), FAULTS.items(), ids=FAULTS)
async def test_a_faulty_http_camera_is_told_in_words(kind: str, fault: Fault, complaint: str) -> None:
    async with HttpCam([picture(seed) for seed in range(40)], fps=1000, fault=fault) as camera:
        url = camera.url if kind == "mjpeg" else camera.still
        patience = 0.1 if "silent" in complaint else 10.0
        frames = lives(url, kind, stall_timeout=patience, **({"every": 0.001} if kind == "still" else {}))
        with pytest.raises(Broken, match=complaint):
            await anext(frames)


@pytest.mark.parametrize(("fault", "pause"), [(Fault.BUSY, 20.0), (Fault.OFTEN, 40.0), (Fault.BROKEN, 0.0)])
async def test_a_camera_that_asks_for_patience_gets_it(fault: Fault, pause: float) -> None:
    async with HttpCam([picture()], fault=fault) as camera:
        with pytest.raises(Broken) as broken:
            await anext(lives(camera.still, "still"))
    assert broken.value.pause == pause


async def test_a_picture_that_breaks_off_is_told() -> None:
    async with HttpCam([picture()], fault=Fault.CLOSE) as camera:
        with pytest.raises(Broken, match="hung up in the middle of a picture"):
            await anext(lives(camera.still, "still"))


DOORS = {
    "basic": Doorkeeper("anna", PASSWORD, basic=True),
    "digest": Doorkeeper("anna", PASSWORD, ("MD5",)),
    "both": Doorkeeper("anna", PASSWORD, ("SHA-256",), basic=True),
}


@pytest.mark.parametrize("kind", ["mjpeg", "still"])
@pytest.mark.parametrize("door", DOORS)
async def test_a_wrong_password_is_told_as_such_and_is_sent_once(kind: str, door: str) -> None:
    async with HttpCam([picture()], door=(keeper := replace(DOORS[door], refused=[]))) as camera:
        url = camera.url if kind == "mjpeg" else camera.still
        with pytest.raises(Broken, match=r"refuses the user name or password \(401\)") as broken:
            await anext(lives(url.replace("//", "//anna:wr0ng@"), kind))
    assert "wr0ng" not in str(broken.value)
    assert len(keeper.refused) == 1
    assert broken.value.pause == 60.0


async def test_a_file_that_is_played_once_finishes(tmp_path: Path) -> None:
    once = config(type="file", path=write_video(tmp_path / "clip.avi", 5, rate=200), loop=False)
    case = Case(once, _nothing, LostThreads(), Stamp("birdbox", SystemClock()))
    async with case.life() as frames:
        assert len(await take(frames, 5)) == 5
        with pytest.raises(Finished, match="has ended"):
            await anext(frames)
