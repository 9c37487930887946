"""How well motion is told from everything else: the labelled developer set through the live eye and gate.

    .venv/bin/python bench/motion_set.py [--fps 5] [--only bottle,fall] [--quality 85]

Every picture goes through a JPEG, as a camera's would. The last lines put consecutive difference beside it.
"""

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import simplejpeg

from edgecam.config import model
from edgecam.motion import luma
from edgecam.motion.eye import eye
from edgecam.motion.scan import Finds

SET = Path(os.environ.get("EDGECAM_MOTION_SET", Path(__file__).parents[2] / "shared" / "motion"))

Clip = dict[str, Any]
"""An entry of the set's manifest, as its scorer reads it."""


def scorer() -> ModuleType:
    """The set's own scorer."""
    spec = importlib.util.spec_from_file_location("score", SET / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def watch(score: ModuleType, clip: Clip, config: model.Motion, quality: int) -> tuple[list[list[int]], float]:
    """Runs of confirmed motion in one clip as the scorer wants them, and CPU milliseconds a look."""
    watcher, finds = eye(config), Finds.like(config)
    numbers: list[int] = []
    spent = 0.0
    for number, seconds, picture in score.frames(clip, config.fps):
        jpeg = simplejpeg.encode_jpeg(picture[:, :, None], quality, "GRAY")
        began = time.process_time()
        finds.look(number, seconds, watcher.look(luma.of_jpeg(jpeg, config.width), seconds))
        spent += time.process_time() - began
        numbers.append(number)
    finds.close()
    step = numbers[1] - numbers[0]
    runs = score.merge([[first, last + step - 1] for first, last in finds.runs], score.MERGE_S * clip["fps"])
    return runs, 1000 * spent / len(numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fps", type=float, default=5, help="looks per second")
    parser.add_argument("--quality", type=int, default=85, help="of the JPEGs")
    parser.add_argument("--sensitivity", type=int, default=50)
    parser.add_argument("--only", default="", help="ids of clips, with commas")
    arguments = parser.parse_args()
    if not SET.exists():
        sys.exit(f"the developer set is not at {SET}; EDGECAM_MOTION_SET names another place")
    score = scorer()
    clips = [c for c in score.load_manifest() if not arguments.only or c["id"] in arguments.only.split(",")]
    totals = {}
    for method in ("background", "difference"):
        config = model.Motion(method=method, fps=arguments.fps, sensitivity=arguments.sensitivity)
        found = {clip["id"]: watch(score, clip, config, arguments.quality) for clip in clips}
        runs, cost = {id: one[0] for id, one in found.items()}, {id: one[1] for id, one in found.items()}
        _, total = score.report(clips, runs, cost, quiet=method != "background")
        totals[method] = score.line(method, total["ALL"], sum(cost.values()) / len(cost))
    print(f"\n{score.HEAD}")
    print("\n".join(totals.values()))


if __name__ == "__main__":
    main()
