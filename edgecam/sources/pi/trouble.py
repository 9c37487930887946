"""What the failures of picamera2 and libcamera mean to the person who must act. Pure, but for a look at free memory."""

from collections.abc import Iterator
from contextlib import suppress
from errno import EBUSY, ENOMEM
from pathlib import Path

from edgecam.sources import Broken


class NoMemory(Broken):
    """The kernel has no memory left that a camera can write to, in one piece."""


def trouble(what: str, error: BaseException) -> Broken:
    """What a failure to open means to the person who must act."""
    if _says(error, EBUSY, "busy", "in use"):
        return Broken(f"{what} is in use by another program, or by another camera of this configuration")
    if is_memory(error):
        return NoMemory(
            f"no memory for the buffers of {what}{_free()}: lower source.size or source.buffers, or give the "
            "kernel more with cma= (/boot/firmware/cmdline.txt)"
        )
    return Broken(f"{what} cannot be opened: {'; '.join(_texts(error))}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _texts(error: BaseException) -> list[str]:
    """What each error in the chain says, the cause first, nothing twice."""
    return list(dict.fromkeys(str(one) or type(one).__name__ for one in reversed(list(_chain(error)))))


def _says(error: BaseException, number: int, *words: str) -> bool:
    chain = list(_chain(error))
    known = any(isinstance(one, OSError) and one.errno == number for one in chain)
    return known or any(word in text.lower() for text in _texts(error) for word in words)


def is_memory(error: BaseException) -> bool:
    return _says(error, ENOMEM, "memory", "failed to allocate")


def _free() -> str:
    """How much of the memory that cameras need is left, where the kernel tells."""
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("CmaFree:"):
                return f" ({int(line.split()[1]) // 1024} MiB of CMA are free)"
    return ""
