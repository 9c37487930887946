"""Stores: where media goes. One protocol, and errors that say whether patience or a person is needed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from edgecam.config.store import StoreConfig


class StoreError(Exception):
    """Something the store said or did. The text is for the user, `hint` is the likely cure; no secret in either."""

    def __init__(self, text: str, hint: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.hint = hint
        self.retry_after = retry_after


class Transient(StoreError):
    """Will pass by itself: network, 5xx, throttling. Try again."""


class Permanent(StoreError):
    """Only a person can mend it. Probe now and then."""


class BadCredentials(Permanent):
    """The store knows us and refuses, or does not know us: a key, its rights, its end."""


class BadClock(Permanent):
    """This box's clock and the store's are too far apart for a signature."""


class BadSettings(Permanent):
    """Bucket, address, region, certificate: the configuration does not fit the store."""


class StoreFull(Permanent):
    """The store has no room left."""


class Corrupt(StoreError):
    """The bytes that arrived are not the bytes that were hashed: nothing was stored. Send them again."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the store describes it. `md5` and `sha256` (hex) are None where it does not say.

    The MD5 is that of what lies there; the SHA-256 is what we said of it when it was put.
    """

    key: str
    size: int
    etag: str | None = None
    md5: str | None = None
    sha256: str | None = None
    part: int | None = None
    """Bytes of each part, when `etag` may be that of an upload of ours in parts (see journal.composite)."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An object on its way: what it must be when it has arrived. The hashes are hex."""

    body: Path | bytes
    key: str
    size: int
    md5: str
    sha256: str
    content_type: str
    metadata: Mapping[str, str]
    """ASCII; names are letters, digits and `_`. Stores may drop it: nothing but comfort may depend on it."""
    journal: Path | None = None
    """Where the store may note how far a large upload got, for the next attempt; the caller removes it at last."""


class Store(Protocol):
    """Blocking, for the worker process. Every call is idempotent and raises only StoreError."""

    @property
    def ahead(self) -> float | None:
        """Seconds that the store's clock is ahead of ours, by its last answer; None while it told none."""
        ...

    def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        """Send it; when this returns, the object is whole and was verified. Replaces what is there.

        `progress` takes the bytes sent so far; it may restart. Nothing is visible under the key before it is whole.
        """
        ...

    def stat(self, key: str, pulse: Callable[[], object] = lambda: None) -> Stored | None:
        """The object, or None. Permanent when the credentials may not ask (put-only keys).

        `pulse` is called now and then where it takes long: a folder has to read what lies there.
        """
        ...

    def get(self, key: str, file: Path) -> Stored | None:
        """Download into `file` (written under a temporary name, renamed when whole), or None when there is none.

        An OSError of our own disk passes through.
        """
        ...

    def list(self, prefix: str) -> Iterator[Stored]:
        """All objects whose key begins with `prefix`, in the order of their keys."""
        ...

    def delete(self, key: str) -> None:
        """Only ever by a user's own command. A missing object is fine."""
        ...

    def abandon(self, journal: Path) -> None:
        """Nobody will go on with the upload that is noted there: let the store forget what it has of it.

        The file is gone afterwards. Transient, and it is kept, when the store cannot be asked now.
        """
        ...

    def make(self) -> None:
        """Make the bucket, container or folder, by a user's own command. One that is there already is fine."""
        ...

    def link(self, key: str, expiry: float) -> tuple[str, float] | None:
        """A URL that works without credentials and the unix time it ends; None where the store has no such thing."""
        ...

    def describe(self) -> str:
        """`s3 bucket birdbox at s3.example.org`: for people and receipts, no secret."""
        ...


_CLASSES = {
    "s3": ("edgecam.offload.stores.s3", "S3"),
    "azure": ("edgecam.offload.stores.azure", "Azure"),
    "folder": ("edgecam.offload.stores.folder", "Folder"),
}


def open_store(config: "StoreConfig") -> Store:
    """The store that `config` names; its libraries are loaded here. Does not touch the network. Raises Permanent."""
    module, name = _CLASSES[config.type]
    try:
        store: Store = getattr(import_module(module), name)(config)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("edgecam"):
            raise
        package = error.name.partition(".")[0]
        raise BadSettings(
            f"the Python package {package!r} is missing, store type {config.type} needs it",
            f"pip install 'edgecam[{config.type}]'" if config.type == "azure" else f"pip install {package}",
        ) from None
    return store
