"""Where motion detection ends, on drawn films with the noise of a good sensor, everything as it is by default.

    PYTHONPATH=.:tests .venv/bin/python bench/limits.py [--seeds 3]

Each line: of so many films in all scenes how many have an event at all, how many events they have together, and how
long an event is, in the middle.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from unittest.mock import patch

import numpy as np

import nuisance
import stages
from edgecam.motion.scan import FoundEvent
from nuisance import NUISANCES, SCENES, WIDTH, Nuisance, Plane, Random, Scene, Stage, Walker, events, film
from scenery import COLUMNS, ROWS

Outside = Callable[[Scene, Random], Stage]


@dataclass(frozen=True, slots=True)
class Stander(Walker):
    """Stops half way, and stays."""

    def paint(self, picture: Plane, at: float) -> Plane:
        return Walker.paint(self, picture, min(at, self.begins + self.seconds / 2))


def knocked(scene: Scene, rng: Random) -> Stage:
    """The camera is pushed aside by a tenth of the picture, and stays so."""
    matrix = np.array([[1, 0, WIDTH / 10], [0, 1, WIDTH / 20]], np.float32)
    return lambda picture, at: stages.warped(picture, matrix) if at >= stages.SUDDEN else picture


def lit(gain: float, part: float = 9, soft: float = 1) -> Outside:
    """A lamp goes on and stays on; it lights the left part of the picture, to a border `soft` pixels wide."""

    def outside(scene: Scene, rng: Random) -> Stage:
        lamp = 1 + (gain - 1) * np.clip((part * WIDTH - COLUMNS + 0.1 * ROWS) / soft, 0, 1)
        return lambda picture, at: np.asarray(picture * lamp, np.float32) if at >= stages.SUDDEN else picture

    return outside


@dataclass(frozen=True, slots=True)
class Case:
    nuisance: Nuisance = NUISANCES["nothing"]
    walker: Walker | None = None
    looks: int = 5
    """A second."""

    def films(self, seeds: int) -> list[tuple[FoundEvent, ...]]:
        """The events of each film."""
        with patch.object(nuisance, "LOOKS", self.looks):
            return [
                events(film(scene, self.nuisance, seed, self.walker))
                for scene in SCENES.values()
                for seed in range(seeds)
            ]


CASES = {
    **{
        f"crosses in {seconds} s, {looks} looks a second": Case(walker=Walker(seconds=seconds), looks=looks)
        for looks in (5, 10)
        for seconds in (0.4, 0.6, 0.8, 1.0, 1.2, 1.5)
    },
    "stops half way, after 3.5 s": Case(walker=Stander()),
    "camera knocked by a tenth": Case(Nuisance(knocked)),
    "the same, a walk 2 s later": Case(Nuisance(knocked), Walker()),
    "lamp on all, 1.5 times as bright": Case(Nuisance(lit(1.5))),
    "lamp on all, 3 times as bright": Case(Nuisance(lit(3))),
    "lamp on half, soft border": Case(Nuisance(lit(1.5, 0.5, 40))),
    "lamp on half, hard border": Case(Nuisance(lit(1.5, 0.5, 2))),
    "lamp on a sixth, hard border": Case(Nuisance(lit(1.5, 0.17, 2))),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="films of each scene")
    arguments = parser.parse_args()
    print(f"{'':36}{'films':>6}{'with':>6}{'events':>8}{'seconds':>9}")
    for name, case in CASES.items():
        found = case.films(arguments.seeds)
        lasted = [event.end - event.start for one in found for event in one]
        told = f"{median(lasted):.1f}" if lasted else "-"
        print(f"{name:36}{len(found):>6}{sum(map(bool, found)):>6}{len(lasted):>8}{told:>9}", flush=True)


if __name__ == "__main__":
    main()
