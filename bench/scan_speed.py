"""How fast recordings are scanned: a minute of 720p H.264, alone, several at once, and with its clips.

.venv/bin/python bench/scan_speed.py
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 60
SCENE = f"testsrc2=size=1280x720:rate=25:duration={SECONDS}"


def minute(path: Path) -> None:
    """A busy scene with noise, a keyframe every two seconds."""
    coded = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "3M", "-g", "50", "-vf", "noise=alls=6:allf=t"]
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", SCENE, *coded, str(path)], check=True)


def measured(what: str, videos: list[Path], *more: str) -> None:
    def cpu() -> float:
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime

    began, cpu_before = time.monotonic(), cpu()
    command = [sys.executable, "-m", "edgecam", "scan", "--json", *more, *map(str, videos)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    took, spent, length = time.monotonic() - began, cpu() - cpu_before, SECONDS * len(videos)
    print(f"{what:30}{took:7.1f} s, {length / took:5.1f} times as fast as it was recorded; CPU {spent:5.1f} s")


def main() -> None:
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        videos = [Path(folder) / f"{number}.mp4" for number in range(2 * cores)]
        minute(videos[0])
        for copy in videos[1:]:
            copy.write_bytes(videos[0].read_bytes())
        print(f"{cores} cores, load {os.getloadavg()[0]:.1f}; a video of {videos[0].stat().st_size / 1e6:.0f} MB")
        measured("one video", videos[:1])
        measured(f"{len(videos)} videos", videos)
        measured(f"{len(videos)} videos, with clips", videos, "--clips", str(Path(folder) / "clips"))


if __name__ == "__main__":
    main()
