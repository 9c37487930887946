"""Probe: one small object there and away again, so that a wrong key or bucket is known before the first clip.

Putting is all that the daemon needs. A key that may neither ask nor delete is a good one for a camera.
"""

import io
import os

from pydantic import BaseModel, ConfigDict

from edgecam.digest import digest
from edgecam.offload.stores import Permanent, Store, StoreError, Transient, Upload

IN_BETWEEN = "does a cache or a proxy answer instead of the store?"


class Tried(BaseModel):
    """The store took an object of ours, and what else it let us do with it."""

    model_config = ConfigDict(frozen=True)

    where: str
    asked: bool
    deleted: bool


def probe(store: Store, key: str) -> Tried:
    """Put a small object at `key`, ask for it, delete it. Blocking; raises StoreError when media could not go."""
    upload = small(key)
    store.put(upload, lambda _: None)
    return Tried(where=store.describe(), asked=_asked(store, upload), deleted=_deleted(store, key))


def small(key: str) -> Upload:
    """An object that says what it is, with bytes that were never there before."""
    data = b"edgecam was here to test the store: this may be deleted\n" + os.urandom(16).hex().encode()
    size, md5, sha256 = digest(io.BytesIO(data))
    return Upload(data, key, size, md5, sha256, "text/plain", {"sha256": sha256})


def ask(store: Store, upload: Upload) -> None:
    """See that what was put is there. Raises StoreError; Permanent when the key may not ask."""
    there = store.stat(upload.key)
    if there is None:
        raise lost()
    if there.size != upload.size:
        raise Transient(f"{upload.size} bytes were put, {there.size} are there", IN_BETWEEN)


def lost() -> Transient:
    return Transient("the store took the object, and does not have it", IN_BETWEEN)


def _asked(store: Store, upload: Upload) -> bool:
    try:
        ask(store, upload)
    except Permanent:
        return False
    return True


def _deleted(store: Store, key: str) -> bool:
    try:
        store.delete(key)
    except StoreError:  # whatever it is: the object may stay
        return False
    return True
