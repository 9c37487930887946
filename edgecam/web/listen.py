"""Listening sockets, opened before anything else starts: discovery must know the port, a taken one must stop us."""

import socket
from collections.abc import Sequence

from edgecam.config.model import Address
from edgecam.supervisor import Fatal, reason

BACKLOG = 256


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


def url(sock: socket.socket) -> str:
    """The address that is really bound, as a URL."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if sock.family == socket.AF_INET6 else f"http://{host}:{port}"
