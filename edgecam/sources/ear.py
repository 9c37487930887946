"""Ear: a microphone as a source of AAC. Samples of any rate become `Sound` in step with the monotonic clock."""

import itertools
import os
from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.filter import Graph
from av.filter.context import FilterContext

from edgecam.clock import Clock
from edgecam.config import model
from edgecam.frame import Sound
from edgecam.sources import Broken, alsa
from edgecam.sources.steady import Steady

BLOCK = 1024
"""Samples that are worked on at once; the size of an AAC packet (ISO/IEC 14496-3)."""
AHEAD = 5.0
"""Seconds of sound that a device may give beyond those that passed: more, and it hears nothing (ALSA's `null`)."""
SPAN = 60.0
"""Seconds over which that is counted: a card whose clock is a little fast is ahead by seconds after some hours."""
MOST = 0.02
"""How much (of 1) sound may be stretched to stay in step; GAP and more is filled with silence or cut."""
GAP = 0.1

_LAYOUTS = {1: "mono", 2: "stereo"}


class Coder:
    """Blocks of samples, each with the time it was heard, become packets of AAC. Used by one thread.

    Gaps become silence, and a clock that drifts is followed, so that sound and its times go on evenly for hours.
    """

    def __init__(self, camera: str, config: model.Audio, rate: int, channels: int, coder: str = "fast") -> None:
        self._camera, self._delay, self._rate = camera, config.delay, config.rate
        self._in_rate, self._layout = rate, _LAYOUTS[channels]
        self._channels = channels if config.channels == "auto" else int(config.channels)
        self._origin: float | None = None  # time of the first sample
        self._source, self._sink = self._graph()
        self._encoder = self._open(config.bitrate, coder)

    def _graph(self) -> tuple[FilterContext, FilterContext]:
        self._filters = graph = Graph()
        layout, rate = _LAYOUTS[self._channels], self._rate
        given = f"sample_rate={self._in_rate}:sample_fmt=s16:channel_layout={self._layout}:time_base=1/{self._in_rate}"
        chain = [
            graph.add("abuffer", given),
            graph.add("aresample", f"{rate}:async={round(MOST * rate)}:min_hard_comp={GAP}"),
            graph.add("aformat", f"sample_fmts=fltp:sample_rates={rate}:channel_layouts={layout}"),
            graph.add("asetnsamples", f"n={BLOCK}:p=0"),
            graph.add("abuffersink"),
        ]
        for one, following in itertools.pairwise(chain):
            one.link_to(following)
        graph.configure()
        return chain[0], chain[-1]

    def _open(self, bitrate: int, coder: str) -> AudioCodecContext:
        encoder = AudioCodecContext.create("aac", "w")
        assert isinstance(encoder, AudioCodecContext)
        encoder.sample_rate, encoder.layout, encoder.format = self._rate, _LAYOUTS[self._channels], "fltp"
        encoder.bit_rate = min(bitrate, 6 * self._rate * self._channels)  # more is not AAC any more
        encoder.time_base = Fraction(1, self._rate)
        encoder.options = {"aac_coder": coder}  # about half the cost of the other, see bench/sound_cost.py
        encoder.open()
        return encoder

    def take(self, mono: float, samples: bytes) -> Iterator[Sound]:
        """`samples` (16 bit, interleaved) that began at `mono`."""
        if self._origin is None:
            self._origin = mono
        count = len(samples) // 2 // (1 if self._layout == "mono" else 2)
        frame = av.AudioFrame(format="s16", layout=self._layout, samples=count)
        frame.planes[0].update(samples)
        frame.sample_rate, frame.time_base = self._in_rate, Fraction(1, self._in_rate)
        frame.pts = round((mono - self._origin) * self._in_rate)
        self._source.push(frame)
        while (even := self._pull()) is not None:
            for packet in self._encoder.encode(even):
                if packet.pts is not None and packet.pts >= 0:  # before it the encoder only warms up
                    yield self._sound(bytes(packet), self._origin + packet.pts / self._rate)

    def _pull(self) -> av.AudioFrame | None:
        try:
            frame = self._sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return None
        assert isinstance(frame, av.AudioFrame)
        return frame

    def _sound(self, data: bytes, mono: float) -> Sound:
        extradata = bytes(self._encoder.extradata or b"")
        return Sound(self._camera, mono + self._delay, data, BLOCK / self._rate, self._rate, self._channels, extradata)


class Ear:
    """Reader of one device, for one life (see threaded.Reader). Raises Broken."""

    def __init__(self, camera: str, device: alsa.Device, config: model.Audio, clock: Clock) -> None:
        self._camera, self._config, self._clock = camera, config, clock
        self._device = device.with_channels(config.channels)
        self._container: InputContainer | None = None
        self._ready: deque[Sound] = deque()

    def open(self) -> None:
        alsa.listen()
        self._container = self._opened()
        self._stream: AudioStream = self._container.streams.audio[0]
        context = self._stream.codec_context
        self._rate, self._channels = context.sample_rate, context.channels
        self._packets = self._container.demux(self._stream)
        self._steady = Steady(self._rate)
        self._coder = Coder(self._camera, self._config, self._rate, self._channels)
        self._began, self._samples = self._clock.monotonic(), 0

    def _opened(self) -> InputContainer:
        """With as many channels as the device can."""
        name, error = self._device.name, OSError()
        for channels in self._device.channels:
            options = {"sample_rate": str(self._config.rate), "channels": str(channels)}
            if self._device.format != "alsa":
                options = {"sample_rate": options["sample_rate"], "ch_layout": _LAYOUTS[channels]}
            try:
                return av.open(name, format=self._device.format, options=options)
            except OSError as refused:
                error = refused
        raise Broken(alsa.reason(name, error, os.environ)) from None

    def read(self) -> Sound | None:
        while not self._ready:
            samples = self._block()
            count = len(samples) // 2 // self._channels
            now = self._clock.monotonic()
            self._pace(now, count)
            self._ready.extend(self._coder.take(self._steady.block(now, count), samples))
        return self._ready.popleft()

    def _pace(self, now: float, count: int) -> None:
        """Raises Broken for what cannot be heard in the time."""
        self._samples += count
        if self._samples / self._rate > now - self._began + AHEAD:
            raise Broken(f"{self._device.name} gives sound faster than time passes: it is no microphone")
        if now - self._began >= SPAN:
            self._began, self._samples = now, 0

    def _block(self) -> bytes:
        """Cards give from one sample to seconds at a time: at least a block, and whole samples."""
        samples, enough = bytearray(), BLOCK * 2 * self._channels
        while len(samples) < enough:
            try:
                packet = next(self._packets, None)
            except OSError as error:
                raise Broken(f"the microphone {self._device.name} is gone ({error.strerror})") from None
            if packet is None or not packet.size:
                raise Broken(f"the microphone {self._device.name} is gone")
            samples += bytes(packet)
        return bytes(samples)

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
