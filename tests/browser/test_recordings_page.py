"""The page of the recordings, as somebody uses it in Chromium."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from clips import opened
from edgecam.record.disk.library import Library
from peers import program
from waiting import NOON, save
from webhouse import House, Reel

pytestmark = pytest.mark.system


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with opened(tmp_path, wanted=lambda _: True) as library:
        yield library


async def test_an_export_is_offered_only_beside_the_times_that_it_has(library: Library, tmp_path: Path) -> None:
    early, late = (save(tmp_path, start=NOON + wait).id for wait in (0, 60))
    with ThreadPoolExecutor(2) as pool:
        house = House(pool, library=library)
        house.shutter.film = Reel(bytes(2000))
        async with house.open(), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
            page = await browser.new_page()
            await page.goto(f"{house.url}/cameras/birdbox/recordings/2026-09-21")
            offer = page.locator("#export .said a")
            await page.click(f"[data-id='{late}']")
            await page.click("#export button")
            await expect(offer).to_be_visible()
            await page.click(f"[data-id='{early}']")
            await expect(offer).to_have_count(0)
            await page.click("#export button")
            await expect(offer).to_be_visible()
            assert await page.input_value("#export [name=from]") < await page.input_value("#export [name=to]")
            await page.fill("#export [name=from]", "2026-09-21T11:00:00")
            await expect(offer).to_have_count(0)
            await browser.close()
