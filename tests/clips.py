"""Small real video for the tests of recording: frames that carry a counter, and what ffprobe says of a file."""

import functools
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import simplejpeg

from edgecam.frame import Frame, Kind
from edgecam.media import Layout, MediaId
from edgecam.record.disk.library import Library
from peers import program


@functools.cache
def jpeg(number: int, width: int = 320, height: int = 240, sampling: str = "420") -> bytes:
    """A noisy grey picture; its left half says `number` in eight black or white bars."""
    noise = np.random.default_rng(number).integers(90, 130, (height, width, 1), np.uint8)
    picture = np.repeat(noise, 3, axis=2)
    for bit in range(8):
        bar = slice(bit * width // 16, (bit + 1) * width // 16)
        picture[:, bar] = 235 if number >> bit & 1 else 16
    if sampling == "grey":
        return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(picture[:, :, :1]), quality=80, colorspace="GRAY"))
    return bytes(simplejpeg.encode_jpeg(picture, quality=80, colorspace="RGB", colorsubsampling=sampling))


def counters(path: Path) -> list[int]:
    """The numbers that are seen in the frames of a video."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            luma = frame.to_ndarray(format="gray")
            width = luma.shape[1]
            bars = [luma[:, (2 * bit + 1) * width // 32].mean() > 128 for bit in range(8)]
            found.append(sum(1 << bit for bit, set_ in enumerate(bars) if set_))
    return found


def jpegs(count: int, *, fps: float = 15, mono: float = 1000.0, wall: float = 1.79e9, first: int = 0) -> list[Frame]:
    """`count` frames of a JPEG camera."""
    return [
        Frame("cam", n, mono + n / fps, wall + n / fps, Kind.JPEG, jpeg(n), 320, 240)
        for n in range(first, first + count)
    ]


@functools.cache
def h264(count: int, *, fps: int = 15, gop: int = 15, reorder: int = 0, annexb: bool = True) -> tuple[Frame, ...]:
    """`count` frames of an H.264 camera: a byte stream with its parameter sets in front of each keyframe, or
    length-prefixed with a configuration record, as files have it."""
    return _camera(Kind.H264, count, fps, gop, {"bf": str(reorder)}, annexb=annexb)


@functools.cache
def open_gops(kind: Kind, count: int) -> tuple[Frame, ...]:
    """`count` frames of a camera whose groups lean on each other: what is coded after a keyframe but shown before it
    needs the group before."""
    how = "open-gop=1:bframes=3:b-adapt=0:keyint=15:min-keyint=15:scenecut=0"
    options = {"x264-params": how} if kind is Kind.H264 else {"x265-params": f"log-level=none:{how}"}
    return _camera(kind, count, 15, 15, options, annexb=False)


def _camera(kind: Kind, count: int, fps: int, gop: int, options: dict[str, str], *, annexb: bool) -> tuple[Frame, ...]:
    file = io.BytesIO()
    with av.open(file, "w", format=kind.value if annexb else "mp4") as out:
        coder = "libx264" if kind is Kind.H264 else "libx265"
        stream = out.add_stream(coder, rate=fps, options={"preset": "ultrafast", **options})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 320, 240, "yuv420p", gop
        stream.time_base = stream.codec_context.time_base = Fraction(1, fps)
        for n in range(count):
            picture = av.VideoFrame.from_ndarray(simplejpeg.decode_jpeg(jpeg(n)), format="rgb24")
            picture.pts = n
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r", options={"framerate": str(fps)} if annexb else {}) as given:
        stream = given.streams.video[0]
        base = Frame("cam", 0, 0.0, 0.0, kind, b"", 320, 240, time_base=stream.time_base)
        extradata = None if annexb else stream.codec_context.extradata
        return tuple(
            replace(
                base,
                number=n,
                mono=1000 + n / fps,
                wall=1.79e9 + n / fps,
                data=bytes(packet),
                keyframe=packet.is_keyframe,
                pts=None if annexb else packet.pts,
                dts=None if annexb else packet.dts,
                extradata=extradata,
            )
            for n, packet in enumerate(packet for packet in given.demux(stream) if packet.size)
        )


@contextmanager
def opened(path: Path, *, wanted: Callable[[MediaId], bool] = lambda _: False) -> Iterator[Library]:
    """A library that is this process's own for a while."""
    library = Library(Layout(path), wanted=wanted)
    library.open()
    try:
        yield library
    finally:
        library.close()


@dataclass(frozen=True, slots=True)
class Probe:
    """What ffprobe finds in a video, every frame decoded."""

    codec: str
    width: int
    height: int
    frames: int
    duration: float
    complaints: str


def probe(path: Path) -> Probe:
    """Raises CalledProcessError when there is nothing to play."""
    show = ["-show_entries", "stream=codec_name,width,height,nb_read_frames:format=duration"]
    done = subprocess.run(
        [program("ffprobe"), "-v", "error", "-of", "json", "-count_frames", *show, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    stream = found["streams"][0]
    return Probe(
        stream["codec_name"],
        stream["width"],
        stream["height"],
        int(stream.get("nb_read_frames", 0)),
        float(found["format"]["duration"]),
        done.stderr,
    )
