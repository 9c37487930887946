"""Listening sockets, opened before anything else starts: discovery must know the port, a taken one must stop us.

The socket for commands on the same box is a convenience: without it the daemon runs all the same, and says so.
"""

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from edgecam import local
from edgecam.config.model import Address
from edgecam.supervisor import Fatal, reason

log = logging.getLogger(__name__)

BACKLOG = 256
LOCAL_MODE = 0o660


def open_sockets(addresses: Sequence[Address]) -> list[socket.socket]:
    """One socket for each address, in their order; port 0 is a free one. Raises Fatal that names the address."""
    found: list[socket.socket] = []
    try:
        for address in addresses:
            found.append(_open(address.host, address.port))
    except OSError as error:
        for sock in found:
            sock.close()
        words = reason(error) if error.strerror is None else error.strerror
        raise Fatal(f"http: cannot listen on {address}: {words}; choose another with http.listen") from error
    return found


def _open(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    sock = socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(place)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


class Local:
    """The socket file for commands on this box. One that nobody listens to any more is replaced."""

    def __init__(self, path: Path) -> None:
        """Raises OSError; FileExistsError when somebody answers there already."""
        self.path = path
        if _answers(path):
            raise FileExistsError(errno.EEXIST, "another edgecam answers there")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        coming = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(0o750, parents=True, exist_ok=True)
            coming.unlink(missing_ok=True)
            with local.short(coming) as name:
                self.sock.bind(name)
            coming.chmod(LOCAL_MODE)
            self.sock.listen(BACKLOG)
            self.sock.setblocking(False)
            coming.rename(path)
            self._inode = path.stat().st_ino
        except OSError:
            self.sock.close()
            with contextlib.suppress(OSError):
                coming.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """Remove the file, if it still is ours."""
        self.sock.close()
        with contextlib.suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()


def _answers(path: Path) -> bool:
    try:
        local.dial(path, 1.0).close()
    except OSError:
        return False
    return True


def open_local(path: Path) -> Local | None:
    try:
        return Local(path)
    except OSError as error:
        log.warning("http: no socket at %s (%s): edgecam clip and snapshot will not work", path, error.strerror)
        return None


def url(sock: socket.socket) -> str:
    """The address that is really bound, as a URL."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if sock.family == socket.AF_INET6 else f"http://{host}:{port}"
