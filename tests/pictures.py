"""Real JPEGs for tests, and what cameras do to them."""

from functools import cache

import numpy as np
import simplejpeg


@cache
def jpeg(seed: int = 0, width: int = 64, height: int = 48, *, quality: int = 80) -> bytes:
    """A small noisy colour picture, another one for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=quality))


def claims(width: int, height: int) -> bytes:
    """A whole small JPEG whose frame header claims another size: a header bomb when that is large."""
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


def truncated(data: bytes) -> bytes:
    """The first two thirds."""
    return data[: len(data) * 2 // 3]


def with_thumbnail(data: bytes, thumbnail: bytes) -> bytes:
    """`data` with another JPEG inside an application segment, as EXIF has it."""
    return data[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + data[2:]
