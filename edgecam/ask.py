"""`edgecam clip`, `edgecam snapshot`, `edgecam check --diff`: asked of the running daemon, told on the terminal."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from edgecam.local import Away, Daemon, Refusal

OK, FAILED, USAGE = 0, 1, 2
PATIENCE = 600.0
"""Seconds in which a clip is finished, coding and all, or something is wrong."""
PAUSE = 0.3


class Unfinished(Exception):
    """The clip did not appear in time."""


def clip(
    daemon: Daemon,
    camera: str,
    last: float,
    output: Path | None,
    *,
    as_json: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Save the last seconds and wait until the clip is whole. Returns the exit code."""

    def run() -> Mapping[str, object]:
        saved = daemon.ask("POST", f"api/cameras/{quote(camera, safe='')}/clips", {"last": last})
        say(f"{camera}: {_number(saved['duration']):.1f} s, {_clock(saved['begin'])} to {_clock(saved['end'])}")
        if saved["note"]:
            say(str(saved["note"]))
        facts = _finished(daemon, str(saved["id"]), sleep)
        if output is not None:
            _fetch(daemon, str(saved["url"]), output)
        return {**facts, **saved} if as_json else saved

    return _told(run, output, as_json=as_json)


def snapshot(daemon: Daemon, camera: str, output: Path | None, *, as_json: bool) -> int:
    """Take a picture now and keep it. Returns the exit code."""

    def run() -> Mapping[str, object]:
        id = quote(camera, safe="")
        taken = daemon.ask("POST", f"api/cameras/{id}/snapshot")
        say(f"{camera}: {taken['width']}x{taken['height']}, {_clock(taken['time'])}")
        if taken["id"] is None:
            say("it could not be kept on disk; the daemon's log says why")
        if output is not None:
            _fetch(daemon, str(taken["url"] or f"cameras/{id}/snapshot.jpg"), output)
        return taken

    return _told(run, output, as_json=as_json)


def diff(daemon: Daemon) -> int:
    """Tell what a reload would change, and restart. Returns the exit code: 0 also where no daemon runs."""
    try:
        told = daemon.ask("GET", "api/reload")
    except Away as error:
        say(f"nothing to compare with: {error}")
        return OK
    except Refusal as error:  # of a file that is valid here: the daemon reads it with an environment of its own
        say(f"the running daemon would refuse it: {error}")
        return USAGE
    changed, restarted = _texts(told["changed"]), _texts(told["restarted"])
    lines = ["a reload would change:", *(f"  {key}" for key in changed), f"and restart {', '.join(restarted)}"]
    sys.stdout.write("\n".join(lines if changed else ["a reload would change nothing"]) + "\n")
    return OK


def say(text: str) -> None:
    """To the person at the terminal: standard output is for the result."""
    sys.stderr.write(f"{text}\n")


def _told(run: Callable[[], Mapping[str, object]], output: Path | None, *, as_json: bool) -> int:
    """Do it, print the result; what went wrong becomes one line and an exit code."""
    try:
        found = run()
    except Refusal as error:
        say(f"edgecam: {error}")
        return USAGE if error.status in (400, 404) else FAILED
    except (Away, Unfinished) as error:
        say(f"edgecam: {error}")
        return FAILED
    except OSError as error:
        say(f"edgecam: {error.filename or output}: {error.strerror}")
        return FAILED
    if output != Path("-"):
        sys.stdout.write(f"{json.dumps(found, indent=1) if as_json else output or found['url'] or ''}\n")
    return OK


def _finished(daemon: Daemon, id: str, sleep: Callable[[float], None]) -> Mapping[str, object]:
    """Wait for the clip; what is known of it then. Raises Unfinished."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < PATIENCE:
        try:
            found = daemon.ask("GET", f"api/media/{id}")
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            _show(f"the clip is being finished, {waited:.0f} s")
            sleep(PAUSE)
        else:
            _show("")
            return found
    raise Unfinished(f"{id} is not finished after {PATIENCE:.0f} s; the daemon's log says why")


def _show(text: str) -> None:
    """One line of a terminal that the next one replaces."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _fetch(daemon: Daemon, url: str, output: Path) -> None:
    with _written(output) as file:
        daemon.fetch(url, file)


@contextlib.contextmanager
def _written(output: Path) -> Iterator[BinaryIO]:
    """A file that bears its name when it is whole; `-` is standard output."""
    if output == Path("-"):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, output)  # noqa: PTH105
    finally:
        part.unlink(missing_ok=True)


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _clock(value: object) -> str:
    """An ISO time as this box's clock shows it."""
    return f"{datetime.fromisoformat(str(value)).astimezone():%H:%M:%S}"
