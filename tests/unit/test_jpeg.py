"""Size and wholeness of a JPEG without decoding it, and the tables that some cameras leave out."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from edgecam import jpeg
from edgecam.jpeg import BadJpeg
from pictures import claims, truncated, with_thumbnail
from pictures import jpeg as picture


@pytest.mark.parametrize(("width", "height"), [(64, 48), (1, 1), (640, 360), (333, 17)])
def test_the_size_of_a_whole_picture_is_read_from_its_header(width: int, height: int) -> None:
    assert jpeg.size(picture(0, width, height)) == (width, height)
    assert jpeg.size(memoryview(picture(0, width, height))) == (width, height)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: data + bytes(100),
        lambda data: data + b"\xff" * 100,
        lambda data: with_thumbnail(data, picture(1, 8, 8)),
        lambda data: data[:2] + b"\xff\xff\xff" + data[2:],
        lambda data: data[:2] + b"\xff\x01" + data[2:],
    ],
    ids=["zero padding", "0xFF padding", "thumbnail", "fill bytes", "a marker without a length"],
)
def test_what_cameras_add_does_not_matter(wrap: Callable[[bytes], bytes]) -> None:
    assert jpeg.size(wrap(picture(0, 64, 48))) == (64, 48)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "does not start like a JPEG"),
        (b"\x89PNG\r\n\x1a\n", "does not start like a JPEG"),
        (truncated(picture()), "is truncated"),
        (picture()[:2], "is truncated"),
        (b"\xff\xd8\xff\xd9", "has no frame header"),
        (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9", "has no frame header"),
        (b"\xff\xd8\xff\xda\x00\x04ab" + picture()[2:], "has no frame header"),
        (b"\xff\xd8\xff\xc0\x00\x0bab\xff\xd9", "has no frame header"),
        (b"\xff\xd8\xff\xe0\x00\x01\xff\xd9\xff\xd9", "is damaged at byte 2"),
        (b"\xff\xd8\xff\xd8\x00\x04ab\xff\xd9", "is damaged at byte 2"),
        (b"\xff\xd8abcdefgh\xff\xd9", "is damaged at byte 2"),
        (claims(0, 48), "has no size"),
        (claims(64, 0), "has no size"),
        (claims(10_000, 6_000), "claims 10000x6000 pixels"),
        (claims(65_535, 65_535), "claims 65535x65535 pixels"),
    ],
)
def test_anything_else_is_refused_in_words(data: bytes, complaint: str) -> None:
    with pytest.raises(BadJpeg, match=complaint):
        jpeg.size(data)


def test_a_large_camera_is_not_a_bomb() -> None:
    assert jpeg.size(claims(8_000, 6_000)) == (8_000, 6_000)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_make_it_fail_otherwise(tail: bytes) -> None:
    for data in (tail, b"\xff\xd8" + tail + b"\xff\xd9", picture()[:-2] + tail):
        try:
            width, height = jpeg.size(data)
        except BadJpeg:
            continue
        assert 0 < width * height <= jpeg.MAX_PIXELS


def test_the_coded_picture_begins_behind_thumbnail_and_tables() -> None:
    data = with_thumbnail(picture(), picture(1, 8, 8))
    at = jpeg.scan(data)
    assert at is not None
    assert data[at:].count(jpeg.SOI) == 0
    assert data[at:].count(jpeg.EOI) == 1


def test_it_is_unknown_until_the_headers_are_complete() -> None:
    at = jpeg.scan(picture())
    assert at is not None
    assert [jpeg.scan(picture()[:end]) for end in range(2, at)] == [None] * (at - 2)


def test_damaged_headers_are_found_before_the_picture_is_complete() -> None:
    with pytest.raises(BadJpeg, match="is damaged at byte 2"):
        jpeg.scan(b"\xff\xd8\r\n--boundary\r\n")


# ---- Huffman tables


def _segment(data: bytes, marker: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each such segment of the headers."""
    at = 2
    while data[at + 1] != 0xDA:
        behind = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] == marker:
            yield at, behind
        at = behind


def without_tables(data: bytes) -> bytes:
    for begin, end in reversed(list(_segment(data, 0xC4))):
        data = data[:begin] + data[end:]
    return data


@pytest.mark.parametrize("colour", ["colour", "grey"])
def test_a_webcams_jpeg_without_huffman_tables_gets_the_standard_ones_and_decodes_to_the_same(colour: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    if colour == "grey":
        whole = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels[:, :, :1]), 80, "GRAY", "Gray")
    else:
        whole = simplejpeg.encode_jpeg(pixels, 80, "RGB", "420")
    bare = without_tables(whole)
    assert list(_segment(bare, 0xC4)) == []
    made = jpeg.complete(bare)
    assert len(list(_segment(made, 0xC4))) == 1
    assert jpeg.size(made) == (64, 48)
    space = "GRAY" if colour == "grey" else "RGB"
    assert np.array_equal(simplejpeg.decode_jpeg(made, space), simplejpeg.decode_jpeg(whole, space))


def test_the_standard_tables_are_those_that_libjpeg_writes() -> None:
    whole = simplejpeg.encode_jpeg(np.zeros((16, 16, 3), np.uint8), 80, "RGB", "420")
    written = b"".join(whole[begin + 4 : end] for begin, end in _segment(whole, 0xC4))
    assert jpeg.STANDARD_TABLES[4:] == written


def test_a_jpeg_that_has_its_tables_stays_the_same_object() -> None:
    whole = picture()
    assert jpeg.complete(whole) is whole


def test_what_is_no_jpeg_or_has_tables_of_another_kind_is_left_alone() -> None:
    progressive = without_tables(picture()).replace(b"\xff\xc0", b"\xff\xc2", 1)
    for data in (b"", b"hello", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00", progressive, without_tables(picture())[:40]):
        assert jpeg.complete(data) == data
