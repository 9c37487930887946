"""SoundTrack: a camera's own sound as AAC. AAC passes untouched; G.711, Opus and the rest are decoded and coded."""

from collections.abc import Iterator

import av
from av import Packet
from av.container import InputContainer
from av.stream import Stream

from edgecam.config import model
from edgecam.frame import Sound
from edgecam.sources import Rig
from edgecam.sources.timeline import Times, seconds
from edgecam.sources.tracks import codec_of

AAC_FRAME = 1024
"""Samples in a packet (ISO/IEC 14496-3)."""
AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
USUAL_RATE = 48000
"""For what has a rate that AAC does not know."""


class SoundTrack:
    """One audio stream of a container, for one life. Used by one capture thread."""

    def __init__(self, stream: av.AudioStream, config: model.Audio, rig: Rig, times: Times) -> None:
        self._camera, self._times = rig.stamp.camera, times
        self._delay = config.delay
        context = stream.codec_context
        self._rate, self._channels = context.sample_rate, min(context.channels or 1, 2)
        self._extradata = bytes(context.extradata or b"")
        self._encoder: av.AudioCodecContext | None = None
        self._duration = (context.frame_size or AAC_FRAME) / (self._rate or USUAL_RATE)
        if context.name != "aac" or not (self._extradata and self._rate) or context.channels > 2:
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
        self._extradata, self._duration = bytes(encoder.extradata or b""), AAC_FRAME / self._rate
        return encoder

    def take(self, packet: "Packet[Stream]", arrival: float) -> Iterator[Sound]:
        """A packet that cannot be decoded costs its own sound only."""
        if self._encoder is None:
            if packet.size:
                yield self._sound(bytes(packet), seconds(packet.pts, packet.time_base), arrival)
            return
        for made in self._coded(packet):
            yield self._sound(bytes(made), seconds(made.pts, made.time_base), arrival)

    def _coded(self, packet: "Packet[Stream]") -> "Iterator[Packet[Stream]]":
        try:
            for frame in packet.decode():
                if self._encoder is not None and isinstance(frame, av.AudioFrame):
                    yield from self._encoder.encode(frame)
        except (av.error.FFmpegError, ValueError):  # the latter when the sound changes its form
            return

    def _sound(self, data: bytes, own: float | None, arrival: float) -> Sound:
        mono = self._times.beside(own, arrival) + self._delay
        return Sound(self._camera, mono, data, self._duration, self._rate, self._channels, self._extradata)


def audible(container: InputContainer) -> av.AudioStream | None:
    """The first sound in it that can be decoded here."""
    return next((stream for stream in container.streams.audio if codec_of(stream)), None)
