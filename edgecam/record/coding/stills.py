"""`python -m edgecam.record.coding.stills LIST OUT --fps 25`: JPEG files, named one a line, become an H.264 film.

One picture is in memory at a time, so that a day of stills takes no more than an hour of them.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edgecam import jpeg
from edgecam.record.coding import child, encoder
from edgecam.record.coding.encoder import Coding, Failed, Tally

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import OutputContainer

SAMPLE = 200
"""Stills, spread over all, of which the most common size is taken."""


def film(listed: Path, target: Path, fps: float, coding: Coding) -> Tally:
    """Code and verify; stills that are gone or damaged are left out and counted. Raises what `encoder.encode` does."""
    return encoder.encode(_Stills(_named(listed), fps), target, coding)


def _named(listed: Path) -> list[Path]:
    return [Path(line) for line in listed.read_text(errors="surrogateescape").splitlines() if line]


class _Stills:
    """Material. Raises Failed when none of them can be shown."""

    def __init__(self, stills: Sequence[Path], fps: float) -> None:
        self._stills, self._fps = stills, fps
        step = len(stills) // SAMPLE + 1
        spread = (still for start in range(step) for still in stills[start::step])
        sizes = Counter(islice(filter(None, map(_size, spread)), SAMPLE))
        if not sizes:
            raise Failed("no picture of it can be decoded")
        ((self.width, self.height), _), *_ = sizes.most_common(1)

    def pictures(self, out: "OutputContainer", tally: Tally) -> Iterator[tuple["VideoFrame", int]]:
        for still in self._stills:
            picture = _decoded(still)
            if picture is None:
                tally.damaged += 1
                continue
            start, end = (round(n / self._fps / encoder.TICK) for n in (tally.frames, tally.frames + 1))
            tally.frames += 1
            tally.seconds = float(end * encoder.TICK)
            if (picture.width, picture.height) != (self.width, self.height):
                picture = letterboxed(picture, self.width & ~1, self.height & ~1)
            picture.pts, picture.time_base = start, encoder.TICK
            yield picture, end - start


def _size(still: Path) -> tuple[int, int] | None:
    try:
        return jpeg.size(still.read_bytes())
    except (OSError, jpeg.BadJpeg):
        return None


def _decoded(still: Path) -> "VideoFrame | None":
    """None for one that is gone, damaged, or cannot be read from the disk: the film goes on."""
    import av

    try:
        data = still.read_bytes()
        jpeg.size(data)  # FFmpeg would show what there is of a torn one
        decoder = av.CodecContext.create("mjpeg", "r")
        assert isinstance(decoder, av.VideoCodecContext)
        decoder.thread_count = 1
        return next(iter(decoder.decode(av.Packet(data))), None)
    except (OSError, jpeg.BadJpeg, av.error.InvalidDataError):
        return None


def letterboxed(picture: "VideoFrame", width: int, height: int) -> "VideoFrame":
    """The whole picture in the middle of a black one of this even size."""
    import av
    from av.video.reformatter import ColorRange

    scale = min(width / picture.width, height / picture.height)
    wide = min(width, max(2, round(picture.width * scale) & ~1))
    high = min(height, max(2, round(picture.height * scale) & ~1))
    small = picture.reformat(wide, high, "yuv420p", dst_color_range=ColorRange.MPEG)
    left, top = (width - wide) // 4 * 2, (height - high) // 4 * 2
    canvas = av.VideoFrame(width, height, "yuv420p")
    canvas.colorspace, canvas.color_range = small.colorspace, ColorRange.MPEG
    for part, (plane, given) in enumerate(zip(canvas.planes, small.planes, strict=True)):
        half = 2 if part else 1
        rows = bytearray([128 if part else 16]) * plane.buffer_size
        shown = memoryview(given)
        for row in range(given.height):
            at = (top // half + row) * plane.line_size + left // half
            rows[at : at + given.width] = shown[row * given.line_size : row * given.line_size + given.width]
        plane.update(bytes(rows))
    return canvas


def main() -> int:
    parser = argparse.ArgumentParser(prog="edgecam.record.coding.stills")
    parser.add_argument("listed", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--fps", type=float, default=25.0)
    encoder.options(parser)
    given = parser.parse_args()
    return child.work(lambda: film(given.listed, given.target, given.fps, Coding.asked(given)))


if __name__ == "__main__":
    sys.exit(main())
