"""Best: how good a picture of what moves a look would make. Pure.

Four factors: how much of the picture moves, how sharp it is, how near the middle its main thing is, and whether the
picture's border cuts that off. Size and sharpness count by their roots: so the best picture of a drawn walk lies in the
middle third of the scene or beside it; by size times score it was often one of somebody half outside.
"""

from math import sqrt

from edgecam.motion.detector import Look

FULL = 33.0
"""Percent of the picture: what is larger is no better to see, and less counts by its root, which is its length."""

CORNER = 0.5
"""What a thing counts for at the very border, or in a corner; between there and the middle it grows evenly."""

CUT = 0.25
"""What a thing counts for that the border cuts off: one that is whole may have a quarter of its length."""

BORDER = 0.015
"""So near the border, as a part of the picture's width or height, a box touches it."""

LEAST = 1e-6
"""Of any factor: whatever moves is better than a picture in which nothing does."""


def worth(look: Look) -> float:
    """0 where nothing moves, else more: to be compared with other looks of one detector."""
    if not look.moving:
        return 0.0
    size = sqrt(min(look.area, FULL) / FULL)
    return max(LEAST, size) * max(LEAST, sqrt(look.sharpness)) * _place(look)


def _place(look: Look) -> float:
    """What counts for its place. Motion that has none is everywhere, and so cut off."""
    if not look.boxes:
        return CUT
    left, top, right, bottom = look.boxes[0]
    aside = max(abs(left + right - 1), abs(top + bottom - 1))
    whole = min(left, top, 1 - right, 1 - bottom) > BORDER
    return (1 - (1 - CORNER) * aside) * (1.0 if whole else CUT)
