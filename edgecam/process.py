"""`edgecam run`: the daemon as a process, with signals, exit codes and reload."""

import asyncio
import contextlib
import gc
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
from edgecam.config import diff, effective
from edgecam.config.load import Loaded, load
from edgecam.config.places import ConfigErrors, Problem, Spot
from edgecam.control import Reloaded
from edgecam.events import ConfigRefused, ConfigReloaded, Fact
from edgecam.supervisor import Fatal
from edgecam.systemd import Notifier

logger = logging.getLogger(__name__)

STOPPED, FAILED, UNUSABLE = 0, 1, 2
"""Exit codes: 1 asks systemd for a restart, 2 for a person."""
EVERYTHING = ("everything",)
"""What a reload that changes something restarts (docs/decisions/0003)."""
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
    return asyncio.run(_live(Process(loaded, place, overrides, environ)))


async def _live(process: "Process") -> NoReturn:
    """Run, and end the process from within: Python would wait for threads that hang in a name server or on a disk."""
    code = FAILED
    try:
        if await process.run():
            _begin_afresh()
        code = STOPPED
    except Fatal as error:
        logger.critical("%s", error)
    except Exception:
        logger.critical("edgecam failed; this is a mistake in edgecam", exc_info=True)
    _flush()
    os._exit(code)


def _begin_afresh() -> NoReturn:
    """Become the same command once more, in this process: systemd and whoever else knows its number keep it.

    Raises Fatal when Python is not there any more.
    """
    logger.info("edgecam begins afresh, with what is installed now")
    _flush()
    try:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (our own command line)
    except OSError as error:
        raise Fatal(f"restart: {sys.executable}: {error.strerror}") from error


def _flush() -> None:
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stdout.flush()
    sys.stderr.flush()


def listen_to_the_log(loaded: Loaded, environ: Mapping[str, str]) -> None:
    """Set logging up as configured, and say what is doubtful in the configuration."""
    config = loaded.config
    log.setup(config.log.level, config.log.format, config.secrets(), config.log.modules, environ=environ)
    for warning in loaded.warnings:
        logger.warning("%s", warning)


class Process:
    """One daemon after another: whatever is asked of it (by a signal, over MQTT, HTTP) takes the same way here.

    `control.Lifetime`. Loop thread only.
    """

    def __init__(self, loaded: Loaded, place: Path, overrides: Sequence[str], environ: Mapping[str, str]) -> None:
        self._loaded, self._place, self._overrides, self._environ = loaded, place, overrides, environ
        self._clock = SystemClock()
        self._stop, self._again = asyncio.Event(), asyncio.Event()
        self._reading = asyncio.Lock()
        self._tasks = set[asyncio.Task[object]]()
        self._daemon: Daemon | None = None
        self._news: ConfigReloaded | None = None
        """What the next daemon has to tell."""
        self._afresh = False

    # what can be asked for -----------------------------------------------------------------------------------------

    async def reload(self) -> Reloaded:
        async with self._reading:
            found, told = await self._checked("reload")
            self._loaded = found
            if told.changed:
                logger.info("reload: changed: %s", ", ".join(told.changed))
                untold = self._news.changed if self._news else ()  # of a reload that is not through yet
                self._news = self._as_news(Reloaded(tuple(dict.fromkeys((*untold, *told.changed))), told.restarted))
                self._again.set()
            else:
                logger.info("reload: nothing changed")
                self._tell(self._as_news(told))
            return told

    async def compare(self) -> Reloaded:
        return (await self._compare())[1]

    async def restart(self) -> None:
        async with self._reading:
            await self._checked("restart")  # a file with which nothing could start must not end what runs
            logger.info("restart: somebody asked for it")
            self._afresh = True
            self._again.set()

    def effective(self) -> dict[str, object]:
        return effective.data(self._loaded)

    async def _checked(self, what: str) -> tuple[Loaded, Reloaded]:
        """As `_compare`; who listens to the log or to MQTT hears of a wrong file as well."""
        try:
            return await self._compare()
        except ConfigErrors as errors:
            logger.error("%s: the old configuration stays in force:\n%s", what, errors, extra=log.ANSWER)
            self._tell(ConfigRefused(at=self._clock.wall(), problems=tuple(map(str, errors.problems))))
            raise

    async def _compare(self) -> tuple[Loaded, Reloaded]:
        """What the file says now, and what that changes. Raises ConfigErrors."""
        found = await aside.run(load, self._place, environ=self._environ, overrides=self._overrides)
        if self._loaded.tree.entries and not found.tree.entries:  # many editors empty a file before they write it
            sentence = "nothing is set here any more: is it being written, or the disk full?"
            raise ConfigErrors([Problem(Spot(str(self._place), 1, 1), "", sentence)])
        changed = diff.changes(self._loaded.config, found.config)
        return found, Reloaded(changed, EVERYTHING if changed else ())

    def _as_news(self, told: Reloaded) -> ConfigReloaded:
        return ConfigReloaded(at=self._clock.wall(), changed=told.changed, restarted=told.restarted)

    def _tell(self, fact: Fact) -> None:
        if self._daemon is not None:
            self._daemon.bus.publish(fact)

    def _hang_up(self) -> None:
        """SIGHUP."""

        async def reload() -> None:
            with contextlib.suppress(ConfigErrors):  # the log has them
                await self.reload()

        task: asyncio.Task[object] = asyncio.create_task(reload(), name="reload")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> bool:
        """Serve until told to stop; True when the program is to begin afresh. Raises Fatal."""
        with signals(self._stop, self._hang_up):
            while not self._stop.is_set():
                self._again.clear()
                logger.info("edgecam %s starts with %s", __version__, self._place)
                await self._serve()
                if not self._again.is_set() or self._stop.is_set():
                    break
                if not await aside.quiet(self._clock, REST):
                    raise Fatal("the disk does not answer, so a new process has to begin anew")
                if self._afresh:
                    return True
                gc.collect()  # else the pictures of the old daemon fill the memory beside those of the new one
                listen_to_the_log(self._loaded, self._environ)
                logger.info("reload: everything restarts with the new configuration")
        logger.info("stopped")
        return False

    async def _serve(self) -> None:
        """One daemon, until it is told to stop or to begin anew; systemd hears which."""
        notifier, over = Notifier(self._environ), asyncio.Event()

        async def hear(event: asyncio.Event, *words: str) -> None:
            await event.wait()
            notifier.tell(*words)
            over.set()

        ears = [
            asyncio.create_task(hear(self._stop, "STOPPING=1")),
            asyncio.create_task(hear(self._again, "RELOADING=1")),
        ]
        self._daemon = Daemon(self._loaded.config, self._clock, self._environ, self)
        try:
            await self._daemon.run(over, self._lives)
        finally:
            self._daemon = None
            for ear in ears:
                ear.cancel()

    def _lives(self) -> None:
        """A daemon lives, with everybody who listens to it."""
        if self._news is not None:
            news, self._news = self._news, None
            self._tell(news)
