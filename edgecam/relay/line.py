"""Line: the connection to an RTSP server that takes a stream (RFC 2326: ANNOUNCE, SETUP, RECORD), RTP inside it.

On the loop, without a thread: nothing in it can block. Every wait is bounded by the clock, every refusal is told in
words, and no word shows the login.
"""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from edgecam import __version__, aside
from edgecam.clock import Clock
from edgecam.config.model import Url
from edgecam.login import Login, Unanswerable
from edgecam.supervisor import Trouble

ANSWER_WITHIN = 10.0
"""Seconds that the server has for the connection, for each answer, and to take what was sent."""
AHEAD = 256 * 1024
"""Bytes given to the connection that the system has not taken yet; the next frame waits while there are more."""

_PORTS = {"rtsp": 554, "rtsps": 322}
_LARGEST = 65536
_CURES = {
    400: "perhaps somebody else publishes to this path, or the server does not know it",
    403: "its users, permissions or paths do not allow it",
    404: "the path must exist there: `paths` in MediaMTX, `streams` in go2rtc",
    405: "it is no server that streams can be published to",
    415: "it does not take this codec",
    461: "it does not take RTP over TCP",
    501: "it is no server that streams can be published to",
}


_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Refused(Trouble):
    """The server does not take the stream, or takes it no more; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    reason: str
    headers: Mapping[str, Sequence[str]]
    """Names in lower case."""

    def header(self, name: str) -> str:
        """The first one of this name, else nothing."""
        return next(iter(self.headers.get(name, ())), "")


async def dial(url: Url, clock: Clock) -> "Line":
    """A line to the server, which has answered: it is there and speaks RTSP. Raises Refused."""
    parts = urlsplit(url.reveal())
    port = parts.port or _PORTS[parts.scheme]
    try:
        tls = await aside.run(ssl.create_default_context) if parts.scheme == "rtsps" else None
        reader, writer = await _within(clock, _connected(parts.hostname or "", port, tls))
    except ssl.SSLCertVerificationError as error:
        raise Refused(
            f"{url.safe}: the certificate is not to be trusted ({error.verify_message}); "
            "add its issuer to the certificates of this system"
        ) from None
    except TimeoutError:
        raise Refused(f"{url.safe} does not answer") from None
    except OSError as error:
        raise Refused(f"{url.safe}: {_words(error)}; is the server running there?") from None
    line = Line(url, clock, reader, writer)
    try:
        await line.greet()
    except BaseException:
        line.hang_up()
        raise
    return line


async def _within(clock: Clock, connecting: Coroutine[None, None, _Ends]) -> _Ends:
    """Who is told to stop in the very moment of success leaves no connection behind. Raises TimeoutError."""
    task = asyncio.ensure_future(connecting)
    try:
        return await aside.within(clock, ANSWER_WITHIN, task)
    except BaseException:
        task.add_done_callback(_hang_up)
        raise


def _hang_up(connecting: "asyncio.Future[_Ends]") -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result()[1].close()


async def _connected(host: str, port: int, tls: ssl.SSLContext | None) -> _Ends:
    """To the first of the host's addresses that takes us. The name is looked up on a thread of its own: one of the
    loop's would be lost with a name server that hangs. Raises OSError.
    """
    found = await aside.run(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)

    async def take(place: str) -> _Ends:
        if tls is None:
            return await asyncio.open_connection(place, port, limit=_LARGEST)
        return await asyncio.open_connection(
            place, port, limit=_LARGEST, ssl=tls, server_hostname=host, ssl_shutdown_timeout=1.0
        )

    *others, last = [str(address[0]) for *_, address in found]
    for place in others:
        with suppress(OSError):
            return await take(place)
    return await take(last)


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "no TLS is spoken there"
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    return f"cannot connect ({os.strerror(error.errno)})" if error.errno else "cannot connect"


class Line:
    """One connection, made by `dial`. Loop thread only; each method raises Refused when the server is gone."""

    def __init__(self, url: Url, clock: Clock, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._url, self._clock, self._reader, self._writer = url, clock, reader, writer
        self._since = clock.monotonic()
        parts = urlsplit(url.reveal())
        self._uri = parts._replace(netloc=parts.netloc.rpartition("@")[2], scheme=parts.scheme).geturl()
        self._login = Login(unquote(parts.username or ""), unquote(parts.password or "")) if parts.username else None
        self._count = 0
        self._session = ""
        self._is_rtsp = False  # so far
        self.pause = 20.0
        """Seconds after which the server wants to hear a request again."""
        writer.transport.set_write_buffer_limits(high=AHEAD)
        plug: socket.socket = writer.get_extra_info("socket")
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(ANSWER_WITHIN * 1000))

    def is_fresh(self, seconds: float) -> bool:
        """Whether it was dialled so lately, and is open."""
        return self._clock.monotonic() - self._since <= seconds and not self._writer.transport.is_closing()

    async def greet(self) -> None:
        """See whether an RTSP server answers, and takes our login where it asks for one."""
        await self._ask("OPTIONS", self._uri)

    async def record(self, description: bytes, tracks: int) -> None:
        """Announce what comes and have it recorded: from then on `send` and `attend`."""
        await self._ask("ANNOUNCE", self._uri, {"Content-Type": "application/sdp"}, description)
        for track in range(tracks):
            transport = f"RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1};mode=record"
            answer = await self._ask("SETUP", f"{self._uri}/streamid={track}", {"Transport": transport})
            self._session, _, more = answer.header("session").partition(";")
            if lifetime := re.search(r"timeout=(\d+)", more):
                self.pause = min(self.pause, max(1.0, int(lifetime[1]) / 2))
        await self._ask("RECORD", self._uri, {"Range": "npt=0.000-"})

    def still_here(self) -> None:
        """Tell the server that the session lives; its answer is passed over by `attend`."""
        self._say("OPTIONS", self._uri)

    async def send(self, packets: bytes) -> None:
        """Hand over packets; waits while the server is behind, and raises Refused when it takes nothing for long."""
        transport = self._writer.transport
        transport.write(packets)
        while (waiting := transport.get_write_buffer_size()) > AHEAD:
            try:
                await aside.within(self._clock, ANSWER_WITHIN, self._writer.drain())
            except TimeoutError:
                if transport.get_write_buffer_size() >= waiting:
                    raise Refused(f"{self._url.safe} has taken nothing for {ANSWER_WITHIN:.0f} s") from None
            except OSError:
                raise self._gone() from None

    async def attend(self) -> None:
        """Pass over what the server says, until it ends the session; raises Refused then."""
        while True:
            await self._message()

    def hang_up(self) -> None:
        """Close. What was not sent yet is never sent."""
        transport = self._writer.transport
        if self._session and not transport.is_closing() and not transport.get_write_buffer_size():
            self._say("TEARDOWN", self._uri)
            if not transport.get_write_buffer_size():
                transport.close()
                return
        transport.abort()

    # -- requests and answers -----------------------------------------------------------------------------------

    async def _ask(self, method: str, uri: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """One request, once more where a login is asked for. Raises Refused for every answer but success."""
        try:
            answer = await self._asked(method, uri, headers, body)
            if answer.status == 401 and self._login and self._login.refused(answer.headers.get("www-authenticate", ())):
                answer = await self._asked(method, uri, headers, body)
            if self._login and answer.status != 401:
                self._login.accepted(answer.header("authentication-info"))
        except TimeoutError:
            raise Refused(f"{self._url.safe} does not answer") from None
        except Unanswerable as wants:
            raise Refused(f"{self._url.safe} wants a login by {wants}, which edgecam does not know") from None
        if not 200 <= answer.status < 300:
            raise Refused(self._refusal(method, answer))
        return answer

    async def _asked(self, method: str, uri: str, headers: Mapping[str, str] | None, body: bytes) -> Answer:
        self._say(method, uri, headers, body)
        return await aside.within(self._clock, ANSWER_WITHIN, self._answer(str(self._count)))

    def _say(self, method: str, uri: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self._count += 1
        said = {"CSeq": str(self._count), "User-Agent": f"edgecam/{__version__}", **(headers or {})}
        if self._session:
            said["Session"] = self._session
        if self._login and (proof := self._login.answer(method, uri)):
            said["Authorization"] = proof
        if body:
            said["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        self._writer.write(f"{method} {uri} RTSP/1.0\r\n{head}\r\n".encode() + body)

    async def _answer(self, number: str) -> Answer:
        while (answer := await self._message()) is None or answer.header("cseq") not in (number, ""):
            pass
        return answer

    async def _message(self) -> Answer | None:
        """The server's next answer; None for its reports and requests, which ask nothing of us."""
        first = b""
        try:
            first = await self._reader.readexactly(1)
            if first == b"$":
                size = int.from_bytes((await self._reader.readexactly(3))[1:], "big")
                await self._reader.readexactly(size)
                return None
            head = first + await self._reader.readuntil(b"\r\n\r\n")
            answer = self._parse(head.decode("utf-8", "replace"))
            length = answer.header("content-length")
            await self._reader.readexactly(min(int(length[:9]), _LARGEST) if length.isdecimal() else 0)
        except asyncio.LimitOverrunError:
            raise self._stranger("") from None
        except asyncio.IncompleteReadError as error:
            if first and not self._is_rtsp:
                raise self._stranger((first + error.partial).decode("utf-8", "replace")) from None
            raise self._gone() from None
        except OSError:
            raise self._gone() from None
        self._is_rtsp = True
        return answer if answer.status else None

    def _parse(self, head: str) -> Answer:
        """Raises Refused when this is not RTSP."""
        first, *rest = head.split("\r\n")
        headers: dict[str, list[str]] = {}
        for name, colon, value in (line.partition(":") for line in rest):
            if colon:
                headers.setdefault(name.strip().lower(), []).append(value.strip())
        if first.endswith(" RTSP/1.0"):
            return Answer(0, "", headers)  # a request of theirs
        found = re.match(r"RTSP/1\.\d (\d{3})(?: (.*))?$", first)
        if not found:
            raise self._stranger(first)
        return Answer(int(found[1]), _printable(found[2] or ""), headers)

    # -- in words -----------------------------------------------------------------------------------------------

    def _gone(self) -> Refused:
        return Refused(f"{self._url.safe}: the server closed the connection")

    def _stranger(self, said: str) -> Refused:
        quoted = f" (it says {words!r})" if (words := _printable(said)) else ""
        return Refused(f"{self._url.safe} does not speak RTSP{quoted}; check the port")

    def _refusal(self, method: str, answer: Answer) -> str:
        code = f"{answer.status} {answer.reason}".strip()
        if answer.status == 401 and self._login:
            return f"{self._url.safe} refuses the login ({code}); check user:password@ in publish.rtsp"
        if answer.status == 401:
            return f"{self._url.safe} wants a login ({code}); write publish.rtsp as rtsp://user:password@…"
        cure = f": {_CURES[answer.status]}" if answer.status in _CURES else ""
        return f"{self._url.safe} refuses {method} ({code}){cure}"


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).strip()[:80]
