"""What appears in Home Assistant by itself."""

import asyncio
import re

from homeassistant.api import Api, Json
from homeassistant.house import House
from homeassistant.report import Report
from peers import ROOT

GUIDE = ROOT / "docs/home-assistant.md"

ENABLED_AT_MOST = 15
NOT_YET = ("button", "event", "image", "scene")
"""Domains whose state is unknown until something happens, rightly."""


async def ours(api: Api, device: str) -> list[Json]:
    """The registry's entities of the device with this name."""
    devices = {found["id"] for found in await api.ask("config/device_registry/list") if found["name"] == device}
    rows = await api.ask("config/entity_registry/list")
    return sorted((row for row in rows if row["device_id"] in devices), key=lambda row: str(row["entity_id"]))


async def check(house: House, report: Report) -> None:
    report.title("What appears")
    api = house.api
    with report.step("the camera is there, and serves a picture at once"):
        await api.state("camera.bird_box", "idle", within=30)
        kind, _ = await picture(api, "/api/camera_proxy/camera.bird_box")
        assert kind == "image/jpeg", kind
    with report.step("the first motion, its event and its picture"):
        await api.state("binary_sensor.bird_box_motion", "on", within=30)
        await api.hears("the event", lambda change: change.attributes.get("event_type") == "motion_started")
        await api.hears("the picture", lambda change: "event_id" in change.attributes and change.entity[:5] == "image")
        await picture(api, "/api/image_proxy/image.bird_box_last_motion_picture")
    for name in ("Bird box", "Doorway", "edgecam garden-pi"):
        await _device(api, name, report)
    made = [row["entity_id"] for name in ("Bird box", "edgecam garden-pi") for row in await ours(api, name)]
    listed = re.findall(r"^\| `(\w+\.\w+)`", GUIDE.read_text(), re.MULTILINE)
    strange = set(made) - set(listed)
    report.check("the ids are those of the guide", not strange, ", ".join(sorted(strange)) or len(made))


async def _device(api: Api, name: str, report: Report) -> None:
    async def named(api: Api) -> bool:
        return not [row for row in await ours(api, name) if row["disabled_by"] is None and _is_mute(api, row)]

    rows = await ours(api, name)
    enabled = [row for row in rows if row["disabled_by"] is None]
    with report.step(f"{name}: every enabled entity has a state") as notes:
        notes.append(f"{len(enabled)} of {len(rows)} are enabled")
        try:
            await api.until("states", named)
        except AssertionError:
            mute = [row["entity_id"] for row in await ours(api, name) if _is_mute(api, row) and not row["disabled_by"]]
            raise AssertionError(f"none: {', '.join(mute)}") from None
    if name != "edgecam garden-pi":
        always = [row for row in enabled if "__zone_" not in row["unique_id"]]
        what = f"{name}: at most {ENABLED_AT_MOST} entities are enabled by default, besides zones"
        report.check(what, len(always) <= ENABLED_AT_MOST, len(always))


def _is_mute(api: Api, row: Json) -> bool:
    state = api.states.get(row["entity_id"])
    if state is None or state.state == "unavailable":
        return True
    may_wait = row["entity_id"].split(".")[0] in NOT_YET or state.attributes.get("device_class") == "timestamp"
    return state.state == "unknown" and not may_wait


async def picture(api: Api, path: str) -> tuple[str, int]:
    """Type and size of a picture that Home Assistant serves; it must be a JPEG."""
    for _ in range(50):  # the state may be there before its picture
        status, kind, data = await api.raw("GET", path)
        if status == 200:
            assert data.startswith(b"\xff\xd8\xff"), f"{path}: {data[:20]!r}"
            return kind, len(data)
        await asyncio.sleep(0.1)
    raise AssertionError(f"{path}: {status}")
