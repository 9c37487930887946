"""Keeps components alive. A component's `run` is one life; the supervisor gives it the next one."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from edgecam import aside
from edgecam.clock import Clock

log = logging.getLogger(__name__)

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
HEALTHY = 60.0
"""A life this long (s) sets the back-off back to FIRST_WAIT."""


class Fatal(Exception):
    """Ends the process with exit code 1, to be restarted by systemd. The text is for the person who must act."""


class Trouble(Exception):
    """Something that is wrong in the world and not in the code. The text is for the person who must act.

    `pause`: seconds to wait at least before the next life, where trying again at once would do harm.
    """

    def __init__(self, text: str, *, pause: float = 0.0) -> None:
        super().__init__(text)
        self.pause = pause


class Component(Protocol):
    """A long-lived thing with a name and one life at a time; it cleans up in `finally`."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None:
        """One life. Returns when it is over for good; any exception but Fatal asks for another life."""
        ...


@dataclass(slots=True)
class Vitals:
    """What the supervisor knows of one component; read by health."""

    name: str
    lives: int = 0
    living: bool = False
    began: float = 0.0
    """Monotonic time at which the newest life began."""
    attempts: int = 0
    """Lives in a row that failed."""
    error: str | None = None
    """Why the last life ended, while `attempts` is not zero."""
    told: set[str] = field(default_factory=set)
    """The reasons that are in the log already, since it worked last."""
    born: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first life began."""
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to have the next life begin at once, however long it was to wait."""

    def trouble(self, now: float) -> str | None:
        """Why it does not stay alive: two lives or more failed in a row and it is not healthy (again)."""
        ill = self.attempts >= 2 and not (self.living and now - self.began >= HEALTHY)
        return self.error if ill else None


def reason(error: BaseException) -> str:
    """The error in words, for a log line; the type alone when it has none."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


async def keep(
    component: Component,
    clock: Clock,
    vitals: Vitals,
    *,
    longest: float = LONGEST_WAIT,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Live `component` for ever: again after an exception, with back-off 1 s doubling to `longest`, half of it jitter.

    Returns when `run` returns. Raises Fatal and CancelledError only.
    """
    while True:
        vitals.lives += 1
        vitals.living, vitals.began = True, clock.monotonic()
        vitals.born.set()
        try:
            await component.run()
        except (Fatal, asyncio.CancelledError):
            raise
        except Exception as error:
            vitals.living = False
            if clock.monotonic() - vitals.began >= HEALTHY:
                recovered(vitals)
            full = min(longest, FIRST_WAIT * 2.0 ** min(vitals.attempts, 16))
            wait = max(full * (0.5 + jitter() / 2), error.pause if isinstance(error, Trouble) else 0.0)
            vitals.attempts += 1
            vitals.error = reason(error)
            _complain(component.name, vitals, error, wait)
            vitals.hurry.clear()
            with suppress(TimeoutError):
                await aside.within(clock, wait, vitals.hurry.wait())
        else:
            return


def _complain(name: str, vitals: Vitals, error: Exception, wait: float) -> None:
    """Each reason once, then at attempts 2, 4, 8, …: a fault that lasts a week is no flood."""
    if vitals.error in vitals.told and vitals.attempts & (vitals.attempts - 1):
        return
    vitals.told.add(str(vitals.error))
    count = f" (attempt {vitals.attempts})" if vitals.attempts > 1 else ""
    known = isinstance(error, OSError | Trouble)
    log.warning("%s: %s, trying again in %.0f s%s", name, vitals.error, wait, count, exc_info=None if known else error)


def recovered(vitals: Vitals) -> int:
    """Called by a component that works again: forgets the trouble and returns after how many failed attempts."""
    attempts, vitals.attempts, vitals.error = vitals.attempts, 0, None
    vitals.told.clear()
    return attempts


async def serve(
    components: Sequence[tuple[Component, Vitals, float]],
    clock: Clock,
    stop: asyncio.Event,
    *,
    patience: float = 9.0,
) -> None:
    """Keep all components (each with its longest wait) until `stop` is set; then cancel them in reverse order.

    Each may clean up before the next is cancelled; all together have `patience` seconds, then they are left behind.
    Raises Fatal as soon as one component does.
    """
    tasks: list[asyncio.Task[None]] = []
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        for component, vitals, longest in components:
            tasks.append(
                asyncio.create_task(keep(component, clock, vitals, longest=longest), name=f"keep {component.name}")
            )
        running: set[asyncio.Task[object]] = {stopping, *tasks}
        while not stopping.done():
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
    finally:
        stopping.cancel()
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        for task in reversed(tasks):
            task.cancel()
            _, late = await asyncio.wait({task}, timeout=max(0.0, end - loop.time()))
            if late:
                log.error("%s did not stop in time; left behind", task.get_name().removeprefix("keep "))
