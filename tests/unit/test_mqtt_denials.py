"""What a broker refuses: a problem for as long as it is so, one line in the log, and what is worth another try."""

import pytest

from edgecam.health import MqttStatus
from edgecam.mqtt.wire.denials import Deed, Denials


@pytest.fixture
def status() -> MqttStatus:
    return MqttStatus()


@pytest.fixture
def denials(status: MqttStatus) -> Denials:
    return Denials("broker:1883", status)


def test_topics_that_are_refused_for_one_reason_are_one_sentence(denials: Denials, status: MqttStatus) -> None:
    for topic in ("a", "b", "a"):
        assert denials.landed(topic, "not authorized") == ()
    denials.granted("c/#", "not authorized")
    denials.refuse(Deed.SIZE, "d", "packets of 9 bytes")
    denials.review()
    assert status.refused == (
        "the broker does not let us write a and 1 more (not authorized); allow it there for our user; "
        "it is tried again each minute; "
        "the broker does not let us read c/# (not authorized); allow it there for our user; "
        "it is tried again each minute; "
        "the broker takes too little for d (packets of 9 bytes); raise its limit"
    )


def test_what_works_for_one_topic_is_tried_for_all_and_the_problem_goes(denials: Denials, status: MqttStatus) -> None:
    for topic in ("a", "b", "c"):
        denials.landed(topic, "not authorized")
    denials.refuse(Deed.READ, "x", "no")
    assert denials.landed("z", None) == (), "it was never refused"
    assert denials.landed("b", None) == ["a", "c"]
    for topic in ("a", "c"):
        denials.landed(topic, None)
    denials.granted("x", None)
    assert status.refused is None


def test_a_refusal_is_told_once_until_all_was_well(
    denials: Denials, status: MqttStatus, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):  # three connections
        denials.anew()
        denials.landed("a", "not authorized")
        denials.landed("b", "not authorized")
        denials.review()
    assert caplog.text.count("does not let us write") == 1
    denials.landed("c", "quota exceeded")
    denials.review()
    assert caplog.text.count("quota exceeded") == 1
    for topic in ("a", "b", "c"):
        denials.landed(topic, None)
    denials.review()
    denials.landed("a", "not authorized")
    denials.review()
    assert len(caplog.records) == 3


def test_each_is_tried_in_its_turn_and_the_words_stay_the_same(denials: Denials, status: MqttStatus) -> None:
    for topic in ("a", "b", "c"):
        denials.landed(topic, "not authorized")
    denials.review()
    words, tried = status.refused, []
    for _ in range(4):
        tried.append(denials.of(Deed.WRITE)[0])
        denials.landed(tried[-1], "not authorized")
        denials.review()
        assert status.refused == words
    assert tried == ["a", "b", "c", "a"]
