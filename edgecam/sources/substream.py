"""SubStream: a camera's second, smaller stream that motion looks at. It may fail without harm to the main one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

from edgecam.frame import Frame, Sound, Use
from edgecam.sources import Broken, Rig
from edgecam.sources.threaded import CaptureThread
from edgecam.sources.tracks import Role
from edgecam.supervisor import reason

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0
"""Seconds between two attempts."""


class SubStream:
    """Runs beside the main stream for one life of the source; loop thread only.

    While its pictures come, `role` tells the main stream to make none for motion. A failure is told once, and tried
    again with back-off.
    """

    def __init__(
        self,
        find: Callable[[], Awaitable[None]],
        capture: Callable[[], CaptureThread[Frame | Sound]],
        role: Role,
        rig: Rig,
        where: str,
    ) -> None:
        self._find, self._capture, self._role, self._rig, self._where = find, capture, role, rig, where
        self._newest: Frame | None = None
        self._told = False
        self._task: asyncio.Task[None] | None = None

    def look(self, main: Frame) -> Frame | None:
        """The newest picture that was not given yet, under the number of the main stream's newest frame: a camera
        counts its frames once. Begins to capture when somebody wants to look for the first time.
        """
        if self._task is None and self._rig.demand.motion:
            self._task = asyncio.create_task(self._run(), name=f"{self._rig.stamp.camera} sub-stream")
        look, self._newest = self._newest, None
        return look and replace(look, number=main.number)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        wait = FIRST_WAIT
        while True:
            capture = self._capture()
            try:
                await self._find()
                async with aclosing(capture.items()) as items:
                    async for item in items:
                        if isinstance(item, Frame):
                            self._newest, wait = item, FIRST_WAIT
                            self._works()
                raise Broken(f"{self._where} ended the stream")
            except Exception as error:  # whatever it is, the main stream goes on
                self._fails(error)
            finally:
                await capture.close()
            await self._rig.clock.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _works(self) -> None:
        if self._role.use is Use.PEOPLE:
            return
        self._role.use = Use.PEOPLE
        if self._told:
            self._told = False
            log.info("%s: motion looks at the smaller stream again", self._rig.stamp.camera)

    def _fails(self, error: Exception) -> None:
        self._role.use, self._newest = Use.ALL, None
        if not self._told:
            self._told = True
            log.warning("%s: %s; motion looks at the main stream meanwhile", self._rig.stamp.camera, reason(error))
