"""Transcoder: the daemon's side of `transcode` and `stills`. One child at a time, watched by its progress."""

import asyncio
import logging
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import model
from edgecam.record.coding import child, encoder

log = logging.getLogger(__name__)

STALL = 60.0
"""Seconds without a sign of life after which the child is killed; a slow one is never hurried."""

_STDERR_LIMIT = 4000


class TranscodeFailed(Exception):
    """The pictures stay as they are; the text says why."""


@dataclass(slots=True)
class _Told:
    """What a child said of its work."""

    hardware: bool = False
    """This is the hardware's work."""
    damaged: int = 0


def command(module: str, source: Path, target: Path, video: model.Video, *more: str) -> list[str]:
    """What is run: at idle disk priority where the system has a word for it."""
    ionice = shutil.which("ionice")
    quality = ["--bitrate", str(video.bitrate)] if video.qp is None else ["--qp", str(video.qp)]
    return [
        *([ionice, "-c3"] if ionice else []),
        *(sys.executable, "-m", f"edgecam.record.coding.{module}", str(source), str(target)),
        *quality,
        *("--keyframe", str(video.keyframe)),
        *more,
    ]


class Transcoder:
    """Makes `target`, verified H.264; what was asked for before comes first. Loop thread only.

    Hardware that is not there, or that failed where x264 did not, is left alone from then on.

    Both methods raise TranscodeFailed, and OSError when the disk refuses: the same may be tried again later. Then
    nothing is left of `target`. Cancelling kills the child, and `target` is not to be used.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._hardware = True

    async def encode(self, source: Path, target: Path, video: model.Video) -> None:
        """Of JPEG video, with its sound."""
        async with self._turn:
            await self._make(command("transcode", source, target, video), target)

    async def film(self, stills: Path, target: Path, video: model.Video, fps: float) -> int:
        """Of the JPEG files that `stills` names, one a line; so many of them were gone or damaged and are left out."""
        async with self._turn:
            return await self._make(command("stills", stills, target, video, "--fps", str(fps)), target)

    async def _make(self, argv: list[str], target: Path) -> int:
        software, told = [*argv, "--software"], _Told()
        try:
            try:
                await self._run(argv if self._hardware else software, told)
            except TranscodeFailed as error:
                if not told.hardware:
                    raise
                log.info("the board's own encoder failed (%s): once more with x264", error)
                told = _Told()
                await self._run(software, told)
                self._hardware = False
        except (TranscodeFailed, OSError):
            with suppress(OSError):
                await aside.run(target.unlink)
            raise
        by = encoder.HARDWARE if told.hardware else encoder.SOFTWARE
        log.debug("%s: coded by %s, %d pictures left out", target.name, by, told.damaged)
        return told.damaged

    async def _run(self, argv: list[str], told: _Told) -> None:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise TranscodeFailed(f"the transcoder cannot be started: {error.strerror}") from None
        complaint = asyncio.create_task(_tail(process.stderr))
        try:
            await self._watch(process, told)
            said = await complaint
        finally:
            complaint.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            if refused := child.refusal(process.returncode):
                raise OSError(refused, os.strerror(refused))
            raise TranscodeFailed(_why(process.returncode, said))

    async def _watch(self, process: asyncio.subprocess.Process, told: _Told) -> None:
        assert process.stdout is not None
        try:
            while line := await aside.within(self._clock, STALL, process.stdout.readline()):
                self._hear(line.decode(errors="replace").strip(), told)
            await aside.within(self._clock, STALL, process.wait())
        except TimeoutError:
            raise TranscodeFailed(f"the transcoder made no progress for {STALL:.0f} s") from None

    def _hear(self, line: str, told: _Told) -> None:
        word, _, rest = line.partition(" ")
        if line == encoder.ABSENT:
            self._hardware = False
        elif line == encoder.USED:
            told.hardware = True
        elif word == "damaged" and rest.isdecimal():
            told.damaged = int(rest)


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The last line that is not empty; what is long before it is thrown away."""
    said = b""
    while stream is not None and (block := await stream.read(_STDERR_LIMIT)):
        said = (said + block)[-_STDERR_LIMIT:]
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _why(code: int, said: str) -> str:
    if code < 0:
        return f"the transcoder was killed by signal {-code}{' (short of memory?)' if code == -9 else ''}"
    return said or f"the transcoder failed with exit code {code}"
