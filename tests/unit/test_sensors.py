"""Looks at zones `a` and `b` are drawn: the letters of those that are touched, `.` for none, one a second."""

import pytest

from edgecam.config import model
from edgecam.motion.sensors import Sensors, Switched

WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))


def sensors(**cooldowns: float | None) -> Sensors:
    """The camera's own cooldown is 5 s, two looks make motion."""
    zones = {name: model.Zone(polygon=WHOLE, cooldown=cooldown) for name, cooldown in cooldowns.items()}
    return Sensors(zones, confirm=2, cooldown=5)


def told(sensors: Sensors, looks: str) -> list[str]:
    return [
        f"{it.zone} {'on' if it.on else 'off'} at {at}"
        for at, look in enumerate(looks.split())
        for it in sensors.look(float(at), look)
    ]


@pytest.mark.parametrize(
    ("looks", "story"),
    [
        (". a . b . a .", []),  # one look is no motion
        (". a b a b .", []),  # nor are two in different zones
        (". a a . . . . . .", ["a on at 2", "a off at 7"]),
        (". ab ab b b . . . . .", ["a on at 2", "b on at 2", "b off at 6", "a off at 7"]),
        (". ba ba", ["a on at 2", "b on at 2"]),  # in the file's order
    ],
)
def test_each_zone_goes_on_and_off_by_itself(looks: str, story: list[str]) -> None:
    assert told(sensors(a=None, b=2), looks) == story


def test_it_went_off_when_its_last_look_moved() -> None:
    it = sensors(a=2)
    told(it, ". a a")
    assert it.tick(3.9) == []
    assert it.tick(4.0) == [Switched("a", on=False, at=2.0)]


def test_a_zone_that_is_shut_goes_off_at_once_and_stays_off_until_it_is_open_again() -> None:
    it = sensors(a=None, b=None)
    told(it, ". ab ab")
    assert it.shut({"a"}) == [Switched("a", on=False, at=2.0)]
    assert it.shut({"a"}) == []
    assert [*it.look(3.0, "ab"), *it.look(4.0, "ab")] == []
    assert it.moving == ("b",)
    assert it.shut({"b"}) == [Switched("b", on=False, at=4.0)]
    assert [*it.look(5.0, "ab"), *it.look(6.0, "ab")] == [Switched("a", on=True, at=5.0)]


def test_the_zones_that_move_now_are_those_of_the_newest_look() -> None:
    it = sensors(b=None, a=None)
    assert it.names == ("b", "a")
    for at, (touched, moving) in enumerate([("ab", ()), ("ab", ("b", "a")), ("a", ("a",)), ("b", ()), ("", ())]):
        it.look(float(at), touched)
        assert it.moving == moving


def test_the_cameras_new_cooldown_is_that_of_zones_without_one() -> None:
    it = sensors(a=None, b=5)
    told(it, ". ab ab")
    it.tune(1)
    assert it.look(3.0, "") == [Switched("a", on=False, at=2.0)]


def test_all_go_off_when_nobody_looks_any_more() -> None:
    it = sensors(a=None, b=None)
    told(it, ". a ab")
    assert it.close() == [Switched("a", on=False, at=2.0)]
    assert (it.close(), it.moving) == ([], ())
    assert it.look(3.0, "ab") == []  # what was not confirmed is forgotten
