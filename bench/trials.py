"""Trials: variations of the motion detector over a labelled set of clips (see motion_set.py) and over drawn films of
each nuisance in each scene, without a walker and with one (see nuisances.py).

A clip is decoded once and a film drawn once for all variations.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from multiprocessing import get_context
from unittest.mock import patch

import motion_set
from edgecam.config import model
from edgecam.motion import luma
from edgecam.motion.eye import eye
from edgecam.motion.luma import Luma
from edgecam.motion.scan import Finds
from nuisance import LOOKS, NUISANCES, SCENES, WIDTH, Walker, film, told

WORKERS = 2

Look = tuple[int, float, Luma]
"""Number of the picture, its second, and what is seen."""


@dataclass(frozen=True, slots=True)
class Variation:
    """Names in modules and classes that get another value, and settings that do."""

    instead: tuple[tuple[object, str, object], ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)

    @contextmanager
    def holds(self) -> Iterator[model.Motion]:
        """The settings to look with, while it does."""
        with ExitStack() as stack:
            for owner, name, value in self.instead:
                stack.enter_context(patch.object(owner, name, value))
            yield self.config

    @property
    def config(self) -> model.Motion:
        return model.Motion().model_copy(update=dict(self.settings))

    @property
    def can_be_drawn(self) -> bool:
        """Films are drawn for one pace and width."""
        return self.config.fps == LOOKS and self.config.width == WIDTH


Variations = Mapping[str, Variation]


@dataclass(slots=True)
class Tally:
    """What became of one variation."""

    events: int = 0
    """In the set; the next three as well."""
    hits: int = 0
    false: int = 0
    delays: list[float] = field(default_factory=list)
    drawn_false: Counter[str] = field(default_factory=Counter)
    """Events that nothing caused, by nuisance."""
    walks: Counter[str] = field(default_factory=Counter)
    """Films with a walker in which one event was told, the walk, and nothing else."""

    def add(self, other: "Tally") -> None:
        self.events += other.events
        self.hits += other.hits
        self.false += other.false
        self.delays += other.delays
        self.drawn_false.update(other.drawn_false)
        self.walks.update(other.walks)

    @property
    def f1(self) -> float:
        return 2 * self.hits / (self.events + self.hits + self.false)


def watch(looks: Iterable[Look], config: model.Motion) -> Finds:
    """What the live eye and gate make of them."""
    watcher, finds = eye(config), Finds.like(config)
    for number, at, seen in looks:
        finds.look(number, at, watcher.look(seen, at))
    finds.close()
    return finds


def labelled(clip: motion_set.Clip) -> dict[str, Tally]:
    """One clip of the set."""
    score, found = motion_set.scorer(), {}
    films: dict[tuple[float, int], list[Look]] = {}
    for name, variation in known().items():
        with variation.holds() as config:
            kind = (config.fps, config.width)
            if kind not in films:
                pictures = motion_set.pictures(score, clip, config.fps)
                films[kind] = [(number, at, luma.of_jpeg(jpeg, config.width)) for number, at, jpeg in pictures]
            finds = watch(films[kind], config)
        step = films[kind][1][0] - films[kind][0][0]
        row = score.score_clip(clip, motion_set.runs(score, clip, finds, step))
        found[name] = Tally(row["events"], row["hits"], row["false_events"], row["delays_s"])
    return found


def drawn(scene: str, nuisance: str, seed: int) -> dict[str, Tally]:
    """Two films of one nuisance."""
    walker = Walker(bright_above=bool(seed % 2))
    still, walked = (
        [(number, at, seen) for number, (at, seen) in enumerate(film(SCENES[scene], NUISANCES[nuisance], seed, who))]
        for who in (None, walker)
    )
    found = {}
    for name, variation in known().items():
        if not variation.can_be_drawn:
            continue
        with variation.holds() as config:
            false = len(watch(still, config).events)
            seen = told(tuple(watch(walked, config).events), walker)
        found[name] = Tally(drawn_false=Counter({nuisance: false}), walks=Counter({nuisance: int(seen)}))
    return found


_variations: Variations = {}


def _begin(variations: Variations) -> None:
    global _variations
    _variations = variations


def known() -> Variations:
    """Those that this process was started for."""
    return _variations


def workers(variations: Variations) -> ProcessPoolExecutor:
    """Processes in which these are `known`."""
    return ProcessPoolExecutor(WORKERS, get_context("fork"), _begin, (variations,))


def tried(variations: Variations, seeds: int, nuisances: Iterable[str] = tuple(NUISANCES)) -> dict[str, Tally]:
    """All of them, over the whole set and so many drawn films of each of these nuisances in each scene."""
    tallies = {name: Tally() for name in variations}
    with workers(variations) as pool:
        waiting: list[Future[dict[str, Tally]]] = [
            pool.submit(labelled, clip) for clip in motion_set.scorer().load_manifest()
        ]
        waiting += [pool.submit(drawn, *one) for one in product(SCENES, nuisances, range(seeds))]
        for done in waiting:
            for name, tally in done.result().items():
                tallies[name].add(tally)
    return tallies
