"""Which picture a request means, by our own names and by mjpg-streamer's (`/?action=stream`, `/webcam2/?action=…`)."""

from collections.abc import Sequence
from typing import Literal

from aiohttp import web

from edgecam.web.answers import Refused

Root = Literal["page", "snapshot", "stream"]

ACTIONS = ("snapshot", "stream")


def subject(request: web.Request, cameras: Sequence[str], root: Root) -> str:
    """What a request is for, in the words of `http.public`: `birdbox/snapshot`, `metrics`; "" for everything else."""
    name = request.match_info.route.name or ""
    if name in (*ACTIONS, "debug"):
        return f"{request.match_info['camera']}/{name}"
    if name in ("root", "webcam"):
        action = _action(request, root)
        place = _place(request)
        return f"{cameras[place]}/{action}" if action in ACTIONS and place < len(cameras) else ""
    return name


def meant(request: web.Request, cameras: Sequence[str], root: Root) -> tuple[str, str]:
    """The camera and the action of a request in mjpg-streamer's words; action `page` where it asks for none.

    Raises Refused: 400 for an action that is not ours, 404 for a camera that is not there.
    """
    action, place = _action(request, root), _place(request)
    if action not in (*ACTIONS, "page"):
        raise Refused(400, "bad_request", "action must be stream or snapshot")
    if place >= len(cameras):
        raise Refused(404, "not_found", "there is no such camera")
    return cameras[place], action


def _action(request: web.Request, root: Root) -> str:
    if "action" in request.query:
        return request.query["action"]
    return root if request.match_info.route.name == "root" else "page"


def _place(request: web.Request) -> int:
    """`/` and `/webcam/` are the first camera of the file, `/webcam2/` the second."""
    return max(1, int(request.match_info.get("place") or 1)) - 1
