"""`edgecam spool`: what waits for the store, as the running daemon knows it, and as it lies on the disk."""

import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from pydantic import BaseModel

from edgecam.config.model import Config
from edgecam.local import Away, Daemon, Refusal
from edgecam.media import Layout, MediaKind, Time
from edgecam.offload import inspect
from edgecam.offload.spool import Spool
from edgecam.record.disk.mount import mounted

OK, FAILED, BAD = 0, 1, 3


class Report(BaseModel):
    """What a command found: JSON for programs, `lines` for people."""

    @abstractmethod
    def lines(self) -> Iterator[str]: ...


def main(what: str, config: Config, environ: Mapping[str, str], daemon: Daemon, *, as_json: bool) -> int:
    """Returns the exit code: 0 done, 1 failed, 3 when `verify` found something that is not what was recorded."""
    layout = Layout(config.storage_path(environ))
    try:
        if what == "status":
            found: Report = status(daemon, config, layout)
        elif what == "retry":
            found = Retried.model_validate(daemon.ask("POST", "api/spool/retry"))
        else:
            _check(config, layout)
            found = listing(config, layout) if what == "list" else verify(layout)
    except (Away, Refusal) as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"{error.filename or layout.root}: {error.strerror or error}")
    sys.stdout.write(found.model_dump_json(indent=1) if as_json else "\n".join(found.lines()))
    sys.stdout.write("\n")
    return BAD if isinstance(found, Verified) and found.damaged else OK


def _failed(text: str) -> int:
    sys.stderr.write(f"edgecam spool: {text}\n")
    return FAILED


def _check(config: Config, layout: Layout) -> None:
    """An empty mount point must not look like an empty spool. Raises OSError."""
    if not layout.root.is_dir():
        raise FileNotFoundError(2, "there is no such folder; name the daemon's file with -c", str(layout.root))
    if config.storage.require_mount and not mounted(layout.root):
        raise FileNotFoundError(2, "nothing is mounted there", str(layout.root))


class Standing(Report):
    """How the offload stands."""

    running: bool
    """Whether the daemon said so; without it only the disk was asked."""
    state: str
    """ok, retrying, blocked, full, held or off; unknown without the daemon."""
    reason: str | None
    since: Time | None = None
    next_try: Time | None = None
    files: int
    bytes: int
    oldest: Time | None
    bad: int
    rate: float | None = None
    """Bytes per second over the last minute."""
    last_stored: Time | None = None
    delay: float | None = None
    """Seconds from the end of what was stored last to its receipt."""
    stored: int | None = None
    bytes_stored: int | None = None
    failures: int | None = None
    lost: int | None = None
    conflicts: int | None = None
    torn: int | None = None

    def lines(self) -> Iterator[str]:
        since = f", for {_age(self.since)}" if self.since is not None else ""
        yield f"state:     {self.state}{f' ({self.reason})' if self.reason else ''}{since}"
        if self.next_try is not None:
            wait = self.next_try - time.time()
            yield f"next try:  {f'in {_lasting(wait)}' if wait > 0 else 'under way'}, {self.failures} failed so far"
        oldest = f", the oldest from {_age(self.oldest)} ago" if self.oldest is not None else ""
        yield f"waiting:   {_files(self.files)}, {_size(self.bytes)}{oldest}"
        if self.running:
            yield f"leaving:   {_size(round(self.rate or 0))}/s over the last minute"
            last = f", the last {_age(self.last_stored)} ago" if self.last_stored is not None else ""
            after = f" and {_lasting(self.delay)} after its end" if self.delay is not None else ""
            size = f", {_size(self.bytes_stored)}" if self.bytes_stored else ""
            yield f"stored:    {self.stored} since start{size}{last}{after}"
            yield f"lost:      {self.lost} dropped before they were stored, {self.conflicts} conflicts"
        yield f"set aside: {self.bad} in spool/bad" + ("; `edgecam spool list` says why" if self.bad else "")


def status(daemon: Daemon, config: Config, layout: Layout) -> Standing:
    """Of the running daemon; of the disk alone when none answers. Raises Refusal, OSError."""
    try:
        told = daemon.ask("GET", "api/health")["spool"]
    except Away as away:
        _check(config, layout)
        census = Spool(layout).census()
        return Standing(
            running=False,
            state="unknown",
            reason=str(away),
            files=len(census.new),
            bytes=sum(thing.size for thing in census.new),
            oldest=min((thing.id.start for thing in census.new), default=None),
            bad=census.bad,
        )
    return Standing.model_validate({"running": True} | (told if isinstance(told, dict) else {}))


class Retried(Report):
    """The daemon tries the store now."""

    files: int

    def lines(self) -> Iterator[str]:
        yield f"the store is tried now ({_files(self.files)} waiting); `edgecam spool status` says how it went"


class Waits(BaseModel):
    id: str
    camera: str
    kind: MediaKind
    still: bool
    size: int
    start: Time


class Listing(Report):
    """What waits, the most urgent first, and what was set aside."""

    waiting: list[Waits]
    bad: list[inspect.SetAside]

    def lines(self) -> Iterator[str]:
        for thing in self.waiting:
            name = thing.id + (".jpg" if thing.still else "")
            yield f"{name}  {thing.kind}  {_size(thing.size)}  {_age(thing.start)}"
        for one in self.bad:
            yield f"spool/bad/{one.file}  {_size(one.size)}  {one.reason or 'nobody wrote down why'}"
        if not self.waiting and not self.bad:
            yield "nothing waits"


def listing(config: Config, layout: Layout) -> Listing:
    """Raises OSError."""
    waiting = inspect.waiting(layout, config.offload.order if config.offload else "events-first")
    return Listing(
        waiting=[
            Waits(id=id.text, camera=id.camera, kind=id.kind, still=id.still, size=thing.size, start=id.start)
            for thing in waiting
            for id in (thing.id,)
        ],
        bad=inspect.set_aside(layout),
    )


class Damage(BaseModel):
    file: str
    """Below `storage.path`."""
    problem: str
    waits: bool
    """For the store: it will not be uploaded, but set aside."""


class Verified(Report):
    """What was read, and what of it is not what was recorded."""

    files: int = 0
    bytes: int = 0
    damaged: list[Damage] = []

    def lines(self) -> Iterator[str]:
        for one in self.damaged:
            yield f"{one.file}: {one.problem}{'; it waits for the store' if one.waits else ''}"
        bad = f"{len(self.damaged)} bad" if self.damaged else "all as recorded"
        yield f"{_files(self.files)}, {_size(self.bytes)}: {bad}"


def verify(layout: Layout) -> Verified:
    """Read all that has a hash. Raises OSError."""
    found = Verified(damaged=[])
    with _bar(layout) as show:
        for piece in inspect.pieces(layout):
            if isinstance(piece, inspect.Piece):
                problem = inspect.examine(piece)
                found.bytes += piece.size
            else:
                problem = piece.problem
            found.files += 1
            show(found.files)
            if problem:
                file = str(piece.file.relative_to(layout.root))
                found.damaged.append(Damage(file=file, problem=problem, waits=piece.waits))
    return found


@contextmanager
def _bar(layout: Layout) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=inspect.count(layout))
        yield lambda done: bar.update(task, completed=done)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _size(count: int) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def _age(wall: float) -> str:
    return _lasting(max(0.0, time.time() - wall))


def _lasting(seconds: float) -> str:
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
