"""What the contracts of the MQTT client share: a broker, both versions of the protocol, the client."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest

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
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture
def make(tmp_path: Path, pool: Executor) -> Make:
    return maker(tmp_path / "state", pool)
