"""Live view: the integrations that a person clicks together, against our streams."""

import json
import re
from collections.abc import Mapping
from functools import partial

import aiohttp

from homeassistant.api import Api
from homeassistant.entities import picture
from homeassistant.house import PASSWORD, USER, House
from homeassistant.report import Report

FRAMES = 45
"""So many pictures are read of each stream."""


async def check(house: House, report: Report) -> None:
    report.title("Live view")
    api = house.api
    with report.step("mjpeg: a camera that shows everybody its stream"):
        await api.add("mjpeg", {**urls(house, "birdbox"), "name": "Bird box live"})
    with report.step("mjpeg: user and password"):
        login = {"username": USER, "password": PASSWORD}
        await api.add("mjpeg", {**urls(house, "doorway"), "name": "Doorway live", **login})
    with report.step("mjpeg: a wrong password is refused in the form") as notes:
        wrong = {**urls(house, "doorway"), "name": "Wrong", "username": USER, "password": "wrong"}
        form = await api.answer(await api.flow("mjpeg"), wrong)
        assert form.get("errors") == {"username": "invalid_auth"}, form
        notes.append(form["errors"])
    for camera, entity in (("birdbox", "camera.bird_box_live"), ("doorway", "camera.doorway_live")):
        with report.step(f"{entity} gives a still"):
            await api.until("it is there", partial(_present, entity))
            await picture(api, f"/api/camera_proxy/{entity}")
        with report.step(f"{entity} gives the stream through Home Assistant") as notes:
            notes.append(f"{await _pace(api, entity):.1f} pictures a second by their capture times")
        with report.step(f"{entity}: whoever closes early is no viewer any more"):
            await api.until("nobody looks", partial(_nobody, house, camera))
    await _generic(house, report)


def urls(house: House, camera: str) -> Mapping[str, object]:
    """What the attributes of the MQTT camera propose."""
    seen = house.api.states["camera.bird_box" if camera == "birdbox" else "camera.doorway"].attributes
    return {"mjpeg_url": seen["stream_url"], "still_image_url": seen["snapshot_url"], "verify_ssl": True}


async def _present(entity: str, api: Api) -> bool:
    return entity in api.states


async def _pace(api: Api, entity: str) -> float:
    """Pictures a second of capture, of the first FRAMES that come through; then the door is closed."""
    head = {"Authorization": f"Bearer {api.tokens['access_token']}"}
    times: list[float] = []
    async with (
        aiohttp.ClientSession(api.url, timeout=aiohttp.ClientTimeout(30)) as session,
        session.get(f"/api/camera_proxy_stream/{entity}", headers=head) as answer,
    ):
        assert answer.status == 200, answer.status
        assert answer.content_type == "multipart/x-mixed-replace", answer.content_type
        rest = b""
        async for chunk in answer.content.iter_any():
            rest += chunk
            times += [float(time) for time in re.findall(rb"X-Timestamp: ([\d.]+)\r\n", rest)]
            rest = rest[-30:] if b"X-Timestamp" not in rest[-30:] else rest[rest.rindex(b"X-Timestamp") :]
            times = sorted(set(times))
            if len(times) >= FRAMES:
                break
    assert len(times) >= FRAMES, f"only {len(times)} pictures"
    return (len(times) - 1) / (times[-1] - times[0])


async def _nobody(house: House, camera: str, _: Api) -> bool:
    login = aiohttp.BasicAuth(USER, PASSWORD)
    url = f"{house.edgecam.url}api/cameras/{camera}"
    async with aiohttp.ClientSession(auth=login) as session, session.get(url) as answer:
        found = json.loads(await answer.read())
    return not found["viewers"]


async def _generic(house: House, report: Report) -> None:
    api, proposed = house.api, urls(house, "doorway")
    login = {"username": USER, "password": PASSWORD, "still_image_url": proposed["still_image_url"]}
    with report.step("generic: the still, with user and password"):
        form = await api.answer(await api.flow("generic"), login)
        assert form["step_id"] == "user_confirm", form.get("errors")
        made = await api.answer(form, {"confirmed_ok": True})
        assert made["type"] == "create_entry", made
    with report.step("generic: a wrong password is refused in the form") as notes:
        form = await api.answer(await api.flow("generic"), {**login, "password": "wrong"})
        assert form.get("errors") == {"still_image_url": "unable_still_load_auth"}, form
        notes.append(form["errors"])
    with report.step("generic: still and MJPEG as stream source are taken"):
        form = await api.answer(await api.flow("generic"), {**login, "stream_source": proposed["mjpeg_url"]})
        assert form["step_id"] == "user_confirm", form.get("errors")
        await api.answer(form, {"confirmed_ok": True})
    with report.step("generic: nobody looks when nobody looks"):
        await api.until("nobody looks", partial(_nobody, house, "doorway"))
