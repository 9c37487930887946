"""`edgecam run`: the daemon as a process, with signals, exit codes and reload."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from edgecam import __version__, aside, log
from edgecam.app import Daemon
from edgecam.clock import SystemClock
from edgecam.config.load import ConfigErrors, Loaded, load
from edgecam.supervisor import Fatal
from edgecam.systemd import Notifier

logger = logging.getLogger(__name__)

STOPPED, FAILED, UNUSABLE = 0, 1, 2
"""Exit codes: 1 asks systemd for a restart, 2 for a person."""
REST = 30.0
"""Seconds in which what the old configuration still writes must be on disk before the new one begins."""


@contextlib.contextmanager
def signals(stop: asyncio.Event, reload: Callable[[], None] = lambda: None) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop`, one more after a second ends the process at once; SIGHUP calls `reload`.

    Shells and `timeout` send the same signal to the process and to its group: that counts as one.
    """
    loop = asyncio.get_running_loop()
    told: float | None = None

    def end() -> None:
        nonlocal told
        if told is not None and loop.time() - told > 1.0:
            logger.warning("told again to stop: ending at once")
            os._exit(FAILED)
        told = told or loop.time()
        stop.set()

    handled = {signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: reload}
    for number, handler in handled.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def main(place: Path, overrides: Sequence[str], environ: Mapping[str, str]) -> int:
    """`edgecam run`. Returns 2 for a wrong configuration; else the process ends here, with the contract's exit code."""
    try:
        loaded = load(place, environ=environ, overrides=overrides)
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return UNUSABLE
    listen_to_the_log(loaded, environ)
    return asyncio.run(_live(loaded, place, overrides, environ))


async def _live(loaded: Loaded, place: Path, overrides: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Run, and end the process from within: Python would wait for threads that hang in a name server or on a disk."""
    code = FAILED
    try:
        await _run(loaded, place, overrides, environ)
        code = STOPPED
    except Fatal as error:
        logger.critical("%s", error)
    except Exception:
        logger.critical("edgecam failed; this is a mistake in edgecam", exc_info=True)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def listen_to_the_log(loaded: Loaded, environ: Mapping[str, str]) -> None:
    """Set logging up as configured, and say what is doubtful in the configuration."""
    config = loaded.config
    log.setup(config.log.level, config.log.format, config.secrets(), config.log.modules, environ=environ)
    for warning in loaded.warnings:
        logger.warning("%s", warning)


async def _run(loaded: Loaded, place: Path, overrides: Sequence[str], environ: Mapping[str, str]) -> None:
    """One daemon after another: a reload that is valid and changes something ends one and starts the next."""
    stop, again, clock = asyncio.Event(), asyncio.Event(), SystemClock()
    coming = loaded

    def reload() -> None:
        nonlocal coming
        try:
            found = load(place, environ=environ, overrides=overrides)
        except ConfigErrors as errors:
            logger.error("reload: the old configuration stays in force:\n%s", errors)
            return
        if found.config == coming.config:
            logger.info("reload: nothing changed")
            return
        coming = found
        again.set()

    with signals(stop, reload):
        while not stop.is_set():
            again.clear()
            logger.info("edgecam %s starts with %s", __version__, place)
            daemon = Daemon(coming.config, clock, environ)
            await _until(stop, again, daemon, Notifier(environ))
            if again.is_set() and not await aside.quiet(clock, REST):
                raise Fatal("reload: the disk does not answer, so a new process has to begin anew")
            if again.is_set():
                listen_to_the_log(coming, environ)
                logger.info("reload: everything restarts with the new configuration")
    logger.info("stopped")


async def _until(stop: asyncio.Event, again: asyncio.Event, daemon: Daemon, notifier: Notifier) -> None:
    """Run `daemon` until either event is set, and tell systemd which."""
    over = asyncio.Event()

    async def hear(event: asyncio.Event, *words: str) -> None:
        await event.wait()
        notifier.tell(*words)
        over.set()

    ears = [
        asyncio.create_task(hear(stop, "STOPPING=1")),
        asyncio.create_task(hear(again, "RELOADING=1")),
    ]
    try:
        await daemon.run(over)
    finally:
        for ear in ears:
            ear.cancel()
