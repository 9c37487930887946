"""Footage with known motion for the system tests: a real surveillance clip where there is one, else a drawn one.

A `Footage` is a list of JPEGs to be shown at `fps`, and when in it something moves.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import simplejpeg

CLIPS = Path(os.environ.get("EDGECAM_MOTION_SET", Path(__file__).parents[2] / "shared" / "motion"))

QUIET_BEFORE = 7.0
"""Seconds of the still scene before the first motion: more than the detector's settling and the pre-roll."""
QUIET_AFTER = 12.0


@dataclass(frozen=True)
class Footage:
    jpegs: list[bytes]
    fps: float
    motion: list[tuple[float, float]]
    """Begin and end of each motion, seconds from the first picture."""


def footage() -> Footage:
    """Two motions, well apart, with quiet before, between and after."""
    clip = CLIPS / "data" / "bottle.mp4"
    return _bottle(clip) if clip.exists() else drawn()


def _bottle(clip: Path) -> Footage:
    """A table from which somebody takes things. Labels (frames at 29.833 fps) are those of the set's manifest.

    Played every other picture. The quiet before and after is the clip's own, to and fro.
    """
    with av.open(str(clip)) as container:
        frames = [
            frame.reformat(format="rgb24").to_ndarray()
            for number, frame in enumerate(container.decode(video=0))
            if number < 469 and number % 2 == 0
        ]
    fps = 29.833 / 2
    jpegs = [simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality=80) for frame in frames]
    quiet_a, body, quiet_b = jpegs[46:78], jpegs[46:220], jpegs[205:220]
    before = _to_and_fro(quiet_a, -round(QUIET_BEFORE * fps), 0)
    after = _to_and_fro(quiet_b[::-1], 0, round(QUIET_AFTER * fps))
    begin = len(before) / fps
    labels = [(165, 222), (326, 404)]
    motion = [(begin + (a / 2 - 46) / fps, begin + (b / 2 - 46) / fps) for a, b in labels]
    return Footage([*before, *body, *after], fps, motion)


def _to_and_fro(jpegs: list[bytes], begin: int, end: int) -> list[bytes]:
    """Pictures `begin` to `end` of the endless play forth and back in which picture 0 is the first one."""
    cycle = [*jpegs, *jpegs[-2:0:-1]]
    return [cycle[index % len(cycle)] for index in range(begin, end)]


def drawn(size: tuple[int, int] = (640, 360), fps: float = 15.0) -> Footage:
    """A noisy grey wall that a dark figure crosses twice."""
    width, height = size
    rng = np.random.default_rng(7)
    wall = rng.integers(90, 140, (height // 20, width // 20), np.uint8).repeat(20, 0).repeat(20, 1)
    motion = [(QUIET_BEFORE, QUIET_BEFORE + 2.5), (QUIET_BEFORE + 7.5, QUIET_BEFORE + 10.0)]
    jpegs = []
    for number in range(round((motion[-1][1] + QUIET_AFTER) * fps)):
        now = number / fps
        picture = wall.astype(np.int16) + rng.normal(0, 2, wall.shape).round().astype(np.int16)
        for begin, end in motion:
            if begin <= now <= end:
                x = round((now - begin) / (end - begin) * (width - 60))
                picture[120:300, x : x + 60] = 30
        grey = np.clip(picture, 0, 255).astype(np.uint8)[:, :, None]
        jpegs.append(simplejpeg.encode_jpeg(np.ascontiguousarray(grey), quality=80, colorspace="GRAY"))
    return Footage(jpegs, fps, motion)
