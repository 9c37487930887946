"""A camera that is upside down and grey, from outside: in the still, in the stream, at the broker and in the clip."""

import urllib.request
from pathlib import Path

import av
import pytest
import simplejpeg

from edgecam.pixels import Luma, Turn
from edgecam.sources.overlay import read_counter
from outside import Ear, Edgecam, until
from peers import Mosquitto

pytestmark = pytest.mark.system


def upright(data: bytes) -> Luma:
    assert simplejpeg.decode_jpeg_header(data)[2] == "Gray"
    luma: Luma = simplejpeg.decode_jpeg(data, "GRAY")[:, :, 0]
    return Turn(True, True)(luma)


def test_every_output_is_turned_and_grey(tmp_path: Path) -> None:
    source = {"type": "synthetic", "size": "320x240", "rotate": 180, "schedule": {"every": "8s", "move": "2s"}}
    garden = {
        "source": source,
        "image": {"grey": True},
        "snapshot": {"every": "1s"},
        "motion": {"cooldown": "1s", "settle": "1s"},
        "record": {"event": {"pre": "1s", "post": "1s"}},
    }
    with Mosquitto(tmp_path / "mqtt") as broker, Ear(broker.port) as ear:
        mqtt = {"host": "127.0.0.1", "port": broker.port}
        with Edgecam(tmp_path / "box", {"mqtt": mqtt, "cameras": {"garden": garden}}) as box:
            until("a still", lambda: box.get("cameras/garden/snapshot.jpg")[0] == 200)
            still = box.get("cameras/garden/snapshot.jpg")[2]
            assert 0 < read_counter(upright(still)) < 10_000
            with urllib.request.urlopen(f"{box.url}cameras/garden/stream.mjpg", timeout=10) as stream:  # noqa: S310
                head = stream.read(100_000)
            begin = head.index(b"\xff\xd8")
            assert 0 < read_counter(upright(head[begin : head.index(b"\xff\xd9", begin) + 2])) < 10_000
            sent = until("a picture at the broker", lambda: ear.last("garden/snapshot") or b"")
            assert 0 < read_counter(upright(sent)) < 10_000
            clip = until("a clip", lambda: next(box.library.glob("recordings/garden/*/*.mp4"), None), within=40.0)
            assert clip is not None
            with av.open(str(clip)) as container:
                frame = next(container.decode(video=0)).reformat(format="yuv444p")
            assert isinstance(frame, av.VideoFrame)
            pixels = frame.to_ndarray()
            assert pixels[1:].min() >= 126
            assert pixels[1:].max() <= 130
            assert read_counter(Turn(True, True)(pixels[0])) > 0
            assert box.health()["problems"] == []
