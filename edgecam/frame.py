"""A frame: encoded bytes of one moment of one camera, and when that moment was.

Frames own their bytes, never change, and travel freely between threads.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from edgecam.clock import Clock


class Kind(StrEnum):
    """How a frame's bytes are coded."""

    JPEG = "jpeg"
    H264 = "h264"
    HEVC = "hevc"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture as the source gave it.

    `mono` (seconds, monotonic) orders, paces and cuts; `wall` (unix seconds) is what people are told.
    `number` grows by one with each frame of a camera, over reconnects too.
    `pts`, `dts` in `time_base` and `extradata` come from the source's container and are None for pictures.
    """

    camera: str
    number: int
    mono: float
    wall: float
    kind: Kind
    data: bytes
    width: int
    height: int
    keyframe: bool = True
    pts: int | None = None
    dts: int | None = None
    time_base: Fraction | None = None
    extradata: bytes | None = None


class Stamp:
    """Makes the frames of one camera: gives each its running number and its two times.

    Lives as long as the camera, over all lives of its source. Used by one capture thread or task at a time.
    The wall time is derived from the monotonic one, so that frames stay evenly spaced; it is derived anew
    only when the clock was stepped by more than `STEP` seconds.
    """

    STEP = 0.5

    def __init__(self, camera: str, clock: Clock) -> None:
        self.camera, self._clock = camera, clock
        self._number = 0
        self._offset = clock.wall() - clock.monotonic()

    @property
    def next(self) -> int:
        """The number that the next frame will get."""
        return self._number + 1

    def __call__(
        self,
        kind: Kind,
        data: bytes,
        width: int,
        height: int,
        *,
        keyframe: bool = True,
        pts: int | None = None,
        dts: int | None = None,
        time_base: Fraction | None = None,
        extradata: bytes | None = None,
    ) -> Frame:
        mono = self._clock.monotonic()
        offset = self._clock.wall() - mono
        if abs(offset - self._offset) > self.STEP:
            self._offset = offset
        self._number += 1
        return Frame(
            self.camera,
            self._number,
            mono,
            mono + self._offset,
            kind,
            data,
            width,
            height,
            keyframe,
            pts,
            dts,
            time_base,
            extradata,
        )
