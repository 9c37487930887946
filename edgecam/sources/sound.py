"""SoundTrack: a camera's own sound as AAC. AAC passes untouched; G.711, Opus and the rest are decoded and coded."""

from collections.abc import Iterator
from fractions import Fraction

import av
from av import Packet
from av.stream import Stream

from edgecam.config import model
from edgecam.frame import Sound
from edgecam.sources import Rig
from edgecam.sources.timeline import Times, seconds

AAC_FRAME = 1024
"""Samples in a packet (ISO/IEC 14496-3)."""
AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
USUAL_RATE = 48000
"""For what has a rate that AAC does not know."""

GAP = 0.1
"""Seconds by which the stream's own times may differ from its samples before they are believed."""


class SoundTrack:
    """One audio stream of a container, for one life. Used by one capture thread."""

    def __init__(self, stream: av.AudioStream, config: model.Audio, rig: Rig, times: Times) -> None:
        self._camera, self._times = rig.stamp.camera, times
        context = stream.codec_context
        self._rate, self._channels = context.sample_rate, min(context.channels or 1, 2)
        self._extradata = bytes(context.extradata or b"")
        self._encoder: av.AudioCodecContext | None = None
        self._begin, self._samples = float("-inf"), 0  # own time of the first sample, and how many were coded
        if context.name != "aac" or not self._extradata or context.channels > 2:
            self._encoder = self._coder(config)

    def _coder(self, config: model.Audio) -> av.AudioCodecContext:
        self._rate = self._rate if self._rate in AAC_RATES else USUAL_RATE
        if config.channels != "auto":
            self._channels = min(self._channels, int(config.channels))
        encoder: av.AudioCodecContext = av.CodecContext.create("aac", "w")
        encoder.sample_rate, encoder.format = self._rate, av.AudioFormat("fltp")
        encoder.layout = "mono" if self._channels == 1 else "stereo"
        encoder.bit_rate = min(config.bitrate, 6 * self._rate * self._channels)  # what AAC can use at this rate
        encoder.open()
        self._extradata = bytes(encoder.extradata or b"")
        return encoder

    def take(self, packet: "Packet[Stream]", arrival: float) -> Iterator[Sound]:
        """A packet that cannot be decoded costs its own sound only."""
        if self._encoder is None:
            if packet.size:
                yield self._sound(bytes(packet), seconds(packet.pts, packet.time_base), arrival)
            return
        try:
            coded = [
                made for frame in packet.decode() if isinstance(frame, av.AudioFrame) for made in self._encode(frame)
            ]
        except av.error.FFmpegError:
            return
        for made in coded:
            own = seconds(made.pts, made.time_base)
            yield self._sound(bytes(made), own if own is None else self._begin + own, arrival)

    def _encode(self, frame: av.AudioFrame) -> "list[Packet[Stream]]":
        """Counts samples: a container's own times of sound are often too coarse to be even."""
        if self._encoder is None:
            return []
        counted, own = self._samples / frame.sample_rate, seconds(frame.pts, frame.time_base)
        if own is not None and abs(self._begin + counted - own) > GAP:
            self._begin = own - counted
        frame.pts, frame.time_base = self._samples, Fraction(1, frame.sample_rate)
        self._samples += frame.samples
        return self._encoder.encode(frame)

    def _sound(self, data: bytes, own: float | None, arrival: float) -> Sound:
        mono = self._times.beside(own, arrival)
        return Sound(self._camera, mono, data, AAC_FRAME / self._rate, self._rate, self._channels, self._extradata)
