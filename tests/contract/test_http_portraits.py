"""An event's picture by the event's id: at once while it runs, the best one later, and what privacy leaves of it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest

from edgecam import durable
from edgecam.events import MotionPicture, MotionStarted, SettingChanged
from edgecam.media import Sidecar
from edgecam.record.disk.library import Library
from edgecam.web.portraits import PATIENCE
from fakes import settle
from waiting import NOON, save
from webhouse import House

EVENT = "20260921T141320000Z-k3x7qa"
"""One that began at NOON."""


@pytest.fixture
def house(pool: ThreadPoolExecutor, library: Library) -> House:
    return House(pool, library=library)


def begins(house: House, event_id: str = EVENT, camera: str = "birdbox") -> None:
    area = (0.0, 0.0, 1.0, 1.0)
    house.bus.publish(
        MotionStarted(camera=camera, at=NOON, mono=1000.0, event_id=event_id, score=40, area=1.0, box=area)
    )


def pictured(house: House, jpeg: bytes, event_id: str = EVENT, *, final: bool = False) -> None:
    house.bus.publish(
        MotionPicture(
            camera="birdbox", at=NOON, event_id=event_id, jpeg=jpeg, score=40, width=64, height=48, final=final
        )
    )


def private(house: House, on: bool) -> None:
    house.bus.publish(SettingChanged(camera="birdbox", at=NOON, key="privacy", value=on))


def keep(library: Library, jpeg: bytes, *, start: float, part: int = 1, event_id: str = EVENT) -> Sidecar:
    """A finished clip of the event with its picture."""
    sidecar = save(library.layout.root, start=start).model_copy(update={"event_id": event_id, "part": part})
    durable.write(library.layout.sidecar(sidecar.media), sidecar.dump())
    library.layout.media(sidecar.media.picture).write_bytes(jpeg)
    return sidecar


async def shown(client: aiohttp.ClientSession, event_id: str = EVENT, camera: str = "birdbox") -> bytes | int:
    """The picture, or the status of the refusal."""
    async with client.get(f"/cameras/{camera}/events/{event_id}.jpg") as answer:
        body = await answer.read()
        if answer.status != 200:
            return answer.status
        assert answer.content_type == "image/jpeg"
        assert int(answer.headers["Content-Length"]) == len(body)
        return body


async def test_a_running_event_shows_its_best_picture_so_far(house: House) -> None:
    async with house.open() as client:
        begins(house)
        pictured(house, b"first")
        assert await shown(client) == b"first"
        async with client.head(f"/cameras/birdbox/events/{EVENT}.jpg") as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, "5")
        pictured(house, b"better", final=True)
        assert await shown(client) == b"better"
        assert await shown(client, camera="garden") == 404
        assert await shown(client, camera="attic") == 404


async def test_who_is_faster_than_the_first_picture_waits_for_it(house: House) -> None:
    async with house.open() as client:
        begins(house)
        asking = asyncio.create_task(shown(client))
        await house.until(lambda: any(due == 1000.0 + PATIENCE for due, *_ in house.clock._sleepers))
        pictured(house, b"first")
        assert await asking == b"first"
        begins(house, "20260921T150000000Z-k3x7qa")
        late = asyncio.create_task(shown(client, "20260921T150000000Z-k3x7qa"))
        while not late.done():
            await settle()
            await house.clock.advance(PATIENCE)
        assert await late == 404


async def test_later_it_is_the_picture_beside_the_first_clip_of_the_event(house: House, library: Library) -> None:
    keep(library, b"of another event", start=NOON - 20, event_id="20260921T141300000Z-k3x7qa")
    keep(library, b"second", start=NOON + 25, part=2)
    keep(library, b"kept", start=NOON - 5)
    async with house.open() as client:
        assert await shown(client) == b"kept"
        assert await shown(client, "20260921T141300000Z-k3x7qa") == b"of another event"
        assert await shown(client, "20260921T141320000Z-aaaaaa") == 404


async def test_a_clip_that_began_on_the_day_before_is_found(house: House, library: Library) -> None:
    midnight = 1_790_035_200.0
    keep(library, b"before midnight", start=midnight - 3, event_id="20260922T000001000Z-k3x7qa")
    async with house.open() as client:
        assert await shown(client, "20260922T000001000Z-k3x7qa") == b"before midnight"


async def test_pictures_of_a_few_events_are_in_memory(house: House) -> None:
    events = [f"20260921T14132000{n}Z-k3x7qa" for n in range(5)]
    async with house.open() as client:
        for event in events:
            pictured(house, event.encode(), event)
        assert [await shown(client, event) for event in events] == [404, 404, *(event.encode() for event in events[2:])]


async def test_privacy_forgets_what_is_not_on_disk_and_takes_nothing_new(house: House) -> None:
    async with house.open() as client:
        begins(house)
        pictured(house, b"before")
        private(house, True)
        assert await shown(client) == 404
        pictured(house, b"coded too late", final=True)
        assert await shown(client) == 404
        private(house, False)
        pictured(house, b"after", "20260921T150000000Z-k3x7qa")
        assert await shown(client, "20260921T150000000Z-k3x7qa") == b"after"


@pytest.mark.parametrize(
    "event_id", ["x", "20261321T141320000Z-k3x7qa", "20260921T141320000Z-K3X7QA", "..%2f..%2fx", EVENT + ".jpg"]
)
async def test_what_is_no_event_is_not_there(house: House, event_id: str) -> None:
    async with house.open() as client:
        assert await shown(client, event_id) == 404


async def test_a_link_shows_an_event_without_a_login(pool: ThreadPoolExecutor, library: Library) -> None:
    house = House(pool, http={"tokens": {"tablet": {"token": "tablet-token"}}}, library=library)
    async with house.open() as client:
        pictured(house, b"first")
        assert await shown(client) == 401
        async with client.get("/" + house.signer.sign(f"cameras/birdbox/events/{EVENT}.jpg", 60.0)) as answer:
            assert (answer.status, await answer.read()) == (200, b"first")


async def test_an_event_that_began_before_the_pages_were_up_is_shown(house: House) -> None:
    pictured(house, b"first")
    async with house.open() as client:
        assert await shown(client) == b"first"
