"""An HTTP camera for tests: well-behaved, or faulty in the ways that real ones are.

In a test: `async with HttpCam(pictures) as cam: … cam.url … cam.fault = Fault.STALL`. For system tests it is a program
of its own that can be killed: `python tests/httpcam.py VIDEO --port 8080 [--fps 15] [--loop] [--fault stall]`.
`/stream` is MJPEG, `/still.jpg` one picture; the pictures go on whoever is connected, as a camera's do.
"""

import argparse
import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from enum import StrEnum
from hashlib import md5
from pathlib import Path
from typing import Self

from doorkeeper import Doorkeeper
from pictures import claims, truncated

BOUNDARY = b"frame"


class Fault(StrEnum):
    """What is wrong with the camera; may be changed at any time."""

    NONE = "none"
    SILENT = "silent"  # accepts and never answers
    STALL = "stall"  # answers and sends nothing (more)
    DRIP = "drip"  # one byte a second (a byte each `drip` seconds)
    CLOSE = "close"  # hangs up in the middle of a picture
    END = "end"  # ends the stream after a whole picture
    GARBAGE = "garbage"  # HTTP, then noise
    HANG_UP = "hang-up"  # accepts and closes without an answer
    NOT_HTTP = "not-http"
    HEADERS = "headers"  # response headers without end
    TRUNCATED = "truncated"  # each picture lacks its end
    BOMB = "bomb"  # each picture claims 60 megapixels
    NO_LENGTH = "no-length"  # boundary only
    SHORT_LENGTH = "short-length"  # Content-Length is too small
    LONG_LENGTH = "long-length"  # Content-Length is too large
    BARE = "bare"  # no boundary, no headers: JPEG after JPEG
    LF = "lf"  # lines end with LF only
    OTHER_BOUNDARY = "other-boundary"  # not the one that was announced
    PREAMBLE = "preamble"  # text before the first part
    REDIRECT = "redirect"  # to another host
    MISSING = "missing"  # 404
    BROKEN = "broken"  # 500
    BUSY = "busy"  # 503 with Retry-After, as one that serves one client only
    OFTEN = "often"  # 429
    CIRCLE = "circle"  # redirects to itself
    PAGE = "page"  # 200 with a web page


class HttpCam:
    """Serves `pictures` at `fps`, over and over or once (then it stalls), from the moment it starts.

    `login` (user:password) is Basic's, `door` any other. `alone`: a second connection is refused while one is open.
    """

    def __init__(
        self,
        pictures: Sequence[bytes],
        fps: float = 50.0,
        *,
        port: int = 0,
        login: str | None = None,
        door: Doorkeeper | None = None,
        tls: ssl.SSLContext | None = None,
        alone: bool = False,
        loop: bool = True,
        fault: Fault = Fault.NONE,
        sleep: Callable[[float], Coroutine[None, None, None]] = asyncio.sleep,
    ) -> None:
        self.fault = fault
        self.drip = 1.0
        self.requests: list[dict[str, str]] = []
        """The headers of each request, lower-case names; `path` too."""
        self.etag = True
        self.port = port
        self.accepted = 0
        """Connections that were taken."""
        self.turned_away = 0
        """Connections refused because one was open."""
        self._pictures, self._fps, self._loop, self._sleep = pictures, fps, loop, sleep
        user, _, password = (login or "").partition(":")
        self._door = Doorkeeper(user, password, basic=True) if login else door
        self._tls, self._alone = tls, alone
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/stream"

    @property
    def still(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/still.jpg"

    @property
    def _scheme(self) -> str:
        return "https" if self._tls else "http"

    @property
    def connections(self) -> int:
        return len(self._clients)

    async def __aenter__(self) -> Self:
        self._began = asyncio.get_running_loop().time()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """As if the power were cut: connections end, the port refuses."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="httpcam client")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._alone and self._clients:
            self.turned_away += 1
            writer.transport.abort()
            return
        self._clients.add(writer)
        self.accepted += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._clients.discard(writer)
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; True when the connection may be used again."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        headers["path"] = first.split(" ")[1]
        self.requests.append(headers)
        refusal, welcome = self._door.admit("GET", headers["path"], headers) if self._door else ([], [])
        if refusal:
            page = b"<html>who are you?</html>" * 1000
            writer.write(answer("401 Unauthorized", *refusal, body=page)[: -len(page)])
            for _ in range(10):  # a page comes after its headers
                await asyncio.sleep(0)
            writer.write(page)
            return True
        if fault := self._answer_of(self.fault):
            writer.write(fault)
            return True
        if self.fault is Fault.SILENT:
            await asyncio.Event().wait()
        if self.fault is Fault.HANG_UP:
            return False
        if self.fault is Fault.NOT_HTTP:
            writer.write(b"220 camera ready\r\n" * 20)
            return False
        if self.fault is Fault.HEADERS:
            writer.write(b"HTTP/1.1 200 OK\r\n")
            for number in range(10_000):
                writer.write(b"X-%d: %s\r\n" % (number, b"x" * 100))
                await writer.drain()
        if headers["path"].startswith("/stream"):
            await self._stream(writer, welcome)
            return False
        return await self._still(writer, headers, welcome)

    @staticmethod
    def _answer_of(fault: Fault) -> bytes | None:
        match fault:
            case Fault.MISSING:
                return answer("404 Not Found")
            case Fault.BROKEN:
                return answer("500 Internal Server Error")
            case Fault.REDIRECT:
                return answer("302 Found", "Location: http://elsewhere.invalid/")
            case Fault.CIRCLE:
                return answer("302 Found", "Location: ?again")
            case Fault.BUSY:
                return answer("503 Service Unavailable", "Retry-After: 20")
            case Fault.OFTEN:
                return answer("429 Too Many Requests", "Retry-After: 40")
            case Fault.PAGE:
                return answer("200 OK", "Content-Type: text/html", body=b"\n<!DOCTYPE html><title>Camera</title>" * 9)
            case _:
                return None

    async def _stream(self, writer: asyncio.StreamWriter, welcome: list[str]) -> None:
        kind = f"Content-Type: multipart/x-mixed-replace; boundary={BOUNDARY.decode()}"
        writer.write("\r\n".join(["HTTP/1.0 200 OK", kind, *welcome, "", ""]).encode())
        if self.fault is Fault.PREAMBLE:
            writer.write(b"This is a stream of pictures.\r\n\r\nEnjoy!")
        async for picture in self._running():
            match self.fault:
                case Fault.STALL:
                    await asyncio.Event().wait()
                case Fault.CLOSE:
                    writer.write(part(picture)[: len(picture) // 2])
                    await writer.drain()
                    return
                case Fault.GARBAGE:
                    writer.write(bytes(range(32, 127)) * 2000)
                case Fault.DRIP:
                    for at in range(len(picture)):
                        writer.write(picture[at : at + 1])
                        await writer.drain()
                        await self._sleep(self.drip)
                case fault:
                    writer.write(part(picture, fault))
            await writer.drain()
            if self.fault is Fault.END:
                writer.write(b"--%s--\r\n" % BOUNDARY)
                await writer.drain()
                return

    async def _running(self) -> AsyncIterator[bytes]:
        """The pictures from now on, each at its time."""
        loop = asyncio.get_running_loop()
        number = int((loop.time() - self._began) * self._fps)
        while self._loop or number < len(self._pictures):
            await self._sleep(self._began + number / self._fps - loop.time())
            yield self._pictures[number % len(self._pictures)]
            number += 1
        await asyncio.Event().wait()

    async def _still(self, writer: asyncio.StreamWriter, headers: dict[str, str], welcome: list[str]) -> bool:
        number = int((asyncio.get_running_loop().time() - self._began) * self._fps)
        picture = self._pictures[number % len(self._pictures)]
        picture = {Fault.TRUNCATED: truncated(picture), Fault.BOMB: claims(10_000, 6_000)}.get(self.fault, picture)
        tag = f'"{md5(picture, usedforsecurity=False).hexdigest()}"'
        if self.etag and headers.get("if-none-match") == tag:
            writer.write("\r\n".join(["HTTP/1.1 304 Not Modified", *welcome, "", ""]).encode())
            return True
        more = [*welcome, f"ETag: {tag}"] if self.etag else welcome
        whole = answer("200 OK", "Content-Type: image/jpeg", *more, body=picture)
        writer.write(whole[: -len(picture)])
        if self.fault in (Fault.CLOSE, Fault.STALL):
            writer.write(picture[:100])
            await writer.drain()
            if self.fault is Fault.STALL:
                await asyncio.Event().wait()
            return False
        writer.write(picture)
        await writer.drain()
        return True


def answer(status: str, *lines: str, body: bytes = b"") -> bytes:
    """A whole HTTP answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def part(picture: bytes, fault: Fault = Fault.NONE, boundary: bytes = BOUNDARY) -> bytes:
    """One part of the stream, as a camera with this fault would write it."""
    if fault is Fault.BARE:
        return picture
    picture = {Fault.TRUNCATED: truncated(picture), Fault.BOMB: claims(10_000, 6_000)}.get(fault, picture)
    length = len(picture) + {Fault.SHORT_LENGTH: -20, Fault.LONG_LENGTH: 300}.get(fault, 0)
    lines = [
        b"--" + (b"something-else" if fault is Fault.OTHER_BOUNDARY else boundary),
        b"Content-Type: image/jpeg",
        *([] if fault in (Fault.NO_LENGTH, Fault.OTHER_BOUNDARY) else [b"Content-Length: %d" % length]),
    ]
    end = b"\n" if fault is Fault.LF else b"\r\n"
    return end.join([*lines, b"", b""]) + picture + end


def from_video(path: Path, start: float = 0.0, seconds: float | None = None) -> tuple[list[bytes], float]:
    """The frames of a video file as JPEGs, and how many a second."""
    import av
    import simplejpeg

    pictures: list[bytes] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 25)
        for frame in container.decode(stream):
            if frame.time is not None and frame.time < start:
                continue
            if seconds is not None and len(pictures) >= seconds * rate:
                break
            pictures.append(bytes(simplejpeg.encode_jpeg(frame.to_ndarray(format="rgb24"), quality=80)))
    return pictures, rate


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fps", type=float)
    parser.add_argument("--start", type=float, default=0.0)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--login")
    parser.add_argument("--fault", type=Fault, default=Fault.NONE)
    args = parser.parse_args()
    pictures, rate = from_video(args.video, args.start, args.seconds)
    camera = HttpCam(pictures, args.fps or rate, port=args.port, login=args.login, loop=args.loop, fault=args.fault)
    async with camera:
        print(camera.url, flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
