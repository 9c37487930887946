"""Crew: the same work done to many things, by a process for each core.

A process is told its next thing when it has done one, tells how far it is, and ends with the one that started it,
however that ends. One that is killed costs the thing it was at, and another takes its place.

`python -m edgecam.crew DESCRIPTOR` is such a process.
"""

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Generic, TypeVar

from edgecam.bars import Progress

Thing = TypeVar("Thing")
Made = TypeVar("Made")

Work = Callable[[Thing, Progress], Made]
"""Has to be a function of a module, or a partial of one: processes are told its name."""

EVERY = 0.1
"""Seconds between two words of a process about how far it is."""


class Killed(Exception):
    """The process that did the work is gone; the text says how it went."""


@dataclass(frozen=True, slots=True)
class _Step:
    done: float
    total: float | None


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


@dataclass(frozen=True, slots=True)
class _Done:
    made: object


class _Worker(Generic[Thing, Made]):
    """A process and the line to it. It hears no Ctrl-C: that is for us, and it ends when its line does."""

    def __init__(self, work: Work[Thing, Made]) -> None:
        self.line, theirs = Pipe()
        command = [sys.executable, "-m", "edgecam.crew", str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], process_group=0)
        theirs.close()
        self.say(work)

    def say(self, word: object) -> None:
        """To a process that is gone as well: the next word from it tells."""
        with suppress(OSError):
            self.line.send(word)

    def end(self) -> int:
        """Now, whatever it does; the exit code it had, or has because of this."""
        self.line.close()
        self._process.kill()
        return self._process.wait()

    def gone(self) -> Killed:
        """Its line broke: it is ending by itself."""
        code = self._process.wait()
        self.line.close()
        return Killed(f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}")


class _Crew(Generic[Thing, Made]):
    def __init__(self, work: Work[Thing, Made], things: Sequence[Thing], bars: Sequence[Progress]) -> None:
        self.futures: list[Future[Made]] = [Future() for _ in things]
        self._work, self._things, self._bars = work, things, bars
        self._waiting = deque(range(len(things)))
        self._busy: dict[Connection, tuple[_Worker[Thing, Made], int]] = {}
        for _ in range(min(len(os.sched_getaffinity(0)), len(things))):
            self._start(_Worker(work))

    def _start(self, worker: _Worker[Thing, Made]) -> None:
        """Give it the next thing; without one it may go."""
        if not self._waiting:
            worker.end()
            return
        number = self._waiting.popleft()
        self._busy[worker.line] = worker, number
        worker.say(self._things[number])

    def hear(self) -> None:
        """Wait for words of the processes, and act on them."""
        for line in wait(list(self._busy)):
            assert isinstance(line, Connection)
            worker, number = self._busy[line]
            try:
                word = line.recv()
            except (EOFError, OSError):
                word = _Failed(worker.gone())
            if isinstance(word, _Step):
                self._bars[number](word.done, word.total)
                continue
            del self._busy[line]
            self._bars[number](1, 1)
            if isinstance(word, _Failed):
                self.futures[number].set_exception(word.error)
            else:
                self.futures[number].set_result(word.made)
            if not line.closed:
                self._start(worker)
            elif self._waiting:
                self._start(_Worker(self._work))

    def end(self) -> None:
        for worker, _ in self._busy.values():
            worker.end()


def work(
    work: Work[Thing, Made], things: Sequence[Thing], bars: Sequence[Progress]
) -> Generator[Future[Made], None, None]:
    """What became of each thing, in their order, as soon as it and all before it are done.

    Its future has what `work` gave or raised, or Killed. `bars`: one for each thing. A single thing is done in this
    process. Closing the iterator ends what still runs.
    """
    if len(things) == 1:
        yield _here(work, things[0], bars[0])
        return
    crew = _Crew(work, things, bars)
    try:
        for future in crew.futures:
            while not future.done():
                crew.hear()
            yield future
    finally:
        crew.end()


def _here(work: Work[Thing, Made], thing: Thing, bar: Progress) -> Future[Made]:
    future: Future[Made] = Future()
    try:
        future.set_result(work(thing, bar))
    except Exception as error:
        future.set_exception(error)
    bar(1, 1)
    return future


def _serve(line: Connection) -> None:
    """A process of the crew: what it is to do, then thing after thing, until nobody is there any more."""
    told = 0.0

    def progress(done: float, total: float | None) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= EVERY:
            told = now
            line.send(_Step(done, total))

    job = line.recv()
    while True:
        thing = line.recv()
        answer: _Done | _Failed
        try:
            answer = _Done(job(thing, progress))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:
            answer = _Failed(error)
        line.send(answer)


def main() -> int:
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(Connection(int(sys.argv[1])))
    return 0


if __name__ == "__main__":
    from edgecam import crew  # what is sent has to have its real name

    sys.exit(crew.main())
