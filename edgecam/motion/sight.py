"""Sight: one look as people are shown it, what became of it, and how that is said. Pure."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecam.config import model
from edgecam.motion.detector import Look

if TYPE_CHECKING:
    from edgecam.motion.luma import Luma


@dataclass(frozen=True, slots=True)
class Sight:
    """One look, and what it looked at."""

    look: Look
    luma: "Luma"
    """The picture, as the detector got it."""
    heat: "Luma | None"
    """How far each pixel of it stood out; None before the second look, and where nobody wanted to know."""
    cost: float
    """Seconds of CPU that decoding and looking took."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a look, and what was in force."""

    at: float
    """When the picture was taken, unix seconds."""
    confirmed: bool
    """The gate counts it as motion."""
    event: str | None
    """The id of the event that is going on."""
    sensitivity: int
    min_area: float
    shut: Collection[str] = ()
    """The zones that do not count now."""


def lines(config: model.Motion, sight: Sight, outcome: Outcome) -> tuple[str, str]:
    """When, what it says and what that cost; then what was measured and what is asked. ASCII; the box's time of day."""
    look = sight.look
    clock = f"{time.strftime('%H:%M:%S', time.localtime(outcome.at))}.{int(outcome.at * 10) % 10}"
    said = verdict(look, confirmed=outcome.confirmed)
    if outcome.event is not None:
        said += f" (event {outcome.event.rpartition('-')[2]})"
    asked = f"sensitivity {outcome.sensitivity}" if config.threshold is None else f"threshold {config.threshold:g}"
    if config.method != "difference":  # which knows no least area
        asked += f", min_area {outcome.min_area:g} %"
    return (
        f"{clock}  {said}  {sight.cost * 1000:.1f} ms",
        f"score {look.score}, area {look.area:.1f} %; {asked}",
    )


def verdict(look: Look, *, confirmed: bool) -> str:
    """What a look says, in words."""
    return str(look.why_not(confirmed) or ("motion" if look.moving else "nothing moves"))
