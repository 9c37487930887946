"""What motion sees, on a camera's page in Chromium."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Locator, async_playwright, expect

from edgecam.hub import Want
from peers import program
from pictures import jpeg
from webhouse import House

pytestmark = pytest.mark.system


WIDTH_OF_THE_NEXT_FRAME = "image => new Promise(done => requestAnimationFrame(() => done(image.naturalWidth)))"


async def shown(image: Locator, width: int, show: Callable[[int], object]) -> None:
    """Show pictures until one is seen: Chromium shows a picture when the next one comes, and misses those before it
    has begun to look.
    """
    for number in range(1000):
        if await image.evaluate(WIDTH_OF_THE_NEXT_FRAME) == width:
            return
        show(number)
    raise AssertionError(f"no picture is {width} wide")


async def test_the_live_picture_gives_way_to_what_motion_sees_and_comes_back(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        house = House(pool, state=tmp_path)
        hub, status = house.hubs["birdbox"], house.status["birdbox"]
        status.width, status.height = 1280, 720
        async with house.open(), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
            page = await browser.new_page()
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            await page.goto(f"{house.url}/cameras/birdbox")
            button, image, cover = (
                page.get_by_text("What motion sees"),
                page.locator(".frame img"),
                page.locator(".cover"),
            )
            await house.until(lambda: hub.demand[Want.VIEWER] == 1)
            live = house.publish(size=(320, 180))
            await shown(image, 320, lambda _: house.publish(size=(320, 180)))

            await button.click()
            await expect(button).to_have_attribute("aria-pressed", "true")
            await house.until(lambda: (hub.demand[Want.DEBUG], hub.demand[Want.VIEWER]) == (1, 0))
            await shown(
                image,
                640,
                lambda number: hub.show(replace(live, data=jpeg(number, 640, 440), width=640, height=440)),
            )
            await expect(image).to_have_attribute("alt", "What motion sees of Birdbox")
            shape = await image.evaluate("image => image.clientWidth / image.clientHeight")
            assert shape == pytest.approx(640 / 440, abs=0.01), "no bars beside it"

            house.settings.set("birdbox", "motion_detection", False)
            await expect(cover).to_have_text("Nothing to see: motion detection is switched off")
            await house.until(lambda: hub.demand[Want.DEBUG] == 0)
            house.settings.set("birdbox", "motion_detection", True)
            await house.until(lambda: hub.demand[Want.DEBUG] == 1)
            await expect(cover).to_be_hidden()

            await button.click()
            await expect(button).to_have_attribute("aria-pressed", "false")
            await house.until(lambda: (hub.demand[Want.DEBUG], hub.demand[Want.VIEWER]) == (0, 1))
            house.settings.set("birdbox", "streaming", False)
            await expect(button).to_be_hidden()
            assert wrong == []
            await browser.close()
        await house.settings.close()


async def test_among_several_cameras_it_is_not_offered() -> None:
    with ThreadPoolExecutor(2) as pool:
        house = House(pool)
        async with house.open(), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
            page = await browser.new_page()
            await page.goto(house.url)
            await expect(page.locator(".card")).to_have_count(2)
            assert not any([await button.is_visible() for button in await page.get_by_text("What motion sees").all()])
            await browser.close()
