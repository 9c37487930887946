"""`/api/reload`: have the configuration read anew (POST), or know what that would change (GET)."""

from collections.abc import Awaitable
from typing import Protocol

from aiohttp import web

from edgecam.config.places import ConfigErrors
from edgecam.control import Reloaded, Unavailable
from edgecam.web.answers import Refused, as_json
from edgecam.web.door import visitor


class Reloading(Protocol):
    """All raise Unavailable, and ConfigErrors for a file with which nothing could run."""

    async def reload(self) -> Reloaded: ...

    async def compare(self) -> Reloaded: ...


class Reload:
    """Both answers: paths of keys, and what restarts. Raise Refused: 403 unless an admin of the whole box asks, 409."""

    def __init__(self, control: Reloading) -> None:
        self._control = control

    async def post(self, request: web.Request) -> web.Response:
        _admin()
        return await _told(self._control.reload())

    async def get(self, request: web.Request) -> web.Response:
        _admin()
        return await _told(self._control.compare())


async def _told(work: Awaitable[Reloaded]) -> web.Response:
    """422 with every complaint when the file is wrong."""
    try:
        found = await work
    except Unavailable as error:
        raise Refused(409, "no_file", str(error)) from error
    except ConfigErrors as errors:
        sentence = f"the configuration is wrong, what was in force stays so:\n{errors}"
        problems = [str(problem) for problem in errors.problems]
        return as_json({"error": sentence, "reason": "configuration", "problems": problems}, status=422)
    return as_json({"changed": found.changed, "restarted": found.restarted})


def _admin() -> None:
    who = visitor()
    if not who.is_admin or who.cameras is not None:
        raise Refused(403, "not_allowed", "only an admin of the whole box may ask for this")
