"""The page says of each camera when nobody looks for motion there all the time."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.async_api import async_playwright, expect

from peers import program
from webhouse import House

pytestmark = pytest.mark.system


async def test_the_page_says_when_nobody_looks_for_motion() -> None:
    with ThreadPoolExecutor(2) as pool:
        house = House(pool)
        schedule, duty = list(house.health.cameras.values())[:2]
        async with house.open(), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
            page = await browser.new_page(locale="en-GB", timezone_id="Europe/Berlin")
            await page.goto(house.url)
            facts = page.locator(".card .facts")
            await expect(facts).to_have_count(2)
            await expect(page.get_by_text("blind")).to_have_count(0)
            schedule.blind, schedule.blind_percent, schedule.blind_until = "schedule", 100, 1_790_000_000.0
            duty.blind, duty.blind_percent = "duty", 62
            await page.reload()
            await expect(facts.nth(0)).to_contain_text("motion closed until Mon")
            await expect(facts.nth(0)).to_contain_text("16:13")
            await expect(facts.nth(1)).to_contain_text("motion looks with pauses, blind 62 % of the time")
            await browser.close()
