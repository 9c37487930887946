"""How well motion is told from everything else: a labelled set of clips through the live eye and gate.

    .venv/bin/python bench/motion_set.py [--fps 5] [--sensitivity 50] [--only bottle,fall] [--quality 85]

EDGECAM_MOTION_SET names the folder of the set: `manifest.json`, `data/`, and `score.py`, which reads and scores it.
Every picture goes through a JPEG, as a camera's would. The last lines put others beside: consecutive difference, and
OpenCV's subtractors, which do best with 320 pixels and without waiting for a second look.
"""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import simplejpeg

import subtractors
from edgecam.config import model
from edgecam.motion import luma
from edgecam.motion.eye import Eye, eye
from edgecam.motion.scan import Finds

SET = Path(os.environ.get("EDGECAM_MOTION_SET", Path(__file__).parents[2] / "shared" / "motion"))

Clip = dict[str, Any]
"""An entry of the set's manifest, as its scorer reads it."""
Runs = list[list[int]]
"""First and last frame of each, as the scorer wants them."""
Picture = tuple[int, float, bytes]
"""Its number in the clip, its second, and a JPEG."""

CONTENDERS: dict[str, tuple[dict[str, object], Callable[[model.Motion], Eye]]] = {
    "background": ({}, eye),
    "difference": ({"method": "difference"}, eye),
    "MOG2": ({"width": 320, "min_frames": 1}, lambda config: Eye(subtractors.mog2(), config.settle)),
    "KNN": ({"width": 320, "min_frames": 1}, lambda config: Eye(subtractors.knn(), config.settle)),
}
"""Settings that suit it, and how it is made."""


def scorer() -> ModuleType:
    """The set's own scorer."""
    if not SET.exists():
        sys.exit(f"there is no labelled set at {SET}; EDGECAM_MOTION_SET names another place")
    spec = importlib.util.spec_from_file_location("score", SET / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pictures(score: ModuleType, clip: Clip, fps: float, quality: int = 85) -> Iterator[Picture]:
    """What a camera would give, `fps` times a second."""
    for number, seconds, picture in score.frames(clip, fps):
        yield number, seconds, simplejpeg.encode_jpeg(picture[:, :, None], quality, "GRAY")


def runs(score: ModuleType, clip: Clip, finds: Finds, step: int) -> Runs:
    """Confirmed motion in one clip that was looked at every `step` frames."""
    ends = [[first, last + step - 1] for first, last in finds.runs]
    found: Runs = score.merge(ends, score.MERGE_S * clip["fps"])
    return found


def watch(
    score: ModuleType, clip: Clip, film: list[Picture], contender: str, config: model.Motion
) -> tuple[Runs, float]:
    """Runs of confirmed motion in one clip, and CPU milliseconds a look, decoding included."""
    settings, make = CONTENDERS[contender]
    config = config.model_copy(update=settings)
    watcher, finds = make(config), Finds.like(config)
    began = time.process_time()
    for number, seconds, jpeg in film:
        finds.look(number, seconds, watcher.look(luma.of_jpeg(jpeg, config.width), seconds))
    spent = time.process_time() - began
    finds.close()
    return runs(score, clip, finds, film[1][0] - film[0][0]), 1000 * spent / len(film)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fps", type=float, default=5, help="looks per second")
    parser.add_argument("--quality", type=int, default=85, help="of the JPEGs")
    parser.add_argument("--sensitivity", type=int, default=50, help="of background and difference")
    parser.add_argument("--only", default="", help="ids of clips, with commas")
    arguments = parser.parse_args()
    score = scorer()
    clips = [c for c in score.load_manifest() if not arguments.only or c["id"] in arguments.only.split(",")]
    config = model.Motion(fps=arguments.fps, sensitivity=arguments.sensitivity)
    found: dict[str, dict[str, Runs]] = {contender: {} for contender in CONTENDERS}
    cost: dict[str, dict[str, float]] = {contender: {} for contender in CONTENDERS}
    for clip in clips:
        film = list(pictures(score, clip, arguments.fps, arguments.quality))
        for contender in CONTENDERS:
            found[contender][clip["id"]], cost[contender][clip["id"]] = watch(score, clip, film, contender, config)
    lines = []
    for contender in CONTENDERS:
        _, total = score.report(clips, found[contender], cost[contender], quiet=contender != "background")
        lines.append(score.line(contender, total["ALL"], sum(cost[contender].values()) / len(clips)))
    print(f"\n{score.HEAD}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
