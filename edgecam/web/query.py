"""What a request asks for: numbers, switches, times out of its query, JSON out of its body.

Unknown names in a query are ignored: people add `&_=123` to defeat caches.
"""

import json
import math
from collections.abc import Mapping
from datetime import datetime

from aiohttp import web

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


def moment(query: Mapping[str, str], name: str) -> float | None:
    """An ISO 8601 time as unix seconds; without an offset it is the box's local time. None when it is not asked for.

    A plus sign that an unquoted address turned into a space is read as a plus. Raises Refused (400).
    """
    text = query.get(name)
    if not text:
        return None
    try:
        return datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise Refused(400, "bad_request", f"{name} must be a time such as 2026-11-21T07:15:30Z") from None


async def body(request: web.Request, example: str) -> Mapping[str, object]:
    """The JSON object that was sent, one such as `example`. Raises Refused (400)."""
    try:
        sent = json.loads(await request.read())
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise Refused(400, "bad_request", f"the body must be a JSON object such as {example}")
    return sent


def only(sent: Mapping[str, object], *known: str) -> Mapping[str, object]:
    """The body, unless it says what nobody would hear: a misspelt wish is no wish. Raises Refused (400)."""
    for key in sent.keys() - known:
        raise Refused(400, "bad_request", f"there is no {key[:40]!r} here; there are: {', '.join(known)}")
    return sent
