"""Real events of a library, and what becomes of what is told of them: deleted, emptied or garbled, one at a time."""

from collections.abc import Callable, Mapping
from pathlib import Path

from clips import h264, opened
from edgecam.events import MotionPicture
from edgecam.frame import Frame
from edgecam.media import Layout, MediaId, MediaKind, Sidecar
from edgecam.record.disk.library import Library
from edgecam.record.draft import Draft
from edgecam.record.mp4 import Mp4
from pictures import jpeg

WALL = 1.79e9


def event(library: Library, number: int = 0, camera: str = "cam") -> tuple[Sidecar, Sidecar]:
    """A finished clip of a second and the picture beside it; no two show the same. What is told of both."""
    start = WALL + 60 * number
    id = MediaId.new(start, camera, MediaKind.EVENT)
    draft = Draft(id=id.text, start=start, cause="motion", event_id=f"e{number}", complete=True)
    with library.begin(draft).open("wb", buffering=0) as file:
        mp4 = Mp4(file, (frames := _frames(number))[0])
        for frame in frames:
            mp4.write(frame)
        mp4.close()
    best = MotionPicture(
        camera=camera,
        at=start + 1,
        event_id=f"e{number}",
        jpeg=jpeg(100 + number),
        score=80,
        width=320,
        height=240,
        final=True,
    )
    draft, picture = library.save_best(draft, best)
    return library.finish(draft), picture


def _frames(number: int) -> tuple[Frame, ...]:
    return h264(30)[: 15 + number]


def events(root: Path, count: int, camera: str = "cam") -> list[tuple[Sidecar, Sidecar]]:
    """That wait for a store."""
    with opened(root, wanted=lambda _: True) as library:
        return [event(library, number, camera) for number in range(count)]


THINGS: Mapping[str, Callable[[Layout, MediaId], Path]] = {
    "marker": lambda layout, clip: layout.marker(clip),
    "sidecar": lambda layout, clip: layout.sidecar(clip),
    "picture's marker": lambda layout, clip: layout.marker(clip.picture),
}


def _unreadable(path: Path) -> None:
    """The disk refuses it."""
    path.unlink()
    path.symlink_to(path.name)


FATES: Mapping[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(bytes(range(256))),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "unreadable": _unreadable,
}
CASES = [(thing, fate) for thing in THINGS for fate in FATES if (thing, fate) != ("marker", "unreadable")]
"""Nobody reads a clip's marker."""
HURT = [case for case in CASES if case[0] != "marker" or case[1] == "deleted"]
"""Of a clip's marker the name says all."""


def spoil(root: Path, clip: Sidecar, thing: str, fate: str) -> None:
    FATES[fate](THINGS[thing](Layout(root), clip.media))
