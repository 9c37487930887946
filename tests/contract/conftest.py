"""What the contracts share: a broker, both versions of its protocol, the client; threads and a library."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest

from clips import opened
from edgecam.record.disk.library import Library
from mqttside import Make, Protocol, maker
from peers import Mosquitto


@pytest.fixture(params=["5", "3.1.1"])
def protocol(request: pytest.FixtureRequest) -> Protocol:
    found: Protocol = request.param
    return found


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as up:
        yield up


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with opened(tmp_path, wanted=lambda _: True) as library:
        yield library


@pytest.fixture
def make(tmp_path: Path, pool: Executor) -> Make:
    return maker(tmp_path / "state", pool)
