"""Numbers and switches out of a query string. Unknown names are ignored: people add `&_=123` to defeat caches."""

import math
from collections.abc import Mapping

from edgecam.web.answers import Refused

LARGEST = 100_000


def number(query: Mapping[str, str], name: str) -> float | None:
    """A number above 0 and not absurd; None when it is not asked for. Raises Refused (400)."""
    text = query.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= LARGEST:
        raise Refused(400, "bad_request", f"{name} must be a number from 1 to {LARGEST}")
    return value


def switch(query: Mapping[str, str], name: str) -> bool:
    """`1`, `true`, `yes`, `on` or the bare name; anything else is off."""
    return query.get(name, "0").lower() in ("", "1", "true", "yes", "on")
