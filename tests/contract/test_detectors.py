"""One suite over every detector: drawn scenes at 160x90, five looks a second. What only the background detector
promises is tested at the end."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecam.config import model
from edgecam.motion.detector import HOT, METHODS, Detector, Look, Polygon, Reason, Zone, build
from edgecam.motion.luma import Luma
from edgecam.motion.scan import ScanResult, scan

HEIGHT, WIDTH, FPS = 90, 160, 5
Picture = NDArray[np.float64]
Make = Callable[..., Detector]

_coarse = np.random.default_rng(3).integers(70, 150, (HEIGHT // 10, WIDTH // 10)).astype(float)
WALL: Picture = _coarse.repeat(10, 0).repeat(10, 1)
LIT: Picture = (0.6 * WALL + 0.4 * np.roll(WALL, 37, axis=1)) * 0.6 + 90
"""Lit by another lamp, so that shadows lie elsewhere."""


def filmed(pictures: Iterable[Picture], noise: float = 1.5, seed: int = 1) -> Iterator[Luma]:
    """As a sensor gives them: with noise, in whole grey levels, never outside black and white."""
    rng = np.random.default_rng(seed)
    for picture in pictures:
        yield np.clip(np.round(picture + rng.normal(0, noise, picture.shape)), 0, 255).astype(np.uint8)


def still(seconds: float) -> list[Picture]:
    return [WALL] * round(seconds * FPS)


def block(x: float, y: int = 40, size: tuple[int, int] = (26, 12), shade: float = 0.3) -> Picture:
    """The wall with a darker block whose left top is at x, y; `size` is height, width."""
    picture = WALL.copy()
    left, right = (int(np.clip(edge, 0, WIDTH)) for edge in (x, x + size[1]))
    picture[y : y + size[0], left:right] *= shade
    return picture


def walk(seconds: float = 4, size: tuple[int, int] = (26, 12), shade: float = 0.3) -> list[Picture]:
    """A block crosses from left to right."""
    looks = round(seconds * FPS)
    return [block(-12 + (WIDTH + 12) * (look + 0.5) / looks, size=size, shade=shade) for look in range(looks)]


def faint_walk(seconds: float) -> list[Picture]:
    """A wide block crosses from left to right, a little darker above and brighter below than the wall behind it."""
    count = round(seconds * FPS)
    lefts = [-12 + (WIDTH + 12) * (look + 0.5) / count for look in range(count)]
    return [block(x, size=(13, 30), shade=0.88) + block(x, y=53, size=(13, 30), shade=1.12) - WALL for x in lefts]


def looks(detector: Detector, pictures: Iterable[Picture], start: float = 0.0) -> list[Look]:
    return [detector.look(luma, start + number / FPS) for number, luma in enumerate(filmed(pictures))]


def moving(found: Iterable[Look]) -> list[bool]:
    return [look.moving for look in found]


def maker(method: str) -> Make:
    def make(
        *,
        sensitivity: int = 50,
        threshold: float | None = None,
        min_area: float = 0.3,
        masks: Iterable[Polygon] = (),
        zones: Iterable[Zone] = (),
    ) -> Detector:
        return build(
            method,
            sensitivity=sensitivity,
            threshold=threshold,
            min_area=min_area,
            masks=tuple(masks),
            zones=tuple(zones),
        )

    return make


@pytest.fixture(params=sorted(METHODS))
def make(request: pytest.FixtureRequest) -> Make:
    return maker(str(request.param))


@pytest.fixture
def background() -> Make:
    return maker("background")


def test_a_still_picture_with_noise_is_no_motion(make: Make) -> None:
    assert not any(moving(looks(make(), still(30))))


def test_somebody_walking_through_is_motion_within_a_second_and_until_gone(make: Make) -> None:
    found = moving(looks(make(), [*still(5), *walk(4), *still(6)]))
    before, during, after = found[:25], found[25:45], found[45:]
    assert not any(before)
    assert any(during[:5])
    assert sum(during) >= 16
    assert not any(after[5:])


def test_a_look_says_where_how_much_and_how_clearly(make: Make) -> None:
    found = [look for look in looks(make(), [*still(5), *walk(4)])[25:] if look.moving]
    for look in found:
        assert 1 <= look.score <= 100
        assert 0 < look.area < 20
        assert look.suppressed is None
        assert look.box is not None
        left, top, right, bottom = look.box
        assert 0 <= left < right <= 1
        assert 0.38 <= top < 0.55 < bottom <= 0.82  # the block is from 40 to 66 of 90


def test_heat_is_out_where_something_moves_and_nowhere_else(make: Make) -> None:
    detector = make()
    looks(detector, still(5))
    for luma, x in zip(filmed([block(60), block(66)]), (60, 66), strict=True):
        assert detector.look(luma, 5 + x / 30).moving
        heat = detector.heat()
        assert heat is not None
        assert heat.shape == (HEIGHT, WIDTH)
        assert heat.dtype == np.uint8
        out = heat >= HOT
        assert out[42:64, x + 6 : x + 11].mean() > 0.6
        out[37:69, 57:82] = False
        assert out.mean() < 0.01


def test_a_still_scene_is_cold_and_a_mask_is_cold_whatever_moves(make: Make) -> None:
    detector = make(masks=[[(0.0, 0.4), (1.0, 0.4), (1.0, 0.8), (0.0, 0.8)]])
    looks(detector, still(8))
    for number, luma in enumerate(filmed([*still(1), block(60), block(70)])):
        detector.look(luma, 8 + number / FPS)
        heat = detector.heat()
        assert heat is not None
        assert heat.max() < HOT
        assert not heat[36:72].any()


def test_there_is_no_heat_before_the_second_look_at_a_scene(make: Make) -> None:
    detector = make()
    assert detector.heat() is None
    looks(detector, still(0.2))
    assert detector.heat() is None
    looks(detector, still(0.4), start=1.0)
    assert detector.heat() is not None
    detector.reset()
    assert detector.heat() is None
    looks(detector, still(0.4), start=3.0)
    detector.look(next(filmed([WALL[::2, ::2]])), 4.0)
    assert detector.heat() is None


def test_slow_light_is_no_motion(make: Make) -> None:
    dusk = [WALL * (1 - 0.6 * look / 300) for look in range(300)]
    assert not any(moving(looks(make(), [*still(4), *dusk])))


def test_what_is_masked_never_counts(make: Make) -> None:
    masks = [[(0.0, 0.4), (1.0, 0.4), (1.0, 0.8), (0.0, 0.8)]]
    assert not any(moving(looks(make(masks=masks), [*still(5), *walk(4), *walk(4), *still(3)])))


def test_beside_the_mask_motion_is_seen(make: Make) -> None:
    masks = [[(0.0, 0.0), (1.0, 0.0), (1.0, 0.3), (0.0, 0.3)]]
    assert sum(moving(looks(make(masks=masks), [*still(5), *walk(4)]))) >= 15


def test_a_picture_that_is_masked_altogether_is_silent(make: Make) -> None:
    masks = [[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]]
    assert not any(moving(looks(make(masks=masks), [*still(3), *walk(4)])))


def test_after_a_reset_the_scene_is_new(make: Make) -> None:
    detector = make()
    looks(detector, still(5))
    detector.reset()
    assert detector.look(next(filmed([block(60)])), 5.0) == Look()
    assert not any(moving(looks(detector, [block(60)] * 20, start=5.2)))


def test_another_size_begins_anew_and_is_no_motion(make: Make) -> None:
    detector = make(masks=[[(0.0, 0.0), (0.2, 0.0), (0.2, 0.2)]])
    looks(detector, still(3))
    small = [picture[::2, ::2] for picture in [*still(3), *walk(4)]]
    found = moving(looks(detector, small, start=3.0))
    assert not any(found[:15])
    assert any(found[15:])


def test_the_same_pictures_give_the_same_answers(make: Make) -> None:
    scene = [*still(4), *walk(3), *still(3), *walk(2)]
    assert looks(make(), scene) == looks(make(), scene)


def test_more_sensitive_sees_more(make: Make) -> None:
    scene = [*still(5), *walk(4, shade=0.8)]
    seen = [sum(moving(looks(make(sensitivity=sensitivity), scene))) for sensitivity in (10, 30, 50, 70)]
    assert all(less <= more for less, more in pairwise(seen))
    assert seen[0] < seen[-1]


def test_a_change_of_sensitivity_acts_at_once_and_forgets_nothing(make: Make) -> None:
    detector = make(sensitivity=1)
    faint = faint_walk(4)
    assert not any(moving(looks(detector, [*still(5), *faint])))
    looks(detector, still(4), start=9.0)
    detector.tune(60, 0.3)
    assert any(moving(looks(detector, faint[2:8], start=13.0)))


def test_a_threshold_of_ones_own_wins_over_sensitivity(make: Make) -> None:
    detector = make(sensitivity=100, threshold=1e6)
    detector.tune(100, 0.3)
    assert not any(moving(looks(detector, [*still(3), *walk(4)])))


# Zones: the left and the right half, and the sky above the walker.

HALVES = {
    "left": [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)],
    "right": [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)],
}
SKY = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.3), (0.0, 0.3)]


def touched(found: Iterable[Look], name: str) -> list[bool]:
    return [name in look.zones for look in found]


def test_a_zone_is_touched_while_what_moves_is_in_it(make: Make) -> None:
    zones = [Zone("right", HALVES["right"]), Zone("sky", SKY), Zone("left", HALVES["left"])]
    found = looks(make(zones=zones), [*still(5), *walk(4), *still(5)])
    left, right = touched(found, "left"), touched(found, "right")
    assert not any(left[:25] + right[:25] + touched(found, "sky"))
    assert (sum(left[25:34]), sum(right[37:45])) >= (6, 6)
    assert not any(left[38:] + right[25:33] + right[50:])
    crossing = next(look.zones for look in found if len(look.zones) == 2)
    assert crossing == ("right", "left")  # as they were given


def test_zones_that_see_no_more_than_the_picture_change_nothing_else(make: Make) -> None:
    scene = [*still(5), *walk(4), *walk(4, shade=0.8), *still(5)]
    zones = [Zone("left", HALVES["left"]), Zone("sky", SKY, sensitivity=20, min_area=5.0)]
    found = [replace(look, zones=()) for look in looks(make(zones=zones), scene)]
    assert found == looks(make(), scene)


def test_a_zone_more_sensitive_than_the_picture_makes_motion_of_what_it_sees(make: Make) -> None:
    scene = [*still(5), *walk(4, size=(26, 30), shade=0.9)]
    blind = looks(make(sensitivity=1), scene)
    found = looks(make(sensitivity=1, zones=[Zone("right", HALVES["right"], sensitivity=60)]), scene)
    assert not any(moving(blind) + moving(found)[:33])
    assert sum(touched(found, "right")) >= 4
    assert moving(found) == touched(found, "right")
    for look in found:
        assert bool(look.score and look.area) is look.moving


def test_a_zone_less_sensitive_than_the_picture_is_touched_by_what_is_clear(make: Make) -> None:
    zones = [Zone("left", HALVES["left"], sensitivity=1)]
    faint = looks(make(sensitivity=70, zones=zones), [*still(5), *walk(4, size=(26, 30), shade=0.9)])
    assert any(moving(faint))
    assert not any(touched(faint, "left"))


def test_a_zone_without_a_sensitivity_follows_the_pictures(make: Make) -> None:
    detector = make(sensitivity=1, zones=[Zone("left", HALVES["left"])])
    faint = faint_walk(4)
    assert not any(touched(looks(detector, [*still(5), *faint]), "left"))
    looks(detector, still(4), start=9.0)
    detector.tune(70, 0.3)
    assert any(touched(looks(detector, faint, start=13.0), "left"))


def test_a_zone_that_is_shut_is_not_touched_and_makes_no_motion_of_what_it_sees(make: Make) -> None:
    zones = [Zone("right", HALVES["right"], sensitivity=60), Zone("left", HALVES["left"], sensitivity=60)]
    detector = make(sensitivity=1, zones=zones)
    faint = faint_walk(4)
    detector.tune(1, 0.3, {"right"})
    found = looks(detector, [*still(5), *faint])
    assert any(touched(found, "left"))
    assert not any(touched(found, "right"))
    assert moving(found) == touched(found, "left")
    looks(detector, still(4), start=9.0)
    detector.tune(1, 0.3)
    assert any(touched(looks(detector, walk(4), start=13.0), "right"))


def test_what_is_masked_touches_no_zone(make: Make) -> None:
    masks = [[(0.0, 0.4), (1.0, 0.4), (1.0, 0.8), (0.0, 0.8)]]
    zones = [Zone("left", HALVES["left"], sensitivity=60, min_area=0.0)]
    assert not any(touched(looks(make(masks=masks, zones=zones), [*still(5), *walk(4)]), "left"))


def test_zones_follow_another_size(make: Make) -> None:
    detector = make(zones=[Zone("right", HALVES["right"])])
    looks(detector, still(3))
    found = touched(looks(detector, [picture[::2, ::2] for picture in [*still(3), *walk(4)]], start=3.0), "right")
    assert not any(found[:23])
    assert any(found[27:])


# What only the background detector promises.


def test_a_zone_is_content_with_less_or_asks_for_more_of_what_moves(background: Make) -> None:
    scene = [*still(5), *walk(4, size=(6, 6))]  # 0.25 % of the picture
    large = looks(background(min_area=0.1, zones=[Zone("left", HALVES["left"], min_area=1.0)]), scene)
    assert any(moving(large))
    assert not any(touched(large, "left"))
    small = looks(background(min_area=1.0, zones=[Zone("left", HALVES["left"], min_area=0.1)]), scene)
    assert sum(touched(small, "left")) >= 5
    assert moving(small) == touched(small, "left")


def test_enough_of_what_moves_must_lie_in_the_zone(background: Make) -> None:
    edge = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.47), (0.0, 0.47)]  # the walker's head: two rows of 26
    found = looks(background(min_area=0.3, zones=[Zone("edge", edge)]), [*still(5), *walk(4)])
    assert any(moving(found))
    assert not any(touched(found, "edge"))


def test_a_light_change_touches_no_zone(background: Make) -> None:
    zones = [Zone("left", HALVES["left"], sensitivity=90)]
    found = looks(background(zones=zones), [*still(5), *[LIT] * 25])
    assert found[25].suppressed is Reason.GLOBAL_LIGHT
    assert found[25].zones == ()


def test_another_least_area_acts_at_once_and_forgets_nothing(background: Make) -> None:
    detector = background(min_area=20.0)
    assert not any(moving(looks(detector, [*still(5), *walk(4)])))
    looks(detector, still(4), start=9.0)
    detector.tune(50, 0.3)
    assert any(moving(looks(detector, walk(4)[2:8], start=13.0)))


def test_a_lamp_that_brightens_everything_is_no_motion(background: Make) -> None:
    scene = [*still(5), *[WALL * 1.5] * 25, *[WALL * 0.7] * 25]
    assert not any(moving(looks(background(), scene)))


def test_a_lamp_that_throws_other_shadows_is_a_light_change(background: Make) -> None:
    found = looks(background(), [*still(5), *[LIT] * 25])
    assert not any(moving(found))
    assert found[25].suppressed is Reason.GLOBAL_LIGHT
    assert found[-1].suppressed is None


@pytest.mark.parametrize("shade", [0.15, 0.6])
def test_a_bird_that_fills_the_picture_is_no_lamp(background: Make, shade: float) -> None:
    plumage = np.random.default_rng(5).uniform(0.4, 1.4, (HEIGHT // 6, WIDTH // 6)).repeat(6, 0).repeat(6, 1)
    plumage = np.pad(plumage, ((0, HEIGHT - plumage.shape[0]), (0, WIDTH - plumage.shape[1])), mode="wrap")
    bird = [150 * shade * np.roll(plumage, round(6 * np.sin(look / 2)), axis=1) for look in range(20)]
    found = looks(background(), [*still(5), *bird])
    assert all(moving(found[26:32]))


@pytest.mark.parametrize("fps", [5, 15, 30])
def test_somebody_slow_is_seen_however_often_one_looks(background: Make, fps: int) -> None:
    slow = [block(-12 + 8 * look / fps) for look in range(round(21 * fps))]
    detector = background()
    found = [detector.look(luma, at / fps) for at, luma in enumerate(filmed([*[WALL] * (5 * fps), *slow]))]
    assert sum(moving(found)) > 15 * fps


@pytest.mark.parametrize(
    "masks", [[], [[(0.0, 0.0), (1.0, 0.0), (1.0, 0.42), (0.0, 0.42)]]], ids=["all", "masked above"]
)
def test_under_passing_clouds_only_somebody_walking_moves(background: Make, masks: list[Polygon]) -> None:
    def cloudy(pictures: list[Picture]) -> list[Picture]:
        shares = np.arange(WIDTH) / WIDTH
        return [
            picture * (1 - 0.3 * np.sin(look / 3 + 3 * shares) * min(1, look / 10))
            for look, picture in enumerate(pictures)
        ]

    found = looks(background(masks=masks), cloudy([*still(8), *walk(4), *still(8)]))
    before, during, after = found[:40], found[40:60], found[60:]
    assert not any(moving(before))
    assert sum(moving(during)) >= 14
    assert max(look.area for look in during) < 8  # the block is two percent
    assert not any(moving(after[5:]))


def test_infrared_at_night_is_a_light_change(background: Make) -> None:
    infrared = 255 - WALL + 20
    assert not any(moving(looks(background(), [*still(5), *[infrared] * 25, *still(5)])))


def test_a_head_lamp_that_sweeps_by_is_no_motion(background: Make) -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    beam = [WALL * (1 + 0.8 * np.exp(-(((x - 20 * look) / 28) ** 2) - ((y - 55) / 22) ** 2)) for look in range(10)]
    assert not any(moving(looks(background(), [*still(8), *beam, *still(3)])))


def test_a_bird_that_fills_half_of_the_box_is_motion_not_light(background: Make) -> None:
    bird = [block(20 + 8 * (look % 5), y=10, size=(70, 90)) for look in range(15)]
    assert any(moving(looks(background(), [*still(5), *bird]))[25:30])


def test_what_was_put_down_or_taken_away_falls_silent_within_two_seconds(background: Make) -> None:
    arrive = [block(x) for x in range(0, 80, 8)]
    parked = [block(80)] * 50
    found = moving(looks(background(), [*still(5), *arrive, *parked, *still(10)]))
    gone = 25 + len(arrive) + len(parked)
    assert any(found[25 : 25 + len(arrive)])
    assert not any(found[25 + len(arrive) + 10 : gone])
    assert not any(found[gone + 10 :])


def test_swaying_leaves_are_learned_and_somebody_before_them_is_still_seen(background: Make) -> None:
    rng = np.random.default_rng(5)
    leaves = rng.integers(40, 160, (HEIGHT, 50)).astype(float)

    def swaying(picture: Picture) -> Picture:
        picture = picture.copy()
        picture[:, :50] = np.roll(leaves, (rng.integers(-1, 2), rng.integers(-2, 3)), axis=(0, 1))
        return picture

    scene = [swaying(picture) for picture in [*still(40), *walk(4, shade=0.1)]]
    found = moving(looks(background(), scene))
    assert sum(found[75:200]) <= 2
    assert sum(found[200:]) >= 10


def test_specks_smaller_than_the_least_area_are_ignored(background: Make) -> None:
    scene = [*still(5), *walk(4, size=(6, 6))]
    assert not any(moving(looks(background(min_area=1.0), scene)))
    assert any(moving(looks(background(min_area=0.1), scene)))


CLIPS = Path(os.environ.get("EDGECAM_MOTION_SET", Path(__file__).parents[3] / "shared" / "motion"))


def clip(name: str) -> ScanResult:
    path = CLIPS / "data" / name
    if not path.exists():
        pytest.skip(f"the developer set is not at {CLIPS}; EDGECAM_MOTION_SET names another place")
    return scan(path, model.Motion(), fps=10)


def test_real_video_of_a_table_shows_each_time_something_is_taken_or_put_back() -> None:
    found = clip("bottle.mp4").motion
    labelled = [(165, 222), (326, 404), (470, 540), (650, 738), (806, 864), (915, 962), (1030, 1104)]
    for begin, end in labelled:
        assert any(first <= end and last >= begin for first, last in found), (begin, end)
    slack = 45  # frames: a second and a half, in which motion after an event is not false
    spans = [*labelled, (30, 85), (865, 890)]  # and what nobody can tell
    false = [run for run in found if not any(begin - 15 <= run[0] <= end + slack for begin, end in spans)]
    assert false == []


def test_real_video_of_an_empty_street_at_night_is_silent() -> None:
    people = 430  # from this frame on there are some, a few pixels high
    assert [run for run in clip("nightstreet.mp4").motion if run[0] < people] == []


# And what only the difference does.


def test_consecutive_difference_sees_a_lamp_everywhere() -> None:
    found = looks(maker("difference")(), [*still(3), *[WALL + 60] * 5])
    assert moving(found) == [*[False] * 15, True, *[False] * 4]
    assert (found[15].area, found[15].box) == (100.0, None)
