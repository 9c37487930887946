"""The settings on a camera's page, as somebody uses them in Chromium."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from edgecam.health import CameraState
from peers import program
from webhouse import House

pytestmark = pytest.mark.system


async def test_an_admin_changes_settings_on_the_cameras_page(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        house = House(pool, state=tmp_path)
        async with house.open(), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
            page = await browser.new_page()
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            await page.goto(f"{house.url}/cameras/birdbox")
            said = page.locator(".settings .said")
            await page.click(".settings summary")
            assert await page.input_value("[name=sensitivity]") == "50"
            await expect(page.get_by_label("Offload")).to_have_count(0)  # there is no store
            back = page.get_by_title("Back to 50 %, as in the file")
            await expect(back).to_be_hidden()
            await page.fill("[name=sensitivity]", "70")
            await page.press("[name=sensitivity]", "Enter")
            await expect(back).to_be_visible()
            await expect(page.locator("[name=sensitivity]")).to_be_focused()
            await page.fill("[name=min_area]", "1.5")
            await page.select_option("[name=record_mode]", "both")
            await expect(page.get_by_title("Back to event, as in the file")).to_be_visible()
            await page.get_by_label("Streaming").uncheck()
            await expect(page.locator(".facts")).to_contain_text("streaming is off")
            await expect(page.locator(".live")).to_be_hidden()
            settings = house.settings
            assert (settings.number("birdbox", "sensitivity"), settings.number("birdbox", "min_area")) == (70, 1.5)
            assert (settings.word("birdbox", "record_mode"), settings.on("birdbox", "streaming")) == ("both", False)
            await page.fill("[name=cooldown]", "0")
            await page.press("[name=cooldown]", "Enter")
            await expect(said).to_have_text("cooldown must be a whole number from 1 to 3600")
            await expect(page.locator("[name=cooldown]")).to_have_value("10")
            cover = page.locator(".cover")
            house.status["birdbox"].state = CameraState.PRIVACY
            await expect(cover).to_have_text("Privacy is on")
            await expect(cover).to_have_css("background-color", "rgb(11, 13, 12)")  # no last picture shines through
            house.status["birdbox"].state = CameraState.RUNNING
            await expect(cover).not_to_have_class("cover shut")
            await back.click()
            await expect(page.locator("[name=sensitivity]")).to_have_value("50")
            await expect(said).to_have_text("")
            assert not settings.is_changed("birdbox", "sensitivity")
            assert wrong == []
            await browser.close()
        await house.settings.close()


@pytest.mark.parametrize("role", ["viewer", "admin"])
async def test_settings_are_offered_to_admins_only(role: str) -> None:
    tokens = {"wall": {"token": "a" * 20, "role": role}}
    with ThreadPoolExecutor(2) as pool:
        house = House(pool, http={"tokens": tokens})
        async with house.open(), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
            page = await browser.new_page(extra_http_headers={"Authorization": f"Bearer {'a' * 20}"})
            async with page.expect_response("**/api/cameras/birdbox") as told:
                await page.goto(f"{house.url}/cameras/birdbox")
            await (await told.value).finished()
            await expect(page.locator(".settings")).to_be_visible(visible=role == "admin")
            await browser.close()
