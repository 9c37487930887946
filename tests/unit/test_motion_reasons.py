"""Why what differs is no motion: a drawn scene for each reason, as the eye tells it."""

import math
from collections import Counter
from collections.abc import Callable

import cv2
import numpy as np
import pytest

import stages
from edgecam.config import model
from edgecam.events import Box
from edgecam.motion.detector import Look, Reason
from edgecam.motion.eye import eye
from edgecam.motion.things import Things
from nuisance import HEIGHT, LOOKS, NUISANCES, SCENES, WIDTH, Nuisance, Plane, Random, Scene, Stage, Walker, film
from scenery import COLUMNS, ROWS

SUDDEN = stages.SUDDEN
SECONDS = 14.0


def watch(
    scene: str, nuisance: Nuisance, seed: int = 1, walker: Walker | None = None, config: model.Motion | None = None
) -> list[Look]:
    watcher = eye(config or model.Motion())
    return [watcher.look(luma, at) for at, luma in film(SCENES[scene], nuisance, seed, walker, SECONDS)]


def reasons(looks: list[Look], begin: float = SUDDEN, end: float = SECONDS) -> Counter[Reason | None]:
    """Of the looks from `begin` up to `end` seconds in which nothing moves."""
    return Counter(look.suppressed for look in looks[round(begin * LOOKS) : round(end * LOOKS)] if not look.moving)


def patch(x: float, y: float, width: int, height: int) -> Plane:
    """1 inside, 0 outside."""
    return np.asarray((np.abs(COLUMNS - x) < width / 2) & (np.abs(ROWS - y) < height / 2), np.float32)


def drawn(change: Callable[[Plane, float], Plane], begin: float = SUDDEN) -> Nuisance:
    """From `begin` on the picture is another. `change` is told the seconds since then."""

    def stage(scene: Scene, rng: Random) -> Stage:
        return lambda picture, at: picture if at < begin else np.asarray(change(picture, at - begin), np.float32)

    return Nuisance(stage)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("gain", [0.5, 1.8])
def test_a_lamp_that_is_switched_is_global_light(scene: str, gain: float) -> None:
    looks = watch(scene, drawn(lambda picture, since: picture * gain))
    found = reasons(looks, end=SUDDEN + 3)
    assert found[Reason.GLOBAL_LIGHT] >= 5
    assert found[Reason.GLOBAL_LIGHT] + found[None] == 15  # nothing moved
    assert reasons(looks, SUDDEN + 5.4) == {None: 3}  # it is another light, and changes no more


@pytest.mark.parametrize("scene", SCENES)
def test_dusk_and_clouds_are_global_light(scene: str) -> None:
    found = reasons(watch(scene, drawn(lambda picture, since: picture * (1 - 0.08 * min(since, 6)))), SUDDEN + 2)
    assert found[Reason.GLOBAL_LIGHT] >= 15
    assert set(found) <= {Reason.GLOBAL_LIGHT, None}


@pytest.mark.parametrize("scene", SCENES)
def test_a_bush_that_begins_to_sway_is_sway_until_it_is_learned(scene: str) -> None:
    def gust(picture: Plane, since: float) -> Plane:
        aside = stages.warped(picture, np.array([[1, 0, math.sin(math.pi * since)], [0, 1, 0]], np.float32))
        return np.concatenate((aside[:, :60], picture[:, 60:]), axis=1)

    looks = watch(scene, drawn(gust))
    found = reasons(looks, end=SUDDEN + 2)
    assert found[Reason.SWAY] >= max(3, found[Reason.SPECKLE] + 1)
    assert set(found) <= {Reason.SWAY, Reason.SPECKLE, None}
    assert reasons(looks, SUDDEN + 4)[None] >= 8


@pytest.mark.parametrize("scene", SCENES)
def test_snow_is_speckle(scene: str) -> None:
    found = reasons(watch(scene, NUISANCES["snow"]), 4)
    assert found[Reason.SPECKLE] >= 45


def test_noise_that_grows_is_speckle_until_it_is_learned() -> None:
    rng = np.random.default_rng(7)
    looks = watch("room", drawn(lambda picture, since: picture + 8 * rng.standard_normal((HEIGHT, WIDTH), np.float32)))
    found = reasons(looks, end=SUDDEN + 1)
    assert found[Reason.SPECKLE] >= 4
    assert reasons(looks, SUDDEN + 4)[None] >= 8


@pytest.mark.parametrize("scene", SCENES)
def test_a_mouse_is_too_small(scene: str) -> None:
    def mouse(picture: Plane, since: float) -> Plane:
        return np.asarray(picture * (1 - 0.9 * patch(10 + 20 * since, 70, 4, 4)), np.float32)

    looks = watch(scene, drawn(mouse), config=model.Motion(min_area=0.5))
    found = reasons(looks)
    assert found[Reason.TOO_SMALL] >= 24
    assert sum(found.values()) == 30


@pytest.mark.parametrize("scene", SCENES)
def test_the_beam_of_a_head_lamp_is_soft_light(scene: str) -> None:
    def beam(picture: Plane, since: float) -> Plane:
        wide = np.exp(-(((COLUMNS - 60 * (since % 3)) / 24) ** 2) - ((ROWS - 58) / 20) ** 2)
        return np.asarray(picture * (1 + wide), np.float32)

    found = reasons(watch(scene, drawn(beam)), end=SUDDEN + 3)
    assert found[Reason.SOFT_LIGHT] >= 10
    assert found[Reason.STANDING] == 0


@pytest.mark.parametrize("scene", SCENES)
def test_what_was_put_down_is_standing(scene: str) -> None:
    def box(picture: Plane, since: float) -> Plane:
        return np.where(patch(80, 55, 24, 18) > 0, picture * np.float32(0.3), picture)

    looks = watch(scene, drawn(box))
    found = reasons(looks, end=SUDDEN + 2)
    assert found[Reason.STANDING] >= 8
    assert found[Reason.SOFT_LIGHT] == 0
    assert any(look.moving for look in looks[round(SUDDEN * LOOKS) :][:2])


@pytest.mark.parametrize("scene", SCENES)
def test_somebody_behind_a_mask_is_told_as_such(scene: str) -> None:
    masks = {"street": [(0.0, 0.35), (1.0, 0.35), (1.0, 0.9), (0.0, 0.9)]}
    walker = Walker(begins=8, seconds=4, contrast=1.2)
    found = reasons(watch(scene, Nuisance(), 1, walker, model.Motion.model_validate({"masks": masks})), 8.6, 11.4)
    assert found[Reason.MASK] >= 10
    assert set(found) <= {Reason.MASK, None}


def test_whatever_there_is_in_the_first_seconds_is_settling() -> None:
    looks = watch("room", Nuisance(), 1, Walker(begins=0.4, seconds=3))
    assert reasons(looks, 0, 2) == {Reason.SETTLING: 10}
    assert any(look.moving for look in looks[10:])


@pytest.mark.parametrize("scene", SCENES)
def test_in_a_scene_in_which_nothing_happens_there_is_nothing_to_explain(scene: str) -> None:
    assert reasons(watch(scene, Nuisance()), 2) == {None: 60}


# Sharpness: to be compared with other looks of the same detector.


def passer(blur: int, *, down: bool, length: int) -> list[float]:
    """How sharp somebody is told who walks by, drawn out by so many pixels along or down."""
    rng = np.random.default_rng(5)
    cloth = cv2.resize(rng.uniform(30, 170, (6, 4)).astype(np.float32), (length // 2, length))
    cloak = np.full((blur, 1) if down else (1, blur), 1 / blur, np.float32)

    def walk(picture: Plane, since: float) -> Plane:
        layer, inside = np.zeros((HEIGHT, WIDTH), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)
        place = np.s_[45 - length // 2 : 45 - length // 2 + length, int(20 + 15 * since) :][:2]
        layer[place][:, : length // 2], inside[place][:, : length // 2] = cloth, 1
        layer, inside = (cv2.filter2D(plane, -1, cloak).astype(np.float32) for plane in (layer, inside))
        return np.asarray(picture * (1 - inside) + layer, np.float32)

    return [look.sharpness for look in watch("room", drawn(walk)) if look.moving]


@pytest.mark.parametrize("length", [16, 32, 60])
@pytest.mark.parametrize("down", [False, True], ids=["along", "down"])
def test_what_is_drawn_out_by_its_motion_is_less_sharp(length: int, down: bool) -> None:
    sharp, little, much = (float(np.median(passer(blur, down=down, length=length))) for blur in (1, 5, 9))
    assert little < 0.9 * sharp
    assert much < 0.9 * little


def test_what_is_larger_is_not_less_sharp() -> None:
    small, large = (float(np.median(passer(1, down=False, length=length))) for length in (16, 60))
    assert 0.5 < large / small < 2


# Things: what one part of the picture sees and another may be of the same thing.


def things(strength: float, *boxes: Box) -> Things:
    mask = np.zeros((10, 10), bool)
    for left, top, right, bottom in boxes:
        mask[int(10 * top) : int(10 * bottom), int(10 * left) : int(10 * right)] = True
    return Things(mask, boxes, strength, strength / 10)


HEAD, LEGS, DOG = (0.4, 0.2, 0.6, 0.5), (0.4, 0.4, 0.5, 0.9), (0.8, 0.7, 0.9, 0.9)


def test_boxes_that_meet_become_one_and_others_stay_their_own() -> None:
    both = things(2, HEAD).joined(things(3, LEGS, DOG))
    assert both.boxes == ((0.4, 0.2, 0.6, 0.9), DOG)
    assert both.strength == 3
    assert both.sharpness == pytest.approx(0.3)
    assert np.array_equal(both.mask, things(1, HEAD, LEGS, DOG).mask)


def test_boxes_that_only_touch_are_of_two_things() -> None:
    beside = (0.6, 0.2, 0.7, 0.5)
    assert things(2, HEAD).joined(things(3, beside)).boxes == (HEAD, beside)
