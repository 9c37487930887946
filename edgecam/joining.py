"""Joining: recordings one after the other as one MP4, several where the coding changes. Nothing is re-encoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecam import durable
from edgecam.record.boxes import NotPlayable
from edgecam.record.cut.reel import Film, NothingThere, Recording, cut
from edgecam.record.cut.samples import Footage


@dataclass(frozen=True, slots=True)
class Clip:
    """A finished recording."""

    start: float
    """Unix seconds."""
    file: Path
    every_frame: bool
    """A continuous segment: preferred where it shows the same time as a clip."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A film that is on disk. Times are unix seconds; `gaps` are those of more than a second, and are left out."""

    file: Path
    begin: float
    end: float
    gaps: tuple[tuple[float, float], ...]


@dataclass(slots=True)
class _Run:
    """Clips of one coding, none of another coding between them."""

    coding: object
    clips: list[Clip]
    end: float


def join(clips: Sequence[Clip], out: Path) -> tuple[list[Joined], list[str]]:
    """Write the clips of one camera to `out`, `<out>-2.mp4` and so on; what was written, and what could not be read.

    Each file is durable when this returns. Blocking; raises OSError.
    """
    runs, unread = _runs(clips)
    if not runs:
        return [], unread
    durable.make_folder(out.parent)
    joined = list[Joined]()
    for run in runs:
        preferred = sorted(run.clips, key=lambda clip: (not clip.every_frame, clip.start))
        begin = min(clip.start for clip in run.clips)
        try:
            film = cut([Recording(clip.start, clip.file) for clip in preferred], begin, run.end)
        except NothingThere as error:
            unread.append(f"{preferred[0].file.name} cannot be joined: {error}")
            continue
        file = out.with_name(f"{out.stem}-{len(joined) + 1}{out.suffix}") if joined else out
        _write(film, file)
        joined.append(Joined(file, film.begin, film.end, film.gaps))
    return joined, unread


def _runs(clips: Sequence[Clip]) -> tuple[list[_Run], list[str]]:
    runs, unread = list[_Run](), list[str]()
    for clip in sorted(clips, key=lambda clip: clip.start):
        try:
            video = Footage(clip.file).video
        except NotPlayable as error:
            unread.append(f"{clip.file.name} cannot be joined: {error}")
            continue
        end = clip.start + video.end / video.track.timescale
        if not runs or runs[-1].coding != video.coding:
            runs.append(_Run(video.coding, [], end))
        runs[-1].clips.append(clip)
        runs[-1].end = max(runs[-1].end, end)
    return runs, unread


def _write(film: Film, file: Path) -> None:
    part = file.with_name(f"{file.name}.part")
    try:
        with durable.create(part) as opened:
            film.write(opened)
            durable.flush(opened)
        durable.rename(part, file)
    finally:
        part.unlink(missing_ok=True)
