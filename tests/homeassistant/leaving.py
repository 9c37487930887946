"""What begins anew and what goes: buttons of the box, and entities that are not configured any more."""

import asyncio
import signal
from collections.abc import Awaitable

import yaml

from homeassistant.api import Api
from homeassistant.entities import ours
from homeassistant.house import BASE, House
from homeassistant.report import Report
from outside import Heard, until

NEXT = "99.0"
BUTTON, UPDATE = "button.edgecam_garden_pi_restart", "update.edgecam_garden_pi_update"
ZONE = "binary_sensor.bird_box_feeder"


async def check(house: House, report: Report) -> None:
    """Leaves one camera without a zone behind."""
    report.title("What begins anew, and what goes")
    api = house.api
    with report.step("restart: the button; the box goes and comes back as the same process"):
        await _begins_anew(house, api.call("button.press", entity_id=BUTTON))
    with report.step("update: nothing to install, then what was installed meanwhile is offered") as notes:
        await api.state(UPDATE, "off")
        _install(house)
        await _begins_anew(house, api.call("button.press", entity_id=BUTTON))
        found = await api.state(UPDATE, "on")
        notes.append(f"{found.attributes['installed_version']} to {found.attributes['latest_version']}")
    with report.step("update: Install begins anew with it"):
        await _begins_anew(house, api.call("update.install", entity_id=UPDATE))
    with report.step("a zone is taken out while Home Assistant is down: nothing of it is left"):
        await asyncio.to_thread(house.hass.down)
        await _reload(house, without=("birdbox", "motion", "zones"))
        await asyncio.to_thread(house.hass.up)
        await api.connect()
        await api.state("binary_sensor.bird_box_motion", "on", "off", within=60)
        await api.until("the zone is gone", _is_without, 60)
    with report.step("a camera is taken out: its device goes, the other one stays"):
        await _reload(house, without=("doorway",))
        await api.until("the device is gone", _is_alone, 60)
        await api.state("binary_sensor.bird_box_connectivity", "on")


async def _begins_anew(house: House, asking: Awaitable[None]) -> None:
    process = house.edgecam.process
    assert process is not None
    api, connectivity = house.api, "binary_sensor.bird_box_connectivity"
    since = len(api.changes)
    await asking
    await api.hears("it goes", lambda change: (change.entity, change.state) == (connectivity, "unavailable"), since)
    await api.state(connectivity, "on")
    assert process.poll() is None, "the process is another"


def _install(house: House) -> None:
    """As `pip install --upgrade` beside a running edgecam."""
    package = house.site / f"edgecam-{NEXT}.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: edgecam\nVersion: {NEXT}\n")


async def _reload(house: House, without: tuple[str, ...]) -> None:
    """Take something out of `cameras:` and have the file read again."""
    edgecam, ear, topic = house.edgecam, house.ear, f"{BASE}/event"
    section = edgecam.config["cameras"]
    for key in without[:-1]:
        assert isinstance(section, dict)
        section = section[key]
    assert isinstance(section, dict)
    del section[without[-1]]
    assert edgecam.process is not None
    (edgecam.folder / "config.yaml").write_text(yaml.safe_dump(edgecam.config))
    before = len(ear.all(topic))
    edgecam.process.send_signal(signal.SIGHUP)
    await asyncio.to_thread(until, "it is told", lambda: _reloaded(ear.all(topic)[before:]))


def _reloaded(heard: list[Heard]) -> bool:
    return any(message.json["event_type"] == "config_reloaded" for message in heard)


async def _is_without(api: Api) -> bool:
    return ZONE not in [row["entity_id"] for row in await ours(api, "Bird box")]


async def _is_alone(api: Api) -> bool:
    names = [device["name"] for device in await api.ask("config/device_registry/list")]
    return "Doorway" not in names and "Bird box" in names
