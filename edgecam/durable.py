"""Files that survive a power cut: bytes first, then the name, then the folder that holds the name.

Every function here blocks on the disk; call it from a writer thread or a child process, not from the loop.
"""

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import BinaryIO

FILE_MODE = 0o640
FOLDER_MODE = 0o750
_NO_SUCH_NOTION = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


def make_folder(path: Path) -> None:
    """Make `path` and its missing parents, each durable in its own parent."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in `path` durable. File systems without that notion (FAT, SMB, some NFS) say so: ignored."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_SUCH_NOTION:
            raise
    finally:
        os.close(fd)


def create(path: Path, buffering: int = -1, mode: int = FILE_MODE) -> BinaryIO:
    """A new, empty file in the place of what was there; nothing of it is durable yet."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    return os.fdopen(fd, "wb", buffering)


def write(path: Path, data: bytes, mode: int = FILE_MODE) -> None:
    """Put `data` at `path`: after a crash or an OSError there is the old file or the new one, never a part."""
    part = path.with_name(path.name + ".tmp")
    try:
        with create(part, mode=mode) as file:
            file.write(data)
            flush(file)
        rename(part, path)
    except BaseException:
        with contextlib.suppress(OSError):  # half a file would lie there, and cost room, for ever
            part.unlink()
        raise


def write_json(path: Path, content: object) -> None:
    """Put `content` at `path` as JSON, in a folder that is made when missing."""
    make_folder(path.parent)
    write(path, json.dumps(content, indent=1).encode())


def flush(file: BinaryIO) -> None:
    """Make durable what was written to `file`, its name apart."""
    file.flush()
    os.fsync(file.fileno())


def permit(path: Path) -> None:
    """Give `path` the mode of our files. File systems without modes (FAT) refuse: ignored."""
    with contextlib.suppress(PermissionError):
        path.chmod(FILE_MODE)


def touch(path: Path) -> None:
    """Make an empty file; its name is all it says."""
    create(path).close()
    sync_folder(path.parent)


def sync(path: Path) -> None:
    """Make the bytes of `path` durable, whoever wrote them."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def rename(old: Path, new: Path) -> None:
    """Atomic rename, durable in both folders."""
    old.replace(new)
    sync_folder(new.parent)
    if old.parent != new.parent:
        sync_folder(old.parent)


def remove(path: Path) -> None:
    """Remove the name durably; a missing one is fine."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return
    sync_folder(path.parent)
