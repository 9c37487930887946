"""Decoder: pictures of an H.264 or H.265 stream, only when asked, and then at once.

What was not decoded since the last keyframe is kept, so that whoever begins to look need not wait for the next one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import av
from av.stream import Stream

from edgecam.frame import Frame, Kind

MOST_FRAMES = 600
MOST_BYTES = 16_000_000
"""A group of pictures beyond this is not kept: whoever begins to look within it waits for the next one."""

SLICE = 1.0
"""Seconds of catching up after which the stream is read on: a small board needs longer than a camera may be silent."""

MOST_HELD = 16
"""Pictures that a decoder of H.264 or H.265 holds back at most."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A coded frame and the picture in it."""

    frame: Frame
    picture: av.VideoFrame


class Decoder:
    """Gets every frame, in coding order; decodes in the caller's thread. Used by one thread.

    What cannot be decoded costs its own pictures only.
    """

    def __init__(self, kind: Kind, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._codec: av.VideoCodecContext = av.CodecContext.create("h264" if kind is Kind.H264 else "hevc", "r")
        self._codec.thread_count = 1
        self._waiting: list[Frame] = []  # since the last keyframe, not yet decoded
        self._bytes = 0
        self._lost = True  # frames up to the next keyframe cannot be decoded
        self._torn = False  # what the codec knows does not go together with what waits
        self._inside: dict[int, Frame] = {}  # given to the codec, whose pictures did not come out yet
        self.decoded = 0
        """Pictures so far."""

    def add(self, frame: Frame) -> None:
        if frame.keyframe:
            self._torn |= bool(self._waiting) or self._lost
            self._waiting, self._bytes, self._lost = [], 0, False
        if self._lost:
            return
        self._waiting.append(frame)
        self._bytes += len(frame.data)
        if len(self._waiting) > MOST_FRAMES or self._bytes > MOST_BYTES:
            self._waiting, self._bytes, self._lost = [], 0, True

    @property
    def behind(self) -> bool:
        """Whether frames before the newest one still wait."""
        return len(self._waiting) > 1

    def decode(self) -> list[Seen]:
        """Decode what waits; returns the pictures that came out, of frames that were already late only the newest.

        With B-frames they come some frames later. What takes longer than SLICE goes on with the next call, and gives
        nothing until it has caught up.
        """
        if self._torn:
            self._forget()
        late, found, end = self.behind, list[Seen](), self._now() + SLICE
        for done, frame in enumerate(self._waiting, 1):
            found += self._give(frame)
            if self._now() >= end and done < len(self._waiting):
                self._bytes -= sum(len(given.data) for given in self._waiting[:done])
                del self._waiting[:done]
                return []
        self._waiting, self._bytes = [], 0
        return found[-1:] if late else found

    def keyframe(self) -> list[Seen]:
        """The picture of the newest frame when that is a keyframe, without touching what waits."""
        if len(self._waiting) != 1 or not self._waiting[0].keyframe:
            return []
        self._forget()
        found = self._give(self._waiting[0]) + self._out(None)
        self._forget()
        self._torn = True
        return found

    def drain(self) -> list[Seen]:
        """At the end of the stream: what the codec still holds back."""
        found = self._out(None) if self._inside else []
        self._forget()
        self._waiting, self._bytes, self._lost = [], 0, True
        return found

    def _give(self, frame: Frame) -> list[Seen]:
        packet = av.Packet(frame.data)
        packet.pts = frame.number  # finds its frame again, whatever the camera's own times are worth
        if frame.keyframe and frame.extradata and self._codec.extradata is None and not self._codec.is_open:
            self._codec.extradata = frame.extradata
        self._inside[frame.number] = frame
        while len(self._inside) > MOST_HELD + 1:
            del self._inside[min(self._inside)]  # nothing came of it: some streams can be read and not decoded
        return self._out(packet)

    def _out(self, packet: "av.Packet[Stream] | None") -> list[Seen]:
        try:
            pictures = self._codec.decode(packet)
        except av.error.FFmpegError:
            return []
        found = [Seen(frame, picture) for picture in pictures if (frame := self._frame_of(picture.pts)) is not None]
        self.decoded += len(found)
        return found

    def _frame_of(self, number: int | None) -> Frame | None:
        """The frame whose number and times a picture bears.

        That is the frame it came in; with B-frames the oldest that has no picture yet, since pictures come in the order
        of being shown, and the times of frames in coding order grow as evenly.
        """
        if number is None:
            return None
        reach = MOST_HELD if self._codec.has_b_frames else 0
        for old in [inside for inside in self._inside if inside < number - reach]:
            del self._inside[old]  # it could not be decoded
        return self._inside.pop(min(self._inside)) if self._inside else None

    def _forget(self) -> None:
        self._torn = False
        self._inside.clear()
        if self._codec.is_open:
            self._codec.flush_buffers()
