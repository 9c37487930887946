"""What the kernel knows of a connection (tcp(7), Linux): what is not sent yet, and whether the peer is gone."""

import fcntl
import socket
import struct

_SIOCOUTQNSD = 0x894B
_INFO = struct.Struct("=2xBB20xI28xI")
"""struct tcp_info (linux/tcp.h): tcpi_retransmits, tcpi_probes, tcpi_unacked, tcpi_last_ack_recv (ms)."""

SEND_BUFFER = 1 << 20
SILENCE = 20_000
"""Milliseconds without a sign of life, after which a peer that leaves ASKED of our packets unanswered is gone."""
ASKED = 4


def unsent(sock: socket.socket) -> int:
    """Bytes in the kernel's queue that were not sent even once; 0 for what is not TCP."""
    try:
        return int.from_bytes(fcntl.ioctl(sock.fileno(), _SIOCOUTQNSD, bytes(4)), "little")
    except (OSError, ValueError):  # ValueError: closed meanwhile
        return 0


def widen(sock: socket.socket) -> None:
    """Let a whole frame leave in one call. The kernel caps this at net.core.wmem_max."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


def is_gone(sock: socket.socket) -> bool:
    """The peer left without a word: pulled cable, power cut, Wi-Fi out of reach."""
    try:
        return is_silent(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
    except OSError:
        return False


def is_silent(info: bytes) -> bool:
    """Read a struct tcp_info: ASKED retransmissions or probes in a row unanswered, and nothing heard for SILENCE.

    A viewer that is alive and just does not read answers the kernel's window probes: it is slow, not gone.
    """
    if len(info) < _INFO.size:
        return False
    retransmits, probes, unacked, last_ack = _INFO.unpack_from(info)
    unanswered = retransmits if unacked else probes
    return bool(last_ack >= SILENCE and unanswered >= ASKED)
