"""Pixels: decoded pictures, reduced to luma for motion and coded as JPEG for people, and no more of either than asked.

Loads numpy and simplejpeg; cv2 only where something has to be made smaller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import simplejpeg
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import VideoFrame

Luma = NDArray[np.uint8]
"""Brightness of one picture, shape (height, width), 0 black to 255 white."""

T = TypeVar("T", bound=np.generic)

_LUMA_FIRST = frozenset(
    ("gray", "nv12", "nv21", *(f"yuv{j}{sampling}p" for j in ("", "j") for sampling in (410, 411, 420, 422, 444)))
)
"""Pixel formats whose first plane is 8-bit luma."""
_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG: 0..255. Video otherwise uses 16..235."""
_EXPAND = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)


def reduced(plane: Luma, width: int) -> Luma:
    """The same picture `width` wide, each pixel the mean of what it stands for; never enlarged."""
    rows, columns = plane.shape
    if columns <= width:
        return plane
    import cv2

    small = cv2.resize(plane, (width, max(1, round(rows * width / columns))), interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False)


def expanded(luma: Luma) -> Luma:
    """Video's range (16..235) as a picture's (0..255)."""
    return _EXPAND[luma]


class Decoded:
    """A picture that PyAV decoded, whatever its format; nothing is copied until somebody asks. An `Image`."""

    def __init__(self, frame: "VideoFrame") -> None:
        self._frame = frame

    def luma(self, width: int) -> Luma:
        from av.video.reformatter import VideoReformatter

        frame, name = self._frame, self._frame.format.name
        known = name in _LUMA_FIRST
        plane = _rows(frame if known else VideoReformatter().reformat(frame, format="gray"))[0]
        full = not known or name.startswith(("gray", "yuvj")) or frame.color_range == _FULL_RANGE
        small = reduced(plane, width)
        return small if full else expanded(small)

    def jpeg(self, quality: int, *, width: int | None = None, grey: bool = False) -> bytes:
        """4:2:0 or grey, no detour over RGB."""
        return coded(self.planes(width), quality, grey=grey)

    def planes(self, width: int | None) -> list[Luma]:
        """Y, U, V (4:2:0), full range, at most `width` wide."""
        from av.video.reformatter import VideoReformatter

        frame = self._frame
        wide = min(width or frame.width, frame.width)
        small = VideoReformatter().reformat(
            frame,
            width=wide,
            height=max(1, round(frame.height * wide / frame.width)),
            format="yuv420p",
            dst_color_range="JPEG",
        )
        return _rows(small)


class Planes:
    """A picture as planes Y, U, V (4:2:0) that a camera gave, with a smaller luma beside it when it has one.

    An `Image`; the arrays are its own and are never changed.
    """

    def __init__(self, planes: Sequence[Luma], *, full: bool, small: Luma | None = None) -> None:
        """`full`: the range is 0..255, not 16..235; the same holds for `small`."""
        self._planes, self._full, self._small = planes, full, small

    def luma(self, width: int) -> Luma:
        enough = self._small is not None and self._small.shape[1] >= width
        small = reduced(self._small if enough and self._small is not None else self._planes[0], width)
        return small if self._full else expanded(small)

    def jpeg(self, quality: int, *, width: int | None = None, grey: bool = False) -> bytes:
        return coded(self.planes(width, grey=grey), quality, grey=grey)

    def planes(self, width: int | None, *, grey: bool = False) -> Sequence[Luma]:
        """Y, U, V (4:2:0), full range, at most `width` wide; only Y where `grey`."""
        planes = self._planes[:1] if grey else self._planes
        if width and width < planes[0].shape[1]:
            wide = max(2, width & ~1)
            planes = [reduced(planes[0], wide), *(reduced(plane, wide // 2) for plane in planes[1:])]
        if not self._full:
            planes = [expanded(planes[0]), *(_full_colour(plane) for plane in planes[1:])]
        return planes


@dataclass(frozen=True, slots=True)
class Turn:
    """How a picture is mirrored; both ways at once is half a turn. False when not at all."""

    left_right: bool = False
    top_bottom: bool = False

    def __bool__(self) -> bool:
        return self.left_right or self.top_bottom

    def __call__(self, pixels: NDArray[T]) -> NDArray[T]:
        """A view of pixels or of one plane, shape (height, width)."""
        return pixels[:: -1 if self.top_bottom else 1, :: -1 if self.left_right else 1]


class Turned:
    """Another picture, turned, and grey whatever is asked where `grey`. An `Image`."""

    def __init__(self, image: Decoded | Planes, turn: Turn, *, grey: bool = False) -> None:
        self._image, self._turn, self._grey = image, turn, grey

    def luma(self, width: int) -> Luma:
        return np.ascontiguousarray(self._turn(self._image.luma(width)))

    def jpeg(self, quality: int, *, width: int | None = None, grey: bool = False) -> bytes:
        planes = [self._turn(plane) for plane in self._image.planes(width)]
        return coded(planes, quality, grey=grey or self._grey)


def coded(planes: Sequence[Luma], quality: int, *, grey: bool = False) -> bytes:
    """Planes Y, U, V (4:2:0, full range) as a JPEG; only Y where `grey`."""
    planes = [np.ascontiguousarray(plane) for plane in planes]
    if grey:
        return bytes(simplejpeg.encode_jpeg(planes[0][:, :, None], quality, "GRAY", "Gray", fastdct=True))
    return bytes(simplejpeg.encode_jpeg_yuv_planes(*planes, quality=quality, fastdct=True))


def _full_colour(plane: Luma) -> Luma:
    return _EXPAND_COLOUR[plane]


_EXPAND_COLOUR = np.clip(np.round((np.arange(256) - 128) * 255 / 224 + 128), 0, 255).astype(np.uint8)


def _rows(frame: "VideoFrame") -> list[Luma]:
    """The planes without their padding, as views."""
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        planes.append(rows[:, : plane.width])
    return planes
