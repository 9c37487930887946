"""Controls of a V4L2 device, set by their names through linuxpy, which is optional.

Names are those of `v4l2-ctl --list-ctrls`; a menu takes its entry's name or number.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linuxpy.video.device import BaseControl, Device

Value = bool | int | float | str | tuple[float, ...]
MISSING = "controls cannot be set without linuxpy: pip install 'edgecam[v4l2]'"


def apply(device: str, wanted: Mapping[str, Value]) -> list[str]:
    """Set them all; returns what could not be done as it was written. The device may stream meanwhile."""
    try:
        from linuxpy.video.device import Device
    except ImportError:
        return [MISSING]
    try:
        with Device(device) as opened:
            return list(set_all(opened, wanted))
    except (OSError, ValueError, RuntimeWarning) as error:  # linuxpy raises that of a driver that contradicts itself
        return [f"controls cannot be set: {error}"]


def set_all(device: "Device", wanted: Mapping[str, Value]) -> Iterator[str]:
    """Modes come first: while an exposure is automatic, its time cannot be set."""
    known = {plain(control.name): control for control in device.controls.values()}
    chosen = []
    for name, value in wanted.items():
        control = known.get(plain(name))
        if control is None:
            yield f"the device has no control {name}{_near(plain(name), list(known))}"
        else:
            chosen.append((control, value))
    for control, value in sorted(chosen, key=lambda pair: not _is_mode(pair[0])):
        yield from _set(control, value)


def plain(name: str) -> str:
    """`White Balance, Automatic` is `white_balance_automatic`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _near(name: str, known: list[str]) -> str:
    words = {word: one for one in known for word in one.split("_") if word not in _COMMON}
    alike = [words[word] for part in name.split("_") for word in get_close_matches(part, words, n=1, cutoff=0.7)]
    near = list(dict.fromkeys([*get_close_matches(name, known, n=3, cutoff=0.6), *alike]))
    if near:
        return f" (did you mean {' or '.join(near)}?)"
    return f"; it has: {', '.join(sorted(known)) or 'none'}"


_COMMON = frozenset({"auto", "automatic", "absolute", "time"})


def _is_mode(control: "BaseControl") -> bool:
    from linuxpy.video.device import BooleanControl, MenuControl

    return isinstance(control, BooleanControl | MenuControl)


def _set(control: "BaseControl", value: Value) -> Iterator[str]:
    """Yields what is wrong; sets what is nearest to it, or nothing."""
    from linuxpy.video.device import BaseNumericControl, BooleanControl, ButtonControl, MenuControl

    name = plain(control.name)
    try:
        if isinstance(control, ButtonControl):
            if value:
                control.push()
            return
        if isinstance(control, MenuControl):
            value = _entry(control.data, value)
        elif isinstance(control, BooleanControl):
            value = _switch(value)
        elif isinstance(control, BaseNumericControl):
            number = _number(value)
            value = nearest = min(max(number, int(control.minimum)), int(control.maximum))
            if nearest != number:
                side = "above the largest" if number > nearest else "below the smallest"
                yield f"control {name}: {number} is {side}, {nearest}, which is set instead"
        control.value = value
    except ValueError as error:
        yield f"control {name}: {error}"
    except AttributeError:  # what linuxpy raises of a control that is read-only
        yield f"control {name} cannot be set: it is read-only"
    except PermissionError:
        yield f"control {name} cannot be set now: an automatic has it; switch that off among the controls too"
    except OSError as error:
        yield f"control {name} cannot be set: {error.strerror or error}"


def _entry(menu: Mapping[int, str | int], value: Value) -> int:
    """The number of a menu's entry. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        for index, entry in menu.items():
            if entry == value:  # a menu of numbers
                return index
        if value in menu:
            return value
    found = [index for index, entry in menu.items() if plain(str(entry)) == plain(str(value))]
    if len(found) == 1:
        return found[0]
    entries = ", ".join(f"{index} ({entry})" for index, entry in menu.items())
    raise ValueError(f"must be one of {entries}")


def _switch(value: Value) -> bool:
    words = {"1": True, "true": True, "on": True, "yes": True, "0": False, "false": False, "off": False, "no": False}
    known = words.get(str(value).lower())
    if known is None:
        raise ValueError("must be true or false")
    return known


def _number(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != round(value):
        raise ValueError("must be a whole number")
    return round(value)
