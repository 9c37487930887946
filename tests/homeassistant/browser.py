"""Dashboards and dialogs as Chromium shows them, and the pictures of the documentation."""

import json
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from playwright.async_api import Page, async_playwright, expect

from homeassistant.api import Api
from homeassistant.house import SHELF, House
from homeassistant.report import Report
from peers import program

WRONG = (
    "hui-error-card, hui-warning, hui-error-badge, hui-error-heading-badge, hui-error-entity-row, hui-warning-element"
)
"""What Home Assistant draws in place of what it does not understand."""
PATIENCE = 20_000.0
"""Milliseconds for what a page shows."""


@asynccontextmanager
async def _page(api: Api) -> AsyncIterator[Page]:
    """A browser in which Anna is logged in."""
    tokens = {**api.tokens, "hassUrl": api.url, "clientId": api.client_id}
    tokens["expires"] = int(1000 * (time.time() + tokens["expires_in"]))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
        context = await browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC")
        kept = {"hassTokens": json.dumps(tokens), "dockedSidebar": '"always_hidden"'}
        await context.add_init_script(f"Object.assign(localStorage, {json.dumps(kept)})")
        page = await context.new_page()
        page.set_default_timeout(PATIENCE)
        yield page
        await browser.close()


async def check(house: House, report: Report, pictures: Path | None) -> None:
    report.title("Dashboards, in Chromium")
    async with _page(house.api) as page:
        broken = {"views": [{"cards": [{"type": "tile", "entity": "light.nowhere"}, {"type": "no-such-card"}]}]}
        await _save(house.api, "edgecam-broken", broken)
        with report.step("a card that is wrong is seen as wrong"):
            await page.goto(f"{house.api.url}/edgecam-broken/0")
            wrong = page.locator("hui-card").filter(has=page.locator(WRONG))
            await expect(wrong).to_have_count(2, timeout=PATIENCE)
        for name in ("simple", "full"):
            config = yaml.safe_load((SHELF / f"dashboards/{name}.yaml").read_text())
            await _save(house.api, f"edgecam-{name}", config)
            for view in config["views"]:
                with report.step(f"{name}: every card of {view['title']} is drawn") as notes:
                    await page.goto(f"{house.api.url}/edgecam-{name}/{view['path']}")
                    notes.append(await _drawn(page))
                if pictures and view is config["views"][0]:
                    await _shoot(page, pictures / f"dashboard-{name}.png")
        if pictures:
            with report.step("pictures of the pages"):
                await _device_pages(page, house.api, pictures)
                await _dialog(page, house.api, pictures)


async def _save(api: Api, path: str, config: Any) -> None:
    """As the raw configuration editor does."""
    about = {"title": config.get("title", path), "require_admin": False, "show_in_sidebar": True, "mode": "storage"}
    await api.ask("lovelace/dashboards/create", url_path=path, **about)
    await api.ask("lovelace/config/save", url_path=path, config=config)


async def _drawn(page: Page) -> str:
    """What the view shows, once it is quiet; raises AssertionError for wrong cards and blank pictures."""
    await page.locator("hui-card:visible").first.wait_for()
    for image in await page.locator("hui-image img").all():
        if await image.is_visible():
            await expect(image).to_have_js_property("complete", True, timeout=PATIENCE)
    await page.wait_for_function("() => !document.querySelector('ha-launch-screen')")
    await page.wait_for_timeout(1500)  # lists and graphs come after their cards, and tell nobody when they have
    wrong = [" ".join((await found.inner_text()).split()) for found in await page.locator(WRONG).all()]
    assert not wrong, f"wrong: {wrong}"
    cards = [card for card in await page.locator("hui-card").all() if await card.is_visible()]
    images = [image for image in await page.locator("hui-image img").all() if await image.is_visible()]
    blank = [image for image in images if not await image.evaluate("image => image.naturalWidth")]
    assert not blank, f"{len(blank)} of {len(images)} pictures are blank"
    return f"{len(cards)} cards, {len(images)} pictures"


async def _device_pages(page: Page, api: Api, pictures: Path) -> None:
    names = {"Bird box": "device-camera", "edgecam garden-pi": "device-node"}
    for device in await api.ask("config/device_registry/list"):
        if device["name"] in names:
            await page.goto(f"{api.url}/config/devices/device/{device['id']}")
            await page.locator("ha-device-entities-card").last.wait_for()
            await page.get_by_text("Visit").first.wait_for()
            await _shoot(page, pictures / f"{names[device['name']]}.png")


async def _dialog(page: Page, api: Api, pictures: Path) -> None:
    """The form of the `mjpeg` integration, filled in."""
    await page.goto(f"{api.url}/config/integrations/dashboard/add?domain=mjpeg")
    form, again = page.locator("input[name=name]:visible"), page.get_by_role("button", name="OK")
    await form.or_(again).first.wait_for()
    if await again.is_visible():  # there is one already
        await again.click()
    base = "http://garden-pi:8000/cameras/birdbox"
    wanted = {"name": "Bird box live", "mjpeg_url": f"{base}/stream.mjpg", "still_image_url": f"{base}/snapshot.jpg"}
    for name, text in wanted.items():
        await page.locator(f"input[name={name}]:visible").fill(text)
    await _shoot(page, pictures / "live-dialog.png", width=620, height=780)


async def _shoot(page: Page, file: Path, width: int = 1280, height: int = 0) -> None:
    """A picture of the page in few colours, as high as its cards unless `height` is given."""
    await page.set_viewport_size({"width": width, "height": height or 2400})
    await page.wait_for_timeout(1500)  # what slides in
    if not height:
        boxes = [await card.bounding_box() for card in await page.locator("ha-card:visible").all()]
        height = round(max(box["y"] + box["height"] for box in boxes if box)) + 16
        await page.set_viewport_size({"width": width, "height": height})
        await page.wait_for_timeout(500)
    seen = await page.screenshot()
    file.parent.mkdir(parents=True, exist_ok=True)
    colours = "split[a][b];[a]palettegen=max_colors=128[p];[b][p]paletteuse=dither=none"
    command = ["ffmpeg", "-v", "error", "-y", "-i", "-", "-vf", colours, str(file)]
    subprocess.run(command, input=seen, check=True)
