"""Labelled videos: a folder of clips, and what a person says moves in them.

Either `manifest.json`, `{"clips": [{"file", "fps", "frames", "events", …}]}`, or two folders: in each video in
`motion/` something moves at least once, nobody says when, and in `still/` nothing does.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from edgecam.motion.luma import Luma
from edgecam.motion.tuning.score import Labels
from edgecam.motion.video import Picture, Video
from edgecam.pixels import reduced


class Unlabelled(ValueError):
    """This folder cannot be tuned on; the text says why, with the place."""


def _in_order(span: tuple[int, int]) -> tuple[int, int]:
    if span[0] > span[1]:
        raise ValueError("the first frame comes after the last one")
    return span


Frames = Annotated[tuple[NonNegativeInt, NonNegativeInt], AfterValidator(_in_order)]


class Entry(BaseModel):
    """One clip in the manifest. Other keys are the labeller's own."""

    model_config = ConfigDict(frozen=True)

    file: str
    """Beside the manifest, or in `data/` there."""
    id: str | None = None
    """What it is called; the file's name when it has none."""
    fps: float | None = Field(None, gt=0)
    """Frames a second of the scene, whatever clock the file has; by the file's clock when nothing is said."""
    frames: Frames | PositiveInt | None = None
    """Those that are looked at, first and last, or how many."""
    events: tuple[Frames, ...]
    ignore: tuple[Frames, ...] = ()
    """Where motion is neither right nor wrong."""
    score_from: NonNegativeInt = 0
    """Before this frame the detector learns and nothing counts."""
    crop: tuple[NonNegativeInt, NonNegativeInt, PositiveInt, PositiveInt] | None = None
    """Left, top, width and height in pixels: only this part of the picture is looked at."""


class Manifest(BaseModel):
    clips: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """One video and its labels."""

    path: Path
    entry: Entry
    somewhere: bool = False
    """Something moves in it, nobody said when."""

    @property
    def name(self) -> str:
        return self.entry.id or self.entry.file

    @property
    def span(self) -> tuple[int, int | None]:
        """The frames that are looked at; no last one: all."""
        if isinstance(self.entry.frames, int):
            return 0, self.entry.frames - 1
        return self.entry.frames or (0, None)

    def at(self, picture: Picture) -> float:
        """When it was taken, in seconds of the scene. Image sequences made into videos often have another clock."""
        return picture.number / self.entry.fps if self.entry.fps else picture.at

    def labels(self, video: Video, last: int) -> Labels:
        """What is to be found; `last` is the last frame there was."""
        first, fps = max(self.span[0], self.entry.score_from), self.entry.fps or video.fps
        if self.somewhere:
            return Labels(fps, first, last, ((first, last),), timed=False)
        return Labels(fps, first, last, self.entry.events, self.entry.ignore)

    def luma(self, video: Video, picture: Picture, width: int) -> Luma:
        """What the detector sees: as live, or the cropped part of it. Raises BadPicture."""
        if self.entry.crop is None:
            return picture.luma(width)
        left, top, columns, rows = self.entry.crop
        part = picture.luma(video.width)[top : top + rows, left : left + columns]
        return reduced(np.ascontiguousarray(part), width)


def read(folder: Path) -> list[Clip]:
    """The clips of a folder, in its order. Raises Unlabelled."""
    if not folder.is_dir():
        raise Unlabelled(f"{folder}: there is no such folder")
    manifest = folder / "manifest.json"
    clips = _listed(manifest) if manifest.exists() else [*_sorted(folder, "motion"), *_sorted(folder, "still")]
    if not clips:
        raise Unlabelled(f"{folder}: no labelled videos: neither a manifest.json nor videos in motion/ and still/")
    return clips


def _listed(manifest: Path) -> list[Clip]:
    with _told(manifest):
        entries = Manifest.model_validate(json.loads(manifest.read_text(encoding="utf-8"))).clips
    places: tuple[Callable[[str], Path], ...] = (manifest.parent.joinpath, (manifest.parent / "data").joinpath)
    return [
        Clip(next((at(entry.file) for at in places if at(entry.file).exists()), places[0](entry.file)), entry)
        for entry in entries
    ]


@contextmanager
def _told(manifest: Path) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Unlabelled(f"{manifest}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except json.JSONDecodeError as error:
        raise Unlabelled(f"{manifest}:{error.lineno}:{error.colno}: {error.msg}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Unlabelled(f"{manifest}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _sorted(folder: Path, kind: str) -> Iterator[Clip]:
    """The videos of `motion/` or `still/`; hidden files are none."""
    inside = folder / kind
    if inside.is_dir():
        for path in sorted(inside.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                yield Clip(path, Entry(file=f"{kind}/{path.name}", events=()), somewhere=kind == "motion")
