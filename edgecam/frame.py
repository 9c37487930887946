"""What a camera gives: frames, and sound, each with the moment at which it was captured.

Both own their bytes, never change, and travel freely between threads.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from edgecam.clock import Clock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Kind(StrEnum):
    """How a frame's bytes are coded."""

    JPEG = "jpeg"
    H264 = "h264"
    HEVC = "hevc"
    RAW = "raw"
    """Not at all: `image` holds pixels, for looking only; never recorded."""


class Use(StrEnum):
    """Whom a picture is made for."""

    ALL = "all"
    PEOPLE = "people"
    """Viewers and snapshots; motion gets pictures of its own."""
    MOTION = "motion"
    """A small picture of its own, such as a camera's sub-stream."""


class Image(Protocol):
    """The pixels of one frame. Any thread, several at once; each method takes milliseconds."""

    def jpeg(self, quality: int, *, width: int | None = None, grey: bool = False) -> bytes:
        """A JPEG of it, at most `width` wide."""
        ...

    def luma(self, width: int) -> "NDArray[np.uint8]":
        """Brightness, shape (height, width), 0 black to 255 white; `width` wide, or narrower as it is."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture as the source gave it.

    `mono` (seconds, monotonic) orders, paces and cuts; `wall` (unix seconds) is what people are told.
    `number` grows with each frame of a camera, over reconnects too; a picture that was made of a coded frame, to be
    looked at, has that frame's number and times.
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
    image: Image | None = None
    use: Use = Use.ALL

    @property
    def is_coded(self) -> bool:
        """Whether it can be recorded and sent on as it is."""
        return self.kind is not Kind.RAW

    @property
    def is_view(self) -> bool:
        """Whether people can be shown this."""
        return self.kind in (Kind.JPEG, Kind.RAW) and self.use is not Use.MOTION

    @property
    def is_look(self) -> bool:
        """Whether motion can look at this."""
        return self.kind in (Kind.JPEG, Kind.RAW) and self.use is not Use.PEOPLE


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """One packet of AAC. `mono` (seconds, monotonic) is when its first sample was heard."""

    camera: str
    mono: float
    data: bytes
    duration: float
    """Seconds."""
    rate: int
    channels: int
    extradata: bytes
    """AudioSpecificConfig (ISO/IEC 14496-3)."""


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

    def skip(self) -> None:
        """Count a frame that nobody wanted and that was therefore not made."""
        self._number += 1

    def wall(self, mono: float) -> float:
        """Unix seconds of a moment of monotonic time."""
        offset = self._clock.wall() - self._clock.monotonic()
        if abs(offset - self._offset) > self.STEP:
            self._offset = offset
        return mono + self._offset

    def __call__(
        self,
        kind: Kind,
        data: bytes,
        width: int,
        height: int,
        *,
        mono: float | None = None,
        keyframe: bool = True,
        pts: int | None = None,
        dts: int | None = None,
        time_base: Fraction | None = None,
        extradata: bytes | None = None,
        image: Image | None = None,
        use: Use = Use.ALL,
    ) -> Frame:
        """The next frame, captured at `mono`: now, where the source does not know better."""
        if mono is None:
            mono = self._clock.monotonic()
        self._number += 1
        return Frame(
            self.camera,
            self._number,
            mono,
            self.wall(mono),
            kind,
            data,
            width,
            height,
            keyframe,
            pts,
            dts,
            time_base,
            extradata,
            image,
            use,
        )
