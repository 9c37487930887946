"""What an RTSP camera's address becomes, and cameras that say too little of themselves. A real server: tests/system."""

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


def link(monkeypatch: pytest.MonkeyPatch, *answers: Opened) -> tuple[Link, list[dict[str, str]]]:
    """A camera that answers so, and how it was asked."""
    asked: list[dict[str, str]] = []
    rest = iter(answers)

    def opened(*_: object, options: dict[str, str], **__: object) -> Opened:
        asked.append(options)
        return next(rest)

    monkeypatch.setattr("edgecam.sources.rtsp.av.open", opened)
    clock = SystemClock()
    config = model.RtspSource.model_validate({"type": "rtsp", "url": "rtsp://anna:secret@cam/main"})
    return Link(config.url, "source.url", config, Rig(Stamp("yard", clock), clock)), asked


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
