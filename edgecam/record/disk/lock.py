"""Lock: one process per storage. The file, held open, is also how the place is known again."""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from edgecam import durable
from edgecam.supervisor import Fatal


def claim(path: Path) -> BinaryIO:
    """Lock `path` for this process and write its number there. Raises Fatal when another one holds it."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, durable.FILE_MODE), "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
        file.close()
        raise Fatal(
            f"storage: {path.parent} is in use by another edgecam (process {holder}); "
            "stop it, or give this one another storage.path"
        ) from None
    except BaseException:
        file.close()
        raise
    with contextlib.suppress(OSError):  # a full disk: the lock holds without its word for people
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
    return file
