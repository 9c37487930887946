"""The socket file for commands on the same box, and the commands that use it."""

import asyncio
import io
import json
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest

from edgecam import ask
from edgecam.__main__ import main
from edgecam.local import NAME, Away, Daemon, place, places
from edgecam.media import Layout
from edgecam.record.disk.library import Library
from waiting import content, save
from webhouse import House

LOGINS = {"users": {"anna": {"password": "correct horse"}}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / NAME


@pytest.fixture
def house(pool: ThreadPoolExecutor, tmp_path: Path, path: Path) -> House:
    """One that asks everybody for a login."""
    return House(pool, http=LOGINS, library=Library(Layout(tmp_path), wanted=lambda _: False), local=path)


def local(path: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession("http://localhost", connector=aiohttp.UnixConnector(str(path)))


async def test_who_may_open_the_file_is_an_admin_and_everybody_else_needs_a_login(house: House, path: Path) -> None:
    async with house.open() as client, local(path) as inside:
        house.publish()
        async with client.get("/api/cameras") as answer:
            assert answer.status == 401
        async with inside.get("/api/cameras") as answer:
            assert [camera["id"] for camera in await answer.json()] == ["birdbox", "garden"]
        async with inside.post("/api/cameras/birdbox/snapshot") as answer:
            assert answer.status == 200
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


async def test_a_proxy_in_front_of_the_file_lets_nobody_in_without_a_login(house: House, path: Path) -> None:
    proxied = {"X-Forwarded-For": "192.0.2.7"}
    async with house.open(), local(path) as inside, inside.get("/api/cameras", headers=proxied) as answer:
        assert answer.status == 401


async def test_the_file_goes_with_the_daemon_and_comes_with_its_next_life(house: House, path: Path) -> None:
    for _ in range(2):
        async with house.open(), local(path) as inside, inside.get("/healthz") as answer:
            assert answer.status == 200
        assert list(path.parent.iterdir()) == []


async def test_a_file_that_a_crash_left_is_replaced(house: House, path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with house.open(), local(path) as inside, inside.get("/healthz") as answer:
        assert answer.status == 200


async def test_the_socket_of_another_daemon_that_lives_is_left_alone(
    house: House, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        async with house.open() as client, client.get("/healthz") as answer:
            assert answer.status == 200
        assert path.exists()
    assert "another edgecam answers there" in caplog.text


async def test_a_folder_that_takes_no_socket_is_told_and_the_rest_runs(
    house: House, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.write_text("a file in the way")
    async with house.open() as client, client.get("/healthz") as answer:
        assert answer.status == 200
    assert f"no socket at {path} (File exists)" in caplog.text or "Not a directory" in caplog.text


async def test_a_path_that_is_too_long_for_a_socket_works_too(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    path = tmp_path / ("deep" * 20) / ("down" * 20) / NAME
    house = House(pool, http=LOGINS, local=path)
    async with house.open():
        told = await asyncio.to_thread(Daemon([path]).ask, "GET", "api/cameras/garden")
    assert told["id"] == "garden"
    assert not path.exists()


def test_the_socket_lies_where_systemd_says_or_in_the_state_folder() -> None:
    state = Path("/state")
    assert place(state, {"RUNTIME_DIRECTORY": "/run/edgecam"}) == Path("/run/edgecam") / NAME
    assert places(state, {}, service=True) == [state / NAME, Path("/run/edgecam") / NAME]
    assert places(state, {}, service=False) == [state / NAME]


# -- the commands --------------------------------------------------------------------------------------------------


aside = asyncio.to_thread


async def test_a_clip_is_waited_for_and_copied(
    house: House, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = save(tmp_path, size=3000)
    file = house.library.layout.media(clip.media)
    away = file.rename(tmp_path / "unfinished")
    asked = threading.Event()
    house.shutter.clip = clip.id
    output = tmp_path / "copy.mp4"
    async with house.open():
        daemon = Daemon([path])
        waiting = asyncio.create_task(
            aside(ask.clip, daemon, "birdbox", 60.0, output, as_json=False, sleep=lambda _: asked.set())
        )
        await house.until(asked.is_set)
        assert not waiting.done()
        away.rename(file)
        assert await waiting == 0
    assert output.read_bytes() == content(3000, int(clip.start))
    assert not list(tmp_path.glob("*.part"))
    told = capsys.readouterr()
    assert told.out == f"{output}\n"
    assert "birdbox: 60.0 s, " in told.err
    assert house.shutter.saved == [("birdbox", 60.0)]


async def test_programs_get_json(house: House, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    house.shutter.clip, house.shutter.note = save(tmp_path).id, "only 10 s were there"
    async with house.open():
        assert await aside(ask.clip, Daemon([path]), "birdbox", 60.0, None, as_json=True) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert (found["id"], found["note"], found["codec"]) == (house.shutter.clip, "only 10 s were there", "h264")
    assert "only 10 s were there" in told.err


async def test_a_picture_is_taken_and_copied(
    house: House, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "now.jpg"
    house.library.open()
    async with house.open():
        frame = house.publish()
        house.shutter.shelf = house.library
        assert await aside(ask.snapshot, Daemon([path]), "birdbox", output, as_json=False) == 0
    house.library.close()
    assert output.read_bytes() == frame.data
    assert capsys.readouterr().out == f"{output}\n"


async def test_what_goes_wrong_is_one_line_and_an_exit_code(
    house: House, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon([path])
    assert ask.snapshot(daemon, "birdbox", None, as_json=False) == 1
    assert f"edgecam is not running (nobody answers at {path})" in capsys.readouterr().err
    house.shutter.trouble = "privacy is on"
    async with house.open():
        assert await aside(ask.clip, daemon, "birdbox", 60.0, None, as_json=False) == 1
        assert capsys.readouterr().err == "edgecam: birdbox: privacy is on\n"
        for camera in ("attic", "../birdbox", "birdbox?x", ""):
            assert await aside(ask.snapshot, daemon, camera, None, as_json=False) == 2
            assert "there is" in capsys.readouterr().err
        house.publish()
        nowhere = tmp_path / "no" / "folder" / "x.jpg"
        assert await aside(ask.snapshot, daemon, "birdbox", nowhere, as_json=False) == 1
        assert capsys.readouterr().err.endswith("No such file or directory\n")


async def test_a_daemon_that_dies_in_the_middle_of_a_file_is_told(path: Path) -> None:
    path.parent.mkdir()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        writer.close()

    async with await asyncio.start_unix_server(half, path):
        with pytest.raises(Away, match="broke off"):
            await aside(Daemon([path]).fetch, "media/x.mp4", io.BytesIO())


def test_the_commands_find_the_state_folder_by_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"storage: {{path: {tmp_path}/library}}\ncameras: {{birdbox: {{source: synthetic}}}}\n")
    assert main(["clip", "birdbox", "-c", str(file)]) == 1
    assert f"nobody answers at {tmp_path}/library/state/edgecam.sock)" in capsys.readouterr().err
    assert main(["snapshot", "birdbox", "-c", str(tmp_path / "none.yaml")]) == 2
    assert main(["clip", "birdbox", "--last", "2d", "-c", str(file)]) == 2
    assert "--last: must be longer than nothing and at most 24h" in capsys.readouterr().err
