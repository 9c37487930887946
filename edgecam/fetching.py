"""`edgecam fetch`: media out of the object store, verified, joined if asked for, and then deleted there if asked for.

Knows the rooms that do the work (offload fetches, record cuts); nothing is deleted before all else is on disk.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from edgecam import durable, joining
from edgecam.alone import Busy, alone
from edgecam.config.model import Config
from edgecam.media import MediaKind, iso
from edgecam.offload.back import fetch
from edgecam.offload.back.fetch import Outcome, State
from edgecam.offload.back.listing import Listing, Prefixes, Thing, Wanted, select, starts
from edgecam.offload.pipe import scrubbed
from edgecam.offload.sealing import age
from edgecam.offload.sealing.age import Identities
from edgecam.offload.stores import Store, StoreError, Transient, open_store

DONE, FAILED, USAGE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130
PAUSES = (2.0, 10.0)
"""Seconds before the store is asked again, when it may answer the next time."""

YEARS = range(1971, 9999)
"""In which every day has a day before and one after, in any time zone and in unix seconds."""

T = TypeVar("T")


class Unusable(ValueError):
    """What was asked for makes no sense; the text says what does."""


class Typed(Protocol):
    """The words of the command line."""

    node: str | None
    camera: str | None
    begin: str | None
    end: str | None
    kind: Sequence[str]
    output: Path
    concat: Path | None
    delete: bool
    yes: bool
    json: bool
    identity: Path | None


@dataclass(slots=True)
class Report:
    """What was done so far."""

    store: str
    outcomes: list[Outcome] = field(default_factory=list)
    unfinished: Sequence[str] = ()
    undated: Sequence[str] = ()
    joined: Sequence[joining.Joined] = ()
    unread: Sequence[str] = ()
    deleted: int = 0
    error: str | None = None
    """Why it ended early."""

    @property
    def whole(self) -> Sequence[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.whole]

    def count(self, state: State) -> int:
        return sum(outcome.state is state for outcome in self.outcomes)


def main(config: Config, typed: Typed, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Do what was typed. The exit code: 0 all, 3 some missing or bad, 2 usage, 1 the store or our disk failed, 130 a
    person had enough; whatever it is, the next run goes on from there.
    """
    try:
        wanted, prefixes = _asked(config, typed)
        identities = age.identities(typed.identity) if typed.identity else None
        assert config.offload is not None
        store = open_store(config.offload.store)
    except (Unusable, age.Unreadable) as error:
        return _say(f"edgecam fetch: {error}", USAGE)
    except StoreError as error:
        return _say(f"edgecam fetch: {scrubbed(_told(error), config.secrets())}", FAILED)
    report = Report(store.describe())

    def rest(error: Transient, pause: float) -> None:
        text = scrubbed(f"{report.store}: {_told(error)}", config.secrets())
        _say(f"edgecam fetch: {text}; trying again in {pause:.0f} s")
        sleep(pause)

    try:
        _work(store, wanted, prefixes, typed, report, rest, identities)
    except Unusable as error:
        return _say(f"edgecam fetch: {error}", USAGE)
    except StoreError as error:
        report.error = scrubbed(f"{report.store}: {_told(error)}", config.secrets())
    except OSError as error:
        report.error = f"{error.filename or typed.output}: {error.strerror or error}; the next run goes on from here"
    except Busy:
        return _say(
            f"edgecam fetch: another fetch is at work in {typed.output}: wait for it, or choose another", FAILED
        )
    except KeyboardInterrupt:
        report.error = "interrupted; the next run goes on from here"
        _end(report, typed)
        return INTERRUPTED
    return _end(report, typed)


def _asked(config: Config, typed: Typed) -> tuple[Wanted, Prefixes]:
    """What is wanted, and where it lies. Raises Unusable."""
    if config.offload is None:
        raise Unusable("the configuration has no offload.store to fetch from")
    if typed.delete and not typed.yes and not sys.stdin.isatty():
        raise Unusable("--delete asks before it deletes, and nobody can answer here; add --yes")
    words = {word for given in typed.kind for word in given.split(",")}
    if unknown := words - set(MediaKind):
        raise Unusable(f"--kind: {', '.join(sorted(unknown))} is none of {', '.join(MediaKind)}")
    begin, end = _moment("--from", typed.begin, -math.inf), _moment("--to", typed.end, math.inf)
    if begin >= end:
        raise Unusable("--to must be later than --from")
    ours = frozenset(config.cameras) if typed.node in (None, config.node) else frozenset[str]()
    wanted = Wanted(
        node=typed.node or (config.node if ours else None),
        cameras=frozenset({typed.camera}) if typed.camera else ours,
        kinds=frozenset(map(MediaKind, words)) or frozenset(MediaKind),
        begin=begin,
        end=end,
    )
    lapse = {camera: config.key_prefix(camera, "timelapse") for camera in config.cameras}
    return wanted, Prefixes(config.offload.store.prefix, lapse)


def _moment(option: str, text: str | None, otherwise: float) -> float:
    if text is None:
        return otherwise
    try:
        at = datetime.fromisoformat(text)
        if at.year in YEARS:
            return at.timestamp()
    except ValueError:
        pass
    raise Unusable(f"{option} must be a time such as 2026-11-21T07:15:30Z; without an offset, local time")


Rest = Callable[[Transient, float], None]
"""Told why the store is asked again, and for how many seconds to rest before."""


def _work(
    store: Store,
    wanted: Wanted,
    prefixes: Prefixes,
    typed: Typed,
    report: Report,
    rest: Rest,
    identities: Identities | None,
) -> None:
    listing = _patiently(partial(_listed, store, wanted, prefixes), rest)
    report.unfinished, report.undated = listing.unfinished, listing.undated
    if typed.concat and len(cameras := sorted({f"{thing.node}/{thing.id.camera}" for thing in listing.things})) > 1:
        raise Unusable(f"--concat joins one camera, here are {', '.join(cameras)}: choose with --node and --camera")
    if not (listing.things or listing.unfinished or listing.undated):
        _say(f"edgecam fetch: nothing of that is there ({_sought(wanted, prefixes)})")
    _make(typed.output)
    with alone(typed.output):
        with _bar(sum(thing.size for thing in listing.things)) as advance:
            for thing in listing.things:
                with _swept(typed.output, thing):
                    call = partial(fetch.fetch, store, thing, typed.output, wanted.begin, identities)
                    outcome = _patiently(call, rest)
                if outcome:
                    report.outcomes.append(outcome)
                advance(thing.size)
        if typed.concat:
            report.joined, report.unread = joining.join(_clips(report.whole), typed.concat)
        if typed.delete and report.whole and not report.unread and _confirmed(report, typed):
            for outcome in report.whole:
                _patiently(partial(fetch.delete, store, outcome), rest)
                report.deleted += 1


def _make(folder: Path) -> None:
    """Raises Unusable for a place where nothing can be written."""
    try:
        durable.make_folder(folder)
    except OSError as error:
        raise Unusable(f"-o {folder} cannot be made: {error.filename}: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Unusable(f"-o {folder} cannot be written by you: choose another folder")


def _sought(wanted: Wanted, prefixes: Prefixes) -> str:
    """Where nothing was, for who has mistyped it."""
    cameras = ", ".join(sorted(wanted.cameras)) or "any"
    return f"prefix: {prefixes.common or 'none'}, node: {wanted.node or 'any'}, camera: {cameras}"


@contextmanager
def _swept(folder: Path, thing: Thing) -> Iterator[None]:
    """What is half here when it goes wrong would cost room, on a full disk at that."""
    try:
        yield
    except BaseException:
        for place in (folder, folder / thing.id.camera / thing.id.day):
            for path in place.glob(f"{thing.name}.*{fetch.NEW}*"):
                with suppress(OSError):
                    path.unlink()
        raise


def _listed(store: Store, wanted: Wanted, prefixes: Prefixes) -> Listing:
    objects = (stored for start in starts(prefixes, wanted, time.time()) for stored in store.list(start))
    return select(objects, prefixes, wanted)


def _patiently(call: Callable[[], T], rest: Rest) -> T:
    """What `call` gives; once more, and once again, where the store may think better of it."""
    for pause in PAUSES:
        try:
            return call()
        except Transient as error:
            rest(error, min(error.retry_after or pause, 60.0))
    return call()


def _clips(outcomes: Sequence[Outcome]) -> Sequence[joining.Clip]:
    """The films among them. A timelapse has no time line that clips could share, so it is joined by itself only."""
    films = [(outcome.thing.id, outcome.file) for outcome in outcomes if outcome.file and outcome.file.suffix == ".mp4"]
    clips = [film for film in films if film[0].kind is not MediaKind.TIMELAPSE] or films
    return [joining.Clip(id.start, file, id.kind is MediaKind.CONTINUOUS) for id, file in clips]


def _confirmed(report: Report, typed: Typed) -> bool:
    if typed.yes:
        return True
    sys.stderr.write(f"Delete {_things(len(report.whole))} from {report.store}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing in a pipe. Counts bytes."""
    if not sys.stderr.isatty():
        yield lambda size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("fetch", total=total)
        yield lambda size: bar.advance(task, size)


def _end(report: Report, typed: Typed) -> int:
    """Tell it; the exit code."""
    sys.stdout.write(f"{json.dumps(_facts(report), indent=1) if typed.json else _summary(report)}\n")
    sealed = 0 if typed.identity else report.count(State.SEALED)
    for outcome in report.outcomes:
        if not outcome.whole and not (sealed and outcome.state is State.SEALED):
            _say(f"{outcome.state}: {outcome.thing.stem}: {outcome.reason}")
    if sealed:
        _say(f"{_things(sealed)} sealed with age: give --identity FILE")
    for key in report.unfinished:
        _say(f"unfinished: {key} has no manifest yet and was left alone")
    if report.undated:
        count = _things(len(report.undated))
        _say(f"undated: {count} of a clock that was not set, so of unknown time: fetched without --from and --to only")
    for text in report.unread:
        _say(text)
    if report.error:
        return _say(f"edgecam fetch: {report.error}", FAILED)
    if typed.concat and not report.joined:
        return _say("edgecam fetch: there is nothing to join", INCOMPLETE)
    if typed.delete and report.unread:
        _say("edgecam fetch: nothing was deleted, as the joined film lacks something")
    return DONE if len(report.whole) == len(report.outcomes) and not report.unread else INCOMPLETE


def _summary(report: Report) -> str:
    lines = [f"{report.count(State.FETCHED)} fetched from {report.store}, {report.count(State.ALREADY)} already here"]
    if lost := len(report.outcomes) - len(report.whole):
        lines[0] += f", {lost} missing, bad or sealed"
    lines += [f"{film.file}: {iso(film.begin)} to {iso(film.end)}, gaps: {len(film.gaps)}" for film in report.joined]
    if report.deleted:
        lines.append(f"{_things(report.deleted)} deleted there")
    return "\n".join(lines)


def _facts(report: Report) -> Mapping[str, object]:
    return {
        "store": report.store,
        "media": [
            {
                "id": outcome.thing.id.text,
                "node": outcome.thing.node,
                "camera": outcome.thing.id.camera,
                "kind": outcome.thing.id.kind,
                "key": outcome.thing.stem,
                "state": outcome.state,
                "reason": outcome.reason,
                "file": outcome.file and str(outcome.file),
            }
            for outcome in report.outcomes
        ],
        "unfinished": list(report.unfinished),
        "undated": list(report.undated),
        "joined": [
            {
                "file": str(film.file),
                "begin": iso(film.begin),
                "end": iso(film.end),
                "gaps": [[iso(begin), iso(end)] for begin, end in film.gaps],
            }
            for film in report.joined
        ],
        "not_joined": list(report.unread),
        "deleted": report.deleted,
        "error": report.error,
    }


def _things(count: int) -> str:
    return f"{count} recording{'' if count == 1 else 's'}"


def _told(error: StoreError) -> str:
    return f"{error}; {error.hint}" if error.hint else str(error)


def _say(text: str, code: int = DONE) -> int:
    """To the person at the terminal: standard output is for the result."""
    sys.stderr.write(f"{text}\n")
    return code
