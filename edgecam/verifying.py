"""`edgecam spool verify`: reads all media against its hashes, and has made anew what was lost beside it.

Two writers must not meet: the running daemon mends, thing by thing, when it is asked; without one the command claims
the storage, and only when there is something to mend. Media that is not what was recorded stays as it is.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from edgecam import aside
from edgecam.control import Mended
from edgecam.local import Away, Daemon, Refusal
from edgecam.media import Layout, MediaId
from edgecam.offload.waiting import inspect
from edgecam.record.disk.library import Library
from edgecam.record.disk.mender import Mender
from edgecam.supervisor import Fatal

Wanted = Callable[[MediaId], bool]
Show = Callable[[int], None]
LEAST = 19
"""The priority of who can wait (nice(1))."""


class Damage(BaseModel):
    file: str
    """Below `storage.path`."""
    problem: str
    waits: bool
    """For the store: it will not be uploaded, but set aside."""
    left: str | None = None
    """Why it could not be mended; None where nothing can."""


class Repair(BaseModel):
    file: str
    problem: str
    done: str


class Found(BaseModel):
    """What was read, what of it is not what was recorded, and what was mended."""

    files: int = 0
    bytes: int = 0
    damaged: list[Damage] = []
    mended: list[Repair] = []
    strangers: list[str] = []
    """Files in the spool that are not ours."""


class Hands:
    """Who mends: the running daemon, else this process, which claims the storage until `close`. Blocking."""

    def __init__(self, daemon: Daemon, layout: Layout, wanted: Wanted, *, require_mount: bool) -> None:
        self._daemon, self._wanted = daemon, wanted
        self._library = Library(layout, wanted=wanted, require_mount=require_mount)
        self._own: Mender | None = None
        self._unable: str | None = None

    def mend(self, id: MediaId) -> Mended:
        """Raises nothing; `left` says why it could not be."""
        if self._own is None and self._unable is None:
            try:
                told = self._daemon.ask("POST", "api/spool/verify", {"id": id.name})
                return Mended(*(text if isinstance(text := told.get(key), str) else None for key in ("done", "left")))
            except Refusal as refusal:
                return Mended(None, str(refusal))
            except Away as away:
                self._claim(away)
        if self._own is None:
            return Mended(None, self._unable)
        try:
            return self._own.mend(id)
        except OSError as error:
            return Mended(None, f"the disk refuses: {error.strerror}")

    def _claim(self, away: Away) -> None:
        try:
            _as_its_owner(self._library.layout.root)
            self._library.open()
        except (Fatal, OSError) as error:
            self._unable = f"{error}; {away}"
        else:
            self._own = Mender(self._library, self._wanted)

    def close(self) -> None:
        self._library.close()


def _as_its_owner(root: Path) -> None:
    """What root makes there must be the daemon's: this process is its user from now on. Raises OSError."""
    owner = root.stat()
    if os.geteuid() == 0 and owner.st_uid:
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)


def verify(layout: Layout, wanted: Wanted, hands: Hands) -> Found:
    """Read all that has a hash. Leaves the processor and the disk to whoever wants them. Raises OSError."""
    with _bar(layout) as show:
        return aside.start(_gently, layout, wanted, hands, show).result()


def _gently(layout: Layout, wanted: Wanted, hands: Hands, show: Show) -> Found:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LEAST)
    try:
        return _verify(layout, wanted, hands, show)
    finally:
        hands.close()


def _verify(layout: Layout, wanted: Wanted, hands: Hands, show: Show) -> Found:
    found = Found(strangers=[str(path.relative_to(layout.root)) for path in sorted(inspect.strangers(layout))])
    for piece in inspect.pieces(layout, wanted):
        problem = piece.problem if isinstance(piece, inspect.Wrong) else inspect.examine(piece)
        found.files += 1
        found.bytes += piece.size if isinstance(piece, inspect.Piece) else 0
        show(found.files)
        if problem or (isinstance(piece, inspect.Piece) and piece.unmarked):
            _note(found, layout, piece, problem, hands)
    return found


def _note(
    found: Found, layout: Layout, piece: inspect.Piece | inspect.Wrong, problem: str | None, hands: Hands
) -> None:
    """Write down what is wrong, mended if it can be: what has lost its facts or its marker, and what has lost all."""
    file = str(piece.file.relative_to(layout.root))
    lost = not piece.file.exists()
    curable = isinstance(piece, inspect.Wrong) or problem is None or (lost and piece.waits)
    mended = hands.mend(piece.id) if curable else Mended()
    if mended.done and not lost:
        unmarked = "is perhaps not in the store yet" if piece.id.beside else "was not waiting for the store"
        found.mended.append(Repair(file=file, problem=problem or unmarked, done=mended.done))
    elif problem or mended.left:
        problem = "; ".join(filter(None, (problem or "is not waiting for the store", mended.done)))
        found.damaged.append(
            Damage(file=file, problem=problem, waits=piece.waits and not mended.done, left=mended.left)
        )


@contextmanager
def _bar(layout: Layout) -> Iterator[Show]:
    """A progress bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=inspect.count(layout))
        yield lambda done: bar.update(task, completed=done)
