"""Eye: a detector and the times when it must not be believed.

The live camera and `edgecam scan` look through the same eye.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecam.config import model
from edgecam.motion.detector import Detector, Look, Zone, build

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

    def __init__(self, detector: Detector, settle: float) -> None:
        self._detector, self._settle = detector, settle
        self._shape = (0, 0)
        self._opened: float | None = None
        self._last = 0.0
        self._interval = 0.0

    def look(self, luma: "Luma", now: float) -> Look:
        """Judge one picture taken at `now` (seconds, growing)."""
        if self._opened is not None:
            elapsed = now - self._last
            if elapsed > self.GAP and elapsed > self.RARE * self._interval:
                self.reset()
            self._interval = elapsed
        self._last = now
        if self._opened is None or luma.shape != self._shape:
            self._opened, self._shape = now, luma.shape
        look = self._detector.look(luma, now)
        if now - self._opened < self._settle:
            return replace(look, moving=False, suppressed="settling", zones=())
        return look

    def reset(self) -> None:
        """Forget the scene; the next look opens the eye anew."""
        self._opened = None
        self._detector.reset()

    def tune(self, sensitivity: int, min_area: float) -> None:
        """Another sensitivity (1..100) and least area (percent), from the next look on; the scene is not forgotten."""
        self._detector.tune(sensitivity, min_area)


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
