"""What motion sees, drawn for people: the luma that the detector got, heat, masks, zones, things, and the verdict.

Loads cv2: imported in the pool, when somebody watches.
"""

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from edgecam.config import model
from edgecam.motion.detector import HOT, Polygon
from edgecam.motion.luma import Luma
from edgecam.motion.sight import Outcome, Sight, lines
from edgecam.motion.zones import raster

WIDE = 640
"""Pixels of the drawing across, about: each pixel of the luma becomes a square of whole pixels."""
LINE = 40
"""Pixels down of a line of text at that width, below the picture: to be read on a phone."""
QUALITY = 80
_FONT = cv2.FONT_HERSHEY_DUPLEX

GREEN, AMBER, RED = (70, 225, 100), (255, 185, 0), (255, 0, 0)
PALE, WHITE, GROUND = (150, 160, 160), (235, 235, 235), (16, 18, 18)
BLUE, BRIGHT_BLUE = (85, 140, 250), (150, 225, 255)

FAINT = 32
"""Heat below is not shown: it is noise."""

Picture = NDArray[np.uint8]
"""Red, green, blue; shape (height, width, 3)."""
Colour = tuple[int, int, int]


def draw(config: model.Motion, sight: Sight, outcome: Outcome) -> tuple[bytes, int, int]:
    """A JPEG with its width and height. Any thread; a few ms."""
    times = max(1, round(WIDE / sight.luma.shape[1]))
    masked = raster(config.masks.values(), *sight.luma.shape)
    picture = _enlarged(_heated(sight.luma // np.where(masked, 3, 1).astype(np.uint8), sight.heat), times)
    if config.masks:
        _hatch(picture, _enlarged(masked.view(np.uint8), times))
    for name, zone in config.zones.items():
        closed = name in outcome.shut
        paint = PALE if closed else BRIGHT_BLUE if name in sight.look.zones else BLUE
        _outline(picture, f"{name} (closed)" if closed else name, zone.polygon, paint)
    colour = (GREEN if outcome.confirmed else AMBER) if sight.look.moving else PALE
    height, width = picture.shape[:2]
    for left, top, right, bottom in sight.look.boxes:
        corners = round(left * width), round(top * height), round(right * width) - 1, round(bottom * height) - 1
        cv2.rectangle(picture, corners[:2], corners[2:], colour, 2)
    first, second = lines(config, sight, outcome)
    picture = np.vstack([picture, _text(first, colour, width), _text(second, WHITE, width)])
    return bytes(simplejpeg.encode_jpeg(picture, QUALITY, "RGB", "420", fastdct=True)), width, picture.shape[0]


def _enlarged(plane: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """Each pixel as a square of `times` x `times`."""
    height, width = plane.shape[:2]
    large = cv2.resize(plane, (width * times, height * times), interpolation=cv2.INTER_NEAREST)
    return large.astype(np.uint8, copy=False)


def _shades() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each heat its colour, and how much of that covers the grey: faint amber, and from HOT on orange to red."""
    heat = np.arange(256, dtype=np.float32)[:, None]
    out = np.clip((heat - HOT) / (255 - HOT), 0, 1)
    warm = (heat - FAINT) / (HOT - FAINT)
    colour = (1 - out) * np.array(AMBER, np.float32) + out * np.array(RED, np.float32)
    weight = np.where(heat < HOT, 0.35 * np.clip(warm, 0, 1), 0.5 + 0.2 * out)
    return colour.astype(np.float32), weight.astype(np.float32)


_COLOUR, _WEIGHT = _shades()
_STRIPES = np.add.outer(np.arange(16), np.arange(16)) % 16 < 3


def _heated(luma: Luma, heat: Luma | None) -> Picture:
    """Grey, with the heat over it; as small as it is."""
    grey = np.broadcast_to(luma[:, :, None], (*luma.shape, 3))
    if heat is None:
        return grey
    weight = _WEIGHT[heat]
    return (grey * (1 - weight) + _COLOUR[heat] * weight).astype(np.uint8)


def _hatch(picture: Picture, masked: NDArray[np.uint8]) -> None:
    """Stripes over what is not looked at."""
    height, width = masked.shape
    stripes = np.tile(_STRIPES, (height // 16 + 1, width // 16 + 1))[:height, :width]
    picture[stripes & masked.view(bool)] = PALE


def _outline(picture: Picture, name: str, polygon: Polygon, colour: Colour) -> None:
    height, width = picture.shape[:2]
    corners = np.array([(x * (width - 1), y * (height - 1)) for x, y in polygon]).round().astype(np.int32)
    cv2.polylines(picture, [corners], isClosed=True, color=colour, thickness=2, lineType=cv2.LINE_AA)
    label = _label(name, colour, 0.65 * width / WIDE)[:height, :width]
    left, top = np.minimum(corners.min(axis=0), (width - label.shape[1], height - label.shape[0]))
    picture[top : top + label.shape[0], left : left + label.shape[1]] = label


def _text(text: str, colour: Colour, width: int) -> Picture:
    """One line as wide as the picture, smaller where it would not fit."""
    scale = 0.9 * width / WIDE
    while (label := _label(text, colour, scale)).shape[1] > width:
        scale *= 0.95
    line = np.full((LINE * width // WIDE, width, 3), GROUND, np.uint8)
    line[: label.shape[0], : label.shape[1]] = label[: line.shape[0]]
    return line


def _label(text: str, colour: Colour, scale: float) -> Picture:
    """Text on a ground of its own, as large as that takes."""
    (wide, high), low = cv2.getTextSize(text, _FONT, scale, 1)
    across, down = round(8 * scale), round(4 * scale)
    label = np.full((high + low + 2 * down, wide + 2 * across, 3), GROUND, np.uint8)
    cv2.putText(label, text, (across, down + high), _FONT, scale, colour, 1, cv2.LINE_AA)
    return label
