"""Tracks: what becomes of one video stream's packets: coded frames, JPEGs, pictures; each as it is wanted, no more.

H.264 and H.265 pass undecoded, with pictures beside them on demand; MJPEG passes; everything else is decoded.
"""

import io
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import av
from av import Packet
from av.stream import Stream

from edgecam import jpeg, nal
from edgecam.frame import Frame, Kind, Use
from edgecam.pixels import Decoded
from edgecam.sources import Broken, Rig
from edgecam.sources.budget import Budget
from edgecam.sources.decoder import Decoder, Seen
from edgecam.sources.sieve import Sieve
from edgecam.sources.timeline import Times, seconds

log = logging.getLogger(__name__)

SIGN_OF_LIFE = 1.0
"""Seconds between two pictures that nobody wants, of a camera that gives pixels."""

Decoding = Literal["auto", "keyframes", "full"]
"""Which frames are decoded for motion; people see all."""


class Role:
    """Whom a stream is for. Set on the loop's thread, read from the capture thread."""

    def __init__(self, use: Use = Use.ALL) -> None:
        self.use = use


class Looks:
    """Thins pictures out to so many a second, by their own times."""

    def __init__(self, rate: float) -> None:
        self._step = 1 / rate
        self._due = float("-inf")

    def due(self, mono: float) -> bool:
        if mono < self._due:
            return False
        self._due = mono + self._step if mono - self._due > self._step else self._due + self._step
        return True


_TOO_SLOW_TO_LOOK = (
    "decoding every frame for motion takes more than half a processor core; motion sees keyframes only from now on. "
    "Set source.detect_url to the camera's smaller stream, or source.decode to full"
)
_TOO_SLOW_TO_WATCH = (
    "this board cannot decode the video as fast as it comes; viewers see keyframes only from now on, "
    "and recordings stay whole. A camera that gives a smaller stream, or MJPEG, can be watched smoothly"
)


class Coded:
    """H.264 or H.265. `take` gives the frame of a packet, and pictures of frames up to this one."""

    def __init__(
        self,
        stream: av.VideoStream,
        kind: Kind,
        rig: Rig,
        times: Times,
        role: Role,
        decoding: Decoding,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._kind, self._rig, self._times = kind, rig, times
        self._role, self._decoding, self._cpu = role, decoding, cpu
        context = stream.codec_context
        self._size = context.width, context.height
        self._extradata = bytes(context.extradata) if context.extradata else None
        self._sets: tuple[bytes, ...] | None = None  # as the newest keyframe that had any announced them
        self._decoder = Decoder(kind)
        self._looks = Looks(rig.looks)

    def take(self, packet: "Packet[Stream]", arrival: float) -> Iterator[Frame]:
        """An empty packet ends the stream."""
        if not packet.size:
            yield from self._shown(self._decoder.drain())
            return
        unit = packet.time_base
        frame = self._rig.stamp(
            self._kind,
            bytes(packet),
            *self._size,
            mono=self._times(seconds(packet.dts, unit), arrival),
            keyframe=packet.is_keyframe,
            pts=packet.pts,
            dts=packet.dts,
            time_base=unit,
            extradata=self._extradata,
        )
        frame = self._as_announced(frame)
        if self._role.use is not Use.MOTION:
            yield frame
        self._decoder.add(frame)
        yield from self._shown(self._decoded(frame.mono))

    def _as_announced(self, frame: Frame) -> Frame:
        """Some cameras change their format while they stream: what a keyframe announces holds from there on."""
        sets = nal.announced(frame)
        if not sets or sets == self._sets:
            return frame
        first, self._sets = self._sets is None, sets
        if first and self._size[0]:
            return frame
        size = size_of(self._kind, frame.data)
        if size is None or size == self._size:
            return frame
        log.info("%s: the video is %dx%d now", self._rig.stamp.camera, *size)
        self._size, self._extradata = size, nal.joined(sets)
        return replace(frame, width=size[0], height=size[1], extradata=self._extradata)

    @property
    def _people(self) -> bool:
        return self._role.use is not Use.MOTION and self._rig.demand.people

    @property
    def _motion(self) -> bool:
        return self._role.use is not Use.PEOPLE and self._rig.demand.motion

    def _decoded(self, mono: float) -> list[Seen]:
        if self._people:
            return self._within(self._rig.watching, mono, _TOO_SLOW_TO_WATCH)
        if not self._motion:
            return []
        if self._decoding == "auto":
            return self._within(self._rig.looking, mono, _TOO_SLOW_TO_LOOK)
        return self._decoder.decode() if self._decoding == "full" else self._decoder.keyframe()

    def _within(self, budget: Budget, mono: float, advice: str) -> list[Seen]:
        """Every frame's picture, or keyframes only once that has cost too much."""
        if budget.exceeded:
            return self._decoder.keyframe()
        if self._decoder.behind:  # what was not decoded while nobody looked is work for once
            return self._decoder.decode()
        began = self._cpu()
        found = self._decoder.decode()
        if budget.spend(self._cpu() - began, mono):
            log.warning("%s: %s", self._rig.stamp.camera, advice)
        return found

    def _shown(self, found: list[Seen]) -> Iterator[Frame]:
        """All for people; so many a second for motion alone."""
        for seen in found:
            if self._people or self._looks.due(seen.frame.mono):
                yield pictured(seen.frame, seen.picture, self._role.use)


def size_of(kind: Kind, keyframe: bytes) -> tuple[int, int] | None:
    """Width and height as a keyframe with its parameter sets says; None where it cannot be read."""
    try:
        with av.open(io.BytesIO(keyframe), "r", format="h264" if kind is Kind.H264 else "hevc") as container:
            context = container.streams.video[0].codec_context
            return (context.width, context.height) if context.width else None
    except (av.error.FFmpegError, IndexError):
        return None


class Jpegs:
    """MJPEG: each packet is a frame, when it is a whole picture."""

    def __init__(self, rig: Rig, times: Times) -> None:
        self._rig, self._times = rig, times
        self._sieve = Sieve(rig.stamp.camera)

    def take(self, packet: "Packet[Stream]", arrival: float) -> Iterator[Frame]:
        """Raises Broken when nothing but bad pictures comes."""
        data = jpeg.complete(bytes(packet))
        if data and (size := self._sieve.size(data)):
            mono = self._times(seconds(packet.pts, packet.time_base), arrival)
            yield self._rig.stamp(Kind.JPEG, data, *size, mono=mono)


class Pixels:
    """Anything else, the raw pixels of USB cameras among it: pictures, and JPEGs while frames are wanted coded."""

    def __init__(self, rig: Rig, times: Times) -> None:
        self._rig, self._times = rig, times
        self._looks = Looks(rig.looks)
        self._alive = Looks(1 / SIGN_OF_LIFE)

    def take(self, packet: "Packet[Stream]", arrival: float) -> Iterator[Frame]:
        """A packet that cannot be decoded costs its own pictures only."""
        try:
            pictures = packet.decode()
        except av.error.FFmpegError:
            return
        for picture in pictures:
            if isinstance(picture, av.VideoFrame):
                mono = self._times(seconds(picture.pts, picture.time_base), arrival)
                yield from self._made(picture, mono)

    def _made(self, picture: av.VideoFrame, mono: float) -> Iterator[Frame]:
        rig, size = self._rig, (picture.width, picture.height)
        if rig.demand.coded:
            data = Decoded(picture).jpeg(rig.quality, grey=rig.tone.grey)
            frame = rig.stamp(Kind.JPEG, data, *size, mono=mono, use=Use.PEOPLE)
            yield frame
            if rig.demand.motion and self._looks.due(mono):
                yield pictured(frame, picture, Use.MOTION)
        elif rig.demand.people or (self._looks if rig.demand.motion else self._alive).due(mono):
            yield rig.stamp(Kind.RAW, b"", *size, mono=mono, image=Decoded(picture))
        else:
            rig.stamp.skip()


def pictured(frame: Frame, picture: av.VideoFrame, use: Use) -> Frame:
    """The picture of a coded frame, with that frame's number and times."""
    size = picture.width, picture.height
    times = frame.mono, frame.wall
    return Frame(frame.camera, frame.number, *times, Kind.RAW, b"", *size, image=Decoded(picture), use=use)


def codec_of(stream: av.VideoStream | av.AudioStream) -> str | None:
    """None for a codec that this build of FFmpeg does not know: PyAV's types do not say that there is none."""
    context: av.CodecContext | None = stream.codec_context
    return context.name if context is not None else None


Track = Coded | Jpegs | Pixels
_PASSED = {"h264": Kind.H264, "hevc": Kind.HEVC}


def track(
    stream: av.VideoStream, rig: Rig, times: Times, role: Role, decoding: Decoding, *, pixels: bool = False
) -> Track:
    """What suits the stream's codec; `pixels`: video does not pass as it is, since its pictures are changed.

    Raises Broken for a codec that nobody here can read.
    """
    name = codec_of(stream)
    if name is None:
        raise Broken(
            "its video is coded in a way that is not known here; choose H.264 or H.265 in the camera's settings"
        )
    stream.codec_context.thread_count = 1
    if name == "mjpeg":
        return Jpegs(rig, times)
    if name in _PASSED and not pixels:
        return Coded(stream, _PASSED[name], rig, times, role, decoding)
    return Pixels(rig, times)
