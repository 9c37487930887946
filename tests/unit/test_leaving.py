"""A thin line drains the kernel's buffers for minutes, a dead one never: the worker can tell them apart."""

import contextlib
import socket

from edgecam.offload.leaving import Leaving, unacknowledged
from edgecam.offload.pipe import Answer


def test_progress_is_told_again_only_while_the_buffers_drain() -> None:
    queued = iter([3000, 2000, 2000, 2500, 0])
    said: list[Answer] = []
    leaving = Leaving(said.append, lambda: next(queued))
    leaving.look()  # no job, nothing is looked at
    leaving.say(Answer(sent=7))
    told = []
    for _ in range(5):
        said.clear()
        leaving.look()
        told.append([answer.sent for answer in said])
    assert told == [[], [7], [], [], [7]]
    leaving.say(Answer(link=None))
    said.clear()
    leaving.look()
    assert said == [], "progress of a job that is over"


def test_the_kernel_says_what_has_not_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client, (server, _) = socket.create_connection(listening.getsockname()[:2]), listening.accept()
    with client, server:
        before = unacknowledged()
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                client.send(bytes(1 << 20))
        stuck = unacknowledged()
        assert stuck > before
        while unacknowledged() >= stuck:
            server.recv(1 << 20)
