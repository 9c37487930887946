"""Clips: the folder in which scan puts a clip of each event, `<video>-<seconds>s.mp4`, with its facts in a `.json`.

Names are told by the video and the event alone, so that a run that is repeated makes the same ones. The facts are on
disk before the clip has its name: a clip without them is not ours.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecam import durable
from edgecam.bars import Progress
from edgecam.media import iso
from edgecam.motion.scan import FoundEvent
from edgecam.scanning.cut import Cut, index, plan, write
from edgecam.scanning.rounds import Due

Facts = Mapping[str, object]
"""What is told of something, as JSON."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a video, made or to be made."""

    file: Path
    facts: Facts
    """As they are in the file beside it."""
    cut: Cut
    is_there: bool
    """From an earlier run."""

    @property
    def told(self) -> Facts:
        """For the report of its video."""
        return {"file": str(self.file), **{key: self.facts[key] for key in ("begin", "end", "early")}}

    @property
    def _part(self) -> Path:
        return self.file.with_name(f".{self.file.name}.part")


def planned(
    folder: Path, video: Due, events: Sequence[FoundEvent], told: Sequence[Facts], pre: float, post: float
) -> list[Clip]:
    """The clips of a video's events, of which `told` is the report. Writes nothing. Raises NotCut, Unreadable."""
    if not events or video.look is None:
        return []
    frames = index(video.path)
    source = {
        "file": str(video.path.absolute()),
        "size": video.look.size,
        "modified": iso(video.look.mtime / 1e9),
    }
    clips = list[Clip]()
    for event, words in zip(events, told, strict=True):
        cut = plan(frames, event.start - pre, event.end + post)
        facts = {
            "source": source,
            "event": words,
            "begin": round(cut.begin, 3),
            "end": round(cut.end, 3),
            "early": round(cut.early, 3),
            "from_the_start": cut.first == frames.keys[0],
            "to_the_end": cut.stop == len(frames.shown),
        }
        clips.append(_placed(folder, f"{video.path.stem}-{event.start:07.1f}s", facts, cut))
    return clips


def make(video: Due, clips: Sequence[Clip], progress: Progress) -> None:
    """Write those that are not there yet; each whole and durable. Raises NotCut, OSError."""
    new = [clip for clip in clips if not clip.is_there]
    parts = [clip._part for clip in new]
    if not new:
        return
    write(video.path, [clip.cut for clip in new], parts, progress)
    try:
        for clip, part in zip(new, parts, strict=True):
            durable.write_json(clip.file.with_suffix(".json"), clip.facts)
            durable.rename(part, clip.file)
    except BaseException:
        for clip, part in zip(new, parts, strict=True):
            part.unlink(missing_ok=True)
            if not clip.file.exists():
                clip.file.with_suffix(".json").unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what a run that was killed left half done."""
    for part in folder.glob(".*s.mp4.part"):
        part.unlink(missing_ok=True)


def _placed(folder: Path, stem: str, facts: Facts, cut: Cut) -> Clip:
    """Under its name, or the next one when another video's clip, or anything else, lies there."""
    for name in _names(stem):
        file = folder / f"{name}.mp4"
        beside = _facts(file.with_suffix(".json"))
        if beside is None and not file.exists():
            return Clip(file, facts, cut, is_there=False)
        if beside is not None and _same(beside.get("source"), facts["source"]):
            return Clip(file, facts, cut, is_there=file.exists() and beside == json.loads(json.dumps(facts)))
    raise AssertionError("names have no end")


def _names(stem: str) -> Iterator[str]:
    yield stem
    for number in itertools.count(2):
        yield f"{stem}-{number}"


def _same(one: object, other: object) -> bool:
    """Whether these are facts of the same video, wherever it lies now."""

    def of(source: object) -> object:
        if not isinstance(source, dict):
            return None
        return Path(str(source.get("file"))).name, source.get("size"), source.get("modified")

    return of(one) == of(other) is not None


def _facts(path: Path) -> dict[str, object] | None:
    """None: there is nothing."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
