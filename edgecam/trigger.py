"""What somebody outside says who triggers an event: for how long, and why. Pure."""

import re

from edgecam.config import units

DURATION = 30.0
"""Seconds of an event when nobody says."""
SHORTEST, LONGEST = 1.0, 600.0

_CAUSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


def duration(said: object) -> float:
    """Seconds of `"30s"`, or of a number. Raises ValueError whose text follows a name."""
    wanted = f"must be a duration from {SHORTEST:.0f}s to {units.duration_text(LONGEST)} such as 30s"
    if isinstance(said, bool) or not isinstance(said, str | int | float):
        raise ValueError(wanted)
    try:
        seconds = units.duration(said) if isinstance(said, str) else float(said)
    except (ValueError, OverflowError):
        raise ValueError(wanted) from None
    if not SHORTEST <= seconds <= LONGEST:
        raise ValueError(wanted)
    return seconds


def cause(said: object) -> str:
    """A word such as `pir`, for programs. Raises ValueError whose text follows a name."""
    if not isinstance(said, str) or not _CAUSE.fullmatch(said):
        raise ValueError("must be a word of up to 32 letters, digits, _ . and -, such as pir")
    return said
