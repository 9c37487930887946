"""Tape: carries out what a plan decides, one file after the other on its way to disk; the loop's side of `writer`."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from edgecam import aside
from edgecam.clock import Clock
from edgecam.frame import Frame, Kind, Sound
from edgecam.health import CameraStatus
from edgecam.media import MediaKind
from edgecam.record.disk.library import Library
from edgecam.record.draft import Draft
from edgecam.record.plan import Action, Close, Open, Plan, Write, WriteSound
from edgecam.record.writer import Writer

log = logging.getLogger(__name__)

WRITERS = 4
"""Files that may be on their way to the disk; so many that do not end mean that it does not answer."""


class Submit(Protocol):
    """Who finishes complete drafts."""

    def submit(self, draft: Draft) -> None: ...


class Tape:
    """One kind of media of one camera. Loop thread only.

    `report(trouble, broken)` is told how each file went: what is wrong with it, in words, and whether the disk takes no
    more; then whoever owns the tape abandons it, and all others.
    """

    kind: MediaKind

    def __init__(
        self,
        *,
        camera: str,
        plan: Plan,
        encode: bool,
        library: Library,
        finisher: Submit,
        status: CameraStatus,
        report: Callable[[str | None, bool], None],
    ) -> None:
        """`encode`: JPEG video is to become H.264."""
        self.camera, self.plan = camera, plan
        self._encode, self._library, self._finisher = encode, library, finisher
        self._status, self._report = status, report
        self._draft: Draft | None = None
        self._writer: Writer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what a kind of media decides for itself ------------------------------------------------------------------

    def draft(self, action: Open) -> Draft:
        """What is known of a file that begins."""
        raise NotImplementedError

    def described(self, draft: Draft) -> Draft:
        """With what is known of it by now."""
        return draft

    async def completed(self, draft: Draft) -> Draft:
        """With what belongs to it on disk, before it is finished itself."""
        return draft

    # -- what comes ----------------------------------------------------------------------------------------------

    def frame(self, frame: Frame) -> None:
        self.do(self.plan.frame(frame))

    def hear(self, sound: Sound) -> None:
        self.do(self.plan.sound(sound))

    def tick(self, now: float) -> None:
        self.do(self.plan.tick(now))

    def cut(self) -> None:
        """The open file ends here; what still has to be recorded goes on in a next one."""
        self.do(self.plan.stop())

    def abandon(self) -> None:
        """The disk refused: end the open file as it is, begin no other."""
        self.plan.allowed = False
        self.plan.stop()
        self._close()

    @property
    def backlog(self) -> int:
        """Bytes of the open file that wait for the disk."""
        return self._writer.backlog if self._writer else 0

    async def end(self, clock: Clock, patience: float) -> None:
        """Close the open file and hand it on; a disk that does not answer in time is left behind."""
        self.cut()
        tasks = {task for task in self._tasks if not task.done()}
        if not tasks:
            return
        try:
            await aside.within(clock, patience, asyncio.wait(tasks))
        except TimeoutError:
            log.error("%s: the disk does not take the clip in time; it is finished at the next start", self.camera)
            for task in tasks:
                task.cancel()

    # -- the plan's actions ----------------------------------------------------------------------------------------

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Open():
                    self._open(action)
                case Write(frame):
                    if self._writer:
                        self._writer.put(frame)
                case WriteSound(sound):
                    if self._writer:
                        self._writer.hear(sound)
                case Close(until):
                    self._close(until)
        if self._writer:
            self._writer.begun()

    def _open(self, action: Open) -> None:
        if len(self._tasks) >= WRITERS:
            self._report("the disk does not answer", True)
            return
        self._draft = self.draft(action).but(encode=self._encode and action.first.kind is Kind.JPEG)
        self._writer = Writer(self.described(self._draft), self._library, action.sound)
        task = asyncio.create_task(self._follow(self._writer), name=f"{self.camera} {self.kind}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._status.writing.add(self.kind)

    def _close(self, until: float | None = None) -> None:
        if self._writer and self._draft:
            self._writer.close(self.described(self._draft), until)
        self._forget()

    def _forget(self) -> None:
        self._writer = self._draft = None
        self._status.writing.discard(self.kind)

    async def _follow(self, writer: Writer) -> None:
        written = await asyncio.wrap_future(writer.done)
        if written.draft:
            self._finisher.submit(await self.completed(written.draft))
        if written.broken and self._writer is writer:
            self._forget()
        self._report(written.trouble, written.broken)
