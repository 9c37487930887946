"""Board: what this box can tell of itself, from proc(5), sysfs and, on a Raspberry Pi, its firmware.

All of it is read beside the loop. What a box cannot tell is None, and what it is able to tell is known from its parts
(`BoardStatus.senses`), so that a Wi-Fi that is down for a moment does not come and go as a sensor.
"""

import logging
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from edgecam import aside
from edgecam.clock import Clock
from edgecam.health import BoardStatus, Health

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two looks."""
ASK = 60.0
"""Seconds between two questions to the firmware, each of which is a child process, and to the installed package."""
LOW = 60.0
"""Seconds for which a weak supply is told: it comes and goes with every frame that is coded."""
STEPS = {"temperature": 1.0, "load": 0.1, "load_percent": 5.0, "memory_percent": 1.0, "signal": 3.0}
"""A figure that moved less than this is told as before: it says nothing, and would only fill somebody's history."""

UNDER_VOLTAGE, CAPPED, THROTTLED, SOFT_LIMIT = 1, 2, 4, 8
"""Bits of the firmware's `get_throttled`; the same, 16 bits higher, say that it happened since the start."""
SLOWED = CAPPED | THROTTLED | SOFT_LIMIT

Ask = Callable[[], int | None]


def vcgencmd() -> int | None:
    """The firmware's own word; None where it has no such tool or does not let us ask. Blocks, at most 2 s."""
    try:
        told = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return _flags(told.stdout.partition("throttled=")[2])


def installed() -> str | None:
    """The version of the package that lies on the disk now: another than ours once it was upgraded. Blocks."""
    try:
        return metadata.version("edgecam")
    except (metadata.PackageNotFoundError, OSError):
        return None


class Board:
    """Component. Owns `health.board`."""

    name = "board"

    def __init__(
        self,
        health: Health,
        clock: Clock,
        *,
        root: Path = Path("/"),
        ask: Ask = vcgencmd,
        package: Callable[[], str | None] = installed,
    ) -> None:
        self._health, self._clock, self._root, self._ask, self._package = health, clock, root, ask, package
        self._asked: float | None = None
        self._flags: int | None = None
        self._low: float | None = None
        """When the supply was seen to be too weak, last."""

    async def run(self) -> None:
        while True:
            await self._clock.sleep(EVERY)
            await self.look()

    async def look(self) -> None:
        """Bring `health.board` up to date."""
        old = self._health.board
        self._health.board = steady(await aside.run(self._read), old)

    def _read(self) -> BoardStatus:
        now, version = self._clock.monotonic(), self._health.board.installed
        if self._asked is None or now - self._asked >= ASK:
            self._asked, self._flags, version = now, self._ask(), self._package()
        found = read(self._root, self._flags)
        if found.under_voltage:
            self._low = now
        elif self._low is not None and now - self._low < LOW:
            found = replace(found, under_voltage=True)
        return replace(found, installed=version)


def steady(new: BoardStatus, old: BoardStatus) -> BoardStatus:
    """`new`, with the figures of `old` that hardly moved. Pure."""
    kept = {}
    for name, step in STEPS.items():
        before, after = getattr(old, name), getattr(new, name)
        if before is not None and after is not None and abs(after - before) < step:
            kept[name] = before
    return replace(new, **kept)


def read(root: Path, flags: int | None = None) -> BoardStatus:
    """Everything that lies below `root`; `flags` are what the firmware answered, if it did."""
    zone, wireless = _zone(root), _wireless(root)
    power = _power(root, flags)
    memory, load, cores = _fields(root / "proc/meminfo"), _load(root), _cores(root)
    total, available = memory.get("MemTotal"), memory.get("MemAvailable")
    up = next((name for name in wireless if _text(root / "sys/class/net" / name / "operstate") == "up"), None)
    there = {
        "temperature": zone is not None,
        "wifi_signal": bool(wireless),
        "under_voltage": power.under_voltage is not None,
        "throttled": power.throttled is not None,
    }
    return BoardStatus(
        model=_model(root),
        senses=frozenset(name for name, is_there in there.items() if is_there),
        temperature=_degrees(zone),
        load=load,
        load_percent=round(100 * load / cores) if load is not None and cores else None,
        memory_percent=round(100 * (1 - available / total)) if total and available is not None else None,
        memory_available=available,
        rss=_rss(root),
        cma_free=memory.get("CmaFree") if memory.get("CmaTotal") else None,
        interface=up,
        signal=wireless[up] if up else None,
        under_voltage=power.under_voltage,
        throttled=power.throttled,
        under_voltage_seen=power.under_voltage_seen,
        throttled_seen=power.throttled_seen,
    )


@dataclass(frozen=True, slots=True)
class _Power:
    under_voltage: bool | None = None
    throttled: bool | None = None
    under_voltage_seen: bool | None = None
    throttled_seen: bool | None = None


def _power(root: Path, flags: int | None) -> _Power:
    """What is known of the supply and of a processor that is slowed down.

    The kernel's hwmon driver asks the firmware every 2 s, costs nothing to read and knows of the voltage alone. Where
    the firmware did not answer, an older file has all flags; it comes last since the kernel logs a warning when it is
    read ("deprecated, use hwmon sysfs instead").
    """
    alarm = next(
        (
            _text(chip / "in0_lcrit_alarm")
            for chip in sorted((root / "sys/class/hwmon").glob("hwmon*"))
            if _text(chip / "name") == "rpi_volt"
        ),
        None,
    )
    low = {"0": False, "1": True}.get(alarm or "")
    if flags is None:
        flags = _flags(_text(root / "sys/devices/platform/soc/soc:firmware/get_throttled") or "")
    if flags is None:
        return _Power(low)
    return _Power(
        bool(flags & UNDER_VOLTAGE) if low is None else low,
        bool(flags & SLOWED),
        bool(flags >> 16 & UNDER_VOLTAGE),
        bool(flags >> 16 & SLOWED),
    )


def _flags(text: str) -> int | None:
    """`0x50005` of the tool, `50005` of the file."""
    try:
        return int(text, 16)
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0 \n")
    except OSError:  # also of a file that is there and cannot be read: a sensor that is asleep
        return None


def _fields(path: Path) -> dict[str, int]:
    """Name -> bytes, of a file such as meminfo."""
    found = re.findall(r"^(\w+): *(\d+) kB$", _text(path) or "", re.MULTILINE)
    return {name: int(size) * 1024 for name, size in found}


def _zone(root: Path) -> Path | None:
    """The thermal zone of the processor, by its type (`cpu-thermal`, `x86_pkg_temp`, ...); else the first."""
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"), key=lambda zone: (len(zone.name), zone.name))
    of_cpu = [zone for zone in zones if re.search("cpu|x86_pkg|soc", _text(zone / "type") or "", re.IGNORECASE)]
    return next(iter(of_cpu or zones), None)


def _degrees(zone: Path | None) -> float | None:
    """Celsius. Some zones answer with an error while they sleep."""
    text = _text(zone / "temp") if zone else None
    return round(int(text) / 1000, 1) if text and re.fullmatch(r"-?\d+", text) else None


def _load(root: Path) -> float | None:
    """How many threads wanted to run, on average of the last minute."""
    found = re.match(r"\d+\.\d+", _text(root / "proc/loadavg") or "")
    return float(found[0]) if found else None


def _cores(root: Path) -> int:
    return len(re.findall(r"^processor\s*:", _text(root / "proc/cpuinfo") or "", re.MULTILINE))


def _rss(root: Path) -> int | None:
    """Resident bytes of this process, from proc(5) statm."""
    pages = (_text(root / "proc/self/statm") or "").split()[1:2]
    return int(pages[0]) * os.sysconf("SC_PAGE_SIZE") if pages and pages[0].isdigit() else None


def _wireless(root: Path) -> dict[str, int | None]:
    """Interface -> dBm. A level that is not negative is in a unit of the driver's own, and None.

    `proc/net/wireless` has one line an interface, up or not: name, status, link, level, noise, ...
    """
    lines = (_text(root / "proc/net/wireless") or "").splitlines()[2:]
    found = [re.match(r"\s*([^\s:]+):\s+\S+\s+\S+\s+(-?\d+)", line) for line in lines]
    return {line[1]: level if (level := int(line[2])) < 0 else None for line in found if line}


def _model(root: Path) -> str | None:
    """What the maker calls this box."""
    return _text(root / "proc/device-tree/model") or _text(root / "sys/class/dmi/id/product_name") or None
