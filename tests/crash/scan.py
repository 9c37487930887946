"""What lies below a storage path, looked at from outside with none of the daemon's own library code but the names and
the box reader. Every complaint is a line for a person; no complaint means clean.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import simplejpeg

from edgecam.media import JOURNAL, MediaId
from edgecam.record import boxes

DURATION = 0.011
"""Seconds by which a sidecar's rounded duration may differ from what the file says."""


def whole(root: Path) -> list[str]:
    """Everything that has a final name is whole and what its sidecar says: true at any moment, even of a crash."""
    return [complaint for path in _finished(root) for complaint in _media(path)]


def orphans(root: Path, before: float = float("inf"), *, wanted: frozenset[str] = frozenset()) -> list[str]:
    """Nothing lies about: of media that began `before` (unix seconds) there is no temporary file, no sidecar, picture
    or marker without its media, and nothing in the making but JPEG video that waits to be coded.

    `wanted`: kinds of media that must have a marker or a receipt. True after a recovery.
    """
    return [*_strays(root, before), *_unfinished(root, before), *_markers(root, before), *_unmarked(root, wanted)]


def stored(folder: Path, root: Path) -> list[str]:
    """Every object in a store that is a folder is whole, has its manifest, and is there once.

    Of what still waits at `root` there may be half of it.
    """
    waiting = {path.name for path in (root / "spool" / "wait").iterdir()}
    found, seen = list[str](), dict[str, Path]()
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.parent.name == "_edgecam":  # what a store was tried with
            continue
        if path.stem in waiting or path.name in waiting:
            continue
        if path.name in seen:
            found.append(f"{path} is in the store twice, also as {seen[path.name]}")
        seen[path.name] = path
        if path.suffix == ".mp4":
            found += _media(path) if path.with_suffix(".json").exists() else [f"{path} has no manifest"]
        elif path.suffix == ".jpg":
            found += _jpeg(path)
        elif path.suffix != ".json":
            found.append(f"{path} is no object of ours")
        elif not path.with_suffix(".mp4").exists():
            found.append(f"{path} has no object")
    return found


def starts(root: Path) -> Iterator[MediaId]:
    """The ids of all finished clips, oldest first."""
    yield from sorted((MediaId.parse(path.stem) for path in _finished(root) if path.suffix == ".mp4"), key=str)


def _finished(root: Path) -> list[Path]:
    return [path for room in ("recordings", "snapshots") for path in (root / room).rglob("*.[mj]p[4g]")]


def sha256(path: Path) -> str:
    """Empty when it is gone."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def _told(path: Path) -> dict[str, Any]:
    """What a sidecar, draft or marker says; nothing when it is gone or unreadable."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _media(path: Path) -> list[str]:
    try:
        if path.suffix == ".jpg":
            return _jpeg(path)
        data = path.read_bytes()
        if not path.with_suffix(".json").exists():
            return [f"{path} has no sidecar"] if path.exists() else []  # the keeper took both
        sidecar = json.loads(path.with_suffix(".json").read_bytes())
        with path.open("rb") as file:
            video = boxes.read(file)
    except FileNotFoundError:
        return []  # gone since: another look would not see it
    except ValueError as error:
        return [f"{path}: {error}"]
    told = sidecar["sha256"], sidecar["size"], sidecar["codec"], sidecar["width"]
    if told != (hashlib.sha256(data).hexdigest(), len(data), video.codec, video.width):
        return [f"{path} is not what its sidecar says"]
    if abs(sidecar["duration"] - video.duration) > DURATION:
        return [f"{path} lasts {video.duration:.3f} s, its sidecar says {sidecar['duration']}"]
    return _portrait(path.with_suffix(".jpg"), sidecar["picture"]) if "recordings" in path.parts else []


def _portrait(path: Path, told: dict[str, Any] | None) -> list[str]:
    """The picture beside a finished clip is the one that its sidecar tells of."""
    if not path.exists():
        return (
            [f"{path} is missing, though the sidecar tells of it"] if told and path.with_suffix(".mp4").exists() else []
        )
    if told is None:
        return [f"{path} lies there, and the sidecar does not know"]
    return [] if told["sha256"] == sha256(path) else [f"{path} is not its sidecar's"]


def _jpeg(path: Path) -> list[str]:
    try:
        simplejpeg.decode_jpeg(path.read_bytes())
    except FileNotFoundError:
        return []
    except ValueError as error:
        return [f"{path}: {error}"]
    return []


def _began(name: str) -> float:
    """When the media of a file began, unix seconds; for ever ago for a stranger."""
    try:
        return MediaId.parse(name.partition(".")[0]).start
    except ValueError:
        return 0.0


def _open(root: Path) -> set[str]:
    """Ids of what is being made."""
    return {path.name.partition(".")[0] for path in (root / "spool" / "open").iterdir()}


def _strays(root: Path, before: float) -> list[str]:
    found, making = list[str](), _open(root)
    for room in ("recordings", "snapshots"):
        for path in (root / room).rglob("*"):
            stem = path.name.partition(".")[0]
            if path.is_dir() or _began(path.name) >= before or stem in making:
                continue
            if path.suffix not in (".mp4", ".json", ".jpg", ".keep") or _began(path.name) == 0.0:
                found.append(f"{path} is a stray")
            elif not any(path.with_suffix(suffix).exists() for suffix in (".mp4", *(".jpg",) * (room == "snapshots"))):
                found.append(f"{path} has no media")
    return found


def _unfinished(root: Path, before: float) -> list[str]:
    found = []
    for path in (root / "spool" / "open").iterdir():
        if _began(path.name) >= before:
            continue
        draft = path.with_name(path.name.partition(".")[0] + ".part.json")
        if not _told(draft).get("encode"):
            found.append(f"{path} is left over")
    return found + [f"{path} is bad" for path in (root / "spool" / "bad").iterdir()]


def _markers(root: Path, before: float) -> list[str]:
    found, making = list[str](), _open(root)
    for marker in (root / "spool" / "wait").iterdir():
        if marker.suffix in (".tmp", JOURNAL):  # being written, or a store's notes
            continue
        if not _began(marker.name):
            found.append(f"{marker} is no marker of ours")
            continue
        id = MediaId.parse(marker.name)
        media = root / "recordings" / id.camera / id.day / (id.text + id.suffix)
        if id.start >= before or id.text in making:
            continue
        if not media.exists():
            found.append(f"{marker} waits for nothing")
        elif id.beside and _told(marker).get("sha256") != sha256(media):
            found.append(f"{marker} does not tell its picture")
    return found


def _unmarked(root: Path, wanted: frozenset[str]) -> list[str]:
    """What neither waits for the store nor is there. The marker goes after the receipt: looked at in that order."""
    found = []
    for path in _finished(root):
        id = MediaId.parse(path.stem)
        if path.suffix != ".mp4" or id.kind not in wanted or (root / "spool" / "wait" / id.name).exists():
            continue
        if _told(path.with_suffix(".json")).get("receipt", "gone") is None:
            found.append(f"{path} is forgotten: it neither waits nor is stored")
    return found
