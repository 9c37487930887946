"""Alone: one process at a time is at work in a folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Busy(Exception):
    """Another process is at work in the same folder."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Two that write the same file would spoil it. Raises Busy at once, and OSError for what is no folder.

    The folder itself is locked, so that nothing lies in it for that. Where it cannot be, nobody is kept out.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy from None
        except OSError:  # some network file systems
            pass
        yield
    finally:
        os.close(handle)
