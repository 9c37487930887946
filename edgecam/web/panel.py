"""`/api/cameras/{id}/settings`: what can be changed of a camera while it runs, with its limits."""

from collections.abc import Mapping

from aiohttp import web

from edgecam.knobs import Choice, Knob, Number, Switch
from edgecam.settings import SETTINGS, Settings
from edgecam.web import query
from edgecam.web.answers import Refused, as_json
from edgecam.web.live import Live, find

_EXAMPLE = '{"sensitivity": 60, "privacy": true}'


class Panel:
    def __init__(self, lives: Mapping[str, Live], settings: Settings) -> None:
        self._lives, self._settings = lives, settings

    async def show(self, request: web.Request) -> web.Response:
        """Each setting: what is in force, what the file says, and what it takes."""
        return self._tell(find(request, self._lives).id)

    async def change(self, request: web.Request) -> web.Response:
        """Change what is named, all or nothing; null returns to the file's value. Raises Refused (400)."""
        camera = find(request, self._lives).id
        wishes = await query.body(request, _EXAMPLE)
        for key, value in wishes.items():
            _check(key, value)
        for key, value in wishes.items():
            self._settings.set(camera, key, value)
        return self._tell(camera)

    def _tell(self, camera: str) -> web.Response:
        settings = self._settings
        return as_json(
            {
                key: {
                    "value": settings.get(camera, key),
                    "file": settings.file(camera, key),
                    "changed": settings.is_changed(camera, key),
                    **_limits(knob),
                }
                for key, knob in SETTINGS.items()
            }
        )


def _check(key: str, value: object) -> None:
    """Raises Refused (400) that names the setting."""
    if key not in SETTINGS:
        known = ", ".join(SETTINGS)
        raise Refused(400, "bad_request", f"there is no setting {key[:40]!r}; there are: {known}")
    try:
        if value is not None:
            SETTINGS[key].parse(value)
    except ValueError as error:
        raise Refused(400, "bad_request", f"{key} {error}") from None


def _limits(knob: Knob) -> dict[str, object]:
    match knob:
        case Switch():
            return {"kind": "switch"}
        case Number(low, high, unit, step):
            return {"kind": "number", "min": low, "max": high, "step": step, "unit": unit}
        case Choice(options):
            return {"kind": "select", "options": list(options)}
