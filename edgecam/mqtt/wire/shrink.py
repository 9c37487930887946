"""Makes a picture small enough: fewer pixels first, then a coarser quality. Blocking arithmetic."""

from collections.abc import Iterator

from edgecam import jpeg

STEPS = ((8, 75), (4, 80), (4, 60), (2, 75), (2, 50), (1, 75), (1, 40))
"""Eighths of the width and height (JPEG's own transform scales to eighths at no cost) and quality, best first."""

WORTH = 4
"""A coarser quality alone makes a picture at most about so many times smaller."""


def fits(data: bytes, limit: int, width: int | None) -> bool:
    """Whether `fit` would change nothing. Raises ValueError like `fit`."""
    return len(data) <= limit and (width is None or jpeg.size(data)[0] <= width)


def fit(data: bytes, limit: int, width: int | None = None) -> bytes | None:
    """A JPEG of the same picture in at most `limit` bytes and, when given, at most `width` pixels wide.

    `data` itself when it fits, None when nothing does. Raises ValueError when `data` is not a JPEG of a sane size.
    """
    if fits(data, limit, width):
        return data
    across, down = jpeg.size(data)
    most = 8 if width is None else max(1, min(8, 8 * width // across))

    import simplejpeg

    for eighths, quality in _steps(most):
        if len(data) * eighths**2 > limit * WORTH * 64 and eighths > 1:
            continue
        least = {"min_width": -(-across * eighths // 8), "min_height": -(-down * eighths // 8)}
        pixels = simplejpeg.decode_jpeg(data, "RGB", strict=False, **least)
        smaller: bytes = simplejpeg.encode_jpeg(pixels, quality, "RGB", "420")
        if len(smaller) <= limit:
            return smaller
    return None


def _steps(most: int) -> Iterator[tuple[int, int]]:
    if most < 8:
        yield (most, 85)
    yield from (step for step in STEPS if step[0] <= most)
