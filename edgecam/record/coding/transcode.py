"""`python -m edgecam.record.coding.transcode IN OUT`: JPEG video becomes H.264, in a process that may be heavy or hang.
Sound is copied as it is.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgecam.record.coding import child, encoder
from edgecam.record.coding.encoder import Coding, Tally

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoFrame
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream


def transcode(source: Path, target: Path, coding: Coding) -> Tally:
    """Code and verify. Raises what `encoder.encode` does, and what PyAV raises for a file that it cannot read."""
    import av

    with source.open("rb") as file, av.open(file, "r") as container:
        return encoder.encode(_JpegVideo(container), target, coding)


class _JpegVideo:
    """Material."""

    def __init__(self, given: "InputContainer") -> None:
        self._given, self._stream = given, given.streams.video[0]
        self.width, self.height = self._stream.width, self._stream.height

    def pictures(self, out: "OutputContainer", tally: Tally) -> Iterator[tuple["VideoFrame", int]]:
        """Every frame that can be decoded; damaged ones are counted."""
        import av

        stream, voice = self._stream, _copied(out, self._given)
        for packet in self._given.demux(stream, *self._given.streams.audio[:1]):
            if packet.pts is None or packet.time_base is None:
                continue
            if packet.stream is not stream:
                tally.sounds += 1
                voice(packet)
                continue
            duration = packet.duration or 0
            try:
                frames = stream.decode(packet)
            except av.error.InvalidDataError:
                tally.damaged += 1
                continue
            for frame in frames:
                tally.frames += 1
                tally.seconds = float((packet.pts + duration) * packet.time_base)
                yield frame, round(duration * packet.time_base / encoder.TICK)


def _copied(out: "OutputContainer", given: "InputContainer") -> Callable[["Packet[Stream]"], None]:
    """What takes the packets of the sound, when there is any."""
    if not given.streams.audio:
        return lambda packet: None
    voice: AudioStream = out.add_stream_from_template(given.streams.audio[0])

    def copy(packet: "Packet[Stream]") -> None:
        packet.stream = voice
        out.mux(packet)

    return copy


def main() -> int:
    parser = argparse.ArgumentParser(prog="edgecam.record.coding.transcode")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    encoder.options(parser)
    given = parser.parse_args()
    return child.work(lambda: transcode(given.source, given.target, Coding.asked(given)))


if __name__ == "__main__":
    sys.exit(main())
