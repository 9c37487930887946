"""The board: what a box tells of itself, read from drawn trees of real ones."""

import asyncio
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgecam import board
from edgecam.board import Board, installed, read, steady
from edgecam.health import BoardStatus, Health
from fakes import FakeClock, until

WIRELESS = """\
Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
"""
MEMORY = "MemTotal:        3884360 kB\nMemFree:          200000 kB\nMemAvailable:    2913270 kB\n"
CORES = "".join(f"processor\t: {core}\nBogoMIPS\t: 108.00\n\n" for core in range(4))

PI4: Mapping[str, str] = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/loadavg": "1.25 0.40 0.30 2/180 1234\n",
    "proc/cpuinfo": CORES,
    "proc/meminfo": MEMORY + "CmaTotal:         524288 kB\nCmaFree:          500000 kB\n",
    "proc/self/statm": "50000 1000 500 1 0 700 0\n",
    "proc/net/wireless": WIRELESS + " wlan0: 0000   54.  -56.  -256        0      0      0      0      0        0\n",
    "sys/class/net/wlan0/operstate": "up\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48686\n",
    "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
    "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
    "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
}
PI5: Mapping[str, str] = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/loadavg": "0.08 0.02 0.01 1/210 999\n",
    "proc/cpuinfo": CORES,
    "proc/meminfo": MEMORY,
    "proc/net/wireless": WIRELESS + " wlan0: 0000    0     0     0        0      0      0      0      0        0\n",
    "sys/class/net/wlan0/operstate": "down\n",
    "sys/class/net/eth0/operstate": "up\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "51000\n",
    "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
    "sys/class/hwmon/hwmon1/name": "pwmfan\n",
    "sys/class/hwmon/hwmon2/name": "rpi_volt\n",
    "sys/class/hwmon/hwmon2/in0_lcrit_alarm": "1\n",
}
X86: Mapping[str, str] = {
    "sys/class/dmi/id/product_name": "NUC7i3BNH\n",
    "proc/loadavg": "0.50 0.40 0.30 2/180 1234\n",
    "proc/cpuinfo": CORES,
    "proc/meminfo": MEMORY + "CmaTotal:              0 kB\nCmaFree:               0 kB\n",
    "proc/net/wireless": WIRELESS + "wlp2s0: 0000   70.   40.    0.        0      0      0      0      0        0\n",
    "sys/class/net/wlp2s0/operstate": "up\n",
    "sys/class/thermal/thermal_zone0/type": "acpitz\n",
    "sys/class/thermal/thermal_zone0/temp": "27800\n",
    "sys/class/thermal/thermal_zone2/type": "x86_pkg_temp\n",
    "sys/class/thermal/thermal_zone2/temp": "43000\n",
    "sys/class/hwmon/hwmon0/name": "coretemp\n",
}
CONTAINER: Mapping[str, str] = {
    "proc/loadavg": "0.50 0.40 0.30 2/180 1234\n",
    "proc/meminfo": MEMORY,
    "proc/net/wireless": WIRELESS,
}


@pytest.fixture
def draw(tmp_path: Path) -> "Draw":
    return Draw(tmp_path)


class Draw:
    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, tree: Mapping[str, str]) -> Path:
        for name, text in tree.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self.root


def test_a_raspberry_pi_4_tells_everything(draw: Draw) -> None:
    told = read(draw(PI4), 0)
    assert told.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert told.senses == {"temperature", "wifi_signal", "under_voltage", "throttled"}
    assert (told.temperature, told.load, told.load_percent) == (48.7, 1.25, 31)
    assert (told.memory_percent, told.memory_available) == (25, 2913270 * 1024)
    assert told.cma_free == 500000 * 1024
    assert told.rss
    assert told.rss % 1000 == 0
    assert (told.interface, told.signal) == ("wlan0", -56)
    assert [told.under_voltage, told.throttled, told.under_voltage_seen, told.throttled_seen] == [False] * 4


def test_a_pi_5_without_the_firmwares_tool_knows_of_its_supply_from_the_kernel(draw: Draw) -> None:
    told = read(draw(PI5))
    assert (told.under_voltage, told.throttled, told.under_voltage_seen) == (True, None, None)
    assert told.senses == {"temperature", "wifi_signal", "under_voltage"}


def test_a_wifi_that_is_down_is_still_one_this_box_has(draw: Draw) -> None:
    told = read(draw(PI5))
    assert (told.interface, told.signal) == (None, None)
    assert "wifi_signal" in told.senses


def test_another_computer_tells_the_temperature_of_its_processor_and_nothing_of_a_supply(draw: Draw) -> None:
    told = read(draw(X86))
    assert (told.model, told.temperature, told.cma_free) == ("NUC7i3BNH", 43.0, None)
    assert told.senses == {"temperature", "wifi_signal"}
    assert (told.interface, told.signal) == ("wlp2s0", None)  # its driver counts in another unit


def test_a_container_tells_what_it_can(draw: Draw) -> None:
    told = read(draw(CONTAINER))
    assert told.senses == set()
    assert (told.load, told.load_percent, told.memory_percent) == (0.5, None, 25)


def test_an_empty_box_tells_nothing(draw: Draw) -> None:
    assert read(draw({})) == BoardStatus()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("proc/loadavg", "x"),
        ("proc/meminfo", "MemTotal: x kB\n"),
        ("proc/self/statm", "5"),
        ("proc/net/wireless", WIRELESS + "what is this\n"),
        ("sys/class/thermal/thermal_zone0/temp", ""),
        ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "?"),
        ("sys/devices/platform/soc/soc:firmware/get_throttled", "?"),
    ],
)
def test_what_cannot_be_understood_is_not_told_and_costs_nothing_else(draw: Draw, file: str, text: str) -> None:
    told = read(draw({**PI4, file: text}))
    assert told.model == "Raspberry Pi 4 Model B Rev 1.4"


def test_a_zone_that_is_no_processors_serves_where_there_is_no_other(draw: Draw) -> None:
    zone = {"sys/class/thermal/thermal_zone0/type": "weird\n", "sys/class/thermal/thermal_zone0/temp": "30000\n"}
    assert read(draw(zone)).temperature == 30.0


@pytest.mark.parametrize(
    ("flags", "now", "seen"),
    [
        (0x0, (False, False), (False, False)),
        (0x50005, (True, True), (True, True)),
        (0x50000, (False, False), (True, True)),
        (0x80008, (False, True), (False, True)),
        (0x20002, (False, True), (False, True)),
        (0x10001, (True, False), (True, False)),
    ],
)
def test_the_firmwares_flags(draw: Draw, flags: int, now: tuple[bool, bool], seen: tuple[bool, bool]) -> None:
    tree = {name: text for name, text in PI4.items() if "hwmon" not in name}
    told = read(draw(tree), flags)
    assert (told.under_voltage, told.throttled) == now
    assert (told.under_voltage_seen, told.throttled_seen) == seen


def test_where_the_firmware_does_not_answer_the_old_file_does(draw: Draw) -> None:
    told = read(draw({**PI4, "sys/devices/platform/soc/soc:firmware/get_throttled": "50004\n"}))
    assert (told.under_voltage, told.throttled, told.under_voltage_seen) == (False, True, True)


def test_the_tool_of_the_firmware_is_asked_in_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert board.vcgencmd() is None
    tool = tmp_path / "vcgencmd"
    for answer, flags in (("echo throttled=0x50005", 0x50005), ("echo VCHI initialization failed; exit 1", None)):
        tool.write_text(f"#!/bin/sh\n{answer}\n")
        tool.chmod(0o755)
        assert board.vcgencmd() == flags


def test_the_package_on_the_disk_is_known() -> None:
    assert installed()


def test_figures_that_hardly_move_stay_as_they_were_told() -> None:
    old = BoardStatus(temperature=50.0, load=0.5, signal=-56, memory_percent=40)
    new = dataclasses.replace(old, temperature=50.9, load=0.55, signal=-58, memory_percent=41, memory_available=7)
    assert steady(new, old) == dataclasses.replace(old, memory_percent=41, memory_available=7)
    assert steady(BoardStatus(temperature=51.0), old).temperature == 51.0
    assert steady(BoardStatus(), old) == BoardStatus()


class Box:
    """A board over a drawn tree whose clock the test moves."""

    def __init__(self, root: Path) -> None:
        self.clock = FakeClock()
        self.health = Health("pi", "abcdef", self.clock, {})
        self.asked = 0
        self.version: str | None = "0.1.0"
        self.board = Board(self.health, self.clock, root=root, ask=self._answer, package=lambda: self.version)

    def _answer(self) -> int | None:
        self.asked += 1
        return 0

    async def look(self, seconds: float) -> BoardStatus:
        self.clock.tick(seconds)
        await self.board.look()
        return self.health.board


async def test_the_firmware_and_the_package_are_asked_once_a_minute(draw: Draw) -> None:
    box = Box(draw(PI4))
    for _ in range(6):
        await box.look(10)
    assert box.asked == 1
    box.version = "0.2.0"
    assert (await box.look(9)).installed == "0.1.0"
    assert (await box.look(1)).installed == "0.2.0"
    assert box.asked == 2
    box.version = None  # while it is being replaced
    assert (await box.look(60)).installed is None
    assert box.health.snapshot()["installed"] == box.health.snapshot()["version"]


async def test_a_supply_that_was_weak_a_moment_ago_is_told_for_a_minute(draw: Draw) -> None:
    box = Box(draw(PI5))
    assert (await box.look(0)).under_voltage
    draw({"sys/class/hwmon/hwmon2/in0_lcrit_alarm": "0\n"})
    assert (await box.look(59)).under_voltage
    assert (await box.look(2)).under_voltage is False


async def test_it_looks_by_itself_every_ten_seconds(draw: Draw) -> None:
    box = Box(draw(PI4))
    life = asyncio.create_task(box.board.run())
    await box.clock.advance(9)
    assert box.asked == 0
    await box.clock.advance(1)
    await until("the first look", lambda: box.health.board.temperature)
    assert box.health.board.temperature == 48.7
    draw({"sys/class/thermal/thermal_zone0/temp": "70000\n"})
    await until("the next look", lambda: box.health.board.temperature == 70.0, meanwhile=lambda: box.clock.advance(10))
    life.cancel()
