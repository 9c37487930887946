"""Requests over MQTT: who asks is answered, once each, whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asking import ID
from edgecam.config.places import ConfigErrors, Problem, Spot
from edgecam.control import LONGEST_EXPORT, Unavailable
from edgecam.media import iso
from edgecam.mqtt.asked.answers import ECHO, UNDER_WAY
from edgecam.mqtt.wire.messages import Incoming
from fakes import settle
from posting import TOPICS, House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path).open() as house:
        yield house


async def test_a_snapshot_is_answered_with_what_finds_and_proves_it(house: House) -> None:
    id = "20260921T141320000Z-birdbox-snapshot-k3x7qa"
    assert await house.data("snapshot", camera="birdbox") == {
        "id": id,
        "camera": "birdbox",
        "time": "2026-09-21T14:13:20.000Z",
        "width": 1280,
        "height": 720,
        "size": 4,
        "sha256": "ab" * 32,
        "path": f"media/{id}.jpg",
        "url": f"https://cams.example.org/media/{id}.jpg?signed",
    }
    house.desk.on_disk = False
    kept = await house.data("snapshot", camera="birdbox")
    assert isinstance(kept, dict)
    assert (kept["id"], kept["path"], kept["url"]) == (None, None, None)


async def test_a_clip_is_answered_with_what_it_shows(house: House) -> None:
    assert await house.data("clip", camera="birdbox", last="30s") == {
        "id": ID,
        "camera": "birdbox",
        "begin": "2026-09-21T14:12:50.000Z",
        "end": "2026-09-21T14:13:20.000Z",
        "duration": 30.0,
        "note": "begins 5.0 s later than asked",
        "path": f"media/{ID}.mp4",
        "url": f"https://cams.example.org/media/{ID}.mp4?signed",
    }


async def test_an_export_is_answered_with_its_size_its_gaps_and_where_it_lies(house: House) -> None:
    assert await house.data("export", camera="gate", **{"from": iso(1.79e9), "to": iso(1.79e9 + 10)}) == {
        "camera": "gate",
        "begin": "2026-09-21T14:13:20.000Z",
        "end": "2026-09-21T14:13:30.000Z",
        "size": 12345,
        "gaps": [["2026-09-21T14:13:22.000Z", "2026-09-21T14:13:23.000Z"]],
        "path": "api/cameras/gate/export.mp4?from=2026-09-21T14%3A13%3A20.000Z&to=2026-09-21T14%3A13%3A30.000Z",
        "url": "https://cams.example.org/export/gate?signed",
    }
    long = {"from": iso(1.79e9), "to": iso(1.79e9 + LONGEST_EXPORT + 1)}
    assert await house.error("export", camera="gate", **long) == "an export is at most 6h long: ask for it in parts"


async def test_without_an_external_url_there_is_a_path(tmp_path: Path) -> None:
    async with House(tmp_path, base=None).open() as house:
        found = await house.data("clip", camera="gate")
        assert isinstance(found, dict)
        assert (found["path"], found["url"]) == (f"media/{ID}.mp4", None)


async def test_what_is_small_is_answered_in_a_word(house: House) -> None:
    assert await house.data("trigger", camera="gate", duration="10s", cause="pir") == {"event_id": "e1"}
    assert await house.data("reload") == {"changed": ["cameras.gate"], "restarted": ["everything"]}
    assert await house.data("restart") is None
    assert await house.data("health") == {"problems": []}
    assert await house.data("link", id=ID) == {
        "id": ID,
        "path": f"media/{ID}.mp4",
        "url": "https://cams.example.org/x",
        "link": None,
        "expires": "2026-09-21T14:15:00.000Z",
    }
    assert house.desk.asked == ["trigger gate 10 s pir", "reload", "restart", f"link {ID}"]


async def test_the_configuration_is_shown_with_the_settings_that_win_over_it(house: House) -> None:
    house.settings.set("gate", "sensitivity", 70)
    assert await house.data("config") == {
        "config": {"node": "pi"},
        "settings": {"birdbox": {}, "gate": {"sensitivity": {"value": 70, "file": 50}}},
    }


async def test_what_cannot_be_had_is_answered_with_the_reason(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    house.desk.answer = asyncio.get_running_loop().create_future()
    house.desk.answer.set_exception(Unavailable("privacy is on"))
    assert await house.error("snapshot", camera="gate") == "privacy is on"
    assert await house.error("trigger", camera="gate") == "privacy is on"
    house.desk.answer = asyncio.get_running_loop().create_future()
    house.desk.answer.set_exception(ConfigErrors([Problem(Spot("config.yaml", 3, 1), "mqtt.host", "is required")]))
    for verb in ("reload", "restart"):
        said = await house.error(verb)
        assert "what was in force stays so" in str(said)
        assert "config.yaml:3:1: mqtt.host: is required" in str(said)
    assert caplog.messages == [f"mqtt: request {verb}: privacy is on" for verb in ("snapshot", "trigger")]


async def test_a_mistake_of_ours_costs_one_answer_and_not_all_that_mqtt_tells(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.desk.answer = asyncio.get_running_loop().create_future()
    house.desk.answer.set_exception(ZeroDivisionError("a bug"))
    assert await house.error("snapshot", camera="gate") == "edgecam made a mistake here; its log says more"
    assert "ZeroDivisionError" in caplog.text
    assert await house.data("health")


async def test_the_same_asked_twice_is_done_once_and_each_asker_is_answered(house: House) -> None:
    house.desk.answer = asyncio.get_running_loop().create_future()
    for number in range(3):
        house.ask("snapshot", {"camera": "gate", "transaction": number}, mark=b"%d" % number)
    await settle()
    assert (house.desk.asked, house.post.sent) == (["gate"], [])
    house.desk.answer.set_result(None)
    await settle()
    assert [(said["transaction"], mark) for _, said, mark in house.post.sent] == [(0, b"0"), (1, b"1"), (2, b"2")]
    house.ask("snapshot", {"camera": "gate"})
    await settle()
    assert house.desk.asked == ["gate", "gate"]


async def test_more_than_a_handful_at_a_time_are_asked_to_come_again(house: House) -> None:
    house.desk.answer = asyncio.get_running_loop().create_future()
    for second in range(UNDER_WAY):
        house.ask("clip", {"camera": "gate", "last": second + 1})
    assert "ask again when they are answered" in str(await house.error("snapshot", camera="gate"))
    house.desk.answer.set_result(None)
    await settle()
    assert await house.data("snapshot", camera="gate")


async def test_a_retained_request_is_cleared_said_once_and_its_clearing_is_no_request(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.ask("reload", {}, retain=True)
    house.answers.hear(Incoming(TOPICS.request("reload"), b"", False))  # over MQTT 3.1.1 we hear ourselves
    house.answers.hear(Incoming(TOPICS.request("reload"), b"", True))
    await settle()
    assert (house.desk.asked, house.post.sent) == ([], [])
    assert house.post.forgotten == [TOPICS.request("reload")]
    assert caplog.text.count("a request must not be retained") == 1
    house.answers.hear(Incoming(TOPICS.request("reload"), b"", False))
    await settle()
    assert house.desk.asked == ["reload"]


async def test_over_mqtt_5_where_nobody_hears_his_own_clearing_the_next_empty_request_is_one(house: House) -> None:
    house.ask("health", {}, retain=True)
    await house.clock.advance(ECHO)
    house.answers.hear(Incoming(TOPICS.request("health"), b"", False))
    await settle()
    assert [topic for topic, _, _ in house.post.sent] == [TOPICS.response("health")]


async def test_nonsense_is_answered_and_logged_without_what_it_says(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    assert "no such camera" in str(await house.error("snapshot", camera="canary"))
    house.answers.hear(Incoming("edgecam/pi/request/no\nsuch", b"{}", False))
    assert house.post.sent[-1][0] == "edgecam/pi/response/error"
    assert "request/snapshot: refused: no such camera: one of birdbox, gate" in caplog.text
    assert "canary" not in caplog.text
    assert "\nsuch" not in caplog.text
