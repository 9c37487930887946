"""A video file as a camera: at its own pace, over and over, or once.

H.264, H.265 and MJPEG pass as they are, with pictures on demand; anything else, and video whose pictures are to be
turned or grey, is decoded, and coded as JPEG on demand.
"""

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av

from edgecam.config import model
from edgecam.frame import Frame, Sound
from edgecam.sources import Broken, Finished, Rig, is_retouched
from edgecam.sources.pace import Pace
from edgecam.sources.sound import SoundTrack, audible
from edgecam.sources.threaded import CaptureThread
from edgecam.sources.timeline import AsTold
from edgecam.sources.tracks import Role, track

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.stream import Stream

MOST_REORDERED = 16
"""Frames that are decoded before the first one is shown: more is no order of B-frames."""

USUAL_RATE = 25.0
"""Frames per second of a file that does not say."""


@dataclass(frozen=True, slots=True)
class Played:
    """What one packet of the file becomes, and when it is due, in seconds from the first frame of the first round."""

    at: float
    item: Frame | Sound
    keyframe: bool = True


class Player:
    """Reads frames and sound in the capture thread. Raises Broken for a file that is missing or without video."""

    def __init__(self, config: model.FileSource, rig: Rig, pace: Pace) -> None:
        self._path, self._loop, self._rig, self._pace = Path(config.path), config.loop, rig, pace
        self._pixels = is_retouched(config, rig)
        self._times, self._role = AsTold(), Role()
        self._end = 0.0
        self._first: float | None = None  # see Reel
        self._played = self._rounds()

    def open(self) -> None:
        """The file is opened by the first read."""

    def read(self) -> Played | None:
        return next(self._played, None)

    def close(self) -> None:
        self._played.close()

    def _rounds(self) -> Generator[Played, None, None]:
        while True:
            seen = False
            try:
                with av.open(str(self._path)) as container:
                    if not container.streams.video:
                        raise Broken(f"{self._path} has no video in it")
                    for played in self._round(container):
                        seen |= isinstance(played.item, Frame)
                        yield played
            except av.error.FFmpegError as error:
                raise Broken(f"{self._path}: {error.strerror or error}") from error
            if not seen:
                raise Broken(f"{self._path} holds no picture that can be decoded")
            if not self._loop:
                return

    def _round(self, container: "InputContainer") -> Generator[Played, None, None]:
        rig, video = self._rig, container.streams.video[0]
        audio = audible(container) if rig.audio else None
        pictures = track(video, rig, self._times, self._role, "full", pixels=self._pixels)
        sound = SoundTrack(audio, rig.audio, rig, self._times) if rig.audio and audio else None
        clock = Reel(self._end, 1 / float(video.average_rate or USUAL_RATE), self._first)
        for packet in dated(container.demux(*filter(None, (video, audio))), video):
            if packet.stream is video:
                at = clock.frame(packet)
                for frame in pictures.take(packet, self._pace.due(at)):
                    yield Played(at, frame)
                self._end, self._first = clock.end, clock.first
            elif sound is not None:
                clock.move(packet)
                for heard in sound.take(packet, self._pace.due(clock.newest)):
                    yield Played(clock.newest, heard)


def dated(packets: "Iterator[Packet[Stream]]", video: "Stream") -> "Iterator[Packet[Stream]]":
    """The same packets. Matroska does not say when the first of a video with B-frames are to be decoded: evenly before
    the first of which it is known.
    """
    waiting: list[Packet[Stream]] = []
    unknown: list[Packet[Stream]] = []
    for packet in packets:
        waiting.append(packet)
        if packet.stream is not video:
            continue
        if packet.dts is not None or packet.pts is None or len(unknown) == MOST_REORDERED:
            break
        unknown.append(packet)
    if waiting and waiting[-1].dts is not None:
        for back, packet in enumerate(reversed(unknown), 1):
            packet.dts = waiting[-1].dts - back * (packet.duration or 0)
    yield from waiting
    yield from packets


class Reel:
    """Times of one round, in seconds from the first frame of the first round: they go on where the last round ended."""

    def __init__(self, begin: float, step: float, first: float | None) -> None:
        """`step`: how long a frame usually lasts; `first`: what the first round added to the file's own times."""
        self.newest, self.first = begin - step, first
        self._step = step
        self._add: float | None = None

    @property
    def end(self) -> float:
        return self.newest + self._step

    def frame(self, packet: "Packet[Stream]") -> float:
        """When the packet is due, always growing; moves it."""
        if not packet.size:
            return self.newest
        at = self.end
        if packet.dts is not None:
            own = float(packet.dts * packet.time_base)
            if self._add is None or self._add + own <= self.newest:
                self._add = at - own
            at = self._add + own
        if self.first is None:
            self.first = self._add
        self.newest = at
        self.move(packet)
        return at

    def move(self, packet: "Packet[Stream]") -> None:
        """Let its own times go on where the last round ended."""
        ticks = round(((self._add or 0.0) - (self.first or 0.0)) / packet.time_base)
        if packet.pts is not None:
            packet.pts += ticks
        if packet.dts is not None:
            packet.dts += ticks


class File:
    """Paced by the file's own times on the monotonic clock; `loop: false` ends the source with its last frame."""

    def __init__(self, config: model.FileSource, rig: Rig) -> None:
        self._path = Path(config.path)
        self._pace = Pace(rig.clock)
        player = Player(config, rig, self._pace)
        self._capture = CaptureThread(player, rig.stamp.camera, rig.lost, patient=True, ahead=2)

    def describe(self) -> str:
        return str(self._path)

    async def frames(self) -> AsyncGenerator[Frame | Sound, None]:
        async with aclosing(self._capture.items()) as played:
            async for one in played:
                await self._pace.until(one.at)
                yield one.item
        raise Finished(f"the file {self._path} has ended")

    async def close(self) -> None:
        await self._capture.close()
