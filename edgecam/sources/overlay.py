"""What the synthetic camera writes into its picture: a line of text for people, its number as blocks for programs.

Both in greys of moderate contrast, so that they do not count as motion by themselves.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

DARK: Final = 48
LIGHT: Final = 176
BITS: Final = 32

_ROWS, _COLUMNS = 7, 5
_GLYPHS = {
    "0": "0e11131519110e",
    "1": "040c040404040e",
    "2": "0e11010204081f",
    "3": "1f02040201110e",
    "4": "02060a121f0202",
    "5": "1f101e0101110e",
    "6": "0608101e11110e",
    "7": "1f010204080808",
    "8": "0e11110e11110e",
    "9": "0e11110f01020c",
    "-": "0000001f000000",
    ":": "00040400040400",
    "#": "0a0a1f0a1f0a0a",
    "Z": "1f01020408101f",
}
"""Five bits a row, seven rows."""


def block(width: int) -> int:
    """Pixels of a block's side: a multiple of the 8 that JPEG codes together, less only in tiny pictures."""
    return 8 * max(1, round(width / 1280)) if width >= (BITS + 2) * 8 else max(1, width // (BITS + 2))


def strip(width: int, height: int) -> int:
    """The row where the dark strip at the bottom begins."""
    side = block(width)
    return (height // side - 5) * side


def write_text(luma: Luma, text: str) -> None:
    """Into the upper line of the strip, from the left, cut at the right edge. Unknown characters are blanks."""
    height, width = luma.shape
    side = block(width)
    scale = max(1, side // 4)
    glyphs = [_glyph(letter) for letter in text]
    line = np.kron(np.hstack(glyphs), np.ones((scale, scale), np.uint8))[:, : width - side]
    top = strip(width, height) + side
    place = luma[top : top + line.shape[0], side : side + line.shape[1]]
    place[:] = np.where(line[: place.shape[0]] > 0, LIGHT, DARK)


def _glyph(letter: str) -> Luma:
    """Seven rows of five pixels and a gap, 0 or 1."""
    rows = np.frombuffer(bytes.fromhex(_GLYPHS.get(letter, "00" * _ROWS)), np.uint8)
    return np.pad(np.unpackbits(rows[:, None], axis=1)[:, 8 - _COLUMNS :], ((0, 0), (0, 1)))


def write_counter(luma: Luma, number: int) -> None:
    """The lowest 32 bits of `number` as a row of blocks, light for 1, most significant first, cut at the right edge."""
    bits = np.unpackbits(np.frombuffer((number & 0xFFFF_FFFF).to_bytes(4, "big"), np.uint8))
    rows, columns, side = _counter(luma)
    place = luma[rows, columns]
    place[:] = np.repeat(np.where(bits, LIGHT, DARK).astype(np.uint8), side)[: place.shape[1]]


def read_counter(luma: Luma) -> int:
    """The number in a decoded picture of the synthetic camera, at its native size of 34 pixels or more."""
    rows, columns, side = _counter(luma)
    blocks = luma[rows, columns].reshape(side, BITS, side).mean(axis=(0, 2))
    return int.from_bytes(np.packbits(blocks > (DARK + LIGHT) / 2).tobytes(), "big")


def _counter(luma: Luma) -> tuple[slice, slice, int]:
    height, width = luma.shape
    side = block(width)
    top = (height // side - 2) * side
    return slice(top, top + side), slice(side, side * (BITS + 1)), side
