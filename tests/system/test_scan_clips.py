"""`edgecam scan --clips` as a person and a timer run it."""

import fcntl
import json
import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from footage import drawn
from outside import probe, until

pytestmark = pytest.mark.system

STATE = ".edgecam-scan.json"


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody walks by at 7 s and at 14.5 s; MJPEG."""
    film = drawn((320, 180), fps=10.0)
    path = tmp_path_factory.mktemp("scan") / "walks.avi"
    command = ["ffmpeg", "-v", "error", "-f", "mjpeg", "-framerate", "10", "-i", "-", "-c", "copy", str(path)]
    subprocess.run(command, input=b"".join(film.jpegs), check=True)
    return path


@pytest.fixture
def videos(tmp_path: Path, walks: Path) -> Path:
    """A folder of three that were finished a minute ago."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.avi", "b.avi", "c.avi"):
        finished(walks, folder / name)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two events, not one; clips from 2 s before to 1 s after."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "cameras:\n  yard:\n    source: synthetic\n    motion: {cooldown: 2s}\n"
        "    record: {event: {pre: 2s, post: 1s}}\n"
    )
    return path


def finished(video: Path, place: Path, age: float = 60.0) -> None:
    place.write_bytes(video.read_bytes())
    os.utime(place, (time.time() - age,) * 2)


def edgecam(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecam", "scan", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@contextmanager
def started(*arguments: object) -> "Iterator[subprocess.Popen[str]]":
    """Killed at the latest when the test leaves it."""
    command = [sys.executable, "-m", "edgecam", "scan", *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, process_group=0) as run:
        try:
            yield run
        finally:
            run.kill()


def lines(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def contents(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_event_becomes_a_clip_with_its_facts(walks: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "clips"
    done = edgecam("-c", config, "--json", "--clips", out, walks)  # it is seconds old, and named
    assert (done.returncode, done.stderr) == (0, "")
    [line] = lines(done)
    assert len(line["clips"]) == len(line["events"]) == 2
    for clip, event in zip(line["clips"], line["events"], strict=True):
        path = Path(clip["file"])
        assert path.name == f"walks-{event['start']:07.1f}s.mp4"
        assert (clip["begin"], clip["early"]) == (
            pytest.approx(event["start"] - 2, abs=0.11),
            pytest.approx(0, abs=0.11),
        )
        assert clip["end"] == pytest.approx(event["end"] + 1, abs=0.11)
        found = probe(path)
        assert found["streams"][0]["codec_name"] == "mjpeg"
        assert float(found["format"]["start_time"]) == 0
        assert float(found["format"]["duration"]) == pytest.approx(clip["end"] - clip["begin"], abs=0.01)
        facts = json.loads(path.with_suffix(".json").read_bytes())
        assert facts["event"] == event
        assert facts["source"]["file"] == str(walks)
        assert (facts["from_the_start"], facts["to_the_end"]) == (False, False)
    names = {path.name for path in out.iterdir()}
    assert len(names) == 5
    assert STATE in names


def test_people_are_told_when_a_clip_begins_sooner(walks: Path, tmp_path: Path) -> None:
    path = tmp_path / "walks.mkv"
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "60", "-sc_threshold", "0"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(walks), *coded, "-pix_fmt", "yuv420p", str(path)], check=True)
    out = tmp_path / "clips"
    done = edgecam("--clips", out, path)
    assert (done.returncode, done.stderr) == (0, "")
    [clip] = out.glob("*.mp4")
    assert f"  cut: {clip}  (0.0 s to " in done.stdout
    assert "sooner than asked, at a keyframe)" in done.stdout
    assert probe(clip)["streams"][0]["codec_name"] == "h264"


def test_what_does_not_move_has_no_clip_and_no_clips_are_told_unasked(
    walks: Path, config: Path, tmp_path: Path
) -> None:
    quiet = tmp_path / "quiet.avi"
    subprocess.run(["ffmpeg", "-v", "error", "-ss", "20", "-i", walks, "-c", "copy", quiet], check=True)
    out = tmp_path / "clips"
    assert lines(edgecam("-c", config, "--json", "--clips", out, quiet))[0]["clips"] == []
    assert [path.name for path in out.iterdir()] == [STATE]
    assert "clips" not in lines(edgecam("--json", quiet))[0]


def test_a_timer_does_each_video_once(videos: Path, config: Path, tmp_path: Path, walks: Path) -> None:
    out = tmp_path / "clips"
    arguments = ("-c", config, "--json", "--clips", out, videos)
    assert [Path(line["file"]).name for line in lines(edgecam(*arguments))] == ["a.avi", "b.avi", "c.avi"]
    first = contents(out)
    assert len(first) == 3 * 2 * 2 + 1
    again = edgecam(*arguments)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "edgecam scan: 3 videos scanned before\n")
    finished(walks, videos / "d.avi", age=30)
    (videos / "a.avi").unlink()
    assert [Path(line["file"]).name for line in lines(edgecam(*arguments))] == ["d.avi"]
    assert {Path(path).name for path in json.loads((out / STATE).read_bytes())["videos"]} == {"b.avi", "c.avi", "d.avi"}
    assert {name: data for name, data in contents(out).items() if name in first and name != STATE} == {
        name: data for name, data in first.items() if name != STATE
    }


def test_without_its_memory_the_same_clips_are_made(videos: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    edgecam("-c", config, "--clips", out, videos)
    first = contents(out)
    untouched = {path.name: path.stat().st_ino for path in out.glob("*.mp4")}
    (out / STATE).unlink()
    done = edgecam("-c", config, "--clips", out, videos)
    assert contents(out) == first
    assert {path.name: path.stat().st_ino for path in out.glob("*.mp4")} == untouched
    assert done.stdout.count("was there: ") == 6


def test_what_lies_under_a_clips_name_is_never_overwritten(
    walks: Path, config: Path, tmp_path: Path, videos: Path
) -> None:
    out = tmp_path / "clips"
    first = [Path(clip["file"]) for clip in lines(edgecam("-c", config, "--json", "--clips", out, walks))[0]["clips"]]
    bytes_before = [path.read_bytes() for path in first]
    other = tmp_path / "walks.avi"
    finished(walks, other)
    foreign = out / first[0].name.replace(".mp4", "-2.mp4")
    foreign.write_bytes(b"holiday")
    second = [Path(clip["file"]) for clip in lines(edgecam("-c", config, "--json", "--clips", out, other))[0]["clips"]]
    assert [path.stem for path in second] == [f"{first[0].stem}-3", f"{first[1].stem}-2"]
    assert [path.read_bytes() for path in first] == bytes_before
    assert foreign.read_bytes() == b"holiday"


def test_another_cut_of_the_same_event_takes_its_place(walks: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    [one] = lines(edgecam("-c", config, "--json", "--clips", out, walks))
    longer = ("--set", "cameras.yard.record.event.pre=3s")
    [other] = lines(edgecam("-c", config, *longer, "--json", "--clips", out, walks))
    assert [clip["file"] for clip in one["clips"]] == [clip["file"] for clip in other["clips"]]
    assert other["clips"][0]["begin"] == one["clips"][0]["begin"] - 1
    assert float(probe(Path(other["clips"][0]["file"]))["format"]["duration"]) > other["clips"][0]["end"] - 5


def test_a_dry_run_tells_and_writes_nothing(videos: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    done = edgecam("-c", config, "--clips", out, "--dry-run", "--max", 1, videos)
    assert done.returncode == 0
    assert not out.exists()
    assert done.stdout.count("would be cut: ") == 2
    assert done.stderr == "edgecam scan: 2 videos beyond --max: left for the next run\n"
    edgecam("-c", config, "--clips", out, "--max", 1, videos)
    before = contents(out)
    done = edgecam("-c", config, "--clips", out, "--dry-run", "--json", videos)
    assert [Path(line["file"]).name for line in lines(done)] == ["b.avi", "c.avi"]
    assert contents(out) == before


def test_young_old_and_too_many_are_left(videos: Path, config: Path, tmp_path: Path, walks: Path) -> None:
    out = tmp_path / "clips"
    os.utime(videos / "a.avi", (time.time() - 3 * 3600,) * 2)
    (videos / "d.avi").write_bytes(walks.read_bytes())
    os.utime(videos / "d.avi", (time.time() + 4.9,) * 2)  # however slow this is
    done = edgecam("-c", config, "--json", "--clips", out, "--since", "2h", "--max", 1, videos)
    assert [Path(line["file"]).name for line in lines(done)] == ["b.avi"]
    assert done.stderr == (
        "edgecam scan: 1 video changed in the last 5 s: left for the next run\n"
        "edgecam scan: 1 video beyond --max: left for the next run\n"
        "edgecam scan: 1 video older than --since\n"
    )


def test_a_video_that_grows_meanwhile_is_left_for_the_next_run(
    videos: Path, config: Path, tmp_path: Path, walks: Path
) -> None:
    """The scan waits at a pipe that comes first, until the second video has grown."""
    out = tmp_path / "clips"
    pipe = tmp_path / "first.avi"
    os.mkfifo(pipe)
    with started("-c", config, "--json", "--clips", out, pipe, videos / "a.avi", videos / "b.avi") as run:
        with pipe.open("wb") as line:  # opened by the scan: its list is made
            with (videos / "a.avi").open("ab") as video:
                video.write(b"more")
            line.write(walks.read_bytes())
        told, complaints = run.communicate(timeout=60)
    assert [Path(json.loads(line)["file"]).name for line in told.splitlines()][-1:] == ["b.avi"]
    assert f"edgecam scan: {videos / 'a.avi'}: is still growing: left for the next run\n" in complaints
    assert not list(out.glob("a-*"))
    assert str(videos / "a.avi") not in json.loads((out / STATE).read_bytes())["videos"]


def test_a_second_run_says_that_there_is_one_and_does_nothing(videos: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    out.mkdir()
    folder = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        done = edgecam("-c", config, "--clips", out, videos)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"edgecam scan: another scan is at work in {out}; nothing was done\n"
        assert not list(out.iterdir())
    finally:
        os.close(folder)
    assert edgecam("-c", config, "--clips", out, videos).stdout.count("cut: ") == 6


def test_a_bad_video_is_told_once_and_the_rest_goes_on(videos: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    bad = videos / "a.avi"
    bad.write_bytes(b"no video at all")
    os.utime(bad, (time.time() - 60,) * 2)
    done = edgecam("-c", config, "--clips", out, videos)
    assert done.returncode == 1
    assert done.stderr.startswith(f"edgecam scan: {bad}: cannot be read as video")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout.count("cut: ") == 4
    assert edgecam("-c", config, "--clips", out, videos).returncode == 0


def test_a_video_that_cannot_be_cut_is_told_with_what_moves_in_it(walks: Path, tmp_path: Path) -> None:
    path = tmp_path / "walks.mkv"
    subprocess.run(["ffmpeg", "-v", "error", "-i", walks, "-c:v", "ffv1", path], check=True)
    done = edgecam("--json", "--clips", tmp_path / "clips", path)
    assert done.returncode == 1
    [line] = lines(done)
    assert (len(line["events"]), line["clips"]) == (1, [])
    assert "only H.264, H.265 and MJPEG can be cut without coding it anew" in done.stderr


def test_killed_at_any_moment_and_run_again_it_has_made_the_same(videos: Path, config: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    edgecam("-c", config, "--clips", whole, videos)
    out = tmp_path / "clips"
    chance = random.Random(31)
    for _ in range(4):
        before = len(list(out.iterdir())) if out.exists() else 0
        wanted = before + chance.randrange(4)
        with started("-c", config, "--clips", out, videos) as run:
            until("so many files, or the end", lambda: run.poll() is not None or _files(out) > wanted, 60)  # noqa: B023
            run.kill()
            run.communicate()
        for clip in out.glob("[!.]*.mp4"):
            assert clip.read_bytes() == (whole / clip.name).read_bytes()
            assert clip.with_suffix(".json").exists()
    done = edgecam("-c", config, "--clips", out, videos)
    assert done.returncode == 0
    assert contents(out) == contents(whole)


def _files(folder: Path) -> int:
    return len(list(folder.iterdir())) if folder.exists() else 0


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_half(videos: Path, config: Path, tmp_path: Path, sign: signal.Signals) -> None:
    out = tmp_path / "clips"
    pipe = tmp_path / "never.avi"  # so that it does not end by itself
    os.mkfifo(pipe)
    with started("-c", config, "--clips", out, videos, pipe) as run:
        until("a clip begins", lambda: _files(out) > 0, 60)
        os.killpg(run.pid, sign)  # as a terminal does
        try:
            _, complaints = run.communicate(timeout=30)
        finally:
            os.close(os.open(pipe, os.O_RDWR))  # whoever still waits for it may go
    assert (run.returncode, complaints) == (130, "")
    assert not [path for path in out.iterdir() if path.suffix in (".part", ".tmp")]
    clips = sorted(path.stem for path in out.glob("*.mp4"))
    assert sorted(path.stem for path in out.glob("[!.]*.json")) == clips
    edgecam("-c", config, "--clips", out, videos)
    assert len(list(out.glob("*.mp4"))) == 6


def test_a_terminal_shows_how_far_it_is_and_a_pipe_has_the_reports(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edgecam", "scan", "--json", "--clips", str(out), str(videos)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # EIO: nobody is at the other side
        while block := os.read(ours, 65536):
            shown += block
    os.close(ours)
    told, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert [Path(json.loads(line)["file"]).name for line in told.splitlines()] == ["a.avi", "b.avi", "c.avi"]
    for name in (b"a.avi", b"a.avi: clips", b"c.avi: clips", b"%"):
        assert name in shown
    assert b"{" not in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dry-run", "."], "--dry-run: without --clips DIR nothing is written anyway"),
        (["--clips", ".", "."], "--clips: . is scanned itself"),
        (["--clips", "/dev/null", "."], "--clips: /dev/null is no folder"),
        (["--max", "0", "."], "--max: must be 1 or more"),
        (["--since", "yesterday", "."], "--since: must be a duration such as"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], words: str) -> None:
    done = edgecam(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"edgecam scan: {words}")


def test_a_folder_of_clips_that_cannot_be_made_is_told(walks: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = edgecam("--clips", tmp_path / "file" / "clips", walks)
    assert done.returncode == 1
    assert done.stderr == f"edgecam scan: {tmp_path / 'file'}: File exists; the next run goes on from here\n"
