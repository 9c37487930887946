"""`edgecam tune` as a user runs it, on drawn footage."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from footage import drawn

pytestmark = pytest.mark.system

FPS = 10


@pytest.fixture(scope="module")
def jpegs() -> list[bytes]:
    return drawn((320, 180), fps=FPS).jpegs


def film(path: Path, jpegs: list[bytes]) -> None:
    """A Motion JPEG file, by ffmpeg."""
    path.parent.mkdir(exist_ok=True, parents=True)
    command = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-f",
        "mjpeg",
        "-framerate",
        str(FPS),
        "-i",
        "-",
        "-c",
        "copy",
        str(path),
    ]
    subprocess.run(command, input=b"".join(jpegs), check=True)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory, jpegs: list[bytes]) -> Path:
    """A clip with both walks, one without."""
    folder = tmp_path_factory.mktemp("tune")
    film(folder / "walks.avi", jpegs)
    film(folder / "wall.avi", jpegs[-100:])
    events = [[round(begin * FPS), round(end * FPS)] for begin, end in drawn((320, 180), fps=FPS).motion]
    clips = [
        {"id": "walks", "file": "walks.avi", "fps": FPS, "frames": [0, len(jpegs) - 1], "events": events},
        {"id": "wall", "file": "wall.avi", "fps": FPS, "frames": [0, 99], "events": [], "score_from": 20},
    ]
    (folder / "manifest.json").write_text(json.dumps({"clips": clips}))
    return folder


@pytest.fixture
def blind(tmp_path: Path) -> Path:
    """A configuration with a camera that sees nothing."""
    config = tmp_path / "config.yaml"
    motion = "{sensitivity: 10, min_area: 60%}"
    config.write_text(f"cameras:\n  yard:\n    source: synthetic\n    motion: {motion}\n")
    return config


def edgecam(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecam", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_people_get_figures_and_keep_what_is_good(labelled: Path) -> None:
    done = edgecam("tune", labelled)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 clips, 2 events" in done.stdout
    assert "events hit" in done.stdout
    assert "Nothing tried is better than today's settings." in done.stdout
    assert "motion:\n  sensitivity: 50\n  min_area: 0.3%\n  min_frames: 2\n" in done.stdout
    assert "With 2 labelled events this is a hint" in done.stdout


def test_a_blind_camera_is_told_how_to_see(labelled: Path, blind: Path) -> None:
    done = edgecam("tune", labelled, "--json", "-c", blind, "--camera", "yard")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["current"]["min_area"], told["current"]["total"]["hits"]) == (60.0, 0)
    assert told["current"]["total"]["precision"] is None
    best = told["best"]
    assert (best["total"]["recall"], best["total"]["false_events"]) == (1.0, 0)
    assert best["total"]["quiet_seconds"] > 20
    assert 0 <= best["total"]["delay_median"] <= best["total"]["delay_p90"] < 2
    assert [(clip["id"], clip["hits"]) for clip in best["clips"]] == [("walks", 2), ("wall", 0)]
    assert best["cpu_ms_per_look"] > 0
    assert f"min_area: {best['min_area']:g}%" in told["yaml"]


def test_twice_the_same(labelled: Path, blind: Path) -> None:
    once, again = (json.loads(edgecam("tune", labelled, "--json", "-c", blind).stdout) for _ in range(2))
    for told in (once, again):
        del told["current"]["cpu_ms_per_look"], told["best"]["cpu_ms_per_look"]
    assert once == again


def test_two_folders_do_and_a_bad_video_is_named(tmp_path: Path, jpegs: list[bytes]) -> None:
    film(tmp_path / "motion" / "walk.avi", jpegs[: round(12 * FPS)])
    film(tmp_path / "still" / "wall.avi", jpegs[-100:])
    bad = tmp_path / "still" / "bad.mp4"
    bad.write_bytes(np.random.default_rng(0).bytes(2000))
    done = edgecam("tune", tmp_path, "--json")
    assert done.returncode == 1
    assert done.stderr.startswith(f"edgecam tune: {bad}: cannot be read as video")
    assert len(done.stderr.splitlines()) == 1
    told = json.loads(done.stdout)
    assert [(clip["id"], clip["events"], clip["hits"]) for clip in told["best"]["clips"]] == [
        ("motion/walk.avi", 1, 1),
        ("still/wall.avi", 0, 0),
    ]
    assert len(told["unreadable"]) == 1


def test_a_process_that_is_killed_costs_its_clip_alone(tmp_path: Path, jpegs: list[bytes]) -> None:
    """A pipe instead of a video holds the one that reads it until it is killed."""
    film(tmp_path / "still" / "wall.avi", jpegs[-100:])
    pipe = tmp_path / "still" / "pipe.avi"
    os.mkfifo(pipe)
    clips = [{"file": f"still/{name}.avi", "events": []} for name in ("pipe", "wall")]
    (tmp_path / "manifest.json").write_text(json.dumps({"clips": clips}))
    command = [sys.executable, "-m", "edgecam", "tune", "--json", str(tmp_path)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with pipe.open("wb"):  # somebody reads it
        os.kill(reader(pipe), signal.SIGKILL)
    told, complaints = run.communicate(timeout=120)
    assert run.returncode == 1
    assert complaints == (
        f"edgecam tune: {pipe}: the process that looked at still/pipe.avi was killed by signal 9; "
        "if memory was short, one process at a time needs less: taskset -c 0 edgecam tune ...\n"
    )
    assert [clip["id"] for clip in json.loads(told)["best"]["clips"]] == ["still/wall.avi"]


def reader(pipe: Path) -> int:
    """The number of the process, other than this one, that has `pipe` open."""
    for number in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()):
        try:
            files = [link.resolve() for link in Path(f"/proc/{number}/fd").iterdir()]
        except OSError:
            continue
        if number != os.getpid() and pipe in files:
            return number
    raise AssertionError(f"nobody reads {pipe}")


def test_the_plot_is_a_picture(labelled: Path, tmp_path: Path) -> None:
    target = tmp_path / "plot.png"
    assert edgecam("tune", labelled, "--plot", target).returncode == 0
    assert target.read_bytes().startswith(b"\x89PNG")
    with av.open(str(target)) as picture:
        [frame] = picture.decode(video=0)
    assert isinstance(frame, av.VideoFrame)
    assert (frame.width, frame.height) == (1200, 28 + 2 * 120)
    every = frame.to_ndarray(format="rgb24")
    pixels, wall = every[28:148], every[148:]
    unscored = [int((lane == (225, 225, 225)).all(axis=2).sum()) for lane in (pixels, wall)]
    assert unscored[0] < 100 < 10_000 < unscored[1]  # before frame 20; letters have that grey as well
    assert (pixels == (20, 140, 60)).all(axis=2).any()  # found
    assert (pixels == (196, 236, 196)).all(axis=2).any()  # labelled


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: there is no such folder"),
        ([".", "--camera", "yard"], "--camera and --set need -c FILE"),
    ],
    ids=["folder", "camera"],
)
def test_wrong_use_is_told(arguments: list[str], words: str) -> None:
    done = edgecam("tune", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("edgecam tune: ")
    assert words in done.stderr


def test_a_plot_nowhere_is_told_before_the_work(labelled: Path, tmp_path: Path) -> None:
    done = edgecam("tune", labelled, "--plot", tmp_path / "no" / "plot.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"edgecam tune: --plot: there is no folder {tmp_path / 'no'}\n"


def test_a_crop_beside_the_picture_is_told(tmp_path: Path, jpegs: list[bytes]) -> None:
    film(tmp_path / "wall.avi", jpegs[:30])
    clips = [{"file": "wall.avi", "events": [], "crop": [400, 0, 50, 50]}]
    (tmp_path / "manifest.json").write_text(json.dumps({"clips": clips}))
    done = edgecam("tune", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the crop of wall.avi lies outside the picture" in done.stderr


def test_only_the_cropped_part_is_looked_at(labelled: Path, tmp_path: Path, jpegs: list[bytes]) -> None:
    """The figure walks in the lower third."""
    film(tmp_path / "walks.avi", jpegs)
    events = json.loads((labelled / "manifest.json").read_text())["clips"][0]["events"]
    parts = {"upper": [0, 0, 320, 100], "lower": [0, 100, 320, 80]}
    clips = [{"id": name, "file": "walks.avi", "events": events, "crop": crop} for name, crop in parts.items()]
    (tmp_path / "manifest.json").write_text(json.dumps({"clips": clips}))
    told = json.loads(edgecam("tune", tmp_path, "--json").stdout)
    assert [(clip["id"], clip["hits"]) for clip in told["current"]["clips"]] == [("upper", 0), ("lower", 2)]
