"""Transcoder: the daemon's side of `edgecam.record.transcode`. One child at a time, watched by its progress."""

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from edgecam import aside
from edgecam.clock import Clock
from edgecam.config import model

STALL = 60.0
"""Seconds without a sign of life after which the child is killed; a slow one is never hurried."""

_STDERR_LIMIT = 4000


class TranscodeFailed(Exception):
    """There is no H.264, and what it was to be made of stays as it is; the text says why."""


def command(source: Path, target: Path, video: model.Video, film: int | None = None) -> list[str]:
    """What is run: at idle disk priority where the system has a word for it. `film`: stills a second."""
    ionice = shutil.which("ionice")
    quality = ["--bitrate", str(video.bitrate)] if video.qp is None else ["--qp", str(video.qp)]
    return [
        *([ionice, "-c3"] if ionice else []),
        *(sys.executable, "-m", "edgecam.record.transcode", str(source), str(target)),
        *quality,
        *("--keyframe", str(video.keyframe)),
        *(["--film", str(film)] if film else []),
    ]


class Transcoder:
    """Loop thread only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()

    async def encode(self, source: Path, target: Path, video: model.Video) -> None:
        """Make `target`, verified H.264, out of the JPEG video `source`; the files before it come first.

        Raises TranscodeFailed. Cancelling kills the child. Either way `target` is not to be used.
        """
        await self._run(command(source, target, video))

    async def film(self, stills: Path, target: Path, video: model.Video, fps: int) -> None:
        """Make `target`, verified H.264, of the JPEGs that the text file `stills` names, one path a line, in order.

        Those that are gone or cannot be decoded are left out. Raises and ends as `encode` does.
        """
        await self._run(command(stills, target, video, fps))

    async def _run(self, words: Sequence[str]) -> None:
        async with self._turn:
            pipe = asyncio.subprocess.PIPE
            try:
                child = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe)
            except OSError as error:
                raise TranscodeFailed(f"the transcoder cannot be started: {error.strerror}") from None
            complaint = asyncio.create_task(_tail(child.stderr))
            try:
                await self._watch(child)
                said = await complaint
            finally:
                complaint.cancel()
                if child.returncode is None:
                    child.kill()
                    await child.wait()
            if child.returncode:
                raise TranscodeFailed(_why(child.returncode, said))

    async def _watch(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        try:
            while await aside.within(self._clock, STALL, child.stdout.readline()):
                pass
            await aside.within(self._clock, STALL, child.wait())
        except TimeoutError:
            raise TranscodeFailed(f"the transcoder made no progress for {STALL:.0f} s") from None


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
