"""What the daemon and its offload worker say to each other: one JSON line each way, and progress in between.

Jobs hold the secrets of the store: they travel over stdin only and are never logged. Answers hold none.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from edgecam.config.secret import REDACTED, Secret, Url
from edgecam.config.store import StoreConfig
from edgecam.offload.deliver import Damaged, Delivered, Gone, Parcel
from edgecam.offload.probe import Tried
from edgecam.offload.stores import (
    BadClock,
    BadCredentials,
    BadSettings,
    Corrupt,
    Permanent,
    StoreError,
    StoreFull,
    Transient,
)
from edgecam.offload.valve import Closed

_VERDICTS = {
    "credentials": BadCredentials,
    "clock": BadClock,
    "settings": BadSettings,
    "full": StoreFull,
    "permanent": Permanent,
    "transient": Transient,
    "corrupt": Corrupt,
    "damaged": Damaged,
    "gone": Gone,
    "closed": Closed,
}
"""The more special before the more general."""


class Deliver(BaseModel):
    op: Literal["deliver"] = "deliver"
    parcel: Parcel
    bandwidth: Mapping[str, float] = {}
    """Bytes per second by spans of the day (see Timetable)."""


class MakeLink(BaseModel):
    op: Literal["link"] = "link"
    key: str
    expiry: float


class Abandon(BaseModel):
    op: Literal["abandon"] = "abandon"
    journal: Path


class Look(BaseModel):
    """Ask for one object, whatever the answer: it says that the store is there, and what time it is."""

    op: Literal["look"] = "look"
    key: str


class Try(BaseModel):
    """See probe.probe."""

    op: Literal["try"] = "try"
    key: str


Task = Deliver | MakeLink | Abandon | Look | Try


class Job(BaseModel):
    """A line to the child."""

    model_config = ConfigDict(hide_input_in_errors=True)

    store: dict[str, object]
    """The store's section of the configuration as plain data, secrets included."""
    task: Annotated[Task, Field(discriminator="op")]


class Failure(BaseModel):
    """A StoreError on its way."""

    verdict: str
    text: str
    hint: str | None = None
    retry_after: float | None = None

    @classmethod
    def of(cls, error: StoreError, secrets: Sequence[str]) -> "Failure":
        verdict = next(name for name, kind in _VERDICTS.items() if isinstance(error, kind))
        return cls(verdict=verdict, text=scrubbed(str(error), secrets), hint=error.hint, retry_after=error.retry_after)

    def error(self) -> StoreError:
        return _VERDICTS[self.verdict](self.text, self.hint, retry_after=self.retry_after)


class Answer(BaseModel):
    """A line from the child: progress, or what ends the job."""

    ahead: float | None = None
    """Seconds that the store's clock is ahead of ours, by its last answer; None when it told none."""

    sent: int | None = None
    """Bytes of the object that have left so far: the job goes on."""
    left: int = 0
    """Bytes that have left since the last line, of whatever object."""
    delivered: Delivered | None = None
    link: tuple[str, float] | None = None
    tried: Tried | None = None
    failed: Failure | None = None


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of the `secrets`, whoever wrote it."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


def plain(config: StoreConfig) -> dict[str, object]:
    """The section as data for a line of JSON. Holds secrets: never log it."""
    return {name: _open(value) for name, value in dict(config).items() if value is not None}


def _open(value: object) -> object:
    if isinstance(value, Secret | Url):
        return value.reveal()
    return str(value) if isinstance(value, Path) else value
