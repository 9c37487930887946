"""Blocking work beside the loop, where a disk that hangs does no harm."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from edgecam.clock import Clock

T = TypeVar("T")
P = ParamSpec("P")

_NAME = "edgecam "


def start(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Run `call` on a daemon thread of its own: one that never returns is left behind, and delays no exit."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def live() -> None:
        try:
            result = call(*args, **kwargs)
        except BaseException as error:  # the future carries it to whoever waits
            future.set_exception(error)
        else:
            future.set_result(result)

    name = _NAME + getattr(call, "__name__", "work").strip("_")
    threading.Thread(target=live, name=name, daemon=True).start()
    return future


def pool(threads: int) -> Executor:
    """For short work that nobody has to wait for at an exit. `quiet` waits for what it does while it is shut down."""
    return ThreadPoolExecutor(threads, f"{_NAME}pool")


async def quiet(clock: Clock, seconds: float) -> bool:
    """Wait until none of these threads is at work, and pools are shut down; False when one is not after `seconds`."""
    end = clock.monotonic() + seconds
    while any(thread.name.startswith(_NAME) for thread in threading.enumerate()):
        if clock.monotonic() >= end:
            return False
        await clock.sleep(0.05)
    return True


async def run(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Await `call` on a daemon thread of its own. Cancelling the caller does not stop the thread."""
    return await asyncio.shield(asyncio.wrap_future(start(call, *args, **kwargs)))


def join(tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str) -> bool:
    """Have `work` done in `tasks`; False when these are over already, or about to be."""
    try:
        tasks.create_task(work, name=name)
    except RuntimeError:
        work.close()
        return False
    return True


async def within(clock: Clock, seconds: float, work: Awaitable[T]) -> T:
    """Await `work` for at most `seconds` of `clock`; then it is cancelled. Raises TimeoutError."""
    task, late = asyncio.ensure_future(work), asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, late}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        late.cancel()
        task.cancel()
        task.add_done_callback(lambda left: left.cancelled() or left.exception())  # asyncio would log what nobody asks
