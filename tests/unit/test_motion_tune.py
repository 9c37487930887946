"""What is tried, what is advised, and which folders are understood."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgecam.config import model
from edgecam.config.load import load
from edgecam.motion.tuning.command import yaml
from edgecam.motion.tuning.labelled import Unlabelled, read
from edgecam.motion.tuning.score import Score
from edgecam.motion.tuning.search import Result, Setting, best, grid
from edgecam.motion.video import Picture

TODAY = Setting.of(model.Motion())


def result(setting: Setting, hits: int = 5, false: int = 0) -> Result:
    return Result(setting, Score(10, hits, false, 3600.0), (), 0.3)


def test_todays_setting_is_tried_first_and_each_once() -> None:
    tried = grid(model.Motion(sensitivity=55, min_frames=5))
    assert tried[0] == Setting(55, 0.3, 5)
    assert len(tried) == len(set(tried))
    assert {60, 55} <= {one.sensitivity for one in tried}


def test_what_the_difference_method_does_not_know_is_not_searched() -> None:
    assert {one.min_area for one in grid(model.Motion(method="difference", min_area=0.7))} == {0.7}


def test_nobody_is_told_to_change_for_nothing() -> None:
    tried = [result(setting) for setting in grid(model.Motion())]
    assert best(tried).setting == TODAY


def test_of_equal_ones_the_nearest_is_advised() -> None:
    tried = [result(TODAY, hits=4), *(result(Setting(level, 0.3, 2), hits=9) for level in (20, 40, 70, 80))]
    assert best(tried).setting == Setting(40, 0.3, 2)


def test_near_is_near_todays_setting_not_the_defaults() -> None:
    today = Setting(80, 2.0, 3)
    assert best([result(today), result(TODAY)]).setting == today
    better = [result(TODAY, 9), result(Setting(70, 2.0, 3), 9)]
    assert best([result(today), *better]).setting == Setting(70, 2.0, 3)


def test_missed_and_false_events_weigh() -> None:
    keen, dull = Setting(80, 0.3, 2), Setting(30, 0.3, 2)
    assert best([result(TODAY, 8, 4), result(keen, 9, 9), result(dull, 8, 1)]).setting == dull
    quiet = [Result(one, Score(0, 0, false, 60.0), (), 0.3) for one, false in ((TODAY, 2), (keen, 5), (dull, 1))]
    assert best(quiet).setting == dull


def test_what_is_printed_can_be_pasted(tmp_path: Path) -> None:
    lines = yaml(Setting(60, 0.6, 3), Setting(50, 0.3, 2, 9.0))
    config = tmp_path / "config.yaml"
    config.write_text("cameras:\n  yard:\n    source: synthetic\n" + "".join(f"    {x}\n" for x in lines.splitlines()))
    motion = load(config, environ={}).config.cameras["yard"].motion
    assert Setting.of(motion) == Setting(60, 0.6, 3)
    assert "threshold" not in yaml(TODAY, TODAY)


def manifest(folder: Path, clips: object) -> Path:
    (folder / "manifest.json").write_text(clips if isinstance(clips, str) else json.dumps({"clips": clips}))
    return folder


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        ("{", "manifest.json:1:2: Expecting property name"),
        ("[]", "Input should be"),
        ([], "no labelled videos"),
        ([{"events": []}], "clips.0.file: Field required"),
        ([{"file": "a.mp4"}], "clips.0.events: Field required"),
        (
            [{"file": "a.mp4", "events": [[5, 3]]}],
            "clips.0.events.0: Value error, the first frame comes after the last",
        ),
        ([{"file": "a.mp4", "events": [], "fps": 0}], "clips.0.fps: "),
    ],
    ids=range(7),
)
def test_a_wrong_manifest_is_told_with_its_place(tmp_path: Path, clips: object, words: str) -> None:
    with pytest.raises(Unlabelled) as told:
        read(manifest(tmp_path, clips))
    assert str(told.value).startswith(str(tmp_path))
    assert words in str(told.value)


def test_a_folder_without_labels_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unlabelled, match=r"neither a manifest\.json nor videos in motion/ and still/"):
        read(tmp_path)
    with pytest.raises(Unlabelled, match="there is no such folder"):
        read(tmp_path / "nowhere")


def test_videos_are_beside_the_manifest_or_in_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for place in ("near.mp4", "data/far.mp4"):
        (tmp_path / place).write_bytes(b"")
    clips = read(manifest(tmp_path, [{"file": name, "events": []} for name in ("near.mp4", "far.mp4", "gone.mp4")]))
    assert [clip.path for clip in clips] == [tmp_path / name for name in ("near.mp4", "data/far.mp4", "gone.mp4")]
    assert [clip.name for clip in clips] == ["near.mp4", "far.mp4", "gone.mp4"]


def test_frames_may_be_two_or_how_many(tmp_path: Path) -> None:
    spans = [{"file": "a", "events": [], "frames": frames} for frames in (100, [20, 90], None)]
    assert [clip.span for clip in read(manifest(tmp_path, spans))] == [(0, 99), (20, 90), (0, None)]


def test_the_labels_clock_wins_over_the_files(tmp_path: Path) -> None:
    taken = Picture(50, 2.0, lambda width: np.zeros((1, width), np.uint8))
    clips = read(manifest(tmp_path, [{"file": "a", "events": [], "fps": fps} for fps in (10, None)]))
    assert [clip.at(taken) for clip in clips] == [5.0, 2.0]


def test_two_folders_are_labels_enough(tmp_path: Path) -> None:
    for name in ("motion/b.mp4", "motion/a.mp4", "still/c.mp4", "still/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [(clip.name, clip.somewhere) for clip in read(tmp_path)]
    assert found == [("motion/a.mp4", True), ("motion/b.mp4", True), ("still/c.mp4", False)]
