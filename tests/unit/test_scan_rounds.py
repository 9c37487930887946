"""Which videos a run of scan takes up, and what it remembers."""

import json
import os
from pathlib import Path

import pytest

from edgecam.scanning import rounds
from edgecam.scanning.rounds import STATE, Done, Due, Look, plan

NOW = 1_790_000_000.0


def video(folder: Path, name: str, age: float = 60.0, size: int = 3) -> Path:
    """A file that was changed `age` seconds ago."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - age, NOW - age))
    return path


def due(path: Path) -> Due:
    return Due(path, Look.at(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    return tmp_path / "videos"


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return tmp_path / "clips"


def names(run: rounds.Run) -> list[str]:
    return [due.path.name for due in run.due]


def test_a_folder_gives_its_videos_sorted_and_nothing_else(folder: Path) -> None:
    for name in ("b.MP4", "a.mkv", "c.ts", ".hidden.mp4", "notes.txt", "a.json", "deeper/d.mp4"):
        video(folder, name)
    (folder / "folder.mp4").mkdir()
    assert names(plan([folder], None, now=NOW)) == ["a.mkv", "b.MP4", "c.ts"]


def test_what_is_named_comes_as_often_as_it_is_named_and_what_is_found_once(folder: Path) -> None:
    named = video(folder, "b.mp4")
    video(folder, "a.mp4")
    assert names(plan([named, named, folder, folder], None, now=NOW)) == ["b.mp4", "b.mp4", "a.mp4"]


def test_a_name_without_a_file_is_left_to_who_reads_it(tmp_path: Path) -> None:
    assert plan([tmp_path / "gone.mp4"], None, now=NOW).due == [Due(tmp_path / "gone.mp4", None)]


def test_what_was_done_is_left_out_until_it_changes(folder: Path, clips: Path) -> None:
    one, other = video(folder, "a.mp4"), video(folder, "b.mp4")
    Done(clips).add(due(one))
    run = plan([folder], Done(clips), now=NOW)
    assert (names(run), run.done) == (["b.mp4"], 1)
    assert names(plan([one, other], Done(clips), now=NOW)) == ["a.mp4", "b.mp4"]  # named
    video(folder, "a.mp4", age=50)
    assert names(plan([folder], Done(clips), now=NOW)) == ["a.mp4", "b.mp4"]
    video(folder, "a.mp4", size=4)
    assert names(plan([folder], Done(clips), now=NOW)) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(("age", "growing"), [(4.9, 1), (5.0, 0), (-4.9, 1), (-3600, 0)])
def test_what_was_changed_just_now_may_still_grow(folder: Path, clips: Path, age: float, growing: int) -> None:
    path = video(folder, "a.mp4", age)
    run = plan([folder], Done(clips), now=NOW)
    assert (len(run.due), run.growing) == (1 - growing, growing)
    assert names(plan([path], Done(clips), now=NOW)) == ["a.mp4"]  # named
    assert names(plan([folder], None, now=NOW)) == ["a.mp4"]  # no next run


def test_limits_of_age_and_number(folder: Path, clips: Path) -> None:
    for number in range(5):
        video(folder, f"{number}.mp4", age=100 * (number + 1))
    run = plan([folder], Done(clips), now=NOW, since=400, most=3)
    assert (names(run), run.old, run.waiting) == (["0.mp4", "1.mp4", "2.mp4"], 1, 1)


def test_the_most_counts_what_is_left_to_do(folder: Path, clips: Path) -> None:
    for number in range(4):
        video(folder, f"{number}.mp4")
    taken = []
    while run := plan([folder], done := Done(clips), now=NOW, most=2).due:
        taken.append([one.path.name for one in run])
        for one in run:
            done.add(one)
    assert taken == [["0.mp4", "1.mp4"], ["2.mp4", "3.mp4"]]


def test_what_is_gone_is_forgotten(folder: Path, clips: Path) -> None:
    gone, here = video(folder, "a.mp4"), video(folder, "b.mp4")
    Done(clips).add(due(gone))
    gone.unlink()
    Done(clips).add(due(here))
    assert list(json.loads((clips / STATE).read_bytes())["videos"]) == [str(here)]
    Done(clips).add(due(gone))  # gone between scan and word
    assert due(gone) not in Done(clips)


def test_memory_is_bounded_and_what_falls_out_is_not_done_again(
    folder: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "MOST", 3)
    for number in range(6):
        Done(clips).add(due(video(folder, f"{number}.mp4", age=1000 - number)))
    assert len(json.loads((clips / STATE).read_bytes())["videos"]) == 3
    assert plan([folder], Done(clips), now=NOW).done == 6
    video(folder, "new.mp4", age=900)
    assert names(plan([folder], Done(clips), now=NOW)) == ["new.mp4"]


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b"{}", b'{"before": 0, "videos": {"a": 3}}', b"\xff\xfe", b'{"videos": 3}']
)
def test_a_memory_that_cannot_be_read_is_none(folder: Path, clips: Path, damage: bytes) -> None:
    clips.mkdir()
    (clips / STATE).write_bytes(damage)
    path = video(folder, "a.mp4")
    assert names(plan([folder], Done(clips), now=NOW)) == ["a.mp4"]
    Done(clips).add(due(path))
    assert plan([folder], Done(clips), now=NOW).done == 1
