"""What the processes that code video have in common: they are niced, tell their progress on stdout, and end at once
with the daemon that holds their stdin. On failure the last line on stderr says why.
"""

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

NICE = 10

REFUSED: Final = 100
"""Exit codes above it: the disk refused, with this errno more. The same work may succeed later."""

_REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})


def refusal(code: int) -> int | None:
    """The errno that an exit code tells, when the disk refused."""
    return code - REFUSED if code - REFUSED in _REFUSALS else None


def tell(word: object) -> None:
    """A line for the daemon; any of them is a sign of life."""
    print(word, flush=True)  # noqa: T201


def work(labour: Callable[[], object]) -> int:
    """Do it as a good child does; the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the daemon; the end of stdin is our sign
        signal.signal(number, signal.SIG_IGN)
    die_with_the_daemon()
    os.nice(NICE)
    try:
        labour()
    except Exception as error:  # FFmpeg has more ways to say no than OSError and ValueError
        print(error, file=sys.stderr)  # noqa: T201
        return _status(error)
    return 0


def _status(error: Exception) -> int:
    """Files are our own, so that their errors are plain ones: EIO of FFmpeg may be anything."""
    if type(error) is OSError and error.errno in _REFUSALS:
        return REFUSED + error.errno
    return 1


def die_with_the_daemon() -> None:
    """The daemon never writes to our stdin: its end is the daemon's end."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()
