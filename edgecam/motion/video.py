"""Video files as pictures for an eye: numbered, timed, and decoded only when somebody looks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av import Packet
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edgecam.motion import luma
from edgecam.motion.luma import Luma
from edgecam.pixels import Decoded


class Unreadable(ValueError):
    """This file is no video that can be read; the text says why, with the file's name."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a video."""

    number: int
    """Its place in the file, from 0."""
    at: float
    """Seconds from the first picture."""
    luma: Callable[[int], Luma]
    """Its luma, so many pixels wide. May raise BadPicture."""


class Video:
    """An open video file. Close it, or use it as a context."""

    def __init__(self, path: Path) -> None:
        try:
            container = av.open(str(path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise Unreadable(
                f"{path}: cannot be read as video ({getattr(error, 'strerror', None) or error})"
            ) from error
        if not isinstance(container, InputContainer) or not container.streams.video:
            container.close()
            raise Unreadable(f"{path}: holds no video")
        self._path, self._container = path, container
        self._stream: VideoStream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate else 25.0
        self.width, self.height = self._stream.codec_context.width, self._stream.codec_context.height
        seconds = (container.duration or 0) / av.time_base
        self.total = self._stream.frames or round(seconds * self.fps) or None
        """How many pictures the file claims, or may have as long as it is; None where it does not say."""
        self.first: float | None = None
        """The file's own time (s) of the first picture, once that was read; None where it has none."""

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def pictures(self) -> Iterator[Picture]:
        """All pictures in order, once. What is damaged is left out; Unreadable when nothing is left."""
        number = -1
        for number, (at, read) in enumerate(self._timed()):
            yield Picture(number, at, read)
        if number < 0:
            raise Unreadable(f"{self._path}: holds no picture that can be decoded")

    def _timed(self) -> Iterator[tuple[float, Callable[[int], Luma]]]:
        """Each picture with its seconds: those of the file, or counted where the file has none or goes back."""
        before = -1 / self.fps
        for stamp, read in self._jpegs() if self._stream.codec_context.name == "mjpeg" else self._frames():
            at = before + 1 / self.fps
            if stamp is not None:
                self.first = stamp if self.first is None else self.first
                at = stamp - self.first if stamp - self.first > before else at
            before = at
            yield at, read

    def _jpegs(self) -> Iterator[tuple[float | None, Callable[[int], Luma]]]:
        """MJPEG: each packet is a JPEG."""
        for packet in self._packets():
            if packet.size:
                stamp = packet.pts if packet.pts is not None else packet.dts
                yield _seconds(stamp, packet.time_base), _jpeg(bytes(packet))

    def _frames(self) -> Iterator[tuple[float | None, Callable[[int], Luma]]]:
        """Anything else is decoded whole: later pictures are built on earlier ones."""
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                if isinstance(frame, VideoFrame):
                    yield frame.time, Decoded(frame).luma

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        """Up to where the file is torn. Raises Unreadable when the disk fails."""
        try:
            yield from self._container.demux(self._stream)
        except av.error.InvalidDataError:
            return
        except av.FFmpegError as error:
            raise Unreadable(f"{self._path}: cannot be read on ({error.strerror})") from error


def _seconds(stamp: int | None, base: object) -> float | None:
    return None if stamp is None or base is None else float(stamp * base)  # type: ignore[operator]


def _jpeg(data: bytes) -> Callable[[int], Luma]:
    return lambda width: luma.of_jpeg(data, width)
