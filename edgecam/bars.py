"""Bars: how far long work has come, on a terminal; nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Progress = Callable[[float, float | None], None]
"""Told how much is done, and of how much where that is known. More than once all of it is fine."""


@contextmanager
def bars() -> Iterator[Callable[[str], Progress]]:
    """What draws a bar of that name: made with its first step, gone when all is done."""
    if not sys.stderr.isatty():
        yield lambda name: lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Screen

    def bar(name: str) -> Progress:
        task = None

        def progress(done: float, total: float | None) -> None:
            nonlocal task
            if task is None:
                task = screen.add_task(name, total=None)
            screen.update(task, completed=done, total=total, visible=total is None or done < total)

        return progress

    both = sys.stdout.isatty()  # else what is printed meanwhile is not for the screen
    with Screen(console=Console(stderr=True), transient=True, redirect_stdout=both) as screen:
        yield bar


def shared(bar: Progress, count: int) -> Sequence[Progress]:
    """One bar for `count` things, each as much of it as the others."""
    shares = [0.0] * count

    def share(number: int) -> Progress:
        def progress(done: float, total: float | None) -> None:
            shares[number] = max(shares[number], min(1.0, done / total)) if total else shares[number]
            bar(sum(shares), count)

        return progress

    return [share(number) for number in range(count)]
