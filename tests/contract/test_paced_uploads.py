"""`offload.bandwidth` and large files, at real servers: every part leaves as slowly as it shall, and a window that
closes in the middle costs the part that was on its way and no other.
"""

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from edgecam.config.secret import Secret, Url
from edgecam.config.store import AzureStore, S3Store
from edgecam.config.timetable import ELSE
from edgecam.offload.deliver import Parcel, deliver
from edgecam.offload.stores import Store
from edgecam.offload.stores.azure import Azure
from edgecam.offload.stores.journal import Begun
from edgecam.offload.stores.s3 import S3
from edgecam.offload.valve import Closed, Valve
from edgecam.offload.worker import Upstream
from fakes import FakeClock
from peers import S3 as Rclone  # noqa: N811  two things of one name
from peers import Azurite
from waiting import content, parcel

PART = 256 << 10
SIZE = 3 * PART + 5000
"""Of the clips here: four parts."""
LASTS = 120.0
"""Seconds that one takes."""
RATE = SIZE / LASTS

Opener = Callable[[], Store]


def s3(folder: Path) -> Iterator[Opener]:
    with Rclone(folder) as server:
        server.bucket("birdbox")
        config = S3Store(
            bucket="birdbox",
            endpoint=Url(f"http://127.0.0.1:{server.port}"),
            access_key=Secret(Rclone.access_key),
            secret_key=Secret(Rclone.secret_key),
        )
        yield lambda: S3(config, whole=PART, part=PART)


def azure(folder: Path) -> Iterator[Opener]:
    with Azurite(folder) as server:
        with ContainerClient.from_connection_string(server.connection_string, "birdbox") as container:
            container.create_container()
        config = AzureStore(
            container="birdbox",
            account=Azurite.account,
            account_key=Secret(Azurite.account_key),
            endpoint=Url(f"http://127.0.0.1:{server.port}/{Azurite.account}"),
        )
        yield lambda: Azure(config, block=PART)


@pytest.fixture(scope="module", params=[s3, azure])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opener]:
    yield from request.param(tmp_path_factory.mktemp("store"))


_numbers = itertools.count(1)


@pytest.fixture
def clip(tmp_path: Path) -> Parcel:
    return parcel(f"cams/garden-pi/birdbox/paced-{next(_numbers)}", tmp_path / "clip.mp4", content(SIZE))


class Line:
    """A way out of the box for one job after the other; the time is its own, and passes only while it waits."""

    def __init__(self, plan: Callable[[FakeClock], dict[str, float]]) -> None:
        self.clock, self.left = FakeClock(), 0
        self._valve = Valve(self.clock, self.clock.tick)
        self._valve.turn(plan(self.clock))
        self._begin = self.clock.monotonic()

    def out(self) -> Upstream:
        return Upstream(SIZE, self._valve, self._report)

    def _report(self, sent: int, left: int, whole: bool) -> None:
        self.left += left

    @property
    def lasted(self) -> float:
        return self.clock.monotonic() - self._begin


def for_two_minutes(clock: FakeClock) -> dict[str, float]:
    """From the beginning of this minute; then not a byte, for ten minutes."""
    now = datetime.fromtimestamp(clock.wall())
    shut = "-".join(f"{now + timedelta(minutes=at):%H:%M}" for at in (2, 12))
    return {shut: 0, ELSE: RATE}


def test_a_large_file_leaves_as_slowly_as_it_shall(opened: Opener, clip: Parcel) -> None:
    line = Line(lambda _: {ELSE: RATE})
    assert deliver(opened(), clip, line.out()).sent
    assert line.lasted == pytest.approx(LASTS, rel=0.02)
    assert line.left == SIZE + len(clip.manifest)


def test_a_window_that_closes_in_the_middle_costs_one_part_and_shows_nothing(opened: Opener, clip: Parcel) -> None:
    line = Line(for_two_minutes)
    with pytest.raises(Closed):
        deliver(opened(), clip, line.out())
    assert opened().stat(f"{clip.stem}.mp4") is None
    assert clip.journal
    assert len(Begun.model_validate_json(clip.journal.read_bytes()).parts) == 2
    line.clock.tick(600)
    line.left = 0
    assert deliver(opened(), clip, line.out()).sent
    assert line.left == SIZE - 2 * PART + len(clip.manifest)
    there = opened().stat(f"{clip.stem}.mp4")
    assert there
    assert there.size == SIZE
