"""`python -m edgecam.record.transcode IN OUT`: JPEG video becomes H.264, in a process that may be heavy or hang.
Sound is copied as it is. With `--film FPS` IN names stills, one path a line, that become a film.

Runs niced, tells its progress on stdout, reads its own work back before it exits 0, and exits at once when the daemon
that holds its stdin is gone. On failure the last line on stderr says why.
"""

import argparse
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoFrame
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

NICE = 10
TELL_EVERY = 25
"""Frames between two signs of life."""

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


@dataclass(slots=True)
class Tally:
    """What was read or written."""

    frames: int = 0
    damaged: int = 0
    seconds: float = 0.0
    sounds: int = 0
    """Packets."""


def transcode(source: Path, target: Path, coding: Coding) -> Tally:
    """Code and verify. Raises Failed, and what PyAV raises for files it cannot read or write."""
    made = _code(source, target, coding)
    if not made.frames:
        raise Failed("no frame of the JPEG video can be decoded")
    compare(made, _read_back(target))
    return made


def film(stills: Path, target: Path, fps: int, coding: Coding) -> Tally:
    """Code and verify a film of the stills that the text file `stills` names, as large as the first one.

    Those that are gone or cannot be decoded are left out. Raises as `transcode` does.
    """
    import av

    made = Tally()
    with av.open(str(target), "w", format="mp4", options=_MP4) as container:
        pictures = _developed(stills, fps, made)
        first = next(pictures, None)
        if first is None:
            raise Failed("no still of the film can be decoded")
        stream = _output(container, first[0], coding)
        _encode(container, stream, chain([first], pictures), made, coding)
    compare(made, _read_back(target))
    return made


def compare(made: Tally, found: Tally) -> None:
    """Raises Failed unless what was read back is what was made."""
    if found.damaged or found.frames != made.frames:
        raise Failed(f"{found.frames} frames of {made.frames} can be read back from the H.264 video")
    if found.sounds != made.sounds:
        raise Failed(f"{found.sounds} packets of sound of {made.sounds} can be read back beside the H.264 video")
    if abs(found.seconds - made.seconds) > max(0.05, TOLERANCE * made.seconds):
        raise Failed(f"the H.264 video lasts {found.seconds:.1f} s instead of {made.seconds:.1f} s")


def _code(source: Path, target: Path, coding: Coding) -> Tally:
    import av

    made = Tally()
    with av.open(str(source)) as given, av.open(str(target), "w", format="mp4", options=_MP4) as container:
        incoming = given.streams.video[0]
        stream = _output(container, incoming, coding)
        voice = _copied(container, given)
        _encode(container, stream, _decoded(given, incoming, made, voice), made, coding)
    return made


def _encode(
    container: "OutputContainer",
    stream: "VideoStream",
    pictures: Iterator[tuple["VideoFrame", int]],
    made: Tally,
    coding: Coding,
) -> None:
    """Code each picture for its duration, with keyframes as `coding` has them, and give signs of life."""
    from av.video.frame import PictureType
    from av.video.reformatter import ColorRange

    durations: deque[int] = deque()
    next_key = 0.0
    for frame, duration in pictures:
        # Frames decoded from JPEG say that they are intra pictures; left so, x264 makes each one a keyframe.
        key = float(frame.time or 0.0) >= next_key
        picture = frame.reformat(stream.width, stream.height, "yuv420p", dst_color_range=ColorRange.MPEG)
        picture.pict_type = PictureType.I if key else PictureType.NONE
        next_key += coding.keyframe if key else 0.0
        durations.append(duration)
        _mux(container, stream, picture, durations)
        if made.frames % TELL_EVERY == 0:
            print(made.frames, flush=True)  # noqa: T201  (the parent reads it)
    _mux(container, stream, None, durations)


_MP4 = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont+global_sidx",
    "video_track_timescale": "90000",
    "avoid_negative_ts": "disabled",
    "use_editlist": "0",
}
"""As the recorder's own, with an index in front, by which players know the length at once."""


def _output(container: "OutputContainer", incoming: "VideoStream | VideoFrame", coding: Coding) -> "VideoStream":
    """H.264 of the same size (odd ones a pixel smaller: 4:2:0 has no odd ones), without reordered frames."""
    from av.video.reformatter import ColorRange, Colorspace

    options = {"preset": "veryfast", "bf": "0", "g": "600", "sc_threshold": "0", "forced-idr": "1"}
    stream = container.add_stream("libx264", rate=Fraction(15), options=options)
    stream.width, stream.height = max(2, incoming.width & ~1), max(2, incoming.height & ~1)
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.colorspace, context.color_range = Colorspace.ITU601, ColorRange.MPEG  # JPEG's matrix (JFIF), TV's range
    stream.time_base = context.time_base = Fraction(1, 90_000)
    if coding.qp is not None:
        stream.options["qp"] = str(coding.qp)
    else:
        stream.bit_rate = coding.bitrate
        stream.options |= {"maxrate": str(coding.bitrate * 3 // 2), "bufsize": str(coding.bitrate * 2)}
    return stream


def _copied(container: "OutputContainer", given: "InputContainer") -> Callable[["Packet[Stream]"], None]:
    """What takes the packets of the sound, when there is any."""
    if not given.streams.audio:
        return lambda packet: None
    voice: AudioStream = container.add_stream_from_template(given.streams.audio[0])

    def copy(packet: "Packet[Stream]") -> None:
        packet.stream = voice
        container.mux(packet)

    return copy


def _decoded(
    given: "InputContainer", stream: "VideoStream", tally: Tally, voice: Callable[["Packet[Stream]"], None]
) -> Iterator[tuple["VideoFrame", int]]:
    """Every frame that can be decoded, with its duration in the stream's ticks; damaged ones are counted. Sound goes
    to `voice`.
    """
    import av

    for packet in given.demux(stream, *given.streams.audio[:1]):
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
            yield frame, duration


def _developed(stills: Path, fps: int, tally: Tally) -> Iterator[tuple["VideoFrame", int]]:
    """Every still that can be decoded, with its time and duration in ticks of 1/90000 s."""
    import av

    for name in stills.read_bytes().splitlines():
        decoder = av.CodecContext.create("mjpeg", "r")
        try:
            frames = decoder.decode(av.Packet(Path(os.fsdecode(name)).read_bytes()))
        except (FileNotFoundError, av.error.InvalidDataError):
            frames = []
        if not frames:
            tally.damaged += 1
            continue
        frame, time_base = frames[0], Fraction(1, 90_000)
        frame.time_base, frame.pts = time_base, tally.frames * 90_000 // fps
        tally.frames += 1
        duration = tally.frames * 90_000 // fps - frame.pts
        tally.seconds = float((frame.pts + duration) * time_base)
        yield frame, duration


def _mux(
    container: "OutputContainer", stream: "VideoStream", frame: "VideoFrame | None", durations: deque[int]
) -> None:
    """Nothing is reordered, so that packets come out in the order in which frames, and their durations, went in."""
    for packet in stream.encode(frame):
        packet.duration = durations.popleft()
        container.mux(packet)


def _read_back(path: Path) -> Tally:
    import av

    found = Tally()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for packet in container.demux(stream, *container.streams.audio[:1]):
            if packet.stream is not stream:
                found.sounds += packet.pts is not None
                continue
            try:
                found.frames += len(packet.decode())
            except av.error.InvalidDataError:
                found.damaged += 1
            if packet.pts is not None and packet.time_base is not None:
                found.seconds = float((packet.pts + (packet.duration or 0)) * packet.time_base)
    return found


def die_with_the_daemon() -> None:
    """The daemon never writes to our stdin: its end is the daemon's end."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    parser = argparse.ArgumentParser(prog="edgecam.record.transcode")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--bitrate", type=int, default=2_000_000)
    parser.add_argument("--qp", type=int)
    parser.add_argument("--keyframe", type=float, default=1.0)
    parser.add_argument("--film", type=int)
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the daemon; the end of stdin is our sign
        signal.signal(number, signal.SIG_IGN)
    die_with_the_daemon()
    os.nice(NICE)
    try:
        coding = Coding(given.bitrate, given.qp, given.keyframe)
        if given.film:
            film(given.source, given.target, given.film, coding)
        else:
            transcode(given.source, given.target, coding)
    except (Failed, OSError, ValueError, ImportError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
