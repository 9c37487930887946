"""Settings made from Home Assistant: kept over a restart, until the file itself says something new."""

import asyncio
import json
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from edgecam import durable
from edgecam.config.model import Config
from edgecam.events import Bus, SettingChanged
from edgecam.knobs import Value
from edgecam.settings import AGAIN, PATIENCE, PLACES, SETTINGS, Settings
from fakes import FakeClock, until

CAMERAS = Config.model_validate({"cameras": {"birdbox": {"source": "synthetic"}}}).cameras


def settings(path: Path, bus: Bus | None = None, **motion: object) -> Settings:
    return made(path, bus, {"motion": motion})


def made(path: Path, bus: Bus | None = None, birdbox: Mapping[str, object] | None = None) -> Settings:
    config = Config.model_validate({"cameras": {"birdbox": {"source": "synthetic", **(birdbox or {})}}})
    return Settings(config.cameras, path / "settings.json", bus or Bus(), FakeClock())


def test_without_a_change_the_files_values_apply(tmp_path: Path) -> None:
    here = settings(tmp_path, sensitivity=70)
    assert here.number("birdbox", "sensitivity") == 70
    assert here.on("birdbox", "motion_detection")
    assert not (tmp_path / "settings.json").exists()


async def test_a_change_is_told_and_survives_a_restart(tmp_path: Path) -> None:
    bus, heard = Bus(), list[SettingChanged]()
    bus.on(SettingChanged, heard.append)
    here = settings(tmp_path, bus)
    here.set("birdbox", "recording", "OFF")
    assert [(event.key, event.value) for event in heard] == [("recording", False)]
    await here.close()
    assert not settings(tmp_path).on("birdbox", "recording")


async def test_the_log_says_on_and_off_as_people_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    here = settings(tmp_path, sensitivity=50)
    for key, value in (("offload", "OFF"), ("sensitivity", "80"), ("offload", None)):
        here.set("birdbox", key, value)
        here.set("birdbox", key, value)  # a scene sends it every time
    await here.close()
    assert caplog.messages == [
        "birdbox: offload is now off",
        "birdbox: sensitivity is now 80",
        "birdbox: offload is now on again, as in the file",
    ]


async def test_the_files_new_value_wins_over_an_older_change(tmp_path: Path) -> None:
    here = settings(tmp_path, sensitivity=50)
    here.set("birdbox", "sensitivity", 80)
    await here.close()
    assert settings(tmp_path, sensitivity=50).number("birdbox", "sensitivity") == 80
    assert settings(tmp_path, sensitivity=60).number("birdbox", "sensitivity") == 60


async def test_nothing_returns_to_the_files_value(tmp_path: Path) -> None:
    here = settings(tmp_path, sensitivity=50)
    here.set("birdbox", "sensitivity", "80")
    here.set("birdbox", "sensitivity", None)
    await here.close()
    assert settings(tmp_path, sensitivity=50).number("birdbox", "sensitivity") == 50


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sensitivity", 0),
        ("sensitivity", 101),
        ("sensitivity", "nan"),
        ("sensitivity", "inf"),
        ("sensitivity", 50.5),
        ("sensitivity", True),
        ("sensitivity", "high"),
        ("recording", "maybe"),
        ("recording", 1),
    ],
)
def test_a_bad_value_changes_nothing(tmp_path: Path, key: str, value: Value) -> None:
    here = settings(tmp_path)
    with pytest.raises(ValueError, match="must be"):
        here.set("birdbox", key, value)
    assert here.number("birdbox", "sensitivity") == 50
    assert here.on("birdbox", "recording")


@pytest.mark.parametrize(("camera", "key"), [("nobody", "recording"), ("birdbox", "colour")])
def test_an_unknown_camera_or_key_is_refused(tmp_path: Path, camera: str, key: str) -> None:
    with pytest.raises(KeyError):
        settings(tmp_path).set(camera, key, "ON")


@pytest.mark.parametrize(
    "garbage",
    [b"", b"[]", b'{"birdbox": 3}', b'{"birdbox": {"se', b"\xff", b"[" * 100_000],
    ids=["empty", "a list", "a number", "torn", "no text", "without end"],
)
def test_a_damaged_file_means_the_configurations_values_and_privacy(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "settings.json").write_bytes(garbage)
    here = settings(tmp_path)
    assert here.number("birdbox", "sensitivity") == 50
    assert "unreadable" in caplog.text
    assert here.on("birdbox", "privacy")  # it may have been on: nobody is filmed by mistake


def test_what_a_removed_camera_left_behind_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"gone": {"sensitivity": [80, 50]}, "birdbox": {"colour": [1, 1]}}')
    assert settings(tmp_path).number("birdbox", "sensitivity") == 50


async def test_a_full_disk_costs_no_change_it_is_kept_as_soon_as_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "settings.json.tmp").mkdir()
    clock = FakeClock()
    here = Settings(CAMERAS, tmp_path / "settings.json", Bus(), clock)
    here.set("birdbox", "sensitivity", 80)
    await until("the refusal is told", lambda: here.trouble, meanwhile=partial(clock.advance, 0))
    await clock.advance(AGAIN)
    assert here.number("birdbox", "sensitivity") == 80
    assert here.trouble == "settings: the change is not kept over a restart (Is a directory)"
    here.set("birdbox", "sensitivity", 90)
    (tmp_path / "settings.json.tmp").rmdir()
    await until("it is written", lambda: (tmp_path / "settings.json").exists(), meanwhile=partial(clock.advance, AGAIN))
    await here.close()
    assert here.trouble is None
    assert settings(tmp_path).number("birdbox", "sensitivity") == 90
    assert [record.message.split(";")[0] for record in caplog.records if "restart" in record.message] == [
        "settings: the change is not kept over a restart (Is a directory)",
        "settings: the changes are kept over a restart again",
    ]


async def test_a_disk_that_still_refuses_at_the_end_delays_no_exit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "settings.json.tmp").mkdir()
    clock = FakeClock()
    here = Settings(CAMERAS, tmp_path / "settings.json", Bus(), clock)
    here.set("birdbox", "sensitivity", 80)
    closing = asyncio.create_task(here.close())
    await until("it is closed", closing.done, meanwhile=partial(clock.advance, PATIENCE / 2))
    assert "the disk does not take the last change" in caplog.text


async def test_a_disk_that_hangs_delays_no_change_and_no_exit_and_gets_only_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    free, written = threading.Event(), list[object]()

    def hang(path: Path, content: object) -> None:
        free.wait()
        written.append(json.loads(json.dumps(content))["birdbox"]["sensitivity"][0])

    monkeypatch.setattr(durable, "write_json", hang)
    clock = FakeClock()
    here = Settings(CAMERAS, tmp_path / "settings.json", Bus(), clock)
    for value in (60, 70, 80):
        here.set("birdbox", "sensitivity", value)
        assert here.number("birdbox", "sensitivity") == value
    closing = asyncio.create_task(here.close())
    await clock.advance(PATIENCE)
    await closing
    assert "the disk does not take the last change" in caplog.text
    free.set()
    await until("the thread that was left behind is through", lambda: written == [80])


FILE = {
    "motion": {"enabled": False, "sensitivity": 30, "min_area": "0.05%", "cooldown": "500ms"},
    "record": {"enabled": False, "mode": "both"},
    "stream": {"enabled": False},
    "snapshot": {"every": "2d"},
    "offload": False,
    "privacy": True,
}
"""Everything otherwise than by default, some of it beyond what a control can show."""


def test_all_that_can_be_changed_begins_as_the_file_says(tmp_path: Path) -> None:
    here = made(tmp_path, birdbox=FILE)
    assert {key: here.get("birdbox", key) for key in SETTINGS} == {
        "motion_detection": False,
        "recording": False,
        "streaming": False,
        "offload": False,
        "privacy": True,
        "sensitivity": 30,
        "min_area": 0.05,
        "cooldown": 0.5,
        "snapshot_interval": 172800,
        "record_mode": "both",
    }
    assert not [key for key in SETTINGS if here.is_changed("birdbox", key)]
    assert made(tmp_path, birdbox={"snapshot": {"every": None}}).number("birdbox", "snapshot_interval") == 0


OTHER: dict[str, Value] = {
    "motion_detection": False,
    "recording": False,
    "streaming": False,
    "offload": False,
    "privacy": True,
    "sensitivity": 80,
    "min_area": 1.5,
    "cooldown": 20,
    "snapshot_interval": 0,
    "record_mode": "continuous",
}


@pytest.mark.parametrize("key", SETTINGS)
async def test_each_survives_a_restart_until_the_files_value_changes(tmp_path: Path, key: str) -> None:
    here = made(tmp_path)
    here.set("birdbox", key, OTHER[key])
    assert here.is_changed("birdbox", key)
    await here.close()
    again = made(tmp_path)
    assert [changed for changed in SETTINGS if again.is_changed("birdbox", changed)] == [key]
    assert (again.get("birdbox", key), again.file("birdbox", key)) == (OTHER[key], here.file("birdbox", key))
    edited = made(tmp_path, birdbox=FILE)
    assert edited.get("birdbox", key) == edited.file("birdbox", key)
    assert not edited.is_changed("birdbox", key)


async def test_the_files_own_value_is_no_change(tmp_path: Path) -> None:
    here = made(tmp_path)
    here.set("birdbox", "cooldown", "10")
    assert not here.is_changed("birdbox", "cooldown")
    assert not (tmp_path / "settings.json").exists()
    here.set("birdbox", "cooldown", 11)
    here.set("birdbox", "cooldown", 10)
    await here.close()
    assert json.loads((tmp_path / "settings.json").read_bytes()) == {}


NEWER = {
    "mood": {"calm": 1},
    "record_mode": ["on_sound", "event"],
    "sensitivity": [80, 50],
    "cooldown": {"value": 5},
}


async def test_what_a_newer_version_kept_costs_nothing_and_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"birdbox": NEWER, "away": {"privacy": [True, False]}}))
    here = made(tmp_path)
    assert here.word("birdbox", "record_mode") == "event"
    assert here.number("birdbox", "sensitivity") == 80
    assert not here.on("birdbox", "privacy")
    assert caplog.messages == [
        "settings: birdbox: the kept record_mode is ignored: it must be one of event, continuous, both",
        "settings: birdbox: the kept cooldown is ignored: it must be a pair",
    ]
    here.set("birdbox", "sensitivity", 70)
    here.set("birdbox", "record_mode", "both")
    await here.close()
    expected = NEWER | {"sensitivity": [70, 50], "record_mode": ["both", "event"]}
    assert json.loads(file.read_bytes()) == {"birdbox": expected, "away": {"privacy": [True, False]}}


async def test_a_change_that_the_file_ended_does_not_come_back_with_the_files_old_value(tmp_path: Path) -> None:
    here = settings(tmp_path, sensitivity=50)
    here.set("birdbox", "sensitivity", 80)
    here.set("birdbox", "cooldown", 20)
    await here.close()
    edited = settings(tmp_path, sensitivity=60)
    edited.tidy()
    await edited.close()
    again = settings(tmp_path, sensitivity=50)
    assert (again.number("birdbox", "sensitivity"), again.number("birdbox", "cooldown")) == (50, 20)


def test_a_start_without_news_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"birdbox": {"cooldown": [20, 10]}}')
    here = made(tmp_path)
    (tmp_path / "settings.json").unlink()
    here.tidy()
    assert not list(tmp_path.iterdir())


def test_a_kept_privacy_that_nobody_understands_is_on(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"birdbox": {"privacy": ["at night", false], "cooldown": [20, 10]}}')
    here = made(tmp_path)
    assert here.on("birdbox", "privacy")
    assert here.number("birdbox", "cooldown") == 20


def test_every_setting_has_its_place_in_the_file() -> None:
    assert list(PLACES) == list(SETTINGS)
