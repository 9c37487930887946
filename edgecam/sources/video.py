"""The reader of everything that PyAV opens and that comes live: packets become frames, pictures on demand, and sound.

It runs behind CaptureThread; the sources that use it know how to open and how to say what went wrong.
"""

from collections.abc import Callable, Generator, Iterator

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from edgecam.frame import Frame, Sound
from edgecam.sources import Broken, Rig
from edgecam.sources.sound import SoundTrack, audible
from edgecam.sources.timeline import Timeline, Times
from edgecam.sources.tracks import Decoding, Role, track

Packets = Callable[..., "Iterator[Packet[Stream]]"]
"""A container and some of its streams to their packets, as they come."""


class VideoReader:
    """A `Reader` of one life. `connect` opens the container, within bounded time; `explain` puts its errors, and those
    of reading, into words without secrets. `times` maps the stream's own times to monotonic ones, `packets` reads.

    Raises Broken, with nothing chained to it: PyAV's errors quote the address, login included.
    """

    def __init__(
        self,
        rig: Rig,
        connect: Callable[[], InputContainer],
        explain: Callable[[Exception], str],
        *,
        times: Times | None = None,
        role: Role | None = None,
        decoding: Decoding = "full",
        packets: Packets = InputContainer.demux,
    ) -> None:
        self._rig, self._connect, self._explain = rig, connect, explain
        self._times, self._role, self._decoding = times or Timeline(), role or Role(), decoding
        self._packets = packets
        self._container: InputContainer | None = None
        self._items = self._read()

    def open(self) -> None:
        try:
            self._container = self._connect()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise Broken(self._explain(error)) from None
        if not self._container.streams.video:
            raise Broken("there is no video in it")

    def read(self) -> Frame | Sound | None:
        try:
            return next(self._items, None)
        except av.error.FFmpegError as error:
            raise Broken(self._explain(error)) from None

    def close(self) -> None:
        self._items.close()
        if self._container is not None:
            self._container.close()

    def _read(self) -> Generator[Frame | Sound, None, None]:
        container = self._container
        if container is None:
            return
        rig, video = self._rig, container.streams.video[0]
        pictures = track(video, rig, self._times, self._role, self._decoding)
        audio = audible(container) if rig.audio else None
        sound = SoundTrack(audio, rig.audio, rig, self._times) if rig.audio and audio else None
        for packet in self._packets(container, *filter(None, (video, audio))):
            arrival = rig.clock.monotonic()
            if isinstance(packet.stream, av.VideoStream):
                yield from pictures.take(packet, arrival)
            elif sound is not None:
                yield from sound.take(packet, arrival)
