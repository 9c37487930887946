"""Plot: what a detector thought of labelled clips, as one picture. A lane for each clip, time to the right."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecam.motion.tuning.score import Span

WIDTH, LANE, HEAD = 1200, 120, 28
LEFT, RIGHT = 40, 20
"""Beside the curve, pixels."""
TOP, CURVE, STRIP = 22, 60, 8
"""Of a lane: for its name, for scores 0 to 100, for the found events under it."""

PAPER, INK, FAINT = (255, 255, 255), (40, 40, 40), (165, 165, 165)
EVENT, IGNORED, FOUND, WRONG, THRESHOLD = (196, 236, 196), (225, 225, 225), (60, 140, 20), (40, 40, 220), (0, 140, 255)
"""Blue, green, red."""

LEGEND = (
    (EVENT, "labelled event"),
    (IGNORED, "ignored, or not scored yet"),
    (INK, "score of the best setting"),
    (FAINT, "of the keenest tried"),
    (THRESHOLD, "threshold: score 1"),
    (FOUND, "found"),
    (WRONG, "found, false"),
)

Canvas = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Lane:
    """One clip. Spans are frames; `scores` and `keenest` are 0..100, one for each look."""

    name: str
    fps: float
    first: int
    last: int
    looks: Sequence[int]
    scores: Sequence[int]
    keenest: Sequence[int]
    events: Sequence[Span]
    ignored: Sequence[Span]
    found: Sequence[Span]
    false: Sequence[Span]

    def x(self, frame: float) -> int:
        """Where a frame is."""
        inner = WIDTH - LEFT - RIGHT
        return LEFT + round(inner * min(1.0, max(0.0, (frame - self.first) / max(1, self.last - self.first))))


def png(lanes: Sequence[Lane]) -> bytes:
    """The picture, WIDTH by HEAD + LANE for each lane."""
    canvas: Canvas = np.full((HEAD + LANE * len(lanes), WIDTH, 3), 255, np.uint8)
    _legend(canvas[:HEAD])
    for number, lane in enumerate(lanes):
        _draw(canvas[HEAD + LANE * number :][:LANE], lane)
    return cv2.imencode(".png", canvas)[1].tobytes()


def _legend(canvas: Canvas) -> None:
    x = LEFT
    for colour, words in LEGEND:
        canvas[8:20, x : x + 14] = colour
        _write(canvas, words, x + 18, 18)
        x += 34 + cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)[0][0]


def _draw(canvas: Canvas, lane: Lane) -> None:
    bottom = TOP + CURVE
    _write(canvas, lane.name, LEFT, TOP - 7)
    for spans, colour in ((lane.ignored, IGNORED), (lane.events, EVENT)):
        for first, last in spans:
            canvas[TOP:bottom, lane.x(first) : lane.x(last) + 1] = colour
    for scores, colour in ((lane.keenest, FAINT), (lane.scores, INK)):
        for frame, score in zip(lane.looks, scores, strict=True):
            if score:
                x = lane.x(frame)
                canvas[bottom - round(CURVE * score / 100) : bottom, x : x + 2] = colour
    canvas[bottom - 1, LEFT : WIDTH - RIGHT] = THRESHOLD
    for spans, colour in ((lane.found, FOUND), (lane.false, WRONG)):
        for first, last in spans:
            canvas[bottom + 3 : bottom + 3 + STRIP, lane.x(first) : lane.x(last) + 2] = colour
    _write(canvas, "100", 8, TOP + 10)
    _write(canvas, "1", 24, bottom)
    for second in _ticks((lane.last - lane.first + 1) / lane.fps):
        x = lane.x(lane.first + second * lane.fps)
        canvas[bottom + STRIP + 5 : bottom + STRIP + 9, x] = INK
        _write(canvas, f"{second} s", x - 8, bottom + STRIP + 22)


def _ticks(seconds: float) -> range:
    """Ten or fewer round numbers of seconds."""
    step = next((step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if seconds / step <= 10), 3600)
    return range(0, int(seconds) + 1, step)


def _write(canvas: Canvas, words: str, x: int, y: int) -> None:
    """The font knows ASCII only."""
    plain = words.encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, INK, 1, cv2.LINE_AA)
