"""The process around the daemons: what each of them has to tell of the reload that made it, and what it leaves."""

import asyncio
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecam import process
from edgecam.config.load import load
from edgecam.config.places import ConfigErrors
from edgecam.events import ConfigReloaded, Fact


async def test_two_reloads_right_after_one_another_are_told_as_what_both_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"

    def write(name: str, fps: int) -> None:
        text = f"node: pi\nstorage: {{path: {tmp_path}}}\ncameras: {{door: {{source: synthetic, name: {name}}}}}\n"
        file.write_text(f"{text}defaults: {{motion: {{fps: {fps}}}}}\n")

    write("Door", 5)
    told: list[Fact] = []
    monkeypatch.setattr(process.Process, "_tell", lambda _, fact: told.append(fact))
    ours = process.Process(load(file, environ={}), file, (), {})
    write("Front door", 5)
    await ours.reload()
    write("Front door", 4)  # while the daemon of before still ends
    await ours.reload()
    assert told == []
    ours._lives()
    [news] = told
    assert isinstance(news, ConfigReloaded)
    assert news.changed == ("cameras.door.name", "cameras.door.motion.fps")
    ours._lives()
    assert told == [news]


async def test_a_file_that_is_just_being_written_is_not_taken_for_one_that_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("cameras: {door: {source: synthetic}}\n")
    ours = process.Process(load(file, environ={}), file, (), {})
    file.write_text("")
    for ask in (ours.reload, ours.restart, ours.compare):
        with pytest.raises(ConfigErrors, match=f"{file}:1:1: nothing is set here any more"):
            await ask()
    assert not ours._again.is_set()
    nothing = process.Process(load(file, environ={}), file, (), {})
    assert (await nothing.reload()).changed == ()


async def test_of_the_old_daemon_nothing_is_left_in_the_memory_when_the_new_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    lives: list[weakref.ref[object]] = []
    left: list[bool] = []

    class Tangled:
        """A daemon whose parts know each other."""

        def __init__(self, *_: object) -> None:
            left.append(any(life() for life in lives))
            lives.append(weakref.ref(self))
            self._part = self

        async def run(self, stop: asyncio.Event, _: Callable[[], None]) -> None:
            if len(lives) == 3:
                ours._stop.set()
            else:
                ours._again.set()
            await stop.wait()

    file.write_text("cameras: {door: {source: synthetic}}\n")
    monkeypatch.setattr(process, "Daemon", Tangled)
    monkeypatch.setattr(process, "listen_to_the_log", lambda *_: None)
    ours = process.Process(load(file, environ={}), file, (), {})
    assert await ours.run() is False
    assert left == [False, False, False]
