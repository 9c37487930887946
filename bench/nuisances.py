"""What the motion detector makes of drawn nuisances, and of somebody who walks through them.

    PYTHONPATH=.:tests .venv/bin/python bench/nuisances.py [--seeds 5] [--only snow,rain]

False: events without a walker, in films of 26 s. Seen: of as many films with a walker, those with one event, the walk's
own. Split: those with more events than one. The rest has one that is longer than the walk, or none.
"""

import argparse

from nuisance import NUISANCES, SCENES, Walker, events, film, told


def tried(scene: str, nuisance: str, seed: int) -> tuple[int, bool, bool]:
    """Events that nothing caused; whether a walk was one event and nothing else; whether it was more than one."""
    still = events(film(SCENES[scene], NUISANCES[nuisance], seed))
    walker = Walker(bright_above=bool(seed % 2))
    found = events(film(SCENES[scene], NUISANCES[nuisance], seed, walker))
    return len(still), told(found, walker), len(found) > 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="films of each kind")
    parser.add_argument("--only", default="", help="nuisances, with commas")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else list(NUISANCES)
    print(f"{'nuisance':12}" + "".join(f"{scene:>8} false  seen split" for scene in SCENES))
    for name in names:
        cells = []
        for scene in SCENES:
            results = [tried(scene, name, seed) for seed in range(arguments.seeds)]
            false, seen, split = (sum(column) for column in zip(*results, strict=True))
            cells.append(f"{false:>14}  {seen}/{arguments.seeds} {split:>5}")
        print(f"{name:12}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
