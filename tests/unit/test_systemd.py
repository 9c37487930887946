"""systemd hears the truth: ready when ready, fed only while the house turns, and a unit file it accepts."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from edgecam.__main__ import _parser
from edgecam.health import CameraStatus, Health
from edgecam.systemd import Notifier, Watchdog
from fakes import FakeClock

UNITS = Path(__file__).parents[2] / "systemd"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.bind(str(tmp_path / "notify"))
        yield sock


def heard(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found


def health(clock: FakeClock) -> Health:
    return Health("pi", "abcdef", clock, {"birdbox": CameraStatus("Bird box")})


def test_words_reach_the_manager_as_one_datagram(manager: socket.socket) -> None:
    Notifier({"NOTIFY_SOCKET": manager.getsockname()}).tell("READY=1", "STATUS=fine")
    assert heard(manager) == ["READY=1\nSTATUS=fine"]


def test_an_abstract_socket_works_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.bind(f"\0edgecam-test-{os.getpid()}")
        Notifier({"NOTIFY_SOCKET": f"@edgecam-test-{os.getpid()}"}).tell("READY=1")
        assert heard(sock) == ["READY=1"]


def test_a_manager_that_does_not_listen_holds_nobody_up(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    for _ in range(5000):  # more than the kernel keeps for it
        notifier.tell("WATCHDOG=1")
    assert 0 < len(heard(manager)) < 5000
    notifier.tell("WATCHDOG=1")
    assert heard(manager) == ["WATCHDOG=1"]


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).tell("READY=1")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_only_when_the_manager_says_so(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environ).watchdog == seconds


async def test_a_turning_house_is_fed_three_times_in_each_period(manager: socket.socket, tmp_path: Path) -> None:
    clock = FakeClock()
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "15000000"})
    with ThreadPoolExecutor(1) as pool:
        task = asyncio.create_task(Watchdog(notifier, health(clock), pool, clock).run())
        for _ in range(30):
            pool.submit(int).result()  # the pool has answered before the clock moves on
            await clock.advance(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    fed = heard(manager)
    assert 5 <= len(fed) <= 7
    assert fed[0] == "WATCHDOG=1\nSTATUS=1 of 1 cameras online"


async def test_a_stuck_pool_is_named_and_starves_the_watchdog(manager: socket.socket, tmp_path: Path) -> None:
    class StuckPool(ThreadPoolExecutor):
        def submit(self, *_: object, **__: object) -> Future[None]:  # type: ignore[override]
            self.waiting: Future[None] = Future()
            return self.waiting

    clock = FakeClock()
    box = health(clock)
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "30000000"})
    with StuckPool(1) as pool:
        task = asyncio.create_task(Watchdog(notifier, box, pool, clock).run())
        await clock.advance(100)
        assert box.stuck() == ["worker pool"]
        assert len(heard(manager)) == 2  # only within its patience
        pool.waiting.set_result(None)
        await clock.advance(25)
        assert box.stuck() == []
        assert heard(manager)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    "name", ["edgecam.service", "edgecam.user.service", "edgecam-scan.service", "edgecam-scan.timer"]
)
def test_systemd_accepts_the_unit_without_a_word(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in {UNITS / name, UNITS / "edgecam-scan.service"}:  # which the timer names
        text = "\n".join(
            "ExecStart=/bin/true" if line.startswith("ExecStart=") else line for line in unit.read_text().splitlines()
        )
        (tmp_path / unit.name.replace(".user", "")).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name.replace(".user", ""))],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["edgecam.service", "edgecam-scan.service"])
def test_the_service_is_well_locked_in(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    shutil.copy(UNITS / name, tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(tmp_path / name)],
        capture_output=True,
        text=True,
    )
    exposure = float(done.stdout.rsplit(f"Overall exposure level for {name}:", 1)[1].split()[0])
    assert exposure < 3.0


def test_the_scan_s_service_does_what_the_guide_says() -> None:
    unit = (UNITS / "edgecam-scan.service").read_text()
    [command] = [line.partition("=")[2] for line in unit.splitlines() if line.startswith("ExecStart=")]
    assert command.removeprefix("/opt/edgecam/bin/") in (UNITS.parent / "docs" / "scan.md").read_text()
    assert _parser().parse_args(command.split()[1:]).clips == Path("/var/lib/edgecam-scan")
