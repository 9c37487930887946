"""Both sides of publishing: real H.265 and AAC, ffmpeg as the RTSP server that takes a stream, and a small one of our
own that answers as it is told.
"""

import asyncio
import functools
import io
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import simplejpeg

from clips import jpeg
from edgecam import nal
from edgecam.frame import Frame, Kind, Sound
from peers import Peer, program


@functools.cache
def hevc(count: int, *, fps: int = 15, gop: int = 15, annexb: bool = True) -> tuple[Frame, ...]:
    """`count` frames of an H.265 camera, as `clips.h264` makes them."""
    file = io.BytesIO()
    with av.open(file, "w", format="hevc" if annexb else "mp4") as out:
        quiet = f"log-level=none:bframes=0:keyint={gop}:min-keyint={gop}"
        stream = out.add_stream("libx265", rate=fps, options={"preset": "ultrafast", "x265-params": quiet})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        for n in range(count):
            picture = av.VideoFrame.from_ndarray(simplejpeg.decode_jpeg(jpeg(n)), format="rgb24")
            picture.pts = n
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r", options={"framerate": str(fps)} if annexb else {}) as given:
        stream = given.streams.video[0]
        extradata = None if annexb else stream.codec_context.extradata
        return tuple(
            Frame(
                *("cam", n, 1000 + n / fps, 1.79e9 + n / fps, Kind.HEVC, bytes(packet), 320, 240),
                keyframe=packet.is_keyframe,
                extradata=extradata,
            )
            for n, packet in enumerate(packet for packet in given.demux(stream) if packet.size)
        )


@functools.cache
def aac(seconds: float, *, rate: int = 48000) -> tuple[Sound, ...]:
    """A tone, in packets of 1024 samples from the moment 1000 on."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        tone = np.sin(np.arange(int(seconds * rate)) * 440 * 2 * np.pi / rate).astype(np.float32)[None, :]
        heard = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        heard.rate = rate
        out.mux(stream.encode(heard))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as given:
        stream = given.streams.audio[0]
        config = stream.codec_context.extradata
        assert config
        packets = [bytes(packet) for packet in given.demux(stream) if packet.size]
    return tuple(
        Sound("cam", 1000 + n * 1024 / rate, data, 1024 / rate, rate, 1, config) for n, data in enumerate(packets)
    )


def later(item: Frame, seconds: float, *, number: int = 0) -> Frame:
    """The same frame, captured at another time."""
    return replace(item, mono=item.mono + seconds, wall=item.wall + seconds, number=item.number + number)


def sent_units(frames: Sequence[Frame]) -> list[bytes]:
    """Every unit that a receiver should get: parameter sets in front of each keyframe, once."""
    found: list[bytes] = []
    for frame in frames:
        units = nal.units(frame)
        if frame.keyframe and not nal.parameter_sets(frame.kind, units):
            found += nal.parameters(frame)
        found += units
    return found


class Receiver(Peer):
    """ffmpeg, listening for one publisher: what it gets lies in `video` as it came, and in `film` to be played."""

    def __init__(self, folder: Path, kind: Kind = Kind.H264) -> None:
        super().__init__(folder)
        self._kind = kind

    @property
    def url(self) -> str:
        return f"rtsp://{self.host}:{self.port}/cam"

    @property
    def video(self) -> Path:
        return self.folder / f"video.{self._kind}"

    @property
    def film(self) -> Path:
        return self.folder / "film.mp4"

    def command(self) -> list[str]:
        return [
            *(program("ffmpeg"), "-nostdin", "-loglevel", "warning", "-y"),
            *("-rtsp_flags", "listen", "-i", self.url),
            *("-map", "0:v", "-c", "copy", "-f", self._kind.value, str(self.video)),
            *("-map", "0", "-c", "copy", str(self.film)),
        ]

    def _answers(self) -> bool:
        """By the kernel's table: the first connection must be the publisher's."""
        place = f":{self.port:04X} "
        rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return any(place in row.split(": ", 1)[1][:14] and row.split()[3] == "0A" for row in rows)

    @property
    def process(self) -> int:
        assert self._process
        return self._process.pid

    def finish(self) -> None:
        """Wait until it has written what it got, once the publisher is gone."""
        process, self._process = self._process, None
        assert process
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    uri: str
    headers: Mapping[str, str]
    body: str


@dataclass(slots=True)
class Stub:
    """An RTSP server that takes any stream. `statuses` answers a method otherwise, `headers` adds to its answers.

    What is listed in `requests` and `received` came from all connections.
    """

    url: str = ""
    statuses: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    greeting: bytes = b""
    """Said to whoever connects, instead of listening."""
    silent: bool = False
    requests: list[Request] = field(default_factory=list)
    received: list[tuple[int, bytes]] = field(default_factory=list)
    """Interleaved packets: channel and bytes."""
    connections: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    def video(self) -> list[bytes]:
        """The RTP packets of the picture."""
        return [packet for channel, packet in self.received if channel == 0]

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            if self.greeting:
                writer.write(self.greeting)
                return
            while True:
                await self._turn(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _turn(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(1)
        if first == b"$":
            channel, *size = await reader.readexactly(3)
            self.received.append((channel, await reader.readexactly(int.from_bytes(bytes(size), "big"))))
            return
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        start, *lines = head.rstrip().split("\r\n")
        method, uri, _ = start.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers.get("Content-Length", 0)))
        self.requests.append(Request(method, uri, headers, body.decode()))
        if self.silent:
            return
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        status = self.statuses.get(method, "200 OK")
        if status.startswith("401") and "Authorization" in headers and self.statuses.get("login") == "right":
            status = "200 OK"
        session = "Session: 12;timeout=4\r\n" if method == "SETUP" else ""
        writer.write(f"RTSP/1.0 {status}\r\nCSeq: {headers['CSeq']}\r\n{session}{more}\r\n".encode())


@asynccontextmanager
async def stub(tls: ssl.SSLContext | None = None, **told: object) -> AsyncIterator[Stub]:
    server = Stub(**told)  # type: ignore[arg-type]  # its own fields
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.url = f"{'rtsps' if tls else 'rtsp'}://127.0.0.1:{listening.sockets[0].getsockname()[1]}/cam"
    try:
        yield server
    finally:
        listening.close()
        server.hang_up()
        await listening.wait_closed()
