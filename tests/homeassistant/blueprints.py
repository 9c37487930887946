"""Each blueprint, as a user makes an automation of it, and what it then does."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from homeassistant.api import Api, Json
from homeassistant.entities import picture
from homeassistant.house import SHELF, House
from homeassistant.report import Report
from peers import free_port

ALL = sorted(file.name for file in (SHELF / "blueprints").glob("*.yaml"))
CYCLE = 25.0
"""Seconds within which the robin surely comes once more, and its clip is stored."""


async def check(house: House, report: Report) -> None:
    report.title("Blueprints")
    listed = await house.api.ask("blueprint/list", domain="automation")
    for name in ALL:
        found = listed.get(f"edgecam/{name}", {"error": "not listed"})
        report.check(f"{name} loads", "error" not in found, found.get("error", ""))
    await _notify(house, report)
    await _light(house, report)
    await _save_clip(house, report)
    await _arm(house, report)
    await _offline(house, report)
    await _notify_without_links(house, report)


@asynccontextmanager
async def automation(api: Api, name: str, blueprint: str, inputs: Mapping[str, object]) -> AsyncIterator[str]:
    """The entity of an automation made of `blueprint`; gone at the end."""
    id = f"check_{name}"
    body = {"alias": f"Check {name}", "use_blueprint": {"path": f"edgecam/{blueprint}.yaml", "input": dict(inputs)}}
    await api.post(f"/api/config/automation/config/{id}", body)
    try:
        await api.state(f"automation.{id}", "on")
        yield f"automation.{id}"
    finally:
        await api.raw("DELETE", f"/api/config/automation/config/{id}")
        await api.until(f"{id} is gone", lambda api: _absent(api, f"automation.{id}"))


async def _absent(api: Api, entity: str) -> bool:
    return entity not in api.states


async def _messages(api: Api) -> dict[str, Json]:
    """The persistent notifications by their id."""
    return {str(said["notification_id"]): said for said in await api.ask("persistent_notification/get")}


async def message(api: Api, id: str, word: str, within: float = CYCLE) -> Json:
    """The notification whose id ends with `id`, once it says `word`."""

    async def found(api: Api) -> Json:
        return next((said for key, said in (await _messages(api)).items() if id in key and word in said["message"]), 0)

    return await api.until(f"a message of {id} with {word!r}", found, within)


@dataclass
class Phone:
    """The far end of the companion app: it receives what Home Assistant pushes."""

    port: int = field(default_factory=free_port)
    pushed: list[Json] = field(default_factory=list)
    device: str = ""

    @asynccontextmanager
    async def on(self, api: Api) -> AsyncIterator["Phone"]:
        app = web.Application()
        app.router.add_post("/push", self._push)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            await self._register(api)
            yield self
        finally:
            await runner.cleanup()

    async def _push(self, request: web.Request) -> web.Response:
        self.pushed.append(await request.json())
        return web.json_response({}, status=201)

    async def _register(self, api: Api) -> None:
        name = "Anna phone"
        system = {"os_name": "Android", "os_version": "16"}
        about = {"device_id": "phone", "app_id": "app", "app_name": "app", "app_version": "1", **system}
        push = {"push_token": "token", "push_url": f"http://127.0.0.1:{self.port}/push"}
        maker = {"device_name": name, "manufacturer": "maker", "model": "model", "supports_encryption": False}
        await api.post("/api/mobile_app/registrations", {**about, **maker, "app_data": push})

        async def made(api: Api) -> str:
            devices = await api.ask("config/device_registry/list")
            known = [str(found["id"]) for found in devices if found["name"] == name]
            actions = (await api.ask("get_services")).get("notify", {})
            return known[0] if known and "mobile_app_anna_phone" in actions else ""

        self.device = await api.until("the phone is known", made)


async def _event(house: House, kind: str) -> Json:
    """The next event of this type of the bird box."""
    api = house.api
    change = await api.hears(
        kind,
        lambda change: change.entity == "event.bird_box_events" and change.attributes.get("event_type") == kind,
        len(api.changes),
        CYCLE,
    )
    return change.attributes


async def _reachable(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200, f"{answer.status} for {url}"
        return len(await answer.read())


async def _notify(house: House, report: Report) -> None:
    api = house.api
    events = {"events": ["event.bird_box_events"]}
    async with (
        Phone().on(api) as phone,
        automation(api, "messages", "notify", events),
        automation(api, "phone", "notify", {**events, "phones": [phone.device], "zones": ["feeder"]}),
        automation(api, "zones", "notify", {**events, "zones": ["nowhere"]}) as elsewhere,
    ):
        event_id = str((await _event(house, "motion_started"))["event_id"])
        with report.step("notify: a message with the picture of this event") as notes:
            url = _address(await message(api, event_id, "![", 10), "](")
            notes.append(f"{await _reachable(url)} bytes behind its link, without a login")
        with report.step("notify: the clip takes its place when it is stored") as notes:
            url = _address(await message(api, event_id, "[Clip]("), "[Clip](")
            notes.append(f"{await _reachable(url)} bytes behind its link, without a login")
        mine = [said for said in phone.pushed if event_id in said["data"]["tag"]]
        told = [sorted({"image", "video"} & set(said["data"])) for said in mine]
        report.check(
            "notify: the phone that asked for a zone gets both under one tag", told == [["image"], ["video"]], told
        )
        idle = api.states[elsewhere].attributes.get("last_triggered") is None
        report.check("notify: what touches none of the zones is not told", idle)


def _address(said: Json, mark: str) -> str:
    """The address behind `mark` in a message."""
    return str(said["message"]).partition(mark)[2].partition(")")[0]


async def _notify_without_links(house: House, report: Report) -> None:
    """After a restart without `external_url`."""
    api = house.api
    async with automation(api, "plain", "notify", {"events": ["event.bird_box_events"], "clip": "never"}):
        with report.step("notify: without external_url the picture comes through Home Assistant") as notes:
            event_id = str((await _event(house, "motion_started"))["event_id"])
            url = _address(await message(api, event_id, "![", 10), "](")
            notes.append(f"{(await picture(api, url))[1]} bytes behind {url.split('?')[0]}")
            shown = api.states["image.bird_box_last_motion_picture"].attributes["event_id"]
            assert shown == event_id, f"it shows {shown}"


async def _light(house: House, report: Report) -> None:
    api, motion = house.api, "binary_sensor.bird_box_motion"
    inputs = {"motion": [motion], "light": {"entity_id": "light.porch_light"}, "minutes": 0}
    with report.step("motion_light: by itself it asks whether the sun is down"):
        async with automation(api, "sun", "motion_light", inputs):
            pass
    house.say("porch/dark", "OFF")
    await api.state("binary_sensor.porch_dark", "off")
    dark = [{"condition": "state", "entity_id": "binary_sensor.porch_dark", "state": "on"}]
    async with automation(api, "light", "motion_light", {**inputs, "dark": dark}) as made:
        with report.step("motion_light: nothing while it is bright"):
            await _event(house, "motion_started")
            await _event(house, "motion_ended")
            assert api.states[made].attributes.get("last_triggered") is None
        house.say("porch/dark", "ON")
        with report.step("motion_light: on with motion when it is dark, off after it"):
            await api.state("light.porch_light", "on", within=CYCLE)
            await api.state(motion, "off")
            await api.state("light.porch_light", "off", within=CYCLE)


async def _save_clip(house: House, report: Report) -> None:
    api = house.api
    house.say("porch/bell", "OFF")
    await api.state("binary_sensor.porch_bell", "off")
    when = [{"trigger": "state", "entity_id": "binary_sensor.porch_bell", "to": "on"}]
    inputs = {"when": when, "buttons": ["button.bird_box_save_last_minute"]}
    async with automation(api, "bell", "save_clip", inputs):
        with report.step("save_clip: the bell rings and the last minute is kept") as notes:
            since = len(api.changes)
            house.say("porch/bell", "ON")
            kept = await api.hears(
                "its clip", lambda change: "-manual-" in change.attributes.get("id", ""), since, CYCLE
            )
            notes.append(f"{kept.attributes['duration']} s")


async def _arm(house: House, report: Report) -> None:
    api = house.api
    house.say("porch/phone", "not_home")
    people = await api.ask("person/list")
    anna = people["storage"][0]["id"]
    await api.ask("person/update", person_id=anna, device_trackers=["device_tracker.porch_phone"])
    await api.state("person.anna", "not_home")
    watches = ["switch.bird_box_motion_detection", "switch.bird_box_recording"]
    inputs = {
        "people": ["person.anna"],
        "watching": watches,
        "privacy": ["switch.doorway_privacy"],
        "patience": 0,
    }
    async with automation(api, "arm", "arm", inputs):
        for where, watching, private in (("home", "off", "on"), ("not_home", "on", "off")):
            with report.step(f"arm: Anna is {where}, watching goes {watching}, privacy goes {private}"):
                house.say("porch/phone", where)
                for switch in watches:
                    await api.state(switch, watching)
                await api.state("switch.doorway_privacy", private)


async def _offline(house: House, report: Report) -> None:
    api = house.api
    cameras = [f"binary_sensor.{camera}_connectivity" for camera in ("bird_box", "doorway")]
    async with automation(api, "offline", "offline", {"cameras": cameras, "minutes": 0.05}):
        with report.step("offline: a camera is unplugged; one message, and one when it is back"):
            house.cam.off()
            await message(api, "doorway_connectivity", "No picture since")
            house.cam.on()
            await message(api, "doorway_connectivity", "Back again")
            assert not [id for id in await _messages(api) if "bird_box_connectivity" in id], (
                "of the other camera as well"
            )
        with report.step("offline: the box loses its power, and has it again"):
            await asyncio.to_thread(house.edgecam.down)
            await message(api, "bird_box_connectivity", "No picture since")
            house.without_links()
            await asyncio.to_thread(house.edgecam.up)
            await message(api, "bird_box_connectivity", "Back again")
