"""The socket of the running daemon for commands on the same box: where it lies, and a client that speaks through it.

It speaks HTTP, the API of the network port. Who may open the file is let in: its permissions are the login.
"""

import contextlib
import http.client
import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

NAME = "edgecam.sock"
SERVICE = Path("/run/edgecam")
"""The runtime folder of `systemd/edgecam.service`."""
LONGEST = 107
"""Bytes of the longest name that a socket can have (unix(7))."""
PATIENCE = 60.0
"""Seconds that an answer may take to begin, or to go on."""


def place(state: Path, environ: Mapping[str, str]) -> Path:
    """Where a daemon puts its socket: systemd's runtime folder, else the state folder."""
    runtime = environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return (Path(runtime) if runtime else state) / NAME


def places(state: Path, environ: Mapping[str, str], *, service: bool) -> list[Path]:
    """Where the daemon of a configuration may have put it; `service`: it may be the one that the box starts."""
    return [place(state, environ), *([SERVICE / NAME] if service else [])]


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """A name of `path` that fits into a socket, while the context lasts. Raises OSError without its folder."""
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def dial(path: Path, patience: float) -> socket.socket:
    """A connection to whoever listens there. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(patience)
        with short(path) as name:
            sock.connect(name)
    except OSError:
        sock.close()
        raise
    return sock


class Away(Exception):
    """The daemon does not answer; the text says so and what to do."""


class Refusal(Exception):
    """The daemon's answer is no; the text is its sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Daemon:
    """The first daemon that answers at one of `places`. Blocking. Everything raises Away and Refusal."""

    def __init__(self, places: list[Path]) -> None:
        self._places = places

    def lives(self) -> bool:
        """Whether somebody listens there, even if not to us. Raises nothing."""
        try:
            self._open().close()
        except Away as error:
            return isinstance(error.__cause__, PermissionError)
        except OSError:
            return False
        return True

    def ask(self, method: str, path: str, body: object = None) -> Mapping[str, object]:
        """The JSON object of an answer."""
        with self._answer(method, path, body) as answer:
            return _object(answer.read())

    def fetch(self, path: str, into: BinaryIO) -> None:
        """Copy a file."""
        with self._answer("GET", path) as answer:
            shutil.copyfileobj(answer, into)
            if answer.length:
                raise Away(f"the daemon broke off in the middle of {path}")

    @contextlib.contextmanager
    def _answer(self, method: str, path: str, body: object = None) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self._open()
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, "/" + path, sent, {"Connection": "close"})
            answer = connection.getresponse()
            if answer.status >= http.HTTPStatus.BAD_REQUEST:
                told = _object(answer.read()).get("error")
                raise Refusal(answer.status, str(told or f"edgecam answered {answer.status}"))
            yield answer
        except (OSError, http.client.HTTPException) as error:
            raise Away(f"the daemon does not answer: {error}") from error
        finally:
            connection.close()

    def _open(self) -> socket.socket:
        for path in self._places:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
                try:
                    return dial(path, PATIENCE)
                except PermissionError as error:
                    raise Away(f"you may not talk to the daemon at {path}: be root or of its group") from error
        looked = " and ".join(map(str, self._places))
        raise Away(f"edgecam is not running (nobody answers at {looked}): start it, or name its file with -c")


def _object(data: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
