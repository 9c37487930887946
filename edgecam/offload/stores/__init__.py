"""Stores: where media goes. One protocol, and errors that say whether patience or a person is needed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class StoreError(Exception):
    """Something the store said or did. The text is for the user, `hint` is the likely cure; no secret in either."""

    def __init__(self, text: str, hint: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.hint = hint
        self.retry_after = retry_after


class Transient(StoreError):
    """Will pass by itself: network, 5xx, throttling. Try again."""


class Permanent(StoreError):
    """Only a person can mend it: credentials, bucket, certificate. Probe now and then."""


class Corrupt(StoreError):
    """The bytes that arrived, or those on disk, are not the bytes that were hashed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the store describes it. `md5` (hex) and `sha256` are None where it does not say."""

    key: str
    size: int
    etag: str | None = None
    md5: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way: what it must be when it has arrived."""

    file: Path
    key: str
    size: int
    md5: str
    """Hex."""
    sha256: str
    content_type: str
    metadata: Mapping[str, str]


class Store(Protocol):
    """Blocking, for the worker process. Every call is idempotent and raises only StoreError."""

    def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        """Send the file; when it returns, the object is whole and was verified. `progress` takes bytes sent so far."""
        ...

    def stat(self, key: str) -> Stored | None:
        """The object, or None. Permanent when the credentials may not ask (put-only keys)."""
        ...

    def get(self, key: str, file: Path) -> Stored:
        """Download into `file` (written under a temporary name, renamed when whole)."""
        ...

    def list(self, prefix: str) -> Iterator[Stored]: ...

    def delete(self, key: str) -> None:
        """Only ever by a user's own command."""
        ...

    def link(self, key: str, expiry: float) -> tuple[str, float] | None:
        """A URL that works without credentials and the unix time it ends; None where the store has no such thing."""
        ...

    def describe(self) -> str:
        """`s3 bucket birdbox at s3.example.org`: for people and receipts, no secret."""
        ...
