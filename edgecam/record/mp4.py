"""Fragmented MP4 through PyAV: playable up to its last whole fragment at any moment, whatever happens to the writer.

Frames and sound pass through as they are. Times are those of capture, so that a clip lasts as long as what it shows and
sound is heard where it belongs. A camera that codes frames before others that are shown first shows all of them later
by that delay; its own sound, dated by the same clock, waits for them, and a microphone's has `audio.delay`.

A file may begin with a keyframe whose followers are shown before it and need the group before (open GOPs). In H.265
they stay: players pass over them, as its standard has it (RASL pictures), and nothing is missing once the parts are
joined. In H.264 nothing marks them, and Chromium refuses the whole file for them: they are left out. (It refuses to
leap within such a stream as well, wherever that begins.)
"""

from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

from edgecam import nal
from edgecam.frame import Frame, Kind, Sound
from edgecam.record.sink import Sink

if TYPE_CHECKING:
    from av import AudioStream, Packet
    from av.container import OutputContainer
    from av.stream import Stream

TICK = Fraction(1, 90_000)
FIRST_GUESS = 0.1
"""Seconds that the only frame of a clip is shown."""

MOST_LATER = 5.0
"""Seconds from a frame's place in the coding order to when it is shown; more is a mistake of the camera's clock."""

SLACK = 0.04
"""Seconds that a packet of sound may come before or after the end of the one before it: no gap, no overlap."""

SOUND_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""Samples per second that AAC knows by name (ISO/IEC 14496-3, table 1.18)."""

_LAYOUTS = {1: "mono", 2: "stereo"}
_CODECS = {Kind.JPEG: "mjpeg", Kind.H264: "h264", Kind.HEVC: "hevc"}
_ALWAYS = {
    "flush_packets": "1",
    "video_track_timescale": str(TICK.denominator),
    # A track that falls silent must not hold back the other one, in memory, for a crash to take.
    "max_interleave_delta": "1",
    "avoid_negative_ts": "disabled",  # each track begins where it does, not at nought
    "use_editlist": "0",
}
_FLAGS = "empty_moov+default_base_moof+frag_discont"
_OPTIONS = {
    # Every JPEG is a keyframe: fragments are bounded by time.
    Kind.JPEG: {"movflags": _FLAGS, "frag_duration": "500000"},
    # A GOP or a second, whichever is shorter.
    Kind.H264: {"movflags": _FLAGS + "+frag_keyframe", "frag_duration": "1000000"},
}
_OPTIONS[Kind.HEVC] = _OPTIONS[Kind.H264]


class Seats:
    """Where packets of sound go, in samples: each at the end of the one before it, unless it was heard elsewhere.

    Pure. Packets that overlap what is there already have no place (None).
    """

    def __init__(self, rate: int) -> None:
        self._slack = round(SLACK * rate)
        self._next: int | None = None

    def place(self, at: int, length: int) -> int | None:
        off = 0 if self._next is None else at - self._next
        if at < 0 or off < -self._slack:
            return None
        if self._next is not None and off <= self._slack:
            at = self._next
        self._next = at + length
        return at


class Mp4:
    """Writes frames of one kind and size into `file` (unbuffered), and with `sound` what is coded as it is.

    One thread; PyAV is loaded here. A frame is written when the next one tells how long it lasts. Raises OSError from
    every method, ValueError for what cannot be muxed; after either the file ends with its last whole fragment and must
    not be written to.
    """

    def __init__(self, file: BinaryIO, first: Frame, sound: Sound | None = None) -> None:
        import av

        self._packet = av.Packet
        self._first = first.mono
        self._begins = first.pts if first.kind is Kind.H264 else None  # until a frame is shown after the first
        self._waiting: Packet[Stream] | None = None
        self._duration = round(FIRST_GUESS / TICK)
        self._sink = Sink(file)
        self._container: OutputContainer = av.open(
            self._sink, "w", format="mp4", options=_OPTIONS[first.kind] | _ALWAYS
        )
        self._stream: Stream = self._container.add_mux_stream(
            _CODECS[first.kind], width=first.width, height=first.height, time_base=TICK
        )
        self._rate, self._voice = 0, None
        if sound and sound.rate in SOUND_RATES and sound.channels in _LAYOUTS:
            self._rate, self._voice, self._seats = sound.rate, self._sound_track(sound), Seats(sound.rate)

    def _sound_track(self, sound: Sound) -> "AudioStream":
        """An encoder stands in for the one that made the sound: PyAV takes a configuration no other way."""
        stream = self._container.add_stream("aac", rate=sound.rate)
        stream.layout = _LAYOUTS[sound.channels]
        stream.codec_context.open()
        stream.codec_context.extradata = sound.extradata
        stream.time_base = Fraction(1, sound.rate)
        return stream

    def write(self, frame: Frame) -> None:
        """Frames come in coding order, each captured after the one before."""
        if self._is_leading(frame):
            return
        packet = self._packet(frame.data if frame.kind is Kind.JPEG else nal.stream(frame))
        packet.stream, packet.time_base, packet.is_keyframe = self._stream, TICK, frame.keyframe
        at = self._ticks(frame.mono)
        if self._waiting is not None and self._waiting.dts is not None:
            at = max(at, self._waiting.dts + 1)
        packet.dts = packet.pts = at
        if frame.pts is not None and frame.dts is not None and frame.time_base is not None:
            later = round((frame.pts - frame.dts) * frame.time_base / TICK)
            packet.pts = at + (later if 0 < later * TICK < MOST_LATER else 0)
        self._mux(at)
        self._waiting = packet

    def _is_leading(self, frame: Frame) -> bool:
        leading = self._begins is not None and not frame.keyframe and frame.pts is not None and frame.pts < self._begins
        if not (leading or frame.keyframe):
            self._begins = None
        return leading

    def hear(self, sound: Sound) -> None:
        """Sound comes between any two frames; what there is no track for, or was heard before, is left out."""
        if self._voice is None:
            return
        length = round(sound.duration * self._rate)
        at = self._seats.place(round((sound.mono - self._first) * self._rate), length)
        if at is None:
            return
        packet = self._packet(sound.data)
        packet.stream, packet.time_base, packet.is_keyframe = self._voice, Fraction(1, self._rate), True
        packet.dts = packet.pts = at
        packet.duration = length
        self._container.mux(packet)

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
