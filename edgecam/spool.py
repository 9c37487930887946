"""`edgecam spool`: what waits for the store, as the running daemon knows it, and as it lies on the disk."""

import sys
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import partial

from pydantic import BaseModel

from edgecam import verifying
from edgecam.config.model import Config
from edgecam.local import Away, Daemon, Refusal
from edgecam.media import Layout, MediaId, MediaKind, Time
from edgecam.offload.waiting import inspect
from edgecam.offload.waiting.spool import Spool
from edgecam.record.disk.mount import mounted

OK, FAILED, BAD = 0, 1, 3
SHOWN = 40
"""Lines of one sort that a person is shown."""
_UNTOLD = "nobody wrote down why"


class Report(BaseModel):
    """What a command found: JSON for programs, `lines` for people."""

    @abstractmethod
    def lines(self) -> Iterator[str]: ...


def main(what: str, config: Config, environ: Mapping[str, str], daemon: Daemon, *, as_json: bool) -> int:
    """Returns the exit code: 0 done, 1 failed, 3 when `verify` found what is not as recorded and cannot be mended."""
    layout = Layout(config.storage_path(environ))
    try:
        if what == "status":
            found: Report = status(daemon, config, layout)
        elif what == "retry":
            found = retry(daemon, layout)
        else:
            _check(config, layout)
            found = listing(config, layout) if what == "list" else verify(daemon, config, layout)
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
            yield f"lost:      {self.lost} dropped before they were stored, conflicts: {self.conflicts}"
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
            oldest=min((thing.id.start for thing in census.new if not thing.id.unsynced), default=None),
            bad=census.bad,
        )
    return Standing.model_validate({"running": True} | (told if isinstance(told, dict) else {}))


class Stays(BaseModel):
    file: str
    """In spool/bad."""
    reason: str


class Retried(Report):
    """The daemon tries the store now, if anything may go, also with what was set aside and is sound."""

    files: int
    held: str | None = None
    """Why nothing may go now, whoever asks."""
    back: list[str] = []
    """Media that is back in the library."""
    stays: list[Stays] = []

    def lines(self) -> Iterator[str]:
        yield from _head([f"{file}: back in its place" for file in self.back])
        yield from _head([f"spool/bad/{one.file} stays: {one.reason}" for one in self.stays])
        if self.held:
            yield f"nothing may go now ({_files(self.files)} waiting): {self.held}"
        else:
            yield f"the store is tried now ({_files(self.files)} waiting); `edgecam spool status` says how it went"


def retry(daemon: Daemon, layout: Layout) -> Retried:
    """Have brought back what was set aside, but for what is not what was recorded. Raises Away, Refusal, OSError."""
    back, stays = list[str](), list[Stays]()
    for one in inspect.set_aside(layout):
        told = daemon.ask("POST", "api/spool/retry", {"file": one.file})
        if told.get("done"):
            back.append(one.file)
        elif told.get("left"):
            stays.append(Stays(file=one.file, reason=str(told["left"])))
    return Retried(**(dict(daemon.ask("POST", "api/spool/retry")) | {"back": back, "stays": stays}))


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
        for thing in self.waiting[:SHOWN]:
            name = thing.id + (".jpg" if thing.still else "")
            age = "no date" if MediaId.parse(thing.id).unsynced else _age(thing.start)
            yield f"{name}  {thing.kind}  {_size(thing.size)}  {age}"
        if rest := self.waiting[SHOWN:]:
            yield f"... and {_files(len(rest))} more, {_size(sum(one.size for one in rest))}; --json has them all"
        yield from _head([f"spool/bad/{one.file}  {_size(one.size)}  {one.reason or _UNTOLD}" for one in self.bad])
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


class Verified(Report, verifying.Found):
    """What was read, what of it is not what was recorded, and what was mended."""

    def lines(self) -> Iterator[str]:
        for one in self.damaged:
            waits = "; it waits for the store" if one.waits else ""
            yield f"{one.file}: {one.problem}{f'; not mended: {one.left}' if one.left else ''}{waits}"
        yield from _head([f"mended: {one.file}: {one.problem}; {one.done}" for one in self.mended])
        yield from _head([f"{file}: not ours; nobody looks at it" for file in self.strangers])
        told = [f"{len(self.damaged)} bad"] * bool(self.damaged) + [f"{len(self.mended)} mended"] * bool(self.mended)
        yield f"{_files(self.files)}, {_size(self.bytes)}: {', '.join(told) or 'all as recorded'}"


def verify(daemon: Daemon, config: Config, layout: Layout) -> Verified:
    """Read all that has a hash, and have mended what can be. Raises OSError."""
    wanted = partial(_wanted, config)
    hands = verifying.Hands(daemon, layout, wanted, require_mount=config.storage.require_mount)
    return Verified(**dict(verifying.verify(layout, wanted, hands)))


def _wanted(config: Config, id: MediaId) -> bool:
    return id.kind in config.offload_kinds(id.camera)


def _head(lines: list[str]) -> Iterator[str]:
    """As many as a person reads; JSON has them all."""
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"... and {len(lines) - SHOWN} more; --json has them all"


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
