"""The small pieces of HTTP: parts, what the kernel tells of a peer, variants, numbers, passwords, failed logins."""

import asyncio
import socket
import struct
from collections.abc import Iterator

import numpy as np
import pytest
import simplejpeg
from aiohttp import ClientConnectionResetError, web
from aiohttp.test_utils import make_mocked_request

from edgecam import placeholder
from edgecam.frame import Frame, Kind
from edgecam.web import errors, part, password, query, tcp
from edgecam.web.answers import Refused
from edgecam.web.auth import FAILURES, REMEMBERED, Failures
from edgecam.web.variant import Look, encode, look
from fakes import FakeClock
from pictures import jpeg, truncated


def frame(data: bytes, width: int, height: int) -> Frame:
    return Frame("birdbox", 1, 1.0, 1e9, Kind.JPEG, data, width, height)


def test_a_part_is_headers_picture_and_the_delimiter_of_the_next() -> None:
    frame = Frame("birdbox", 7, 12.0, 1_790_000_000.123456, Kind.JPEG, b"JPEG", 64, 48)
    assert part.build(frame) == (
        b"Content-Type: image/jpeg\r\nContent-Length: 4\r\nX-Timestamp: 1790000000.123456\r\nX-Frame: 7\r\n\r\n"
        b"JPEG\r\n--boundarydonotcross\r\n"
    )
    assert part.OPENING == b"--boundarydonotcross\r\n"


def info(*, retransmits: int = 0, probes: int = 0, unacked: int = 0, last_ack: int = 0) -> bytes:
    """A struct tcp_info of linux/tcp.h, up to tcpi_last_ack_recv."""
    return struct.pack("=8B12II", 1, 0, retransmits, probes, 0, 0, 0, 0, *[0] * 4, unacked, *[0] * 7, last_ack)


@pytest.mark.parametrize(
    ("told", "gone"),
    [
        (info(), False),  # all is answered
        (info(unacked=9, retransmits=6, last_ack=25_000), True),  # the cable is out
        (info(unacked=9, retransmits=6, last_ack=3_000), False),  # just now: wait
        (info(unacked=1, retransmits=1, last_ack=60_000), False),  # a picture a minute, one packet lost
        (info(probes=5, last_ack=30_000), True),  # its window was closed when it went
        (info(probes=0, last_ack=600_000), False),  # alive, and simply does not read
        (info(retransmits=6, last_ack=60_000), False),  # nothing is under way
        (b"", False),  # no TCP
    ],
)
def test_a_silent_peer_is_gone_and_a_slow_one_is_not(told: bytes, gone: bool) -> None:
    assert tcp.is_silent(told) is gone


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        yield near, far


def test_the_kernel_tells_what_a_slow_peer_has_not_been_sent(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    near, far = connection
    tcp.widen(near)
    near.setblocking(False)
    assert tcp.unsent(near) == 0
    sent = near.send(bytes(8_000_000))
    assert 0 < tcp.unsent(near) < sent
    assert not tcp.is_gone(near)
    far.close()


def test_what_is_not_tcp_is_neither_late_nor_gone() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert tcp.unsent(one) == 0
        assert not tcp.is_gone(one)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, Look()),
        ({"width": "", "_": "12345"}, Look()),
        ({"width": "1"}, Look(160)),
        ({"width": "239"}, Look(160)),
        ({"width": "241"}, Look(320)),
        ({"width": "1280", "quality": "74"}, Look(1280, 70)),
        ({"quality": "3"}, Look(None, 10)),
        ({"quality": "500"}, Look(None, 100)),
        ({"grey": "1"}, Look(grey=True)),
        ({"grey": ""}, Look(grey=True)),
        ({"grey": "0"}, Look()),
    ],
)
def test_what_is_asked_is_rounded_so_that_few_pictures_are_encoded(asked: dict[str, str], wanted: Look) -> None:
    assert look(asked) == wanted


def test_only_what_changes_nothing_is_shown_as_the_camera_sent_it() -> None:
    assert Look().is_plain
    assert not any(other.is_plain for other in (Look(640), Look(quality=80), Look(grey=True)))


@pytest.mark.parametrize("text", ["0", "-5", "nan", "inf", "1e6", "wide", "9" * 6000, "0x10", "1,5", "\x00"])
def test_absurd_numbers_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="width must be a number") as refused:
        query.number({"width": text}, "width")
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        (Look(160), (160, 90)),
        (Look(640), (640, 360)),
        (Look(1120), (1120, 630)),
        (Look(200), (200, 112)),
        (Look(1920), (1280, 720)),
        (Look(None, 20), (1280, 720)),
        (Look(480, 50, grey=True), (480, 270)),
        (Look(200, grey=True), (200, 112)),
    ],
)
def test_a_variant_has_exactly_the_size_that_was_asked_for(wanted: Look, size: tuple[int, int]) -> None:
    data, width, height = encode(frame(jpeg(3, 1280, 720), 1280, 720), wanted, 80)
    assert (width, height) == size
    found = simplejpeg.decode_jpeg_header(data)
    assert found[:2] == (size[1], size[0])
    assert (found[2] == "Gray") is wanted.grey


def test_a_damaged_picture_has_no_variants_and_a_truncated_one_does_not_hurt() -> None:
    with pytest.raises(ValueError, match="JPEG"):
        encode(frame(b"\xff\xd8nothing", 640, 480), Look(160), 80)
    encode(frame(truncated(jpeg(1, 640, 480)), 640, 480), Look(160), 80)


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080), (160, 120), (1024, 768)])
def test_the_placeholder_has_the_cameras_size_and_something_written_on_it(size: tuple[int, int]) -> None:
    data = placeholder.draw("a_camera_with_quite_a_long_name_x is offline", "no picture since 21 Nov 07:15:30", size)
    image = simplejpeg.decode_jpeg(data)
    assert image.shape[:2] == (size[1], size[0])
    assert image.max() > 120
    edges = np.concatenate([image[:, :2].ravel(), image[:, -2:].ravel()])
    assert edges.max() < 60, "the text fits"


def test_a_password_hash_takes_its_password_only() -> None:
    kept = password.hash_password("correct horse")
    assert kept != password.hash_password("correct horse")
    assert password.is_hash(kept)
    assert password.verify("correct horse", kept)
    assert not password.verify("correct horse ", kept)
    assert not password.verify(kept, kept)


def test_a_plain_password_is_compared_as_it_is() -> None:
    assert password.verify("häßlich", "häßlich")
    assert not password.verify("häßlich", "hässlich")
    assert not password.verify("", "x")


@pytest.mark.parametrize(
    "kept",
    [
        "scrypt$",
        "scrypt$16384$8$1$c2FsdA",
        "scrypt$16384$8$1$c2FsdA$",
        "scrypt$many$8$1$c2FsdA$aGFzaA",
        "scrypt$1048576$8$1$c2FsdA$aGFzaA",
        "scrypt$16384$8$99$c2FsdA$aGFzaA",
        "scrypt$1000$8$1$c2FsdA$aGFzaA",
        "scrypt$16384$8$1$c2FsdA$a",
    ],
)
def test_a_damaged_or_ruinous_hash_is_told_not_tried(kept: str) -> None:
    with pytest.raises(ValueError, match="edgecam password"):
        password.verify("x", kept)


def test_failures_are_counted_by_household_and_forgotten_after_a_minute() -> None:
    clock = FakeClock()
    failures = Failures(clock)
    for place in range(FAILURES):
        assert failures.wait("2001:db8:1:2::1") == 0
        failures.add(f"2001:db8:1:2::{place}")
        clock.tick(1)
    assert failures.wait("2001:db8:1:2:ffff::9") == 55
    assert failures.wait("2001:db8:1:3::1") == 0
    clock.tick(55)
    assert failures.wait("2001:db8:1:2::1") == 0


def test_an_attack_from_many_addresses_does_not_fill_the_memory() -> None:
    failures = Failures(FakeClock())
    for place in range(REMEMBERED + 500):
        failures.add(f"10.0.{place // 250}.{place % 250}")
        failures.add("not an address")
    assert len(failures._of) == REMEMBERED


def test_a_connection_that_is_closed_meanwhile_has_nothing_unsent() -> None:
    with socket.socket() as sock:
        pass
    assert tcp.unsent(sock) == 0


@pytest.mark.parametrize(("closing", "told"), [(True, False), (False, True)], ids=["left", "there"])
async def test_who_leaves_before_the_answer_is_no_error_in_the_log(
    caplog: pytest.LogCaptureFixture, closing: bool, told: bool
) -> None:
    class Line(asyncio.Transport):
        def is_closing(self) -> bool:
            return closing

    async def answer(_: web.Request) -> web.StreamResponse:
        raise ClientConnectionResetError("Cannot write to closing transport")

    await errors.explain(make_mocked_request("GET", "/", transport=Line()), answer)
    assert bool(caplog.messages) is told
