"""What it costs to cut an hour out of 10 s segments: time and memory up to the first byte, and how
fast the rest comes.

PYTHONPATH=tests .venv/bin/python bench/export.py
"""

import io
import time
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

from clips import h264
from edgecam.record.cut.reel import Film, Recording, cut
from edgecam.record.mp4 import Mp4
from sounds import sounds

SEGMENTS, FRAMES, FPS = 360, 300, 30
WALL = 1.79e9


def segment() -> bytes:
    """Ten seconds with sound."""
    frames, sound, file = h264(FRAMES, fps=FPS, gop=FPS), list(sounds(FRAMES / FPS)), io.BytesIO()
    mp4 = Mp4(file, frames[0], sound[0])
    for frame in frames:
        while sound and sound[0].mono < frame.mono:
            mp4.hear(sound.pop(0))
        mp4.write(frame)
    mp4.close(frames[0].mono + FRAMES / FPS)
    return file.getvalue()


def hour(recordings: list[Recording]) -> tuple[Film, float]:
    """The film, and how long it took."""
    began = time.perf_counter()
    film = cut(recordings, WALL + 4, WALL + SEGMENTS * FRAMES / FPS - 4)
    next(film.pieces())
    return film, time.perf_counter() - began


def main() -> None:
    with TemporaryDirectory() as folder:
        first = Path(folder, "0.mp4")
        first.write_bytes(segment())
        for number in range(1, SEGMENTS):
            Path(folder, f"{number}.mp4").hardlink_to(first)
        recordings = [Recording(WALL + n * FRAMES / FPS, Path(folder, f"{n}.mp4")) for n in range(SEGMENTS)]
        film, spent = min((hour(recordings) for _ in range(3)), key=lambda found: found[1])
        print(f"{SEGMENTS} segments of {FRAMES} frames, {film.size / 1e6:.0f} MB: first byte after {spent:.2f} s")
        began = time.process_time()
        sent = sum(map(len, film.pieces()))
        print(f"all of it: {sent / (time.process_time() - began) / 1e6:.0f} MB for each second of CPU")
        del film
        tracemalloc.start()
        film = hour(recordings)[0]
        held, peak = tracemalloc.get_traced_memory()
        assert film.size == sent
        print(f"memory: {held / 1e6:.1f} MB while it is sent, {peak / 1e6:.1f} MB at most before")


if __name__ == "__main__":
    main()
