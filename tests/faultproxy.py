"""A proxy before a store's server that makes the faults of networks and servers.

One request per connection, its head understood, its body counted. What goes wrong is told by small values and may
change while it runs.

The Host header passes as it is, so that signatures hold. With certificates it speaks TLS on both sides.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

CHUNK = 16384
BUFFER = 65536
"""Of the kernel, between client and proxy, bytes: what a client has sent is soon known to have gone on."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the proxy says of its own accord."""

    status: int
    body: bytes = b""
    headers: Headers = ()

    def raw(self, method: str) -> bytes:
        lines = [f"HTTP/1.1 {self.status} So", *(f"{name}: {value}" for name, value in self.headers)]
        lines += [f"Content-Length: {len(self.body)}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode() + (b"" if method == "HEAD" else self.body)


def refusal(status: int, code: str, *headers: tuple[str, str]) -> Answer:
    """As S3 and Azure word it."""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>so there</Message></Error>'
    return Answer(status, body.encode(), (("Content-Type", "application/xml"), ("x-ms-error-code", code), *headers))


LOGIN_PAGE = Answer(
    200, b"<html><body>Please log in to the hotel's network</body></html>", (("Content-Type", "text/html"),)
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request; as it stands here: nothing. Sizes in bytes of the request's body."""

    answer: Answer | None = None
    """Said instead of asking the server."""
    unheard: bool = False
    """The server never hears of it; the client is hung up on."""
    cut: int | None = None
    """Both connections end when so much of the body has passed; 0: the head alone has."""
    reset: bool = False
    """They end by RST, not by FIN."""
    stall: int | None = None
    """Nothing moves any more, and nobody hangs up, when so much has passed."""
    flip: int | None = None
    """One bit of this byte arrives as another one."""
    rate: float | None = None
    """Bytes per second at most."""
    latency: float = 0.0
    """Seconds before each chunk of 16 KiB, and before the answer."""
    lost: bool = False
    """The server has done what it was asked, and its answer never arrives."""
    instead: Answer | None = None
    """The same, but this arrives."""
    headers: Callable[[Headers], Headers] = lambda told: told
    """The answer's headers as they arrive."""


def without(*beginnings: str) -> Callable[[Headers], Headers]:
    """For `Fault.headers`: those that begin so are missing."""
    return lambda told: tuple(header for header in told if not header[0].lower().startswith(beginnings))


@dataclass(slots=True)
class Request:
    """What a client asked, and how far it got."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    at: float
    """Monotonic seconds."""
    passed: int = 0
    """Bytes of the body that went on to the server."""
    fault: Fault | None = None

    @property
    def size(self) -> int:
        """Of the body."""
        return int(self.headers.get("content-length", 0))


@dataclass
class Strike:
    """`fault` befalls every `every`-th request of `method` whose path has `part` in it, `times` in all. Thread-safe."""

    fault: Fault | Callable[[Request], Fault]
    method: str = "PUT"
    part: str = ""
    every: int = 1
    times: float = float("inf")
    seen: int = 0
    struck: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, request: Request) -> Fault | None:
        if self.method not in (request.method, "any") or self.part not in request.path:
            return None
        with self._lock:
            self.seen += 1
            if self.seen % self.every or self.struck >= self.times:
                return None
            self.struck += 1
        return self.fault(request) if callable(self.fault) else self.fault


class Proxy:
    """Listens on a loopback port as long as the context lasts. Any thread."""

    host = "127.0.0.1"

    def __init__(self, server: int, *, trust: Path | None = None, certificate: tuple[Path, Path] | None = None) -> None:
        """`server`: its port; `trust`: its certificate, if it speaks TLS; `certificate`: ours and its key, to do so."""
        self._server, self._trust = server, trust
        self._context: ssl.SSLContext | None = None
        if certificate:
            self.certify(*certificate)
        self.seen: list[Request] = []
        self._strikes: Sequence[Strike] = ()
        self._deaf = False
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._listening = self._listen(0)
        self.port = int(self._listening.getsockname()[1])

    # What goes wrong

    def suffer(self, *strikes: Strike) -> None:
        """From now on; the first that strikes counts."""
        self._strikes = strikes

    def deaf(self) -> None:
        """Takes connections and reads nothing of what comes."""
        self._deaf = True

    def refuse(self) -> None:
        """Nobody listens."""
        hang_up(self._listening)
        self._listening.close()

    def mend(self) -> None:
        """Nothing goes wrong any more. What hangs, hangs on, until somebody lets it `go`."""
        self._strikes, self._deaf = (), False
        if self._listening.fileno() < 0:
            self._listening = self._listen(self.port)

    def go(self) -> None:
        """Hang up whatever is open, at last."""
        hang_up(*list(self._open))

    def certify(self, certificate: Path, key: Path) -> None:
        """Show this certificate from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._context = context

    @property
    def sealed(self) -> bool:
        """It speaks TLS to its clients."""
        return self._context is not None

    def asked(self, method: str, part: str = "") -> list[Request]:
        """The requests so far of a method, by a piece of their paths."""
        return [request for request in self.seen if request.method == method and part in request.path]

    # Connections

    def _listen(self, port: int) -> socket.socket:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        listening.bind((self.host, port))
        listening.listen(64)
        self._run(self._accept, listening)
        return listening

    def _run(self, target: Callable[[socket.socket], None], argument: socket.socket) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=target, args=(argument,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._run(self._serve, listening.accept()[0])

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), self._held(client):
            if self._deaf:
                self._over.wait()
            if self._context is None:
                self._pass(client)
                return
            with self._held(self._context.wrap_socket(client, server_side=True)) as sealed:
                self._pass(sealed)

    @contextlib.contextmanager
    def _held(self, end: socket.socket) -> Iterator[socket.socket]:
        """Closed at the end of the context, or with the proxy."""
        self._open.add(end)
        try:
            yield end
        finally:
            self._open.discard(end)
            end.close()

    def _upstream(self) -> socket.socket:
        server = socket.create_connection((self.host, self._server))
        if self._trust is None:
            return server
        return ssl.create_default_context(cafile=self._trust).wrap_socket(server, server_hostname=self.host)

    # One request

    def _pass(self, client: socket.socket) -> None:
        line = Line(client)
        head = line.head()
        if head is None:
            return
        request = _request(head)
        self.seen.append(request)
        fault = request.fault = next(filter(None, (strike.choose(request) for strike in self._strikes)), Fault())
        if fault.answer:
            client.sendall(fault.answer.raw(request.method))
            leave(client)
            return
        if fault.unheard:
            leave(client)
            return
        with self._held(self._upstream()) as server:
            server.sendall(_closing(head))
            self._forward(request, fault, line, Line(server))

    def _forward(self, request: Request, fault: Fault, client: "Line", server: "Line") -> None:
        answer = None
        if fault.cut != 0 and request.size and "100-continue" in request.headers.get("expect", ""):
            answer = server.head()
            if answer is not None and _status(answer) == 100:
                client.end.sendall(answer)
                answer = None
        if answer is None:
            if not self._body(request, fault, client, server):
                return
            answer = server.head()
            while answer is not None and _status(answer) < 200:
                answer = server.head()
        self._over.wait(fault.latency)
        if answer is None or fault.lost:
            server.drain()
        elif fault.instead:
            server.drain()
            client.end.sendall(fault.instead.raw(request.method))
        else:
            client.end.sendall(_told(answer, fault.headers))
            while data := server.read(CHUNK):
                client.end.sendall(data)
        leave(client.end)

    def _body(self, request: Request, fault: Fault, client: "Line", server: "Line") -> bool:
        """Let the body pass as the fault lets it. False when that is the end of the connection."""
        while True:
            if request.passed == fault.stall:
                self._over.wait()
            if request.passed == fault.cut:
                self._cut(fault, server.end, client.end)
                return False
            if request.passed >= request.size:
                return True
            marks = [mark for mark in (fault.cut, fault.stall, request.size) if mark and mark > request.passed]
            data = client.read(min(CHUNK, min(marks) - request.passed))
            if not data:
                return False
            self._over.wait(fault.latency + (len(data) / fault.rate if fault.rate else 0.0))
            try:
                server.end.sendall(_flipped(data, request.passed, fault.flip))
            except OSError:  # it has answered before the end of the body
                return True
            request.passed += len(data)

    @staticmethod
    def _cut(fault: Fault, *ends: socket.socket) -> None:
        for end in ends:
            if fault.reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()
            else:
                leave(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.refuse()
        self.go()
        for thread in self._threads:
            thread.join(5)


class Line:
    """One end of a connection, read by heads and bodies."""

    def __init__(self, end: socket.socket) -> None:
        self.end, self._ahead = end, b""

    def head(self) -> bytes | None:
        """Up to the empty line; None when the other side leaves before."""
        while b"\r\n\r\n" not in self._ahead:
            data = self.end.recv(CHUNK)
            if not data:
                return None
            self._ahead += data
        head, gap, self._ahead = self._ahead.partition(b"\r\n\r\n")
        return head + gap

    def read(self, size: int) -> bytes:
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data or self.end.recv(size)

    def drain(self) -> None:
        while self.read(CHUNK):
            pass


def hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def leave(end: socket.socket) -> None:
    """FIN, and not RST for what the other side still sends."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_WR)
        end.settimeout(5)
        while end.recv(CHUNK):
            pass


def _request(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    return Request(method, path, {name.lower(): value for name, value in map(_header, lines)}, time.monotonic())


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()


def _closing(head: bytes) -> bytes:
    """The same request, after whose answer the server hangs up: so its end is known."""
    first, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


def _told(head: bytes, change: Callable[[Headers], Headers]) -> bytes:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = change(tuple(map(_header, lines)))
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")


def _status(head: bytes) -> int:
    return int(head.split(b" ", 2)[1])


def _flipped(data: bytes, passed: int, at: int | None) -> bytes:
    here = -1 if at is None else at - passed
    if not 0 <= here < len(data):
        return data
    return data[:here] + bytes([data[here] ^ 1]) + data[here + 1 :]
