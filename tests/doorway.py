"""A doorway before an HTTP server: each request passes, is refused, or is lost, as a rule says, and all are counted.

Whole requests, unlike a cut line: what reaches the server is what was meant. For plain HTTP on the loopback address.
"""

from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

PASS, LOST, UNHEARD = None, 0, -1
"""What a rule says of a request besides a status to answer with: let it pass; hang up before the server hears of it;
let the server do it and hang up before the answer.
"""


Rule = Callable[[str, str], int | None]


class Doorway:
    """Use as a context manager. `rule` takes the method and the path with its query; it may be changed at any time."""

    def __init__(self, server: int) -> None:
        self.server = server
        self.heal()
        self._http = _Server(self)
        self.port = int(self._http.server_address[1])
        self._thread = Thread(target=self._http.serve_forever, args=(0.01,))

    def heal(self) -> None:
        """Everything passes from now on, and is counted anew."""
        self.rule: Rule = lambda method, path: PASS
        self.spoil: Callable[[str, bytes], bytes] = lambda path, body: body
        """What the server gets of a body instead."""
        self.seen: list[tuple[str, str]] = []
        """Method and path of every request, in order."""

    def count(self, method: str, words: str = "") -> int:
        """Requests with that method whose path has `words` in it."""
        return sum(found == method and words in path for found, path in self.seen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, doorway: Doorway) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.doorway = doorway


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        doorway = self.server.doorway
        doorway.seen.append((self.command, self.path))
        verdict = doorway.rule(self.command, self.path)
        if verdict == LOST:
            self.close_connection = True
            return
        if verdict is not PASS and verdict > 0:
            self.send_response(verdict)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status, headers, answer = self._forward(doorway.spoil(self.path, body))
        if verdict == UNHEARD:
            self.close_connection = True
            return
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        told = {name.lower(): value for name, value in headers}.get("content-length", "0")
        self.send_header("Content-Length", told if self.command == "HEAD" else str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        server = HTTPConnection("127.0.0.1", self.server.doorway.server, timeout=30)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("expect", "connection"):
                    server.putheader(name, value)
            server.endheaders(body)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            server.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815  the names are http.server's

    def log_message(self, format: str, *args: object) -> None: ...
