"""Where muxers write: a plain file whose refusals are told as they are."""

from pathlib import Path
from typing import BinaryIO


class Sink:
    """What the muxer writes to: each write whole, or an OSError; and once broken, nothing more."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.closed = False  # PyAV asks before it writes a trailer by itself

    def write(self, data: bytes) -> int:
        """Raises OSError: disk full, damaged, read-only."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self.closed = True
            raise
        return len(data)


class Rewritten(Sink):
    """For muxers that put an index in front at the end: FFmpeg seeks, and reads back by the file's name."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file)
        self.name, self.seek, self.tell = str(path), file.seek, file.tell
