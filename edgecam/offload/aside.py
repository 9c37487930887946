"""Work that blocks on the disk, beside the loop."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` in a daemon thread of its own: one that hangs on a dying card delays nobody's exit.

    The thread goes on when the caller is cancelled; what it does must be safe to be cut at any point anyway.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work(*args, **kwargs)
        except BaseException as error:  # whatever it is, it is the caller's
            done.set_exception(error)
        else:
            done.set_result(result)

    threading.Thread(target=run, name="offload aside", daemon=True).start()
    return await asyncio.wrap_future(done)
