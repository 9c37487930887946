"""Answers that are not pictures: JSON, and refusals as JSON with a sentence for the person who asked."""

import json
from collections.abc import Mapping, Sequence

from aiohttp import web


class Refused(Exception):
    """Ends a request with `status`. `reason` is a word for programs, `sentence` is for people."""

    def __init__(
        self, status: int, reason: str, sentence: str, *, retry_after: int | None = None, challenge: bool = False
    ) -> None:
        super().__init__(sentence)
        self.status, self.reason = status, reason
        self.retry_after = retry_after
        """Seconds after which asking again makes sense."""
        self.challenge = challenge
        """Ask the browser for name and password."""


def as_json(
    data: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    items: Sequence[str] | None = None,
) -> web.Response:
    """`data` must be plain JSON data; never stored by caches. `items`, JSON already, are added to it by that name."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    if items is not None:
        text = f'{text[:-1]}, "items": [{", ".join(items)}]}}'
    return web.Response(
        text=f"{text}\n",
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"} | dict(headers or {}),
    )


def refusal(refused: Refused) -> web.Response:
    headers: dict[str, str] = {}
    if refused.retry_after is not None:
        headers["Retry-After"] = str(refused.retry_after)
    if refused.challenge:
        headers["WWW-Authenticate"] = 'Basic realm="edgecam", charset="UTF-8"'
    return as_json({"error": str(refused), "reason": refused.reason}, status=refused.status, headers=headers)
