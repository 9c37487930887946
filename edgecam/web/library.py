"""What the web needs of finished media on disk."""

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from edgecam import aside
from edgecam.media import MediaId, Sidecar
from edgecam.web.answers import Refused
from edgecam.web.door import visitor

log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")


class Library(Protocol):
    """Blocking; any thread."""

    def find(self, text: str) -> Path | None:
        """The file of a `MediaId.name`; None when it is not there."""
        ...

    def days(self, camera: str) -> Collection[str]:
        """UTC days (`YYYY-MM-DD`) that may have something."""
        ...

    def files(self, camera: str, day: str) -> Collection[str]:
        """All file names of a UTC day."""
        ...

    def sidecar(self, id: MediaId) -> Sidecar | None:
        """All that is known of it; None when it is not here or cannot be read."""
        ...

    def pin(self, id: MediaId, on: bool) -> None:
        """Keep it whatever its age, or no longer. Raises OSError."""
        ...

    def remove(self, id: MediaId) -> None:
        """Delete it with everything that belongs to it. Raises OSError."""
        ...


def named(text: str) -> MediaId:
    """The media that text from the network names. Raises Refused (404), the same where this visitor may not see it."""
    try:
        id = MediaId.parse(text)
    except ValueError:
        raise absent() from None
    if not visitor().may_see(id.camera):
        raise absent()
    return id


async def asked(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The library's answer, beside the loop. Raises Refused: 404 for what went meanwhile, 503 for a disk's fault."""
    try:
        return await aside.run(call, *args, **kwargs)
    except FileNotFoundError:
        raise absent() from None
    except OSError as error:
        log.warning("http: the library: %s", error)
        raise Refused(503, "disk", f"the disk does not do it: {error.strerror or error}", retry_after=10) from error


async def existing(library: Library, id: MediaId) -> Path:
    """The file of it. Raises Refused (404)."""
    path = await asked(library.find, id.name)
    if path is None:
        raise absent()
    return path


def absent() -> Refused:
    return Refused(404, "not_found", "there is no such clip or picture")
