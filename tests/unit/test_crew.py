"""Work shared by processes: in order, on whatever becomes of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgecam import crew
from edgecam.bars import Progress, shared


def nothing(_: float, __: float | None) -> None:
    pass


def worked(work: crew.Work[Sequence[str], str], *things: Sequence[str]) -> list[str]:
    """What became of each, errors in words."""
    return [str(future.exception() or future.result()) for future in crew.work(work, things, [nothing for _ in things])]


def talk(words: Sequence[str], progress: Progress) -> str:
    """What a process of this command says; `kill` kills the worker."""
    if words[0] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    progress(1, 2)
    return subprocess.check_output(words, text=True).strip()


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes are told names; this module's has to be one that they can find."""
    here = Path(__file__)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here.parent), *sys.path]))
    monkeypatch.setattr(talk, "__module__", here.stem)
    monkeypatch.setitem(sys.modules, here.stem, sys.modules[__name__])


def test_what_was_made_comes_in_the_order_of_the_things() -> None:
    quick = [["echo", str(number)] for number in range(5)]
    assert worked(talk, ["sh", "-c", "read _ < /dev/null; echo slow"], *quick) == ["slow", "0", "1", "2", "3", "4"]


def test_one_that_fails_tells_why_and_costs_nothing_else() -> None:
    found = worked(talk, ["false"], ["echo", "fine"], ["no such program"], ["echo", "still"])
    assert found[1::2] == ["fine", "still"]
    assert "returned non-zero exit status 1" in found[0]
    assert "No such file or directory" in found[2]


def test_a_process_that_is_killed_costs_what_it_was_at() -> None:
    every = [["kill"], *(["echo", str(number)] for number in range(4)), ["kill"], ["echo", "last"]]
    killed = "was killed by signal 9"
    assert worked(talk, *every) == [killed, "0", "1", "2", "3", killed, "last"]


def test_a_single_thing_is_done_here() -> None:
    assert worked(lambda words, _: f"{os.getpid()} {words}", "me") == [f"{os.getpid()} me"]


def test_how_far_each_is_is_told_and_that_it_is_done() -> None:
    told: list[list[tuple[float, float | None]]] = [[], []]
    bars: list[Progress] = [
        lambda done, total: told[0].append((done, total)),
        lambda done, total: told[1].append((done, total)),
    ]
    for future in crew.work(talk, [["echo"], ["echo"]], bars):
        future.result()
    assert told == [[(1, 2), (1, 1)]] * 2


def spin(mark: str, progress: Progress) -> None:
    """Never done; who reads `mark` hears when it ends."""
    with Path(mark).open("w") as line:
        line.write("here\n")
        line.flush()
        while True:
            progress(0, None)


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    os.mkfifo(mark)
    start = f"import test_crew as t; list(t.crew.work(t.spin, [{str(mark)!r}] * 2, [t.nothing] * 2))"
    process = subprocess.Popen([sys.executable, "-c", start])
    with mark.open() as line:
        assert line.readline() == "here\n"
        process.kill()
        process.wait()
        line.read()  # up to the end of the last of them


def test_things_share_one_bar() -> None:
    told: list[tuple[float, float | None]] = []
    one, other = shared(lambda done, total: told.append((done, total)), 2)
    one(5, 10)
    other(1, None)
    other(30, 20)
    one(1, 1)
    one(2, 10)
    assert told == [(0.5, 2), (0.5, 2), (1.5, 2), (2, 2), (2, 2)]
