"""Links: addresses of media, relative to the page, and those that open without a login, such as on a phone.

Pure. A signed link is absolute, below `http.external_url`, and ends; without that option there is none.
"""

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from edgecam.config.secret import Url
from edgecam.media import MediaId, iso

LIFE = 24 * 3600.0
"""Seconds that a signed link opens something: a notification is looked at within a day or not at all. The store's
links live as long, unless `offload.link_expiry` says otherwise.
"""

Sign = Callable[[str, float], str]
"""Makes of an address, relative to the page, one that opens without a login for so many seconds."""


def base(url: str) -> str:
    """What relative addresses are put behind: `url` without login, query and fragment, with one slash at its end."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return bare.geturl().rstrip("/") + "/"


def of_media(id: MediaId) -> str:
    """Where a clip is played or a picture shown."""
    return f"media/{id.text}{id.suffix}"


def of_event(camera: str, event_id: str) -> str:
    """Where an event's best picture is shown."""
    return f"cameras/{camera}/events/{event_id}.jpg"


class Links:
    """Signed links, None without `external`."""

    def __init__(self, external: Url | None, sign: Sign) -> None:
        self._base = base(external.reveal()) if external else None
        self._sign = sign

    def media(self, id: MediaId, life: float = LIFE) -> str | None:
        """To a clip or a picture."""
        return self._signed(of_media(id), life)

    def event(self, camera: str, event_id: str) -> str | None:
        """To the best picture of an event: it is there with the event, and gets better until that is over."""
        return self._signed(of_event(camera, event_id))

    def snapshot(self, camera: str) -> str | None:
        """To the picture of the moment in which it is opened."""
        return self._signed(f"cameras/{camera}/snapshot.jpg")

    def export(self, camera: str, begin: float, end: float) -> str | None:
        """To what was recorded between two moments (unix seconds), as one film."""
        asked = urlencode({"from": iso(begin), "to": iso(end)})
        return self._signed(f"api/cameras/{camera}/export.mp4?{asked}")

    def _signed(self, address: str, life: float = LIFE) -> str | None:
        return self._base + self._sign(address, life) if self._base else None
