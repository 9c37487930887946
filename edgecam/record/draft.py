"""Draft: a sidecar as far as it is known while its media is written; `<id>.part.json` beside `<id>.part.mp4`.

Whatever the media itself can tell (length, size, coding, hashes) is not in it.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from edgecam.almanac import Birth
from edgecam.media import Looks, MediaId, Picture, Time


class Draft(BaseModel):
    """Enough to finish the media without the process that began it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    """`MediaId.name`."""
    start: Time
    end: Time | None = None
    """Where it is not `start` and the media's length: a film shows a day in a minute."""
    cause: str
    event_id: str | None = None
    part: int = 1
    clock: Literal["synced", "unsynced"] = "synced"
    boot: str | None = None
    boottime: float | None = None
    zones: tuple[str, ...] = ()
    score: int | None = None
    motion: Looks | None = None
    complete: bool = False
    """Nothing will be added to the media. False after a start: the writer died."""
    encode: bool = False
    """The media is JPEG video that has to become H.264 before it is finished."""
    interrupted: bool = False
    note: str | None = None
    picture: Picture | None = None

    @property
    def media(self) -> MediaId:
        return MediaId.parse(self.id)

    def but(self, **changes: object) -> Self:
        """The same with `changes`."""
        return self.model_copy(update=changes)

    def dump(self) -> bytes:
        return self.model_dump_json(indent=1).encode() + b"\n"


def orphan(id: MediaId) -> Draft:
    """The draft of media whose own is lost: its name still says when and where it began."""
    if id.boot:
        return Draft(id=id.name, start=id.start, cause="unknown", clock="unsynced", boot=id.boot, boottime=id.start)
    return Draft(id=id.name, start=id.start, cause="unknown")


def born(birth: Birth, id: MediaId, cause: str) -> Draft:
    """The draft of media that begins."""
    return Draft(
        id=id.name, start=birth.start, cause=cause, clock=birth.clock, boot=birth.boot, boottime=birth.boottime
    )
