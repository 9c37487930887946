"""The settings of a camera over HTTP: what is in force, what it may be, and changes, made whole or not at all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgecam.events import SettingChanged
from edgecam.settings import SETTINGS
from webhouse import House

SHEET = "/api/cameras/birdbox/settings"


async def test_each_setting_is_told_with_the_files_value_and_its_limits(pool: ThreadPoolExecutor) -> None:
    house = House(pool, camera={"motion": {"cooldown": "500ms"}, "record": {"mode": "both"}})
    async with house.open() as client, client.get(SHEET) as answer:
        assert answer.status == 200
        found = await answer.json()
    assert list(found) == list(SETTINGS)
    assert found["privacy"] == {"value": False, "file": False, "changed": False, "kind": "switch"}
    number = {"kind": "number", "min": 1, "max": 3600, "step": 1, "unit": "s"}
    assert found["cooldown"] == {"value": 0.5, "file": 0.5, "changed": False, **number}
    assert found["min_area"]["step"] == 0.1
    options = ["event", "continuous", "both"]
    assert found["record_mode"] == {
        "value": "both", "file": "both", "changed": False, "kind": "select", "options": options
    }  # fmt: skip


async def test_changes_are_made_told_and_taken_back(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    house = House(pool, state=tmp_path)
    heard: list[tuple[str, object]] = []
    house.bus.on(SettingChanged, lambda change: heard.append((change.key, change.value)))
    async with house.open() as client:
        wishes = {"sensitivity": 60, "min_area": 0.5, "privacy": True, "record_mode": "continuous", "cooldown": "20"}
        async with client.patch(SHEET, json=wishes) as answer:
            assert answer.status == 200
            told = await answer.json()
        async with client.get(SHEET) as answer:
            assert await answer.json() == told
        taken = wishes | {"cooldown": 20}
        assert {key: row["value"] for key, row in told.items() if row["changed"]} == taken
        assert (told["sensitivity"]["file"], told["privacy"]["file"]) == (50, False)
        assert heard == list(taken.items())
        async with client.patch(SHEET, json={"privacy": None, "sensitivity": 50}) as answer:
            told = await answer.json()
        assert {key for key, row in told.items() if row["changed"]} == {"min_area", "record_mode", "cooldown"}
        assert not house.settings.on("birdbox", "privacy")
        assert not house.settings.is_changed("garden", "cooldown")
        await house.settings.close()


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"sensitivity": 101}, "sensitivity must be a whole number from 1 to 100"),
        ({"min_area": [1]}, "min_area must be a number from 0 to 100"),
        ({"record_mode": "never"}, "record_mode must be one of event, continuous, both"),
        ({"privacy": 0}, "privacy must be ON or OFF"),
        ({"colour": None}, f"there is no setting 'colour'; there are: {', '.join(SETTINGS)}"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
async def test_one_bad_wish_is_named_and_nothing_is_changed(
    pool: ThreadPoolExecutor, wishes: dict[str, object], sentence: str
) -> None:
    house = House(pool)
    async with house.open() as client, client.patch(SHEET, json={"cooldown": 30, **wishes}) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, sentence)
        assert not house.settings.is_changed("birdbox", "cooldown")


@pytest.mark.parametrize("body", ["", "[]", "5", "{", '"privacy"'])
async def test_what_is_no_object_is_refused_with_an_example(pool: ThreadPoolExecutor, body: str) -> None:
    house = House(pool)
    async with house.open() as client, client.patch(SHEET, data=body) as answer:
        assert answer.status == 400
        assert '{"sensitivity": 60, "privacy": true}' in (await answer.json())["error"]


async def test_who_may_only_look_reads_the_settings_and_changes_none(pool: ThreadPoolExecutor) -> None:
    tokens = {
        "wall": {"token": "a" * 20, "role": "viewer", "cameras": ["birdbox"]},
        "boss": {"token": "b" * 20, "role": "admin"},
    }
    house = House(pool, http={"tokens": tokens})
    wall, boss = ({"Authorization": f"Bearer {letter * 20}"} for letter in "ab")
    async with house.open() as client:
        async with client.get(SHEET, headers=wall) as answer:
            assert answer.status == 200
        async with client.patch(SHEET, json={"privacy": True}, headers=wall) as answer:
            assert answer.status == 403
        async with client.get("/api/cameras/garden/settings", headers=wall) as answer:
            assert answer.status == 404
        async with client.patch(SHEET, json={"privacy": True}) as answer:
            assert answer.status == 401
        async with client.patch(SHEET, json={"privacy": True}, headers=boss | {"Origin": "http://evil"}) as answer:
            assert answer.status == 403
        assert not house.settings.on("birdbox", "privacy")
        async with client.patch(SHEET, json={}, headers=boss) as answer:
            assert answer.status == 200
