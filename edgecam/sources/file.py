"""A video file as a camera: at its own pace, over and over, or once.

It always gives JPEG: the packets of an MJPEG file untouched, any other codec decoded and encoded with `image.quality`.
"""

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer

from edgecam.config import model
from edgecam.frame import Frame, Kind
from edgecam.pixels import Decoded
from edgecam.sources import Broken, Finished, Rig
from edgecam.sources.pace import Pace
from edgecam.sources.sieve import Sieve
from edgecam.sources.threaded import CaptureThread

USUAL_RATE = 25.0
"""Frames per second of a file that does not say."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One JPEG and when it is due, in seconds from the first picture of the first round."""

    at: float
    data: bytes
    width: int
    height: int
    keyframe: bool = True


class Player:
    """Reads pictures in the capture thread. Raises Broken for a file that is missing, damaged or without pictures."""

    def __init__(self, path: Path, loop: bool, quality: int, camera: str) -> None:
        self._path, self._loop, self._quality = path, loop, quality
        self._sieve = Sieve(camera)
        self._pictures = self._rounds()

    def open(self) -> None:
        """The file is opened by the first read."""

    def read(self) -> Picture | None:
        return next(self._pictures, None)

    def close(self) -> None:
        self._pictures.close()

    def _rounds(self) -> Generator[Picture, None, None]:
        begin = 0.0
        while True:
            duration = 0.0
            for at, step, data in self._round():
                if size := self._sieve.size(data):
                    duration = at + step
                    yield Picture(begin + at, data, *size)
            if not duration:
                raise Broken(f"{self._path} holds no picture that can be decoded")
            if not self._loop:
                return
            begin += duration

    def _round(self) -> Iterator[tuple[float, float, bytes]]:
        """Seconds from the first picture, always growing; how long a picture usually lasts; the JPEG."""
        try:
            with av.open(str(self._path)) as container:
                if not container.streams.video:
                    raise Broken(f"{self._path} has no video in it")
                stream = container.streams.video[0]
                step = 1 / float(stream.average_rate or USUAL_RATE)
                unit = stream.time_base or Fraction(0)
                pictures = self._passed if stream.codec_context.name == "mjpeg" else self._decoded
                first, newest = None, -step
                for pts, data in pictures(container):
                    if pts is not None and first is None:
                        first = pts
                    at = newest + step if pts is None or first is None else float((pts - first) * unit)
                    if at > newest:
                        newest = at
                        yield at, step, data
        except av.error.FFmpegError as error:
            raise Broken(f"{self._path}: {error.strerror or error}") from error

    @staticmethod
    def _passed(container: InputContainer) -> Iterator[tuple[int | None, bytes]]:
        for packet in container.demux(video=0):
            if packet.size:
                yield packet.pts, bytes(packet)

    def _decoded(self, container: InputContainer) -> Iterator[tuple[int | None, bytes]]:
        """A packet that cannot be decoded costs its own pictures only."""
        for packet in container.demux(video=0):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                if isinstance(frame, av.VideoFrame):
                    yield frame.pts, Decoded(frame).jpeg(self._quality)


class File:
    """Paced by the file's own times on the monotonic clock; `loop: false` ends the source with its last picture."""

    def __init__(self, config: model.FileSource, rig: Rig) -> None:
        self._path, self._rig = Path(config.path), rig
        self._pace = Pace(rig.clock)
        player = Player(self._path, config.loop, rig.quality, rig.stamp.camera)
        self._capture = CaptureThread(player, rig.stamp.camera, rig.lost, patient=True, ahead=2)

    def describe(self) -> str:
        return str(self._path)

    async def frames(self) -> AsyncGenerator[Frame, None]:
        async with aclosing(self._capture.items()) as pictures:
            async for picture in pictures:
                await self._pace.until(picture.at)
                yield self._rig.stamp(Kind.JPEG, picture.data, picture.width, picture.height)
        raise Finished(f"the file {self._path} has ended")

    async def close(self) -> None:
        await self._capture.close()
