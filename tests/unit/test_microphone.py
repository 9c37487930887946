"""What a camera with a microphone does: it listens while somebody wants sound, and goes on when there is none."""

import asyncio
import queue
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from edgecam.events import Bus
from edgecam.frame import Sound
from edgecam.health import CameraStatus, camera_json
from edgecam.hub import FrameHub, Ring, Want
from edgecam.microphone import MOST_LOST, PROBE, STALL, TICK, Microphone
from edgecam.sources import Broken
from edgecam.sources.alsa import Device
from edgecam.supervisor import Vitals, keep
from fakes import FakeClock, Switchboard, settle, until
from sounds import sounds

SOUND = sounds(1.0)


class Socket:
    """Where a microphone is plugged in: what is put in is heard, an exception pulls it out. Hangs while empty."""

    def __init__(self, *given: Sound | Broken) -> None:
        self.given: queue.Queue[Sound | Broken] = queue.Queue()
        for item in given:
            self.given.put(item)
        self.open_now = self.opened = 0

    def open(self) -> None:
        self.opened += 1
        self.open_now += 1

    def read(self) -> Sound | None:
        item = self.given.get()
        if isinstance(item, Broken):
            raise item
        return item

    def close(self) -> None:
        self.open_now -= 1


class House:
    """One camera's microphone and who wants it."""

    def __init__(self, **sockets: Socket) -> None:
        self.clock, self.bus, self.vitals = FakeClock(), Bus(), Vitals("cam microphone")
        self.sockets, self.hub, self.status = sockets, FrameHub("cam", Ring(3.0)), CameraStatus("Cam")
        self.switches = Switchboard(self.bus, self.clock)
        self.heard: list[Sound] = []
        self.microphone = Microphone(
            id="cam",
            devices=lambda: [Device(name) for name in sockets],
            ear=lambda device: sockets[device.name],
            hub=self.hub,
            settings=self.switches,
            status=self.status,
            bus=self.bus,
            clock=self.clock,
            vitals=self.vitals,
        )

    async def hears(self, count: int) -> None:
        await self.clock.advance(TICK)  # it looks whether it is wanted so often
        await until(f"{count} packets", lambda: len(self.heard) >= count)

    async def ticks(self, what: str, true: object) -> None:
        """Time passes until it comes true."""
        assert callable(true)
        await until(what, true, meanwhile=lambda: self.clock.advance(TICK))


@asynccontextmanager
async def living(house: House) -> AsyncIterator[None]:
    life = asyncio.create_task(keep(house.microphone, house.clock, house.vitals))
    with house.hub.tap_sound(house.heard.append):
        await settle()
        try:
            yield
        finally:
            for socket in house.sockets.values():
                socket.given.put(Broken("the test is over"))
            life.cancel()
            with suppress(asyncio.CancelledError):
                await life


async def test_it_listens_only_while_somebody_wants_coded_frames() -> None:
    house = House(usb=(usb := Socket(*SOUND[:3])))
    async with living(house):
        with house.hub.want(Want.MOTION):
            await house.clock.advance(3 * TICK)
            assert usb.opened == 0
        with house.hub.want(Want.RECORD):
            await house.ticks("it listens", lambda: len(house.heard) == 3)
            assert house.heard == list(SOUND[:3])
            assert house.hub.heard(0.0) == list(SOUND[:3])

        async def go_on() -> None:
            usb.given.put(SOUND[3])
            await house.clock.advance(TICK)

        await until("it is closed", lambda: not usb.open_now, meanwhile=go_on)
        assert len(house.heard) == 3
        with house.hub.want(Want.PUBLISH):
            await house.ticks("it listens again", lambda: usb.opened == 2)


async def test_privacy_closes_the_microphone_at_once_and_nothing_more_is_heard() -> None:
    house = House(usb=(usb := Socket(*SOUND[:3])))
    async with living(house):
        with house.hub.want(Want.RECORD):
            await house.hears(3)
            house.switches.set("cam", "privacy", True)

            async def go_on() -> None:
                usb.given.put(SOUND[4])

            await until("it is closed", lambda: not usb.open_now, meanwhile=go_on)
            assert len(house.heard) == 3
            await house.clock.advance(60)
            assert usb.opened == 1
            house.switches.set("cam", "privacy", False)
            await house.ticks("it listens again", lambda: usb.opened == 2)
            usb.given.put(SOUND[6])
            await until("sound", lambda: house.heard[-1] is SOUND[6])


async def test_auto_takes_the_first_device_that_gives_sound() -> None:
    nothing = Socket(Broken("there is no microphone: ALSA has no default device"))
    house = House(default=nothing, usb=Socket(*SOUND[:2]))
    async with living(house):
        with house.hub.want(Want.RECORD):
            await house.hears(2)
            assert house.status.sound is None


async def test_a_device_that_hangs_does_not_keep_the_next_one_from_being_heard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House(default=(hung := Socket()), usb=Socket(*SOUND[:2]))
    async with living(house):
        with house.hub.want(Want.RECORD):
            await house.clock.advance(TICK)
            await until("it is tried", lambda: hung.opened)
            await house.clock.advance(PROBE + TICK)
            await house.hears(2)
    assert "hangs in its library" in caplog.text


async def test_devices_that_hang_do_not_use_up_the_threads() -> None:
    house = House(usb=(hung := Socket()))
    async with living(house):
        with house.hub.want(Want.RECORD):
            await house.ticks("it gives up", lambda: "hang in their driver" in (house.status.sound or ""))
            assert hung.opened == MOST_LOST
        for _ in range(MOST_LOST):
            hung.given.put(Broken("at last"))


async def test_without_a_microphone_the_camera_says_so_once_and_is_no_problem(caplog: pytest.LogCaptureFixture) -> None:
    why = "there is no microphone: ALSA has no default device"
    house = House(default=Socket(*[Broken(why)] * 3))
    async with living(house):
        with house.hub.want(Want.RECORD):
            await house.ticks("it was tried three times", lambda: house.vitals.attempts == 3)
    assert house.status.sound == why
    assert house.status.problem is None
    assert camera_json(house.status)["sound"] == why
    said = [record for record in caplog.records if why in record.message]
    assert [(record.levelname, record.exc_info) for record in said] == [("WARNING", None)] * 2  # attempts 1 and 2


async def test_a_microphone_that_was_unplugged_is_heard_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    house = House(usb=(usb := Socket(SOUND[0], Broken("the microphone usb is gone"))))
    async with living(house):
        with house.hub.want(Want.RECORD):
            await house.hears(1)
            await until("it is gone", lambda: house.status.sound)
            assert house.status.sound == "the microphone usb is gone"
            usb.given.put(SOUND[1])
            await house.ticks("it is back", lambda: len(house.heard) == 2)
            assert house.status.sound is None
            assert house.vitals.attempts == 0
    assert "sound comes from usb after 1 attempt" in caplog.text


async def test_a_microphone_that_falls_silent_is_opened_anew() -> None:
    house = House(usb=(usb := Socket(SOUND[0])))
    async with living(house):
        with house.hub.want(Want.RECORD):
            await house.hears(1)
            await house.clock.advance(STALL + 2 * TICK)
            await until("it is told", lambda: house.status.sound)
            assert house.status.sound == "the microphone usb gives no sound"
        usb.given.put(Broken("at last"))
