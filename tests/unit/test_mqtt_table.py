"""The pure parts below the MQTT client: table, ceiling, shrinking, and what the state folder remembers."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from edgecam import durable
from edgecam.mqtt.memory import Announced, Owned, Versions
from edgecam.mqtt.wire.ceiling import Ceiling
from edgecam.mqtt.wire.messages import Rank, Retained
from edgecam.mqtt.wire.shrink import fit, fits
from edgecam.mqtt.wire.table import Table


def test_while_a_message_is_under_way_only_the_newest_waits() -> None:
    table = Table()
    assert table.put("motion", Retained(b"ON"))
    table.flies("motion", 1)
    assert not table.put("motion", Retained(b"OFF"))
    assert not table.put("motion", Retained(b"ON again"))
    assert table.landed(1) == ("motion", True)
    table.flies("motion", 2)
    assert table.landed(2) == ("motion", False)
    assert table.settled
    assert table.bytes == len(b"ON again")


def test_a_cleared_topic_is_forgotten_once_the_broker_has_heard_it() -> None:
    table = Table()
    table.put("motion", Retained(b""))
    assert table.all() == ["motion"]
    table.flies("motion", 7)
    assert table.landed(7) == ("motion", False)
    assert table.all() == []
    assert table.landed(7) == (None, False)  # a number nobody knows


def test_what_could_not_be_cleared_is_still_to_be_cleared() -> None:
    table = Table()
    table.put("motion", Retained(b""))
    table.flies("motion", 7)
    assert table.landed(7, kept=False) == ("motion", False)
    assert table.all() == ["motion"]


def test_a_lost_connection_loses_what_was_under_way_and_no_state() -> None:
    table = Table()
    table.put("motion", Retained(b"ON"))
    table.flies("motion", 1)
    table.grounded()
    assert table.settled
    assert table.free("motion")
    assert table.landed(1) == (None, False)
    assert table.get("motion") == Retained(b"ON")
    table.drop("motion")
    assert table.get("motion") is None


def test_availability_is_restored_last() -> None:
    table = Table()
    for topic, rank in (("online", Rank.ONLINE), ("b", Rank.STATE), ("config", Rank.DISCOVERY), ("a", Rank.STATE)):
        table.put(topic, Retained(b"x", rank))
    assert table.all() == ["config", "b", "a", "online"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "land", "lose"])), max_size=60))
def test_what_lands_last_is_always_the_newest(steps: list[tuple[str, str]]) -> None:
    table, number, flying, broker, newest = Table(), 0, dict[int, tuple[str, bytes]](), {}, {}

    def send(topic: str) -> None:
        nonlocal number
        number += 1
        message = table.get(topic)
        assert message is not None
        flying[number] = (topic, message.payload)
        table.flies(topic, number)

    def land() -> None:
        for one in sorted(flying):
            topic, payload = flying.pop(one)
            broker[topic] = payload
            if table.landed(one)[1]:
                send(topic)

    for count, (topic, step) in enumerate(steps, 1):
        if step == "put":
            newest[topic] = str(count).encode()
            if table.put(topic, Retained(newest[topic])):
                send(topic)
        elif step == "land":
            land()
        else:
            flying.clear()
            table.grounded()
            for known in table.all():
                send(known)
        assert len(flying) <= 3
    while flying:
        land()
    assert broker == newest


Story = list[tuple[str, float, int]]


@pytest.mark.parametrize(
    ("story", "limit"),
    [
        ([("sent", 0, 900_000), ("lost", 1, 0)], None),  # once is an accident
        ([("sent", 0, 900_000), ("lost", 1, 0), ("sent", 5, 900_000), ("lost", 6, 0)], 450_000),
        ([("sent", 0, 900_000), ("lost", 1, 0), ("sent", 5, 900_000), ("lost", 60, 0)], None),  # it lived: no fault
        ([("sent", 0, 50_000), ("lost", 1, 0), ("sent", 5, 50_000), ("lost", 6, 0)], None),  # nobody refuses so little
        ([("sent", 0, 80_000), ("lost", 1, 0), ("sent", 5, 80_000), ("lost", 6, 0)], 64_000),
        ([("lost", 1, 0), ("lost", 2, 0), ("lost", 3, 0)], None),
    ],
)
def test_a_broker_that_hangs_up_on_large_pictures_gets_smaller_ones(story: Story, limit: int | None) -> None:
    ceiling = Ceiling()
    for what, at, size in story:
        if what == "sent":
            ceiling.sent(at, size)
        else:
            ceiling.lost(at)
    assert ceiling.limit == limit


def picture(width: int, height: int, quality: int = 95) -> bytes:
    pixels = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    made: bytes = simplejpeg.encode_jpeg(pixels, quality)
    return made


def test_a_picture_that_fits_is_left_alone() -> None:
    data = picture(64, 48)
    assert fit(data, len(data)) is data
    assert fit(data, len(data), 64) is data


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2, 0.05, 0.01])
def test_a_picture_is_made_to_fit(share: float) -> None:
    data = picture(640, 480)
    limit = int(len(data) * share)
    smaller = fit(data, limit)
    assert smaller is not None
    assert len(smaller) <= limit
    height, width = simplejpeg.decode_jpeg_header(smaller)[:2]
    assert width * 480 == height * 640


@pytest.mark.parametrize(("width", "got"), [(640, 640), (639, 560), (320, 320), (100, 80), (10, 80)])
def test_a_wide_picture_becomes_narrower(width: int, got: int) -> None:
    """In eighths, which cost nothing."""
    smaller = fit(picture(640, 480), 10_000_000, width)
    assert smaller is not None
    assert simplejpeg.decode_jpeg_header(smaller)[1] == got


def test_what_nothing_makes_small_enough_is_given_up() -> None:
    assert fit(picture(640, 480), 300) is None


@pytest.mark.parametrize("data", [bytes(1000), picture(64, 48)[:-2000], b"\xff\xd8" + bytes(2000) + b"\xff\xd9"])
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        fit(data, 10)
    with pytest.raises(ValueError):
        fits(data, 10_000, 10)


def test_owned_topics_survive_and_are_written_only_on_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[Path] = []
    write = durable.write

    def counted(path: Path, data: bytes) -> None:
        writes.append(path)
        write(path, data)

    monkeypatch.setattr(durable, "write", counted)
    Owned(tmp_path / "state").save({"a", "b"})
    again = Owned(tmp_path / "state")
    assert again.orphans({"b", "c"}) == ["a"]
    again.save({"b", "a"})
    assert len(writes) == 1


def test_an_unreadable_memory_is_said_and_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "owned.json").write_bytes(b"\xff{")
    owned = Owned(tmp_path)
    assert "owned.json is unreadable" in caplog.text
    owned.save({"a"})
    assert json.loads((tmp_path / "owned.json").read_text()) == ["a"]
    (tmp_path / "owned.json").write_text('{"not": "a list"}')
    assert Owned(tmp_path).orphans(set()) == []


def test_a_state_folder_that_cannot_be_written_costs_a_line_not_the_daemon(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    owned = Owned(tmp_path / "file")
    owned.save({"a"})
    assert "topics of a removed camera would stay at the broker" in caplog.text
    (tmp_path / "file").unlink()
    owned.save({"a"})
    assert Owned(tmp_path / "file").orphans(set()) == ["a"], "it is tried again with the next list"


def test_the_version_that_worked_is_tried_first_at_this_broker_only(tmp_path: Path) -> None:
    first = Versions("auto", "broker:1883", tmp_path)
    assert first.order() == ("5", "3.1.1")
    assert not first.worked("5")
    assert first.worked("3.1.1")
    first.save()
    assert Versions("auto", "broker:1883", tmp_path).order() == ("3.1.1", "5")
    assert Versions("auto", "other:1883", tmp_path).order() == ("5", "3.1.1")
    assert Versions("5", "broker:1883", tmp_path).order() == ("5",)
    assert Versions("3.1.1", "broker:1883", tmp_path).order() == ("3.1.1",)


def test_what_was_announced_is_written_by_one_thread_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both would write the same temporary file."""
    announced, begun, go, writing = Announced(tmp_path), threading.Event(), threading.Event(), []

    def write(path: Path, content: object) -> None:
        writing.append(content)
        begun.set()
        go.wait(5)

    monkeypatch.setattr("edgecam.durable.write_json", write)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(announced.save, "older")
        begun.wait(5)
        newer = pool.submit(announced.save, "newer")
        with pytest.raises(TimeoutError):
            newer.result(0.1)
        assert writing == ["older"]
        go.set()
    assert writing == ["older", "newer"]
