"""`edgecam scan` as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from footage import drawn

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn footage as a Motion JPEG file, by ffmpeg."""
    film = drawn((320, 180), fps=10.0)
    path = tmp_path_factory.mktemp("scan") / "wall.avi"
    command = ["ffmpeg", "-loglevel", "error", "-f", "mjpeg", "-framerate", "10", "-i", "-", "-c", "copy", str(path)]
    subprocess.run(command, input=b"".join(film.jpegs), check=True)
    return path


def edgecam(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecam", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_json_tells_when_something_moved(video: Path) -> None:
    done = edgecam("scan", "--json", "--fps", 10, video)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    motion = drawn((320, 180), fps=10.0).motion
    assert len(found["motion"]) == len(motion)
    for (first, last), (begin, end) in zip(found["motion"], motion, strict=True):
        assert first == pytest.approx(begin * 10, abs=5)
        assert last == pytest.approx(end * 10, abs=8)
    [event] = found["events"]  # nearer than the cooldown
    assert event["zones"] == []


def test_each_video_is_a_line_and_a_bad_one_does_not_stop_the_others(video: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(np.random.default_rng(0).bytes(2000))
    done = edgecam("scan", "--json", video, bad, video)
    assert done.returncode == 1
    one, other = (json.loads(line) for line in done.stdout.splitlines())
    assert one["events"] == other["events"]
    assert done.stderr.startswith(f"edgecam scan: {bad}: cannot be read as video")
    assert len(done.stderr.splitlines()) == 1


def test_people_get_words(video: Path) -> None:
    done = edgecam("scan", video)
    assert done.returncode == 0
    assert "1 event of motion" in done.stdout


def test_the_cameras_own_settings_apply(video: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "cameras:\n  yard:\n    source: synthetic\n    motion: {masks: {all: [[0, 0], [1, 0], [1, 1], [0, 1]]}}\n"
    )
    done = edgecam("scan", "--json", "-c", config, "--camera", "yard", video)
    assert json.loads(done.stdout)["events"] == []


def test_senseless_looks_a_second_are_refused(video: Path) -> None:
    done = edgecam("scan", "--fps", 0, video)
    assert done.returncode == 2
    assert "--fps" in done.stderr
