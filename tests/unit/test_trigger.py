"""What a trigger from outside may say."""

import pytest

from edgecam import trigger


@pytest.mark.parametrize(
    ("said", "seconds"), [("30s", 30), ("1s", 1), ("10m", 600), ("1500ms", 1.5), (30, 30), (2.5, 2.5), (600, 600)]
)
def test_a_duration_is_text_or_seconds(said: object, seconds: float) -> None:
    assert trigger.duration(said) == seconds


@pytest.mark.parametrize(
    "said",
    ["", "30", "soon", "forever", "11m", "999ms", 0, 0.9, -1, 601, 10**400, True, None, ["30s"], float("nan")],
    ids=lambda said: f"{said!r:.20}",
)
def test_anything_else_is_refused_in_words(said: object) -> None:
    with pytest.raises(ValueError, match=r"must be a duration from 1s to 10m such as 30s"):
        trigger.duration(said)


@pytest.mark.parametrize("said", ["pir", "Doorbell", "zigbee-2.left_door", "x" * 32])
def test_a_cause_is_a_word(said: str) -> None:
    assert trigger.cause(said) == said


@pytest.mark.parametrize(
    "said", ["", "two words", "x" * 33, "-x", "häuser", "a\nb", "pir\n", None, 5, ["pir"]], ids=repr
)
def test_a_cause_that_is_none_is_refused_in_words(said: object) -> None:
    with pytest.raises(ValueError, match="must be a word of up to 32"):
        trigger.cause(said)
