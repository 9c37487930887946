"""Writer: one clip on its way to the disk, by a thread of its own.

The loop hands frames over and never waits; a disk that is too slow costs frames, counted, not the live picture.
"""

import logging
import math
import os
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from edgecam import aside, durable
from edgecam.frame import Frame, Sound
from edgecam.record import boxes
from edgecam.record.draft import Draft
from edgecam.record.mp4 import Mp4

log = logging.getLogger(__name__)

QUEUE_LIMIT = 32_000_000
"""Bytes that wait for the disk beside the pre-roll; about ten seconds of a 720p JPEG camera."""

SYNC_EVERY = 3.0
"""Seconds of video that a power cut may take."""


class Drafts(Protocol):
    """Where clips in the making are kept (Library). Blocking; raises OSError."""

    def begin(self, draft: Draft) -> Path:
        """Make the draft durable; returns where its media is to be written."""
        ...

    def update(self, draft: Draft) -> None:
        """Make a changed draft durable."""
        ...

    def discard(self, draft: Draft) -> None:
        """Remove a draft that has no media."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a clip."""

    draft: Draft | None
    """Complete and playable; None: there is no picture to keep."""
    trouble: str | None
    """Why it ended early or lacks frames, in words."""
    broken: bool
    """The disk refused; the clip ends before its time."""


def create(path: Path) -> BinaryIO:
    """A new unbuffered file, its name durable."""
    file = durable.create(path, buffering=0)
    durable.sync_folder(path.parent)
    return file


class Writer:
    """Begins writing at once; a frame comes first. With `sound` the clip has a track for sound that is coded alike.

    `put`, `hear` and `close` on the loop thread; `done` tells the outcome and never fails.
    """

    def __init__(self, draft: Draft, drafts: Drafts, sound: Sound | None = None) -> None:
        self._draft, self._drafts, self._sound = draft, drafts, sound
        self._ready = threading.Condition()
        self._queue: deque[Frame | Sound] = deque()
        self._bytes = 0
        self._limit = math.inf
        self._closed = False
        self._until: float | None = None
        self._skipping = False
        self.dropped = 0
        self.done: Future[Written] = aside.start(self._write_clip)

    def put(self, frame: Frame) -> None:
        """Queue a frame. When the queue is full it is dropped, with all that follow up to the next keyframe."""
        with self._ready:
            if (self._skipping and not frame.keyframe) or self._bytes + len(frame.data) > self._limit:
                self._skipping = True
                self.dropped += 1
                return
            self._skipping = False
            self._queue.append(frame)
            self._bytes += len(frame.data)
            self._ready.notify()

    def hear(self, sound: Sound) -> None:
        """Queue a packet of sound, unless the queue is full."""
        with self._ready:
            if self._bytes + len(sound.data) <= self._limit:
                self._queue.append(sound)
                self._bytes += len(sound.data)
                self._ready.notify()

    def begun(self) -> None:
        """The pre-roll is in: it lay in memory anyway, however much it is. From now on the queue is bounded."""
        self._limit = min(self._limit, self._bytes + QUEUE_LIMIT)

    def close(self, draft: Draft, until: float | None = None) -> None:
        """No more frames. `draft`: what is known of the clip now; `until`: where the last frame ends."""
        with self._ready:
            self._draft, self._until, self._closed = draft, until, True
            self._ready.notify()

    @property
    def backlog(self) -> int:
        """Bytes that wait for the disk."""
        return self._bytes

    def _next(self) -> Frame | Sound | None:
        with self._ready:
            self._ready.wait_for(lambda: self._queue or self._closed)
            if not self._queue:
                return None
            item = self._queue.popleft()
            self._bytes -= len(item.data)
            return item

    def _write_clip(self) -> Written:
        """The thread."""
        path: Path | None = None
        try:
            path = self._drafts.begin(self._draft)
            self._write(path)
        except Exception as error:  # FFmpeg has more ways to say no than OSError and ValueError
            return self._salvage(path, error)
        lost = f"{self.dropped} frames are missing: the disk was too slow" if self.dropped else None
        return self._complete(path, lost, broken=False)

    def _write(self, path: Path) -> None:
        item = self._next()
        if not isinstance(item, Frame):
            return
        with create(path) as file:
            mp4 = Mp4(file, item, self._sound)
            try:
                synced = item.mono
                while item is not None:
                    if isinstance(item, Sound):
                        mp4.hear(item)
                    else:
                        mp4.write(item)
                    if item.mono - synced >= SYNC_EVERY:
                        os.fdatasync(file.fileno())
                        synced = item.mono
                    item = self._next()
                mp4.close(self._until)
                os.fdatasync(file.fileno())
            finally:
                mp4.abandon()

    def _salvage(self, path: Path | None, error: Exception) -> Written:
        """Keep what is whole of a clip that cannot go on."""
        why = f"cannot write clips: {error.strerror if isinstance(error, OSError) else error}"
        if path is None:
            return self._nothing(why)
        try:
            with path.open("rb") as file:
                boxes.read(file)
        except (FileNotFoundError, boxes.NotPlayable):
            return self._nothing(why)
        except OSError:
            pass  # the finisher may be luckier
        return self._complete(path, why, broken=True)

    def _complete(self, path: Path, trouble: str | None, *, broken: bool) -> Written:
        if not path.exists():  # the storage is gone with it, or there was no frame
            return self._nothing(trouble)
        draft = self._draft.but(complete=True, interrupted=broken, note=trouble)
        try:
            self._drafts.update(draft)
        except OSError as error:
            log.warning("%s: its draft cannot be written yet: %s", draft.id, error.strerror)
        return Written(draft, trouble, broken)

    def _nothing(self, trouble: str | None) -> Written:
        try:
            self._drafts.discard(self._draft)
        except OSError as error:
            log.warning("%s: its draft cannot be removed: %s", self._draft.id, error.strerror)
        return Written(None, trouble, broken=trouble is not None)
