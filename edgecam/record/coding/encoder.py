"""Encoder: pictures become H.264 that browsers play, in an MP4 that is read back before it counts.

The hardware of a Raspberry Pi up to 4 (`h264_v4l2m2m`) where it is and where the size suits it, x264 otherwise.
Runs in a child process (`child`); PyAV is loaded here.
"""

import argparse
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from edgecam import durable
from edgecam.record.coding.child import tell
from edgecam.record.sink import Rewritten

if TYPE_CHECKING:
    from av import Packet, VideoCodecContext, VideoFrame
    from av.container import OutputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

HARDWARE = "h264_v4l2m2m"
SOFTWARE = "libx264"

USED, ABSENT = "hardware", "no hardware"
"""What is told of the hardware: that this is its work, or that there is none, so that nobody looks for it again."""

TICK = Fraction(1, 90_000)

TELL_EVERY = 25
"""Frames between two signs of life."""
TELL_BYTES = 8_000_000
"""The same while bytes are moved."""

TOLERANCE = 0.02
"""How much (of 1) the length may change."""


class Failed(Exception):
    """The text says why, for the clip's note and the log."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How the H.264 is made."""

    bitrate: int
    """Bits per second."""
    qp: int | None
    """Constant quality instead of `bitrate`."""
    keyframe: float
    """Seconds between keyframes."""
    hardware: bool = True
    """Whether hardware may be tried."""

    @classmethod
    def asked(cls, given: argparse.Namespace) -> Self:
        """What the options of `options` say."""
        return cls(given.bitrate, given.qp, given.keyframe, not given.software)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bitrate", type=int, default=2_000_000)
    parser.add_argument("--qp", type=int)
    parser.add_argument("--keyframe", type=float, default=1.0)
    parser.add_argument("--software", action="store_true")


@dataclass(slots=True)
class Tally:
    """What was read or written."""

    frames: int = 0
    damaged: int = 0
    seconds: float = 0.0
    sounds: int = 0
    """Packets."""


Whole = Callable[["Packet[Stream]"], "Packet[Stream] | None"]


class Material(Protocol):
    """What is coded, and what goes beside it as it is."""

    width: int
    height: int

    def pictures(self, out: "OutputContainer", tally: Tally) -> Iterator[tuple["VideoFrame", int]]:
        """Each with its duration in ticks, counted in `tally`; adds tracks of its own to `out` before the first."""
        ...


def encode(material: Material, target: Path, coding: Coding) -> Tally:
    """Code and verify. Raises Failed, OSError for the disk alone, and what PyAV raises for what it cannot code."""
    made = Tally()
    with durable.create(target, buffering=0) as file:
        _write(material, _Lively(file, target), coding, made)
    if not made.frames:
        raise Failed("no picture of it can be decoded")
    compare(made, _read_back(target))
    if made.damaged:
        tell(f"damaged {made.damaged}")
    return made


def compare(made: Tally, found: Tally) -> None:
    """Raises Failed unless what was read back is what was made."""
    if found.damaged or found.frames != made.frames:
        raise Failed(f"{found.frames} frames of {made.frames} can be read back from the H.264 video")
    if found.sounds != made.sounds:
        raise Failed(f"{found.sounds} packets of sound of {made.sounds} can be read back beside the H.264 video")
    if abs(found.seconds - made.seconds) > max(0.05, TOLERANCE * made.seconds):
        raise Failed(f"the H.264 video lasts {found.seconds:.1f} s instead of {made.seconds:.1f} s")


class _Lively(Rewritten):
    """Tells that it is alive: the index in front of an hour's film moves all that is behind it."""

    _bytes = 0

    def write(self, data: bytes) -> int:
        before, self._bytes = self._bytes, self._bytes + len(data)
        if before // TELL_BYTES != self._bytes // TELL_BYTES:
            tell(0)
        return super().write(data)


_MP4 = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont+global_sidx",
    "video_track_timescale": str(TICK.denominator),
    "avoid_negative_ts": "disabled",
    "use_editlist": "0",
}
"""As the recorder's own, with an index in front, by which players know the length at once."""


def _write(material: Material, file: Rewritten, coding: Coding, made: Tally) -> None:
    import av
    from av.video.frame import PictureType
    from av.video.reformatter import ColorRange

    with av.open(file, "w", format="mp4", options=_MP4) as container:
        width, height = max(2, material.width & ~1), max(2, material.height & ~1)  # 4:2:0 has no odd sizes
        coder = _coder(width, height, coding)
        stream = container.add_stream(coder, rate=15)
        assert isinstance(stream, av.VideoStream)
        _set(stream.codec_context, coder, width, height, coding)
        stream.time_base = TICK
        track, next_key = _Track(container, stream, Heads() if coder == HARDWARE else lambda packet: packet), 0.0
        for frame, duration in material.pictures(container, made):
            # Frames decoded from JPEG say that they are intra pictures; left so, x264 makes each one a keyframe.
            key = float(frame.time or 0.0) >= next_key
            picture = frame.reformat(width, height, "yuv420p", dst_color_range=ColorRange.MPEG)
            picture.pict_type = PictureType.I if key else PictureType.NONE
            next_key += coding.keyframe if key else 0.0
            track.take(picture, duration)
            if made.frames % TELL_EVERY == 0:
                tell(made.frames)
        track.take(None, 0)


def suits_hardware(width: int, height: int) -> bool:
    """What the Pi's encoder takes (1920 at most either way), and FFmpeg hands to it untorn: rows without padding."""
    return 64 <= width <= 1920 and 64 <= height <= 1920 and width % 64 == 0


def _coder(width: int, height: int, coding: Coding) -> str:
    """Hardware is there when it opens; what it fails at later, x264 does in another run."""
    import av

    if not coding.hardware or not suits_hardware(width, height):
        return SOFTWARE
    try:
        trial = av.CodecContext.create(HARDWARE, "w")
        assert isinstance(trial, av.VideoCodecContext)
        _set(trial, HARDWARE, width, height, coding)
        trial.open()
    except (av.error.FFmpegError, ValueError):
        tell(ABSENT)
        return SOFTWARE
    tell(USED)
    return HARDWARE


def _set(context: "VideoCodecContext", coder: str, width: int, height: int, coding: Coding) -> None:
    """Nothing is reordered; keyframes come when a picture asks for one."""
    from av.video.reformatter import ColorRange, Colorspace

    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.colorspace, context.color_range = Colorspace.ITU601, ColorRange.MPEG  # JPEG's matrix (JFIF), TV's range
    context.time_base, context.gop_size = TICK, 600
    if coding.qp is None:
        context.bit_rate = coding.bitrate
    if coder == SOFTWARE:
        context.options = {"preset": "veryfast", "bf": "0", "sc_threshold": "0", "forced-idr": "1"}
        peak = {"maxrate": str(coding.bitrate * 3 // 2), "bufsize": str(coding.bitrate * 2)}
        context.options |= peak if coding.qp is None else {"qp": str(coding.qp)}
    elif coding.qp is not None:  # the hardware knows a rate and limits only
        context.bit_rate, context.qmin, context.qmax = 25_000_000, coding.qp, coding.qp


class _Track:
    """Frames go in with their durations, packets come out in the same order."""

    def __init__(self, container: "OutputContainer", stream: "VideoStream", whole: "Whole") -> None:
        self._container, self._stream, self._whole = container, stream, whole
        self._durations: deque[int] = deque()

    def take(self, frame: "VideoFrame | None", duration: int) -> None:
        """None ends it."""
        if frame is not None:
            self._durations.append(duration)
        for packet in filter(None, map(self._whole, self._stream.encode(frame))):
            packet.stream, packet.duration = self._stream, self._durations.popleft()
            self._container.mux(packet)


class Heads:
    """Hardware may give its parameter sets in a packet of their own; the muxer wants them with the first frame."""

    def __init__(self) -> None:
        self._head = b""

    def __call__(self, packet: "Packet[Stream]") -> "Packet[Stream] | None":
        """The packet with what came before it; None when there is no picture in it."""
        import av

        from edgecam import nal
        from edgecam.frame import Kind

        data = self._head + bytes(packet)
        if not any(1 <= nal.unit_type(Kind.H264, unit) <= 5 for unit in nal.split(data)):
            self._head = data
            return None
        whole = av.Packet(data)
        whole.time_base, whole.is_keyframe = packet.time_base, packet.is_keyframe
        whole.pts, whole.dts, self._head = packet.pts, packet.dts, b""
        return whole


def _read_back(path: Path) -> Tally:
    import av

    found = Tally()
    with path.open("rb") as file, av.open(file, "r") as container:
        stream = container.streams.video[0]
        if stream.codec_context.name != "h264":
            raise Failed("what was made is no H.264 video")
        stream.thread_type = "AUTO"
        for packet in container.demux(stream, *container.streams.audio[:1]):
            if packet.stream is not stream:
                found.sounds += packet.pts is not None
                continue
            try:
                found.frames += len(packet.decode())
            except av.error.InvalidDataError:
                found.damaged += 1
            if found.frames % TELL_EVERY == 0:
                tell(found.frames)
            if packet.pts is not None and packet.time_base is not None:
                found.seconds = float((packet.pts + (packet.duration or 0)) * packet.time_base)
    return found
