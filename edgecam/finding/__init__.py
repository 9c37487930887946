"""Finding: what this box could open as a camera. Nothing here captures, changes a camera or knows the daemon."""

from collections.abc import Mapping
from dataclasses import dataclass


class CannotLook(Exception):
    """Looking itself failed; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One size in one pixel format, and the frame rates (1/s, growing) that the device offers there."""

    width: int
    height: int
    rates: tuple[float, ...] = ()
    """Empty where the device does not say."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a device says of itself."""

    captures: bool
    """Whether it gives pictures at all: others are for metadata or output, or are codecs."""
    formats: Mapping[str, tuple[Mode, ...]]
    """Pixel format as the kernel names it (MJPG, YUYV, H264) to what it comes in."""


@dataclass(frozen=True, slots=True)
class Found:
    """One camera that can be configured."""

    type: str
    """Of the source."""
    name: str
    """As the device calls itself."""
    device: str | None
    """What `source.device` should say; None where the first camera is meant."""
    where: str
    """How it is reached now, for people."""
    offer: Offer | None = None
    """None where nobody could ask."""
    problem: str | None = None
    """Why it would not open now, and the cure."""
