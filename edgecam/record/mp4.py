"""Fragmented MP4 through PyAV: playable up to its last whole fragment at any moment, whatever happens to the writer.

Frames pass through as they are. Times are those of capture, so that a clip lasts as long as what it shows.
"""

from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

from edgecam import nal
from edgecam.frame import Frame, Kind

if TYPE_CHECKING:
    from av import Packet
    from av.container import OutputContainer
    from av.stream import Stream

TICK = Fraction(1, 90_000)
FIRST_GUESS = 0.1
"""Seconds that the only frame of a clip is shown."""

_CODECS = {Kind.JPEG: "mjpeg", Kind.H264: "h264", Kind.HEVC: "hevc"}
_ALWAYS = {"flush_packets": "1", "video_track_timescale": str(TICK.denominator)}
_OPTIONS = {
    # Every JPEG is a keyframe: fragments are bounded by time.
    Kind.JPEG: {"movflags": "empty_moov+default_base_moof", "frag_duration": "500000"},
    # A GOP or a second, whichever is shorter.
    Kind.H264: {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "1000000"},
}
_OPTIONS[Kind.HEVC] = _OPTIONS[Kind.H264]


class Sink:
    """What the muxer writes to: each write whole, or an OSError; and once broken, nothing more."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.closed = False  # PyAV asks before it writes a trailer by itself

    def write(self, data: bytes) -> int:
        """Raises OSError: disk full, damaged, read-only."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self.closed = True
            raise
        return len(data)


class Mp4:
    """Writes frames of one kind and size into `file` (unbuffered). One thread; PyAV is loaded here.

    A frame is written when the next one tells how long it lasts. Raises OSError from every method, ValueError for
    what cannot be muxed; after either the file ends with its last whole fragment and must not be written to.
    """

    def __init__(self, file: BinaryIO, first: Frame) -> None:
        import av

        self._packet = av.Packet
        self._first = first.mono
        self._waiting: Packet[Stream] | None = None
        self._duration = round(FIRST_GUESS / TICK)
        self._sink = Sink(file)
        self._container: OutputContainer = av.open(
            self._sink, "w", format="mp4", options=_OPTIONS[first.kind] | _ALWAYS
        )
        self._stream: Stream = self._container.add_mux_stream(
            _CODECS[first.kind], width=first.width, height=first.height, time_base=TICK
        )

    def write(self, frame: Frame) -> None:
        """Frames come in coding order, each captured after the one before."""
        packet = self._packet(frame.data if frame.kind is Kind.JPEG else nal.stream(frame))
        packet.stream, packet.time_base, packet.is_keyframe = self._stream, TICK, frame.keyframe
        at = self._ticks(frame.mono)
        if self._waiting is not None and self._waiting.dts is not None:
            at = max(at, self._waiting.dts + 1)
        packet.dts = packet.pts = at
        if frame.pts is not None and frame.dts is not None and frame.time_base is not None:
            packet.pts = at + max(0, round((frame.pts - frame.dts) * frame.time_base / TICK))
        self._mux(at)
        self._waiting = packet

    def close(self, until: float | None = None) -> None:
        """The last frame is shown up to `until` (monotonic), else as long as the one before it."""
        try:
            self._mux(None if until is None else self._ticks(until))
            self._container.close()
        finally:
            self._sink.closed = True

    def abandon(self) -> None:
        """Write nothing more, not even what was held back."""
        self._sink.closed = True

    def _ticks(self, mono: float) -> int:
        return round((mono - self._first) / TICK)

    def _mux(self, end: int | None) -> None:
        packet, self._waiting = self._waiting, None
        if packet is None or packet.dts is None:
            return
        if end is not None and end > packet.dts:
            self._duration = end - packet.dts
        packet.duration = self._duration
        self._container.mux(packet)
