"""What each part of the motion detector is good for: everything is tried again with one part taken away.

    EDGECAM_MOTION_SET=FOLDER PYTHONPATH=.:tests .venv/bin/python bench/ablation.py [--seeds 2] [--only "sway,crowd"]

The labelled set and the drawn films are those of trials.py. The product has no switches for this: parts are taken away
from outside. The last column names the nuisances in which most changed: false events and walks beside the whole.
"""

import argparse
from math import inf

import cv2
import numpy as np

from edgecam.motion import background, optics, things
from edgecam.motion.background import Scene
from edgecam.motion.eye import Eye
from edgecam.motion.optics import Optics, Plane
from edgecam.motion.things import Evidence, Things
from nuisance import NUISANCES, SCENES
from trials import Tally, Variation, tried

TELLING = 3
"""So many nuisances are named."""


_learn = background._learn


def _learn_without_youth(scene: Scene, seen: Evidence, moving: Things | None, elapsed: float, *, flash: bool) -> None:
    looks, scene.looks = scene.looks, 10**9
    _learn(scene, seen, moving, elapsed, flash=flash)
    scene.looks = looks


def _learn_mean_deviation(scene: Scene, seen: Evidence, moving: Things | None, elapsed: float, *, flash: bool) -> None:
    """Noise is the running mean of the deviation, not the root of that of its square."""
    usual = np.sqrt(scene.spread)
    _learn(scene, seen, moving, elapsed, flash=flash)
    rate = max(background._rate(elapsed, background.WAVER), np.float32(1 / scene.looks))
    calm = np.float32(1) if moving is None else np.where(moving.mask, np.float32(background.CALM), np.float32(1))
    wavers = np.minimum(np.abs(seen.level - scene.usual), background.SURPRISE * seen.noise)
    scene.spread = np.square(usual + rate * calm * (wavers - usual))


def _pixel_by_pixel(seen: Plane, usual: Plane) -> Plane:
    return np.asarray(np.abs(seen - usual), np.float32)


def _no_lighting(self: Optics, change: Plane, limit: Plane) -> Plane:
    return np.zeros_like(change)


def _simple_lighting(self: Optics, change: Plane, limit: Plane) -> Plane:
    """Things count in the mean of their surroundings."""
    coarse = optics._mean(optics._half(change * self.valid), self._wide) / self._wide_share
    return np.asarray(cv2.resize(coarse, change.shape[::-1]), np.float32)


def _fixed(noise: float) -> Variation:
    return Variation(((background, "SURPRISE", 0.0), (background, "LEAST_NOISE", noise)))


PARTS = {
    "nothing": Variation(),
    "two looks in a row": Variation(settings={"min_frames": 1}),
    "what leaps": Variation(((Eye, "_may_follow", lambda *_: True),)),
    "changing now": Variation(((things, "CHANGING", 0.0),)),
    "opening": Variation(((things, "without_specks", lambda out: out.view(np.uint8)),)),
    "closing gaps": Variation(((things, "_BRIDGE", np.ones((1, 1), np.uint8)),)),
    "crowd": Variation(((things, "CROWD", 10**9),)),
    "soft light": Variation(((things, "SAME_EDGES", 2.0),)),
    "new edges": Variation(((things, "NEW_EDGES", inf),)),
    "sway": Variation(((background, "_excess", _pixel_by_pixel),)),
    "light of the place": Variation(((Optics, "lighting", _no_lighting),)),
    "no halo": Variation(((Optics, "lighting", _simple_lighting),)),
    "lamp": Variation(((background, "_flashed", lambda *_, **__: False),)),
    "own noise (0.01 for all)": _fixed(0.01),
    "own noise (0.02 for all)": _fixed(0.02),
    "own noise (0.04 for all)": _fixed(0.04),
    "noise by squares": Variation(((background, "STEADY", 1.0), (background, "_learn", _learn_mean_deviation))),
    "surprise": Variation(((background, "SURPRISE", inf),)),
    "calm": Variation(((background, "CALM", 1.0),)),
    "first looks": Variation(((background, "_learn", _learn_without_youth),)),
    "smoothing": Variation(((optics, "_near", lambda plane: plane),)),
    "settle": Variation(settings={"settle": 0.0}),
}


def told_of(tally: Tally, whole: Tally) -> str:
    """The nuisances in which most changed."""
    worse = [
        (tally.drawn_false[name] - whole.drawn_false[name], whole.walks[name] - tally.walks[name], name)
        for name in NUISANCES
    ]
    worse.sort(key=lambda one: -abs(one[0]) - abs(one[1]))
    return ", ".join(f"{name} {false:+d} {-walks:+d}" for false, walks, name in worse[:TELLING] if false or walks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="films of each nuisance in each scene")
    parser.add_argument("--films", default=",".join(NUISANCES), help="nuisances, with commas")
    parser.add_argument("--only", default="", help="parts, with commas")
    arguments = parser.parse_args()
    names = ["nothing", *arguments.only.split(",")] if arguments.only else list(PARTS)
    nuisances = arguments.films.split(",")
    tallies = tried({name: PARTS[name] for name in names}, arguments.seeds, nuisances)
    whole, films = tallies["nothing"], len(SCENES) * len(nuisances) * arguments.seeds
    print(f"{whole.events} events in the set; {films} drawn films without a walker, as many with one\n")
    print(
        f"{'missing':26}{'hits':>5}{'false':>6}{'F1':>7}{'  drawn: false':>14}{'walks':>7}  most changed: false, walks"
    )
    for name, tally in tallies.items():
        print(
            f"{name:26}{tally.hits:>5}{tally.false:>6}{tally.f1:>7.3f}{tally.drawn_false.total():>14}"
            f"{tally.walks.total():>7}  {told_of(tally, whole)}"
        )


if __name__ == "__main__":
    main()
