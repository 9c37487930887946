"""The kinds of live settings: what each takes, from a broker's text and from JSON, and what it refuses in words."""

import json

import pytest

from edgecam.knobs import Choice, Knob, Number, Switch

SWITCH, WHOLE, FINE = Switch(), Number(1, 100, "%"), Number(0, 100, "%", step=0.1)
MODE = Choice(("event", "continuous", "both"))


@pytest.mark.parametrize(
    ("knob", "given", "taken"),
    [
        (SWITCH, True, True),
        (SWITCH, "ON", True),
        (SWITCH, " off\n", False),
        (WHOLE, 1, 1),
        (WHOLE, "100", 100),
        (WHOLE, "60.0", 60),
        (WHOLE, 60.0, 60),
        (FINE, "0.3", 0.3),
        (FINE, 0.30000000000000004, 0.3),
        (FINE, "0.25", 0.25),
        (FINE, 7, 7.0),
        (FINE, "-0.0", 0.0),
        (FINE, 100, 100.0),
        (MODE, "both", "both"),
    ],
)
def test_what_makes_sense_is_taken(knob: Knob, given: object, taken: object) -> None:
    found = knob.parse(given)
    assert (found, type(found), str(found)) == (taken, type(taken), str(taken))


HUGE = json.loads("1" * 400)


REFUSED: dict[str, tuple[Knob, tuple[object, ...]]] = {
    "must be ON or OFF": (SWITCH, ("maybe", "", 1, 0, None, [], {"on": True})),
    "must be a whole number from 1 to 100": (WHOLE, (0, 101, 50.5, True, "high", "nan", "inf", "", None, [50], HUGE)),
    "must be a number from 0 to 100": (FINE, (-0.1, "100.1", "nan", float("inf"), False, "0,3", [], HUGE)),
    "must be one of event, continuous, both": (MODE, ("never", "", "Both", True, 1, None, ["event"], {})),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_does_not_is_refused_with_what_would(sentence: str) -> None:
    knob, absurd = REFUSED[sentence]
    for given in absurd:
        with pytest.raises(ValueError, match=f"^{sentence}$"):
            knob.parse(given)


@pytest.mark.parametrize(("value", "shown"), [(0.5, 1), (1, 1), (10.5, 10.5), (7200, 3600)])
def test_a_value_beyond_the_limits_is_brought_to_the_nearest_one(value: float, shown: float) -> None:
    assert Number(1, 3600, "s").clamp(value) == shown
