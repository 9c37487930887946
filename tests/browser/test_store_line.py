"""The page says how the store stands, in one line below the cameras, to whoever may see the whole box."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.async_api import async_playwright, expect

from edgecam.health import StoreState
from peers import program
from webhouse import House

pytestmark = pytest.mark.system


async def test_the_page_says_how_the_store_stands() -> None:
    with ThreadPoolExecutor(2) as pool:
        house = House(pool)
        spool = house.health.spool
        async with house.open(), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
            page = await browser.new_page()
            await page.goto(house.url)
            line = page.locator("#store")
            await expect(page.locator(".card")).to_have_count(2)
            await expect(line).to_be_hidden()  # nothing leaves this box
            spool.state, spool.files, spool.bytes, spool.rate = StoreState.OK, 3, 12_000_000, lambda: 95_000.0
            await page.reload()
            await expect(line).to_have_text("store: in order · 3 waiting, 12.0 MB · 95.0 kB/s")
            spool.state, spool.reason, spool.lost = StoreState.BLOCKED, "the store refused the key (403)", 2
            await page.reload()
            await expect(line).to_contain_text("store: needs you (the store refused the key (403)) · 3 waiting")
            await expect(line).to_contain_text("2 lost")
            assert await line.evaluate("line => line.classList.contains('trouble')")
            await browser.close()
