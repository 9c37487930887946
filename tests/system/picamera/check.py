#!/usr/bin/env python3
"""Runs the daemon with `source: picamera2` against the real picamera2 and libcamera's virtual camera, and looks at it
from outside: stream, snapshot, motion, H.264 clip, a cable that comes off, stop, restart, idling.

As root: `make picamera`. One line per check; the exit status is 1 when any failed. Needs ffprobe and ffmpeg.
"""

import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

HERE = Path(__file__).parent
STALL = 3.0
CONFIG = """
http: {{listen: 127.0.0.1:{port}}}
storage: {{path: /var/tmp/edgecam}}
cameras:
  birdbox:
    source:
      type: picamera2
      size: 1280x720
      fps: 30
      stall_timeout: 3s
      warmup: 500ms
      controls: {{AfMode: 2, FrameDurationLimit: 5}}
      {source}
    {camera}
"""
EVENTS = "record: {event: {pre: 2s, post: 1s, max: 6s}}"
NOBODY = "motion: {enabled: false}\n    record: {enabled: false}"


class Daemon:
    """`edgecam run` in the root, from start to stop."""

    def __init__(self, root: Path, name: str, *, source: str = "", camera: str = "") -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        config = root / "tmp/config.yaml"
        config.write_text(CONFIG.format(port=self.port, source=source, camera=camera))
        self.log = root / f"tmp/{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(HERE / "root"), "run", "edgecam", "run", "-c", "/tmp/config.yaml"],  # noqa: S108  (in the root)
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def get(self, path: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return bytes(answer.read())

    @property
    def camera(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.get("/api/cameras/birdbox"))
        except OSError:  # not up yet
            return {}
        return found

    def until(self, what: str, true: Callable[[dict[str, Any]], object], within: float = 30.0) -> float:
        """Seconds until the camera's state is so."""
        begin = time.monotonic()
        while not true(state := self.camera):
            if self.process.poll() is not None or time.monotonic() - begin > within:
                raise AssertionError(f"{what}: not within {within:.0f} s; {state}\n{self.log.read_text()}")
            time.sleep(0.05)
        return time.monotonic() - begin

    def cpu(self, seconds: float) -> float:
        """Percent of one core over a while."""
        ticks = []
        for wait in (seconds, 0.0):
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks.append(int(fields[11]) + int(fields[12]))
            time.sleep(wait)
        return 100 * (ticks[1] - ticks[0]) / os.sysconf("SC_CLK_TCK") / seconds

    def stop(self) -> tuple[int, float]:
        """Exit status after SIGTERM, and how long it took (s)."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15), time.monotonic() - begin
        finally:
            self.process.kill()


def online(state: dict[str, Any]) -> bool:
    return bool(state.get("online")) and state.get("state") == "running" and bool(state.get("frames"))


failed: list[str] = []
said: list[str] = []


def say(line: str) -> None:
    said.append(line)
    print(line, flush=True)


def after(daemon: Daemon, what: str, true: Callable[[dict[str, Any]], object]) -> str:
    return f"after {daemon.until(what, true):.1f} s"


def check(name: str, look: Callable[[], str]) -> None:
    try:
        say(f"ok    {name}: {look()}")
    except Exception as error:
        failed.append(name)
        say(f"FAIL  {name}: {error}")
        if not isinstance(error, AssertionError):
            traceback.print_exc()


def stream(daemon: Daemon) -> str:
    begin = time.monotonic()
    sizes: list[int] = []
    numbers: list[int] = []
    with urlopen(f"http://127.0.0.1:{daemon.port}/cameras/birdbox/stream.mjpg", timeout=10) as answer:
        while len(sizes) < 60:
            length = 0
            while (line := answer.readline().strip()) or not length:
                name, _, value = line.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
                if name.lower() == "x-frame":
                    numbers.append(int(value))
            data = answer.read(length)
            assert (data[:2], data[-2:]) == (b"\xff\xd8", b"\xff\xd9"), "not one JPEG"
            sizes.append(length)
    assert numbers == sorted(set(numbers)), "the numbers do not grow"
    return f"60 JPEGs of {sum(sizes) // 60} bytes at {60 / (time.monotonic() - begin):.1f}/s"


def snapshot(daemon: Daemon, root: Path) -> str:
    path = root / "tmp/snapshot.jpg"
    path.write_bytes(daemon.get("/cameras/birdbox/snapshot.jpg"))
    found = probe(path)["streams"][0]
    assert (found["codec_name"], found["width"], found["height"]) == ("mjpeg", 1280, 720), found
    return f"{path.stat().st_size} bytes, {found['width']}x{found['height']}, luma {luma(path)}"


def probe(path: Path) -> dict[str, Any]:
    told = ["-count_packets", "-show_streams", "-show_format", "-of", "json"]
    made = subprocess.run(["ffprobe", "-v", "error", *told, str(path)], check=True, capture_output=True)
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def luma(path: Path) -> str:
    """Least, mean and most brightness of the first picture, 0..255, as a player shows it."""
    shown = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    data = subprocess.run(shown, check=True, capture_output=True).stdout
    return f"{min(data)}..{max(data)} (mean {sum(data) / len(data):.0f})"


def clips(root: Path) -> list[Path]:
    return sorted((root / "var/tmp/edgecam/recordings").rglob("*.mp4"))


def clip(path: Path, codec: str = "h264") -> str:
    told = probe(path)
    video, seconds = told["streams"][0], float(told["format"]["duration"])
    packets = int(video["nb_read_packets"])
    assert (video["codec_name"], video["width"], video["height"]) == (codec, 1280, 720), video
    assert packets / seconds > 25, f"{packets} frames in {seconds} s"
    as_they_are = ["-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"]
    played = ["ffmpeg", "-v", "error", "-i", str(path), *as_they_are]
    errors = subprocess.run(played, check=True, capture_output=True, text=True).stderr
    assert not errors, errors
    return f"{codec} {video['width']}x{video['height']}, {packets} frames in {seconds:.2f} s, luma {luma(path)}"


def check_facts() -> None:
    """What the stand-in for picamera2 in the tests claims, asked of the real one."""
    asked = subprocess.run([str(HERE / "root"), "run", "python", "/rig/facts.py"], capture_output=True, text=True)
    told = [line for line in asked.stdout.splitlines() if line.startswith(("ok", "FAIL"))]
    for line in told:
        say(f"{line[:5].strip():5} real picamera2: {line[5:].strip()}")
    if asked.returncode:
        failed.append("facts")
        say(f"FAIL  real picamera2: exit {asked.returncode}: {asked.stderr[-500:]}")


def first_life(root: Path, cable: Path) -> None:
    daemon = Daemon(root, "first", camera=EVENTS)
    try:
        check("frames come", lambda: f"{daemon.until('online', online):.1f} s after the start")
        check("snapshot", lambda: snapshot(daemon, root))
        check("stream", lambda: stream(daemon))
        check("motion", lambda: after(daemon, "motion", lambda state: state["last_motion"]))
        check("a clip is saved", lambda: after(daemon, "clip", lambda state: state["clips"]))
        check("the clip plays", lambda: clip(clips(root)[0]))
        check("controls are told", lambda: controls(daemon))
        check("cpu, recording and motion at 720p30, software H.264", lambda: f"{daemon.cpu(5):.0f} % of a core")
        for turn in ("cable off", "cable off again"):
            cable.touch()
            check(turn, lambda: lost(daemon))
            cable.unlink()
            check("cable on", lambda: f"frames after {daemon.until('online', online):.1f} s")
        check("snapshot afterwards", lambda: snapshot(daemon, root))
        check("stop by SIGTERM", lambda: stopped(daemon))
    finally:
        cable.unlink(missing_ok=True)
        daemon.process.kill()


def controls(daemon: Daemon) -> str:
    lines = [line for line in daemon.log.read_text().splitlines() if "has no control" in line]
    assert len(lines) >= 2, lines
    return "; ".join(line.split("birdbox: ")[1] for line in lines[:2])


def lost(daemon: Daemon) -> str:
    """Told within the patience and a little, with words, and no old picture instead."""
    took = daemon.until("offline", lambda state: not state.get("online", True), 3 * STALL)
    assert took < 2 * STALL, f"told after {took:.1f} s"
    try:
        daemon.get("/cameras/birdbox/snapshot.jpg")
    except HTTPError as error:
        answer = error.code
    else:
        raise AssertionError("an old picture is served")
    return f"told after {took:.1f} s: {daemon.camera['problem'] or daemon.camera['trouble']}; snapshot {answer}"


def stopped(daemon: Daemon) -> str:
    status, took = daemon.stop()
    assert status == 0, f"exit {status}\n{daemon.log.read_text()}"
    assert took < 10
    traces = [line for line in daemon.log.read_text().splitlines() if "Traceback" in line]
    assert not traces, daemon.log.read_text()
    return f"exit 0 after {took:.1f} s"


def second_life(root: Path) -> None:
    """Once more over the same storage: JPEG instead of H.264."""
    before = len(clips(root))
    daemon = Daemon(root, "second", camera=f"video: {{codec: mjpeg}}\n    {EVENTS}")
    try:
        check("restart", lambda: f"frames after {daemon.until('online', online):.1f} s, {before} clips kept")
        check("a clip of JPEGs", lambda: after(daemon, "clip", lambda state: state["clips"]))
        check("it plays", lambda: clip(clips(root)[before], "mjpeg"))
        check("stop by SIGTERM", lambda: stopped(daemon))
    finally:
        daemon.process.kill()


def third_life(root: Path) -> None:
    """Nobody wants frames: the camera idles; each snapshot opens it in the same process."""
    daemon = Daemon(root, "third", source="idle_after: 2s", camera=NOBODY)
    try:
        for turn in range(3):
            check(f"idle ({turn + 1})", lambda: after(daemon, "idle", lambda state: state.get("state") == "idle"))
            if not turn:
                check("cpu, idle", lambda: f"{daemon.cpu(3):.1f} % of a core")
            check("a snapshot opens it", lambda: snapshot(daemon, root))
        check("stop by SIGTERM", lambda: stopped(daemon))
    finally:
        daemon.process.kill()
    daemon = Daemon(root, "fourth", camera=NOBODY)
    try:
        daemon.until("online", online)
        check("cpu, open with nobody looking", lambda: f"{daemon.cpu(5):.1f} % of a core")
        fps = f"{daemon.camera['fps']} fps are counted"
        check("stop by SIGTERM", lambda: f"{stopped(daemon)}; {fps}")
    finally:
        daemon.process.kill()


def cycles(count: int) -> str:
    """What opening and closing in one process leaves behind."""
    command = [str(HERE / "root"), "run", "python", "-X", "faulthandler", "/rig/cycles.py", str(count)]
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.strip()
        if "VirtualCameraData" not in done.stderr:
            break
        # Once in some hundred starts the virtual camera touches a request that is gone; so it does without edgecam.
        say("note  libcamera's virtual camera crashed by itself; once more")
    raise AssertionError(done.stdout or done.stderr[-500:])


def main() -> int:
    made = subprocess.run([str(HERE / "root"), "make"], check=True, stdout=subprocess.PIPE, text=True)
    root = Path(made.stdout.strip())
    shutil.rmtree(root / "var/tmp/edgecam", ignore_errors=True)
    cable = root / "rig/unplugged"
    cable.unlink(missing_ok=True)
    versions = (
        "import sys, av, libcamera, importlib.metadata as m; "
        "print('Python', sys.version.split()[0] + ', picamera2', m.version('picamera2') + ', PyAV', av.__version__)"
    )
    told = subprocess.run([str(HERE / "root"), "run", "python", "-c", versions], capture_output=True, text=True)
    packages = (root / "var/lib/dpkg/status").read_text()
    package = re.search(r"^Package: python3-libcamera\n(?:.+\n)*?Version: (.+)", packages, re.M)
    say(f"{told.stdout.strip()}, libcamera {package[1] if package else '?'}, {platform.machine()}")
    check_facts()
    cable.unlink(missing_ok=True)
    first_life(root, cable)
    second_life(root)
    third_life(root)
    check("open and close", lambda: cycles(int(os.environ.get("CYCLES", "40"))))
    say(f"{len(failed)} failed" if failed else "all ok")
    for path in sys.argv[1:]:
        Path(path).write_text("\n".join(said) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
