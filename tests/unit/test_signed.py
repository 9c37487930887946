"""Signed addresses: they open one thing for a while; whatever is changed in one makes it worth nothing."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edgecam.web.signed import Signer, Verdict
from fakes import FakeClock

CLIP = "media/20261121T071530123Z-birdbox-event-k3x7qa.mp4"
EXPORT = "api/cameras/birdbox/export.mp4?from=2026-11-21T07:15:30.000Z&to=2026-11-21T07:16:30.000Z"
VALID, EXPIRED, FORGED = Verdict.VALID, Verdict.EXPIRED, Verdict.FORGED
HOUR = 3600.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def signer(clock: FakeClock) -> Signer:
    return Signer(bytes(range(32)), clock)


def opened(address: str) -> tuple[str, dict[str, str]]:
    """Path and query as a server gets them."""
    parts = urlsplit(address)
    return parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}


@pytest.mark.parametrize("address", [CLIP, EXPORT, "cameras/birdbox/snapshot.jpg"])
def test_a_link_opens_what_it_was_made_for(signer: Signer, address: str) -> None:
    assert signer.judge(*opened(signer.sign(address, HOUR))) is VALID


def test_what_is_not_signed_is_left_to_logins(signer: Signer) -> None:
    assert signer.judge(CLIP, {"token": "x", "expires": "4000000000"}) is None


@pytest.mark.parametrize(
    ("passed", "verdict"),
    [(0, VALID), (3599, VALID), (3600, EXPIRED), (1e6, EXPIRED), (-1e6, VALID)],
)
def test_a_link_ends_to_the_second(clock: FakeClock, signer: Signer, passed: float, verdict: Verdict) -> None:
    address = opened(signer.sign(CLIP, HOUR))
    clock.step(passed)
    assert signer.judge(*address) is verdict


def test_a_link_lasts_no_second_less_than_was_promised(clock: FakeClock, signer: Signer) -> None:
    clock.step(0.4)
    address = opened(signer.sign(CLIP, HOUR))
    clock.step(3599.9)
    assert signer.judge(*address) is VALID


@pytest.mark.parametrize(
    "change",
    [
        {"signature": ""},
        {"signature": "A" * 43},
        {"signature": "\udcff"},
        {"expires": "4000000000"},
        {"expires": ""},
        {"expires": "01790003600"},
        {"expires": "soon"},
        {"from": "2026-11-20T00:00:00.000Z"},
        {"to": "2026-11-22T00:00:00.000Z"},
        {"from": "2026-11-21T07:16:30.000Z", "to": "2026-11-21T07:15:30.000Z"},
    ],
    ids=lambda change: " ".join(f"{name}={value!a}" for name, value in change.items()),
)
def test_whatever_is_changed_makes_a_link_worthless(signer: Signer, change: Mapping[str, str]) -> None:
    path, query = opened(signer.sign(EXPORT, HOUR))
    assert signer.judge(path, {**query, **change}) is FORGED


@pytest.mark.parametrize("name", ["expires", "from", "to"])
def test_whatever_is_left_out_makes_a_link_worthless(signer: Signer, name: str) -> None:
    path, query = opened(signer.sign(EXPORT, HOUR))
    del query[name]
    assert signer.judge(path, query) is FORGED


@pytest.mark.parametrize(
    "path",
    [
        "media/20261121T071530123Z-birdbox-event-k3x7qa.jpg",
        "media/20261121T071530123Z-garden-event-k3x7qa.mp4",
        "/" + CLIP,
        CLIP + "/",
        "",
        "cameras/birdbox/stream.mjpg",
    ],
)
def test_a_link_opens_nothing_else(signer: Signer, path: str) -> None:
    _, query = opened(signer.sign(CLIP, HOUR))
    assert signer.judge(path, query) is FORGED
    _, query = opened(signer.sign(EXPORT, HOUR))
    assert signer.judge(path, query) is FORGED


def test_how_a_picture_is_shown_is_free(signer: Signer) -> None:
    path, query = opened(signer.sign("cameras/birdbox/snapshot.jpg", HOUR))
    assert signer.judge(path, query | {"width": "320", "_": "123"}) is VALID


def test_another_key_ends_all_links(clock: FakeClock, signer: Signer) -> None:
    assert Signer(bytes(32), clock).judge(*opened(signer.sign(CLIP, HOUR))) is FORGED


def test_a_link_that_is_forged_is_never_said_to_have_ended(clock: FakeClock, signer: Signer) -> None:
    path, query = opened(signer.sign(CLIP, HOUR))
    clock.step(2 * HOUR)
    assert signer.judge(path, query | {"expires": "1"}) is FORGED


@given(some.text(), some.dictionaries(some.sampled_from(["from", "to", "expires", "signature"]), some.text()))
def test_no_text_from_a_network_opens_anything(path: str, query: Mapping[str, str]) -> None:
    signer = Signer(bytes(range(32)), FakeClock())
    assert signer.judge(path, query) is (FORGED if "signature" in query else None)
