"""What the live eye and gate, as they are by default, make of nuisances and of people.

Each nuisance stands here with one seed for each scene; bench/nuisances.py prints the table for as many as you like.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.motion.luma import Luma
from nuisance import HEIGHT, LOOKS, NUISANCES, SCENES, WIDTH, Nuisance, Random, Scene, Stage, Walker, events, film, told

INSECTS = {("room", "insects"), ("night", "insects")}
"""What is still seen: large insects near the lens, which show well before a plain wall or in the dark."""
CASES = [(scene, name) for name in NUISANCES for scene in SCENES if (scene, name) not in INSECTS]
WALK = Walker(begins=9)
Draw = Callable[[Random], Scene]
scenes = st.sampled_from(list(SCENES.values()))
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=12, derandomize=True)


def seed_of(scene: str, name: str) -> int:
    return list(SCENES).index(scene) + 3 * list(NUISANCES).index(name)


@pytest.mark.parametrize(("scene", "name"), CASES)
def test_a_nuisance_is_no_event(scene: str, name: str) -> None:
    assert events(film(SCENES[scene], NUISANCES[name], seed_of(scene, name), seconds=22)) == ()


@pytest.mark.parametrize(("scene", "name"), CASES)
def test_somebody_who_walks_through_it_is_one_event(scene: str, name: str) -> None:
    found = events(film(SCENES[scene], NUISANCES[name], seed_of(scene, name), WALK, seconds=20))
    assert told(found, WALK)


@few
@given(st.integers(0, 255))
def test_a_plain_picture_is_no_event(level: int) -> None:
    def plain() -> Iterator[tuple[float, Luma]]:
        for number in range(10 * LOOKS):
            yield number / LOOKS, np.full((HEIGHT, WIDTH), level, np.uint8)

    assert events(plain()) == ()


def path(gains: list[float]) -> Nuisance:
    """Through these gains, softly, each two seconds after the one before."""

    def gain(at: float) -> float:
        number, part = divmod(at / 2, 1)
        before, after = gains[int(number)], gains[int(number) + 1]
        return before + (after - before) * (1 - math.cos(math.pi * part)) / 2

    def outside(scene: Scene, rng: Random) -> Stage:
        return lambda picture, at: np.asarray(picture * gain(at), np.float32)

    return Nuisance(outside)


@few
@given(scenes, seeds, st.lists(st.floats(0.5, 1.5), min_size=8, max_size=8))
def test_light_that_takes_two_seconds_to_change_is_no_event(scene: Draw, seed: int, gains: list[float]) -> None:
    assert events(film(scene, path(gains), seed, seconds=14)) == ()


@few
@given(scenes, seeds, st.floats(0, 8), st.floats(0, 8))
def test_the_noise_of_a_sensor_is_no_event(scene: Draw, seed: int, black: float, light: float) -> None:
    assert events(film(scene, Nuisance(noise=(black, black + light)), seed, seconds=14)) == ()


@few
@given(scenes, seeds, st.floats(0, 1.5), st.floats(0, 1), st.floats(0.6, 2))
def test_noise_that_a_camera_has_smoothed_is_no_event(
    scene: Draw, seed: int, black: float, light: float, grain: float
) -> None:
    assert events(film(scene, Nuisance(noise=(black, black + light), blotch=grain), seed, seconds=14)) == ()


@st.composite
def walkers(draw: st.DrawFn) -> Walker:
    """From either side to the other, at 12 to 60 pixels a second, from 35 % brighter or darker than what is behind."""
    ends = [(-6.0, draw(st.floats(12, 78))), (166.0, draw(st.floats(12, 78)))]
    start, end = draw(st.permutations(ends))
    seconds = 172 / draw(st.floats(12, 60))
    return Walker(5, seconds, start, end, draw(st.floats(0.3, 1.2)), draw(st.booleans()))


@few
@given(scenes, seeds, walkers())
def test_somebody_who_walks_by_is_one_event(scene: Draw, seed: int, walker: Walker) -> None:
    assert told(events(film(scene, NUISANCES["nothing"], seed, walker, walker.ends + 3)), walker)
