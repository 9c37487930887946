"""Knobs: the kinds of live settings, and what each of them takes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

Value = bool | int | float | str

DECIMALS = 3
"""Of a number that is not whole: what sliders add beyond is noise, such as 0.30000000000000004."""


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    def parse(self, value: object) -> bool:
        """Takes True, False, `ON`, `OFF` in any case; raises ValueError."""
        if isinstance(value, bool):
            return value
        text = value.strip().upper() if isinstance(value, str) else ""
        if text not in ("ON", "OFF"):
            raise ValueError("must be ON or OFF")
        return text == "ON"


@dataclass(frozen=True, slots=True)
class Number:
    """A number within limits."""

    low: int
    high: int
    unit: str
    step: float = 1
    """By which a control moves it. Below 1 the values are no whole numbers, and may be finer than that."""

    @property
    def is_whole(self) -> bool:
        return self.step == int(self.step)

    def parse(self, value: object) -> int | float:
        """Takes a number or its text; raises ValueError."""
        number = _number(value)
        if not self.low <= number <= self.high or (self.is_whole and number != int(number)):
            raise ValueError(f"must be a {'whole ' * self.is_whole}number from {self.low} to {self.high}")
        return int(number) if self.is_whole else round(number, DECIMALS) + 0.0  # -0.0 becomes 0.0

    def clamp(self, value: float) -> float:
        """The nearest value within the limits: the file may go beyond what a control can show."""
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    options: Sequence[str]

    def parse(self, value: object) -> str:
        """Takes one of the options; raises ValueError."""
        if not isinstance(value, str) or value not in self.options:
            raise ValueError(f"must be one of {', '.join(self.options)}")
        return value


Knob = Switch | Number | Choice


def _number(value: object) -> float:
    """Not a number for whatever is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")
