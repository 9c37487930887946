"""Units: the words in which people write times, sizes, rates, shares and pictures, and back again.

Pure. Each function takes the text as typed and raises ValueError with a sentence that says how to write it; the
sentence never quotes the text, because the text may be a secret that landed on the wrong line.
"""

import math
import re
from ipaddress import ip_address
from typing import NamedTuple

_NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_WITH_UNIT = re.compile(_NUMBER + r"\s*([a-zA-Z/%]*)")

SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
BYTES = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
BITS = {"bit": 1, "kbit": 1000, "Mbit": 1000**2, "Gbit": 1000**3}
_BYTES_IN_ANY_CASE = {unit.lower(): factor for unit, factor in BYTES.items()}
_BITS_IN_ANY_CASE = {unit.lower(): factor for unit, factor in BITS.items()}

FOREVER = math.inf


class Size(NamedTuple):
    """A picture's size in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def _split(text: str, wanted: str) -> tuple[float, str]:
    match = _WITH_UNIT.fullmatch(text.strip())
    if match is None or not math.isfinite(float(match[1])):
        raise ValueError(wanted)
    return float(match[1]), match[2]


def duration(text: str) -> float:
    """Seconds of `500ms`, `10s`, `5m`, `1h`, `14d`; infinity for `forever`."""
    wanted = "must be a duration such as 500ms, 10s, 5m, 1h, 14d or forever"
    if text.strip() == "forever":
        return FOREVER
    number, unit = _split(text, wanted)
    if not unit and number:
        raise ValueError(f"{wanted}: the unit is missing")
    if unit and unit not in SECONDS:
        raise ValueError(wanted)
    return number / 1000 if unit == "ms" else number * SECONDS.get(unit, 1.0)


def duration_text(seconds: float) -> str:
    """An exact way to write it, as people do: `duration(duration_text(x)) == x`; 60 s and 24 h stay what they are."""
    if math.isinf(seconds):
        return "forever"
    if seconds == 0:
        return "0s"
    for unit, least in (("d", 2), ("h", 1), ("m", 2), ("s", 1)):
        if seconds % SECONDS[unit] == 0 and seconds >= least * SECONDS[unit]:
            return f"{int(seconds / SECONDS[unit])}{unit}"
    thousands = round(seconds * 1000)
    return f"{thousands}ms" if thousands < 1000 and thousands / 1000 == seconds else f"{seconds!r}s"


def last(text: str) -> float:
    """Seconds of how far back somebody reaches: `60s`, `5m`; more than nothing, up to a day."""
    return within_a_day(duration(text))


def within_a_day(seconds: float) -> float:
    """The same number. Raises ValueError where it is not above 0 and up to a day."""
    if not 0 < seconds <= SECONDS["d"]:
        raise ValueError("must be longer than nothing and at most 24h")
    return float(seconds)


def size(text: str) -> int:
    """Bytes of `500kB`, `8GB`, `16MiB`; `0` needs no unit."""
    wanted = "must be a size such as 500kB, 8GB or 16MiB"
    number, unit = _split(text, wanted)
    if not unit and number:
        raise ValueError(f"{wanted}: the unit is missing")
    if unit and unit.lower() not in _BYTES_IN_ANY_CASE:
        raise ValueError(wanted)
    return round(number * _BYTES_IN_ANY_CASE.get(unit.lower(), 1))


def size_text(count: int) -> str:
    """The shortest exact way to write a number of bytes."""
    candidates = [f"{count // factor}{unit}" for unit, factor in BYTES.items() if count % factor == 0 and count]
    return min(candidates, key=len, default="0B")


def bitrate(text: str) -> int:
    """Bits per second of `2Mbit/s`, `64kbit/s`, `500kB/s`."""
    wanted = "must be a rate such as 500kB/s or 2Mbit/s"
    number, unit = _split(text, wanted)
    amount = unit.removesuffix("/s").lower()
    if amount == unit.lower() or amount not in _BITS_IN_ANY_CASE | _BYTES_IN_ANY_CASE or unit.endswith("b/s"):
        raise ValueError(wanted)
    factor = _BITS_IN_ANY_CASE.get(amount) or 8 * _BYTES_IN_ANY_CASE[amount]
    return round(number * factor)


def bitrate_text(bits: int) -> str:
    """The shortest exact way to write bits per second."""
    candidates = [f"{bits // factor}{unit}/s" for unit, factor in BITS.items() if bits % factor == 0 and bits]
    return min(candidates, key=len, default="0bit/s")


def rate(text: str) -> float:
    """Bytes per second of `500kB/s`, `2Mbit/s`; `0` needs no unit."""
    return 0.0 if text.strip() == "0" else bitrate(text) / 8


def rate_text(count: float) -> str:
    """Bytes per second as text, in bits where they are no whole bytes."""
    return f"{size_text(int(count))}/s" if count == int(count) else bitrate_text(round(count * 8))


def percent(text: str) -> float:
    """The number before `%`: `0.3%` is 0.3."""
    wanted = "must be a percentage such as 0.3%"
    number, unit = _split(text, wanted)
    if unit != "%":
        raise ValueError(wanted)
    return number


def percent_text(share: float) -> str:
    return f"{int(share) if share == int(share) else share!r}%"


def resolution(text: str) -> Size:
    """`1280x720`; even numbers, because video needs them."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip())
    if match is None:
        raise ValueError("must be a size in pixels such as 1280x720")
    found = Size(int(match[1]), int(match[2]))
    if min(found) < 16 or found.width % 2 or found.height % 2:
        raise ValueError("must be two even numbers from 16 on, such as 1280x720")
    return found


class TimeOfDay(NamedTuple):
    """Hour and minute of the box's local time."""

    hour: int
    minute: int

    def __str__(self) -> str:
        return f"{self.hour:02d}:{self.minute:02d}"


def time_of_day(text: str) -> TimeOfDay:
    """`07:30`, `7:30`, `23:59`."""
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if match is None:
        raise ValueError("must be a time of day such as 07:30, from 00:00 to 23:59")
    return TimeOfDay(int(match[1]), int(match[2]))


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """`127.0.0.1:8000`, `[::1]:8000`, `localhost:0`."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.%a-z]+)\]|([^\s:\[\]/]+)):(\d{1,5})", text.strip())
    if match is None or int(match[3]) > 65535:
        raise ValueError("must be an address and a port such as 127.0.0.1:8000 or [::1]:8000")
    return Address(match[1] or match[2], int(match[3]))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`; a name other than localhost counts as outside."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
