"""The bus: facts reach those who listen, whatever the others do."""

import pytest

from edgecam.events import Bus, CameraLost, CameraOnline, Event

LOST = CameraLost(camera="birdbox", at=1.0, reason="unplugged")


def test_a_listener_hears_its_kind_and_its_children_only() -> None:
    bus, online, everything = Bus(), list[Event](), list[Event]()
    bus.on(CameraOnline, online.append)
    bus.on(Event, everything.append)
    bus.publish(LOST)
    assert online == []
    assert everything == [LOST]


def test_a_listener_that_left_hears_nothing_more() -> None:
    bus, heard = Bus(), list[Event]()
    leave = bus.on(Event, heard.append)
    leave()
    bus.publish(LOST)
    assert heard == []


def test_one_deaf_listener_does_not_silence_the_house(caplog: pytest.LogCaptureFixture) -> None:
    def deaf(event: Event) -> None:
        raise RuntimeError("deaf")

    bus, heard = Bus(), list[Event]()
    bus.on(Event, deaf)
    bus.on(Event, heard.append)
    bus.publish(LOST)
    assert heard == [LOST]
    assert "birdbox: a listener failed on CameraLost" in caplog.text
