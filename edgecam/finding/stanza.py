"""A found camera as the lines of YAML that open it. Pure."""

import re
from collections.abc import Iterable, Sequence

import yaml

from edgecam.config import units
from edgecam.config.fields import RESERVED
from edgecam.finding import Found, Mode

WANTED = units.Size(1280, 720)
WANTED_RATE = 15.0
"""What a camera is asked for when it offers more: what the smallest board can record."""


def ids(cameras: Iterable[Found]) -> list[str]:
    """An id for each, made from its name; no two alike."""
    given: list[str] = []
    for camera in cameras:
        stem = re.sub(r"[^a-z0-9]+", "_", camera.name.lower())[:32].strip("_") or "camera"
        stem = f"{stem}_camera" if stem in RESERVED else stem
        id, count = stem, 1
        while id in given:
            count += 1
            id = f"{stem[: 31 - len(str(count))].rstrip('_')}_{count}"
        given.append(id)
    return given


def stanza(id: str, camera: Found) -> str:
    """A whole configuration with this one camera; everything below `cameras:` can be pasted into another."""
    source: dict[str, object] = {"type": camera.type}
    if camera.device is not None:
        source["device"] = camera.device
    if (mode := best(camera)) is not None:
        source["size"] = f"{mode.width}x{mode.height}"
        if mode.rates:
            rate = min((rate for rate in mode.rates if rate >= WANTED_RATE), default=mode.rates[-1])
            source["fps"] = int(rate) if rate == int(rate) else rate
    sections = {"cameras": {id: {"name": camera.name, "source": source}}}
    return yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=1000)


def best(camera: Found) -> Mode | None:
    """The size to ask for: what is wanted, else the largest below it, else the smallest there is."""
    modes = _of_best_format(camera)
    fitting = [mode for mode in modes if mode.width <= WANTED.width and mode.height <= WANTED.height]
    if fitting:
        return max(fitting, key=_area)
    return min(modes, key=_area, default=None)


def _of_best_format(camera: Found) -> Sequence[Mode]:
    formats = camera.offer.formats if camera.offer else {}
    return next((formats[name] for name in ("MJPG", "JPEG", "H264") if formats.get(name)), ()) or next(
        (modes for modes in formats.values() if modes), ()
    )


def _area(mode: Mode) -> int:
    return mode.width * mode.height
