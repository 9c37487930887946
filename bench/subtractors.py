"""OpenCV's background subtractors, made into detectors the way people do: the foreground without its shadows, opened,
and its largest component. Memory, thresholds and areas are those that suit the developer set best.
"""

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike

from edgecam.motion.detector import Look
from edgecam.motion.luma import Luma

MEMORY = 100
"""Looks."""
FOREGROUND = 255
"""What is a shadow has 127."""
_SPECK = np.ones((3, 3), np.uint8)


@dataclass(slots=True)
class Subtractor:
    """Moving when the largest component has `min_area` percent of the picture."""

    model: cv2.BackgroundSubtractor
    min_area: float

    def look(self, luma: Luma, now: float) -> Look:
        del now
        foreground = np.equal(self.model.apply(luma), FOREGROUND).view(np.uint8)
        clean: MatLike = cv2.morphologyEx(foreground, cv2.MORPH_OPEN, _SPECK)
        count, _, stats, _ = cv2.connectedComponentsWithStats(clean, connectivity=8)
        largest = int(stats[1:, cv2.CC_STAT_AREA].max()) if count > 1 else 0
        return Look(moving=largest >= max(1, self.min_area / 100 * luma.size))

    def reset(self) -> None:
        self.model.clear()

    def heat(self) -> None:
        return None

    def tune(self, sensitivity: int, min_area: float, shut: Collection[str] = ()) -> None:
        del sensitivity, shut
        self.min_area = min_area


def mog2(threshold: float = 50, min_area: float = 0.3) -> Subtractor:
    """Gaussian mixtures. `threshold`: squared distance, in variances."""
    return Subtractor(cv2.createBackgroundSubtractorMOG2(MEMORY, threshold), min_area)


def knn(threshold: float = 1600, min_area: float = 0.5) -> Subtractor:
    """Nearest neighbours. `threshold`: squared distance, in grey levels."""
    return Subtractor(cv2.createBackgroundSubtractorKNN(MEMORY, threshold), min_area)
