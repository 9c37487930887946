"""A store in memory, for tests: as strict as a real one, and it fails when told to."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from edgecam.offload.stores import Stored, StoreError, Upload
from edgecam.offload.stores.body import Body


class Memory:
    """See the Store protocol. `objects` is what is visible; each call first raises the next of `faults`, if any.

    `puts` counts what was really sent. `put_only` refuses every question as a key without read permission does.
    """

    ahead: float | None = None

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.faults: deque[StoreError | None] = deque()
        self.puts: list[str] = []
        self.put_only: StoreError | None = None

    def put(self, upload: Upload, progress: Callable[[int], None]) -> Stored:
        self._fail()
        with Body(upload, progress) as body:
            data = body.read()
        self.puts.append(upload.key)
        self.objects[upload.key] = data
        return self._stored(upload.key)

    def stat(self, key: str, pulse: Callable[[], object] = lambda: None) -> Stored | None:
        self._fail(asking=True)
        return self._stored(key) if key in self.objects else None

    def get(self, key: str, file: Path) -> Stored | None:
        self._fail(asking=True)
        if key not in self.objects:
            return None
        file.write_bytes(self.objects[key])
        return self._stored(key)

    def list(self, prefix: str) -> Iterator[Stored]:
        self._fail(asking=True)
        yield from (self._stored(key) for key in sorted(self.objects) if key.startswith(prefix))

    def delete(self, key: str) -> None:
        self._fail()
        self.objects.pop(key, None)

    def abandon(self, journal: Path) -> None:
        journal.unlink(missing_ok=True)

    def make(self) -> None:
        self._fail()

    def link(self, key: str, expiry: float) -> tuple[str, float] | None:
        self._fail()
        return f"memory:{key}", expiry

    def describe(self) -> str:
        return "memory"

    def _stored(self, key: str) -> Stored:
        data = self.objects[key]
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return Stored(key, len(data), None, md5, hashlib.sha256(data).hexdigest())

    def _fail(self, *, asking: bool = False) -> None:
        if asking and self.put_only:
            raise self.put_only
        fault = self.faults.popleft() if self.faults else None
        if fault:
            raise fault
