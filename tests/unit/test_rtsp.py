"""What an RTSP camera's address becomes, and cameras that say too little of themselves. A real server: tests/system."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from edgecam.clock import SystemClock
from edgecam.config import model
from edgecam.frame import Stamp
from edgecam.sources import Broken, Rig
from edgecam.sources.rtsp import Link, address
from edgecam.sources.timeline import AsTold
from edgecam.sources.tracks import Role, track


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("rtsp://cam/main", "rtsp://cam/main"),
        ("rtsp://cam:8554/main?x=%20", "rtsp://cam:8554/main?x=%20"),
        ("rtsp://anna:plain@cam/main", "rtsp://anna:plain@cam/main"),
        ("rtsp://anna:p%40ss%3A%2F@cam/main", "rtsp://anna:p%40ss%3A%2F@cam/main"),
        ("rtsp://anna:p@ss:w@cam/main", "rtsp://anna:p%40ss%3Aw@cam/main"),
        ("rtsp://anna:50%off@cam/main", "rtsp://anna:50%25off@cam/main"),
        ("rtsp://anna@cam/main", "rtsp://anna@cam/main"),
        ("rtsps://anna:x@[fe80::1]:322/main", "rtsps://anna:x@[fe80::1]:322/main"),
    ],
)
def test_a_login_is_understood_whether_it_was_encoded_or_not(written: str, read: str) -> None:
    assert address(written) == read


@dataclass
class Opened:
    """A container with one stream of this codec and width, or none."""

    codec: str | None
    width: int = 0
    closed: int = 0
    streams: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        context = SimpleNamespace(name=self.codec, width=self.width)
        self.streams = SimpleNamespace(video=[SimpleNamespace(codec_context=context)] if self.codec else [])

    def close(self) -> None:
        self.closed += 1


def link(
    monkeypatch: pytest.MonkeyPatch, *answers: Opened, url: str = "rtsp://anna:secret@cam/main", **keys: object
) -> tuple[Link, list[dict[str, str]]]:
    """A camera that answers so, and how it was asked."""
    asked: list[dict[str, str]] = []
    rest = iter(answers)

    def opened(*_: object, options: dict[str, str], **__: object) -> Opened:
        asked.append(options)
        return next(rest)

    monkeypatch.setattr("edgecam.sources.rtsp.av.open", opened)
    clock = SystemClock()
    config = model.RtspSource.model_validate({"type": "rtsp", "url": url, **keys})
    return Link(config.url, "source.url", config, Rig(Stamp("yard", clock), clock)), asked


async def test_a_name_server_that_never_answers_holds_up_no_capture_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    camera, asked = link(monkeypatch, stall_timeout=0.02)
    with pytest.raises(Broken, match="no name server says where cam is"):
        await camera.find()
    assert asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[fe80::1%25eth0]", "[::1]"])
async def test_a_number_needs_no_name_server(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", None)
    camera, _ = link(monkeypatch, url=f"rtsp://{host}:554/main")
    await camera.find()


def test_a_camera_that_describes_its_stream_is_opened_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened("h264", 640)
    camera, asked = link(monkeypatch, opened)
    assert camera.connect() is opened  # type: ignore[comparison-overlap]
    assert [options.get("analyzeduration") for options in asked] == ["0"]
    assert asked[0]["rtsp_transport"] == "tcp"


def test_a_camera_that_does_not_is_looked_at_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    vague, clear = Opened("hevc"), Opened("hevc", 640)
    camera, asked = link(monkeypatch, vague, clear)
    assert camera.connect() is clear  # type: ignore[comparison-overlap]
    assert [options.get("analyzeduration") for options in asked] == ["0", None]
    assert (vague.closed, clear.closed) == (1, 0)


def test_a_camera_without_video_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Opened(None), Opened(None)
    camera, _ = link(monkeypatch, *answers)
    with pytest.raises(Broken, match=r"rtsp://\*\*\*@cam/main gives no video; check the path in source\.url"):
        camera.connect()
    assert [opened.closed for opened in answers] == [1, 1]


def test_video_that_nobody_here_can_read_is_told_as_such() -> None:
    clock = SystemClock()
    stream = SimpleNamespace(codec_context=None)
    with pytest.raises(Broken, match=r"choose H\.264 or H\.265"):
        track(stream, Rig(Stamp("yard", clock), clock), AsTold(), Role(), "full")  # type: ignore[arg-type]


def test_an_error_that_nobody_expects_shows_its_kind_and_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    camera, _ = link(monkeypatch)
    assert camera.explain(ValueError("rtsp://anna:secret@cam")) == "rtsp://***@cam/main: ValueError"
