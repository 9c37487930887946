"""What the settings of motion do: each of these is tried with all others as they are by default.

    EDGECAM_MOTION_SET=FOLDER PYTHONPATH=.:tests .venv/bin/python bench/sensitivity.py [--seeds 1]

The labelled set and the drawn films are those of trials.py; films are drawn for 5 looks a second of 160 pixels only.
Faintest: somebody who walks by and is so many percent brighter and darker than what is behind, the least of those that
were tried from which on all walks were seen, in each scene with the noise of a good sensor, drawn FAINT_SEEDS times.
"""

import argparse
from itertools import product
from math import log
from statistics import median

import trials
from nuisance import NUISANCES, SCENES, Walker, film, told
from trials import Tally, Variation, tried, watch, workers

CONTRASTS = (3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 65, 80, 100)
"""Percent."""
FAINT_SEEDS = 3


def _settings() -> dict[str, Variation]:
    tried: dict[str, tuple[object, ...]] = {
        "sensitivity": (20, 30, 40, 50, 60, 70, 80),
        "fps": (2, 5, 10),
        "width": (80, 160, 320),
        "min_area": (0.1, 0.3, 1.0, 3.0),
        "min_frames": (1, 2, 3),
    }
    found = {f"{name} {value}": Variation(settings={name: value}) for name, values in tried.items() for value in values}
    for sensitivity in (20, 30, 40, 50, 60):
        found[f"difference {sensitivity}"] = Variation(settings={"method": "difference", "sensitivity": sensitivity})
    return found


def faint(scene: str, percent: int, seed: int) -> dict[str, bool]:
    """Whether so faint a walker is seen."""
    walker = Walker(contrast=log(1 + percent / 100), bright_above=bool(seed % 2))
    pictures = film(SCENES[scene], NUISANCES["nothing"], seed, walker, seconds=20)
    looks = [(number, at, seen) for number, (at, seen) in enumerate(pictures)]
    return {
        name: told(tuple(watch(looks, variation.config).events), walker)
        for name, variation in trials.known().items()
        if variation.can_be_drawn
    }


def faintest(variations: dict[str, Variation]) -> dict[str, int]:
    """Percent, for each setting; missing where the strongest was not enough."""
    unseen: dict[str, int] = {}
    asked = list(product(SCENES, CONTRASTS, range(FAINT_SEEDS)))
    with workers(variations) as pool:
        for (_, percent, _), seen in zip(asked, pool.map(faint, *zip(*asked, strict=True)), strict=True):
            for name, yes in seen.items():
                unseen[name] = max(unseen.get(name, 0), 0 if yes else percent)
    return {
        name: next(percent for percent in CONTRASTS if percent > least)
        for name, least in unseen.items()
        if least < CONTRASTS[-1]
    }


HEAD = (
    f"{'setting':18}{'hits':>5}{'false':>6}{'F1':>7}{'delay s':>9}"
    f"{'drawn: false':>14}{'insects':>9}{'walks':>7}{'faintest':>10}"
)


def line(name: str, tally: Tally, least: int | None) -> str:
    told = f"{name:18}{tally.hits:>5}{tally.false:>6}{tally.f1:>7.3f}{median(tally.delays):>9.2f}"
    if tally.walks:
        told += f"{tally.drawn_false.total():>14}{tally.drawn_false['insects']:>9}{tally.walks.total():>7}"
        told += f"{least} %".rjust(10) if least else "-".rjust(10)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="films of each nuisance in each scene")
    arguments = parser.parse_args()
    variations = _settings()
    tallies, least = tried(variations, arguments.seeds), faintest(variations)
    films = len(SCENES) * len(NUISANCES) * arguments.seeds
    events = next(iter(tallies.values())).events
    print(f"{events} events in the set; {films} drawn films without a walker, as many with one\n")
    print(HEAD)
    for name, tally in tallies.items():
        print(line(name, tally, least.get(name)))


if __name__ == "__main__":
    main()
