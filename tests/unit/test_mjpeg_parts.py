"""Cutting the body of an HTTP camera into pictures, whatever the camera thinks of RFC 2046."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.sources import Broken
from edgecam.sources.parts import MAX_BETWEEN, MAX_PART, Parts
from httpcam import Fault, part
from pictures import jpeg, truncated, with_thumbnail

PICTURES = [jpeg(seed, 16, 16) for seed in range(3)]


def cut(stream: bytes, step: int = 0) -> list[bytes]:
    """The pictures in `stream`, arriving `step` bytes at a time (0: all at once)."""
    parts = Parts()
    chunks = [stream[at : at + step] for at in range(0, len(stream), step)] if step else [stream]
    return [picture for chunk in chunks for picture in parts.feed(chunk)]


def stream(fault: Fault = Fault.NONE) -> bytes:
    return b"".join(part(picture, fault) for picture in PICTURES)


STREAMS = {
    "Content-Length": stream(),
    "boundary only": stream(Fault.NO_LENGTH),
    "line feeds only": stream(Fault.LF),
    "Content-Length too small": stream(Fault.SHORT_LENGTH),
    "another boundary than announced": stream(Fault.OTHER_BOUNDARY),
    "no boundary at all": stream(Fault.BARE),
    "a boundary with four dashes": b"".join(part(picture, boundary=b"--frame") for picture in PICTURES),
    "text before the first part": b"Hello.\r\n\r\n" + stream(),
    "no line end before the boundary": b"".join(part(picture).rstrip(b"\r\n") for picture in PICTURES),
    "no blank line after the headers": stream().replace(b"\r\n\r\n", b"\r\n"),
    "no line end after the headers": b"".join(b"--frame\r\nContent-Length: 1" + picture for picture in PICTURES),
    "headers in capitals": stream().replace(b"Content-Length", b"CONTENT-LENGTH"),
    "a length of nothing": stream(Fault.NO_LENGTH).replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
    "a length that is no number": stream(Fault.NO_LENGTH).replace(b"\r\n\r\n", b"\r\nContent-Length: -1\r\n\r\n"),
    "a text part between": b"--frame\r\nContent-Length: 2\r\n\r\nok\r\n".join(map(part, PICTURES)),
}


@pytest.mark.parametrize("step", [0, 1, 7, 1000])
@pytest.mark.parametrize("body", STREAMS.values(), ids=STREAMS)
def test_each_picture_comes_out_untouched(body: bytes, step: int) -> None:
    assert cut(body, step) == PICTURES


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_it_does_not_matter_how_the_network_cuts(name: str, lengths: list[int]) -> None:
    parts, body, found, at = Parts(), STREAMS[name], list[bytes](), 0
    while at < len(body):
        length = lengths[len(found) % len(lengths)] if at else lengths[0]
        found += parts.feed(body[at : at + length])
        at += length
    assert found == PICTURES


def test_a_picture_is_there_with_its_last_byte_and_not_with_the_next_boundary() -> None:
    for fault in (Fault.NONE, Fault.NO_LENGTH):
        body = part(PICTURES[0], fault)
        assert cut(body[: len(body) - 2]) == PICTURES[:1]
        assert cut(body[: len(body) - 3]) == []


def test_padding_within_the_announced_length_is_left_out() -> None:
    padded = [picture + bytes(50) for picture in PICTURES]
    assert cut(b"".join(part(picture) for picture in padded)) == PICTURES


def test_a_thumbnail_is_part_of_its_picture() -> None:
    whole = with_thumbnail(PICTURES[0], PICTURES[1])
    assert cut(part(whole, Fault.NO_LENGTH) + part(PICTURES[2], Fault.NO_LENGTH)) == [whole, PICTURES[2]]


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.NO_LENGTH])
def test_a_truncated_picture_costs_only_itself(fault: Fault) -> None:
    bad = part(truncated(PICTURES[1]), fault)
    found = cut(part(PICTURES[0], fault) + bad + part(PICTURES[2], fault))
    assert [found[0], found[2]] == [PICTURES[0], PICTURES[2]]
    assert found[1].startswith(truncated(PICTURES[1]))
    assert not found[1].endswith(b"\xff\xd9")


def test_damaged_headers_cost_only_their_picture() -> None:
    damaged = PICTURES[1][:4] + b"\x00\x00" + PICTURES[1][6:]
    found = cut(part(PICTURES[0]) + part(damaged, Fault.NO_LENGTH) + part(PICTURES[2]))
    assert (found[0], found[-1], len(found)) == (PICTURES[0], PICTURES[2], 3)


def test_too_large_a_length_is_believed_once_only() -> None:
    body = stream(Fault.LONG_LENGTH)
    assert cut(body + bytes(400)) == PICTURES
    parts = Parts()
    first = part(PICTURES[0], Fault.LONG_LENGTH) + part(PICTURES[1], Fault.LONG_LENGTH)
    assert list(parts.feed(first)) == PICTURES[:2]
    assert list(parts.feed(part(PICTURES[2], Fault.LONG_LENGTH))) == PICTURES[2:]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"no picture at all " * (MAX_BETWEEN // 10), "no JPEG"),
        (b"--frame\r\nContent-Length: 99999999\r\n\r\n" + PICTURES[0], "announces a picture of 99999999 bytes"),
        (PICTURES[0][:-2] + bytes(MAX_PART), "does not end"),
        (PICTURES[0][:2] + b"\xff\xfe\xff\xff" + bytes(65533) + (b"\xff\xfe\xff\xff" + bytes(65533)) * 500, "not end"),
    ],
    ids=["no picture", "length bomb", "endless picture", "endless headers"],
)
def test_a_stream_that_cannot_be_one_is_left(body: bytes, complaint: str) -> None:
    with pytest.raises(Broken, match=complaint):
        cut(body, 1_000_000)


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_noise_is_harmless(noise: bytes, step: int) -> None:
    cut(noise, step)
    assert cut(noise.replace(b"\xff", b"") + part(PICTURES[0]), step)[-1:] == PICTURES[:1]
