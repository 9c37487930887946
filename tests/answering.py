"""A server that answers exactly what it is told, in the words of S3: for what stores say only on their bad days."""

import hashlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from edgecam.config.secret import Secret, Url
from edgecam.config.store import S3Store
from edgecam.offload.stores import Upload

Told = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""

MD5 = hashlib.md5(b"a clip", usedforsecurity=False).hexdigest()
CLIP = Upload(b"a clip", "cams/clip.mp4", 6, MD5, hashlib.sha256(b"a clip").hexdigest(), "video/mp4", {})


class Answers(ThreadingHTTPServer):
    """Gives the next of `answers` (status, headers, body) to each request, the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers: deque[Told] = deque()
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Answers

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        answers = self.server.answers
        status, headers, body = answers.popleft() if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_PUT = do_GET = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815  the names are http.server's

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def answering() -> Iterator[Answers]:
    """The server, as long as it is needed."""
    with Answers() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def s3(url: str, **more: object) -> S3Store:
    config = S3Store(
        bucket="birdbox", endpoint=Url(url), access_key=Secret("AKIAKNOWN"), secret_key=Secret("s3cr3t-s3cr3t")
    )
    return config.changed(**more)


def xml(code: str) -> bytes:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>so there</Message></Error>'.encode()


PAGE = b"<html><body>Please log in to the hotel's network</body></html>"


def told(root: str, **fields: str) -> bytes:
    """An answer in XML; a value may be XML itself."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f'<?xml version="1.0"?><{root}>{inner}</{root}>'.encode()


MISSING: Told = (404, {}, b"")


def head(size: int = 6, headers: dict[str, str] | None = None, **more: str) -> Told:
    return 200, {"Content-Length": str(size)} | (headers or {}) | more, b""
