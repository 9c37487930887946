"""Real AAC for tests: quiet with beeps in it, and where in a file they are heard."""

import functools
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from edgecam.frame import Sound
from peers import program

BEEP = 0.1
"""Seconds of a beep."""


@functools.cache
def sounds(
    seconds: float, *beeps: float, mono: float = 1000.0, rate: int = 48000, channels: int = 1
) -> tuple[Sound, ...]:
    """Packets from `mono` on, with beeps at these seconds after it."""
    times = np.arange(round(seconds * rate)) / rate
    loud = sum((times >= beep) & (times < beep + BEEP) for beep in beeps) if beeps else np.zeros_like(times)
    wave = np.tile((0.5 * loud * np.sin(2 * np.pi * 1000 * times)).astype(np.float32), (channels, 1))
    coder = av.CodecContext.create("aac", "w")
    assert isinstance(coder, av.AudioCodecContext)
    coder.sample_rate, coder.layout, coder.format = rate, {1: "mono", 2: "stereo"}[channels], "fltp"
    coder.bit_rate, coder.time_base = 48_000, Fraction(1, rate)
    packets = []
    for at in range(0, wave.shape[1] - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave[:, at : at + 1024]), "fltp", coder.layout.name)
        frame.sample_rate, frame.pts = rate, at
        packets += coder.encode(frame)
    packets += coder.encode(None)
    return tuple(
        Sound(
            "cam", mono + packet.pts / rate, bytes(packet), 1024 / rate, rate, channels, bytes(coder.extradata or b"")
        )
        for packet in packets
        if packet.pts is not None and packet.pts >= 0
    )


def beeps(path: Path) -> list[float]:
    """Seconds of the file's own time at which beeps begin; to a few milliseconds."""
    found, quiet_since = list[float](), -1.0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            level = np.abs(frame.to_ndarray()).max(axis=0)
            for sample in np.flatnonzero(level > 0.1):
                at = float(frame.time or 0.0) + sample / frame.sample_rate
                if at - quiet_since > BEEP / 2:
                    found.append(at)
                quiet_since = at
    return found


def decodes(path: Path) -> None:
    """A strict decoder has nothing to complain of, in either track."""
    command = [program("ffmpeg"), "-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def voice(path: Path) -> tuple[float, float] | None:
    """When the sound of a file begins and ends; None when it has no track for it."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        times = [(packet.pts, packet.duration or 0) for packet in container.demux(stream) if packet.pts is not None]
        base = float(stream.time_base or 0)
    return (times[0][0] * base, (times[-1][0] + times[-1][1]) * base) if times else (0.0, 0.0)


def packets(path: Path) -> list[bytes]:
    """The coded sound of a file."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


def joined(given: Sequence[Sound]) -> list[bytes]:
    return [sound.data for sound in given]
