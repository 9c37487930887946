"""Sources: where frames come from. A name in the YAML leads to one class, imported on first use."""

from collections.abc import AsyncIterator
from typing import Protocol

from edgecam.frame import Frame


class Source(Protocol):
    """One camera's device or connection, for one life."""

    def frames(self) -> AsyncIterator[Frame]:
        """Opens on first use and yields until it is broken. Any exception, and the end of a live stream, ends this life."""
        ...

    async def close(self) -> None:
        """Let go of everything, bounded in time; may be called more than once."""
        ...

    def describe(self) -> str:
        """Where the frames come from, for people: no secret in it."""
        ...
