"""What an image sensor can do, and which of it suits: its modes, and the small picture beside the large one. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Size = tuple[int, int]

LOOK_WIDTH = 320
"""Pixels across that are enough for every look of motion."""
_SAME_VIEW = 0.98
"""As much of the largest view counts as all of it: modes differ by some rows of pixels."""
_SAME_RATE = 0.97


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to read the sensor. `crop` is the part of it that is read: x, y, width, height in its pixels."""

    size: Size
    depth: int
    fps: float
    crop: tuple[int, int, int, int]

    def __str__(self) -> str:
        return f"{self.size[0]}x{self.size[1]}"

    def view(self, shape: Size) -> float:
        """How much of the sensor (its pixels, squared) a picture of that shape shows in this mode."""
        _, _, width, height = self.crop
        ratio = shape[0] / shape[1]
        return min(width, height * ratio) * min(height, width / ratio)


def modes(told: Iterable[Mapping[str, object]]) -> list[Mode]:
    """What picamera2's `sensor_modes` tells; nothing for a camera that is no bare sensor."""
    found = []
    for one in told:
        size, crop, depth, fps = (one.get(key) for key in ("size", "crop_limits", "bit_depth", "fps"))
        if (
            isinstance(size, tuple)
            and isinstance(crop, tuple)
            and isinstance(depth, int)
            and isinstance(fps, int | float)
        ):
            found.append(Mode((size[0], size[1]), depth, fps, (crop[0], crop[1], crop[2], crop[3])))
    return found


def choose(known: Sequence[Mode], wish: str, size: Size, fps: float) -> Mode | None:
    """The mode for pictures of `size` at `fps`; None when the camera has no modes.

    `auto`: the full view before everything, then the rate, then the size, and of those that have all of it the
    cheapest to read. Else an index, or WIDTHxHEIGHT. Raises ValueError for a mode that does not exist.
    """
    if not known and wish == "auto":
        return None
    if wish == "auto":
        most = max(mode.view(size) for mode in known)
        return min(known, key=lambda mode: _cost(mode, most, size, fps))
    if wish.isdecimal() and int(wish) < len(known):
        return known[int(wish)]
    if found := re.fullmatch(r"(\d+)x(\d+)", wish):
        exact = [mode for mode in known if mode.size == (int(found[1]), int(found[2]))]
        if exact:
            return max(exact, key=lambda mode: (min(mode.fps, fps), mode.depth))
    listed = ", ".join(f"{index}: {mode} {mode.fps:.0f} fps {mode.depth} bit" for index, mode in enumerate(known))
    raise ValueError(f"sensor_mode is auto, an index or a size that the camera has ({listed or 'it has no modes'})")


def _cost(mode: Mode, most: float, size: Size, fps: float) -> tuple[float, ...]:
    return (
        mode.view(size) < _SAME_VIEW * most,
        max(0.0, _SAME_RATE * fps - mode.fps),  # where none is fast enough, the fastest
        mode.size[0] < size[0] or mode.size[1] < size[1],
        mode.size[0] * mode.size[1],
        -mode.depth,
    )


def small(size: Size, align: int) -> Size | None:
    """A picture of the same shape for motion, its width a multiple of `align`; None where the large one is small.

    The image processor pads other widths, and makes them less well.
    """
    wide = -(-LOOK_WIDTH // align) * align
    if size[0] <= wide:
        return None
    return wide, max(2, round(size[1] * wide / size[0] / 2) * 2)
