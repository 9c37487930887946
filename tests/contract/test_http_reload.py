"""`/api/reload` and `edgecam check --diff`: what a reload changed or would change, for an admin of the whole box."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgecam.__main__ import main
from edgecam.config.places import ConfigErrors, Problem, Spot
from edgecam.control import Reloaded, Unavailable
from edgecam.local import NAME
from webhouse import House

TOKENS = {
    "robot": {"token": "robot-token", "role": "admin"},
    "wall": {"token": "wall-token", "role": "viewer"},
    "gate": {"token": "gate-token", "role": "admin", "cameras": ["garden"]},
}
CHANGED = Reloaded(("cameras.gate", "mqtt.host"), ("everything",))
WRONG = ConfigErrors([Problem(Spot("config.yaml", 3, 7), "mqtt.host", "is required")])


async def test_a_reload_is_answered_with_what_changed_and_what_restarts(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    house.shutter.file = CHANGED
    async with house.open() as client:
        for method, reloads in (("GET", 0), ("POST", 1)):
            async with client.request(method, "/api/reload") as answer:
                assert answer.status == 200
                assert await answer.json() == {"changed": ["cameras.gate", "mqtt.host"], "restarted": ["everything"]}
            assert house.shutter.reloads == reloads


async def test_a_wrong_file_is_answered_with_each_complaint(pool: ThreadPoolExecutor) -> None:
    house = House(pool)
    async with house.open() as client:
        house.shutter.file = WRONG
        async with client.post("/api/reload") as answer:
            assert answer.status == 422
            assert await answer.json() == {
                "error": f"the configuration is wrong, what was in force stays so:\n{WRONG}",
                "reason": "configuration",
                "problems": ["config.yaml:3:7: mqtt.host: is required"],
            }
        house.shutter.file = Unavailable("this edgecam was started without a configuration file")
        async with client.post("/api/reload") as answer:
            assert answer.status == 409
            assert (await answer.json())["error"].startswith("this edgecam was started without")


@pytest.mark.parametrize(("token", "status"), [("robot", 200), ("wall", 403), ("gate", 403), ("nobody", 401)])
async def test_only_an_admin_of_the_whole_box_may_ask(pool: ThreadPoolExecutor, token: str, status: int) -> None:
    house = House(pool, http={"tokens": TOKENS})
    headers = {"Authorization": f"Bearer {token}-token"}
    async with house.open() as client:
        for method in ("GET", "POST"):
            async with client.request(method, "/api/reload", headers=headers) as answer:
                assert answer.status == status
        async with client.post("/api/reload", headers={**headers, "Origin": "http://evil.example"}) as answer:
            assert answer.status in (401, 403)
    assert house.shutter.reloads == (status == 200)


async def test_check_diff_asks_the_running_daemon(
    pool: ThreadPoolExecutor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, state = tmp_path / "config.yaml", tmp_path / "library" / "state"
    file.write_text(f"storage: {{path: {tmp_path}/library}}\ncameras: {{birdbox: {{source: synthetic}}}}\n")

    async def check() -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, ["check", "--diff", "-c", str(file)])
        told = capsys.readouterr()
        return code, told.out.partition("1 camera\n")[2], told.err

    code, out, err = await check()
    assert (code, out) == (0, "")
    assert err.startswith("nothing to compare with: edgecam is not running")
    house = House(pool, local=state / NAME)
    async with house.open():
        assert await check() == (0, "a reload would change nothing\n", "")
        house.shutter.file = CHANGED
        told = "a reload would change:\n  cameras.gate\n  mqtt.host\nand restart everything\n"
        assert await check() == (0, told, "")
        house.shutter.file = WRONG
        code, _, err = await check()
        assert (code, err.splitlines()[-1]) == (2, "config.yaml:3:7: mqtt.host: is required")
    assert house.shutter.reloads == 0
