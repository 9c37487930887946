"""Links on `external_url`: complete addresses below it, without the login that may be in it."""

import pytest

from edgecam.config.secret import Url
from edgecam.links import LIFE, Links
from edgecam.media import MediaId, MediaKind

CLIP = MediaId.new(1_790_000_000.0, "birdbox", MediaKind.EVENT, random="k3x7qa")


def sign(address: str, life: float) -> str:
    return f"{address} for {life:g} s"


@pytest.mark.parametrize(
    ("external", "base"),
    [
        ("https://cam.example.org", "https://cam.example.org/"),
        ("https://cam.example.org/", "https://cam.example.org/"),
        ("https://example.org/cams/garden//", "https://example.org/cams/garden/"),
        ("http://192.168.1.5:8000/", "http://192.168.1.5:8000/"),
        ("http://[fd00::5]:8000", "http://[fd00::5]:8000/"),
        ("https://anna:pa%40ss@cam.example.org/x", "https://cam.example.org/x/"),
        ("https://cam.example.org/?key=secret#top", "https://cam.example.org/"),
    ],
)
def test_links_lie_below_the_external_url_and_hold_nothing_secret_of_it(external: str, base: str) -> None:
    links = Links(Url(external), sign)
    assert links.media(CLIP) == f"{base}media/{CLIP}.mp4 for 86400 s"
    assert links.media(CLIP.picture, 60.0) == f"{base}media/{CLIP}.jpg for 60 s"
    assert links.event("birdbox", "e1") == f"{base}cameras/birdbox/events/e1.jpg for 86400 s"
    assert links.snapshot("birdbox") == f"{base}cameras/birdbox/snapshot.jpg for 86400 s"
    asked = "from=2026-09-21T14%3A13%3A20.000Z&to=2026-09-21T14%3A13%3A30.500Z"
    told = links.export("birdbox", 1_790_000_000.0, 1_790_000_010.5)
    assert told == f"{base}api/cameras/birdbox/export.mp4?{asked} for {LIFE:g} s"


def test_without_an_external_url_there_is_no_link() -> None:
    links = Links(None, sign)
    assert links.media(CLIP) is links.event("birdbox", "e1") is links.snapshot("birdbox") is None
    assert links.export("birdbox", 0.0, 1.0) is None
