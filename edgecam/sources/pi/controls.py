"""Controls of a Pi camera: what a person asks for, fitted to what the camera offers. Pure.

A value that does not fit never reaches the device: some libraries notice it much later, in a thread of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

Asked = bool | int | float | str | tuple[float, ...]
Limits = tuple[object, object, object]
"""Least, most and default value as the device tells them; any of them may be None. A rectangle is four numbers."""

_ZERO_IS_AUTO = frozenset(("ExposureTime", "AnalogueGain"))
"""Zero gives these back to the automatic, whatever their limits say."""


@dataclass(slots=True)
class Fitted:
    """The values to set, and for each one that could not be had as asked a sentence."""

    values: dict[str, object] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)


def fit(
    asked: Mapping[str, Asked],
    offered: Mapping[str, Limits],
    words: Mapping[str, Mapping[str, int]] | None = None,
) -> Fitted:
    """`asked` as far as `offered` goes. `words` names the values of choices: {"AfMode": {"Auto": 1}}."""
    fitted = Fitted()
    for name, value in asked.items():
        if name not in offered:
            fitted.complaints.append(f"the camera has no control {name}{_near(name, offered)}")
            continue
        try:
            fitted.values[name], trouble = _one(name, value, offered[name], (words or {}).get(name, {}))
        except ValueError as error:
            trouble = f"{error}; it is left as it is"
        if trouble:
            fitted.complaints.append(f"control {name}: {trouble}")
    return fitted


def _near(name: str, offered: Mapping[str, Limits]) -> str:
    by_lower = {known.lower(): known for known in offered}
    near = [by_lower[found] for found in get_close_matches(name.lower(), by_lower, 3, 0.6)]
    return f" (did you mean {' or '.join(near)}?)" if near else f"; it has {', '.join(sorted(offered)) or 'none'}"


def _one(name: str, value: Asked, limits: Limits, words: Mapping[str, int]) -> tuple[object, str]:
    """The value of the device's own type, and what had to be changed. Raises ValueError when there is no such value."""
    low, high, _ = limits
    kind = next((limit for limit in limits if limit is not None), None)
    if words:
        return _word(value, words), ""
    if isinstance(value, str):
        raise ValueError("takes a number, not text" if not isinstance(kind, bool) else "is true or false")
    if isinstance(kind, bool):
        if isinstance(value, tuple) or value not in (0, 1):
            raise ValueError("is true or false")
        return bool(value), ""
    if isinstance(kind, Sequence) and len(kind) == 4:
        return _rectangles(name, value, high)
    if name in _ZERO_IS_AUTO and value == 0:
        return type(kind)(0) if isinstance(kind, int | float) else 0, ""
    numbers = value if isinstance(value, tuple) else (value,)
    fitted = tuple(_number(number, low, high, whole=isinstance(kind, int)) for number in numbers)
    told = "" if fitted == numbers else f"{_text(value)} is beyond what the camera takes ({low} to {high}); "
    told = told and f"{told}{_text(fitted if isinstance(value, tuple) else fitted[0])} is used"
    return fitted if isinstance(value, tuple) else fitted[0], told


def _word(value: Asked, words: Mapping[str, int]) -> int:
    by_lower = {word.lower(): number for word, number in words.items()}
    if isinstance(value, str) and value.lower() in by_lower:
        return by_lower[value.lower()]
    if isinstance(value, int | float) and not isinstance(value, bool) and value in words.values():
        return int(value)
    raise ValueError("is one of " + ", ".join(f"{number} ({word})" for word, number in words.items()))


def _number(value: float, low: object, high: object, *, whole: bool) -> float:
    number: float = round(value) if whole else float(value)
    if isinstance(low, int | float) and isinstance(high, int | float) and low <= high and (low or high):
        number = min(max(number, low), high)
    return number


def _rectangles(name: str, value: bool | float | tuple[float, ...], high: object) -> tuple[object, str]:
    """x, y, width, height in the sensor's pixels, inside the largest one; several where the name is a plural."""
    many = name.endswith("s")
    if not isinstance(value, tuple) or not value or len(value) % 4 or (len(value) > 4 and not many):
        raise ValueError("takes [x, y, width, height]")
    asked = [tuple(round(number) for number in value[at : at + 4]) for at in range(0, len(value), 4)]
    if any(width <= 0 or height <= 0 for _, _, width, height in asked):
        raise ValueError("takes [x, y, width, height] with a width and a height")
    fitted = [_inside(one, high) for one in asked] if isinstance(high, Sequence) and not many else asked
    told = "" if fitted == asked else f"reaches beyond {list(high) if isinstance(high, Sequence) else high}; "
    told = told and f"{told}{list(fitted[0])} is used"
    return fitted if many else fitted[0], told


def _inside(one: tuple[int, ...], most: Sequence[int]) -> tuple[int, ...]:
    x, y, width, height = one
    left, top, wide, tall = most
    width, height = min(width, wide), min(height, tall)
    return min(max(x, left), left + wide - width), min(max(y, top), top + tall - height), width, height


def _text(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
