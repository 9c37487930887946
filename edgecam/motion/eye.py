"""Eye: a detector, the times when it must not be believed, and what becomes of a thing from look to look.

The live camera and `edgecam scan` look through the same eye.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecam.config import model
from edgecam.events import Box
from edgecam.motion.detector import Detector, Look, Reason, Zone, build

if TYPE_CHECKING:
    from edgecam.motion.luma import Luma


class Eye:
    """Blind for `settle` seconds after it opens: at the start, after another size, after a gap in the pictures.

    Pure, like the detector. One look at a time.
    """

    GAP = 5.0
    """Seconds without a picture after which the scene counts as a new one ..."""
    RARE = 4.0
    """... unless pictures come that seldom: a gap is also this many times the interval before it."""

    RARELY = 15.0
    """Seconds that a gap counts for as an interval, at most: after another one as long the scene is new again."""

    REPEAT = 1.0
    """Seconds in which a camera may give the same picture again, which says nothing; after that, that nothing moves."""

    SPAN = 0.2
    """Seconds in which a thing may move on by its own length, beyond where it ends ..."""
    LEAP = 0.12
    """... or by this part of the picture's width. What goes farther is another thing: an insect near the lens."""

    def __init__(self, detector: Detector, settle: float) -> None:
        self._detector, self._settle = detector, settle
        self._shape = (0, 0)
        self._opened: float | None = None
        self._last = 0.0
        self._interval = 0.0
        self._picture: Luma | None = None
        self._taken = 0.0
        """When the newest picture came that was another than the one before."""
        self._look = Look()
        """What was said of it."""
        self._boxes: tuple[Box, ...] = ()
        self._skipped = 0.0
        """Seconds of all pauses."""

    def look(self, luma: "Luma", now: float) -> Look:
        """Judge one picture taken at `now` (seconds, growing)."""
        now -= self._skipped
        if self._opened is not None:
            elapsed = now - self._last
            if elapsed > self.GAP and elapsed > self.RARE * self._interval:
                self.reset()
                elapsed = min(elapsed, self.RARELY)
            self._interval = elapsed
        self._last = now
        if self._picture is not None and now - self._taken < self.REPEAT and same(luma, self._picture):
            return replace(self._look, repeats=True)
        since, self._taken, self._picture = now - self._taken, now, luma
        if self._opened is None or luma.shape != self._shape:
            self._opened, self._shape = now, luma.shape
        look = self._detector.look(luma, now)
        before, self._boxes = self._boxes, look.boxes
        if not self._may_follow(before, look.boxes, since, luma.shape[0] / luma.shape[1]):
            look = replace(look, follows=False)
        if now - self._opened < self._settle:
            look = replace(look, moving=False, suppressed=Reason.SETTLING, zones=())
        self._look = look
        return look

    def _may_follow(self, before: Sequence[Box], now: Sequence[Box], since: float, height: float) -> bool:
        """Whether something of now is near something of before, as it is where one of them has no place.

        `since` then, in seconds; `height` of the picture in its widths.
        """
        if not before or not now:
            return True
        reach = since / self.SPAN
        return any(
            gap(one, other, height) <= reach * max(self.LEAP, size(other, height)) for one in before for other in now
        )

    def heat(self) -> "Luma | None":
        """How far each pixel stood out in the newest look; see Detector."""
        return self._detector.heat()

    def reset(self) -> None:
        """Forget the scene; the next look opens the eye anew."""
        self._opened, self._picture, self._boxes = None, None, ()
        self._detector.reset()

    def pause(self, seconds: float) -> None:
        """It was shut for so many seconds before the next look, on purpose: that is no gap, and no time in which the
        detector would have learned anything. Where something was before says nothing any more.
        """
        self._skipped += seconds
        self._picture, self._boxes = None, ()

    def tune(self, sensitivity: int, min_area: float, shut: Collection[str] = ()) -> None:
        """Another sensitivity (1..100) and least area (percent), and the zones that do not count, from the next look
        on; the scene is not forgotten.
        """
        self._detector.tune(sensitivity, min_area, shut)


def same(one: "Luma", other: "Luma") -> bool:
    return one.shape == other.shape and bool((one == other).all())


def gap(one: Box, other: Box, height: float) -> float:
    """The farther of what lies between two boxes across and down, in widths of a picture so many widths high."""
    across = max(one[0] - other[2], other[0] - one[2])
    down = max(one[1] - other[3], other[1] - one[3])
    return max(0.0, across, down * height)


def size(box: Box, height: float) -> float:
    """The longer side, in the same unit."""
    return max(box[2] - box[0], (box[3] - box[1]) * height)


def eye(config: model.Motion) -> Eye:
    """The eye that the configuration describes. Loads cv2: 0.2 s of CPU the first time."""
    detector = build(
        config.method,
        sensitivity=config.sensitivity,
        threshold=config.threshold,
        min_area=config.min_area,
        masks=tuple(config.masks.values()),
        zones=[Zone(name, it.polygon, it.sensitivity, it.min_area) for name, it in config.zones.items()],
    )
    return Eye(detector, config.settle)
