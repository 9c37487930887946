"""RTP: frames and sound as the packets that RTSP carries (RFC 3550; 6184 H.264, 7798 H.265, 3640 AAC). Pure.

A track turns one camera's items into packets and its times into RTP's, which only grow, whatever is missing between.
"""

import struct
from collections.abc import Iterable, Iterator

from edgecam.frame import Frame, Kind, Sound

VIDEO_CLOCK = 90_000
PAYLOAD = 1400
"""Bytes of one packet's payload at most: servers send packets on over UDP as they come."""
REPORT_EVERY = 5.0
"""Seconds between two sender reports (RFC 3550, 6.2)."""

_FROM_1900 = 2_208_988_800
_DRIFT = 0.1
"""Seconds by which sound may stray from its capture times before it is set right."""


def video_payloads(kind: Kind, units: Iterable[bytes], room: int = PAYLOAD) -> Iterator[bytes]:
    """One payload for each unit, or several fragments (FU-A; H.265's FU) of one that is larger than `room`."""
    for unit in units:
        if len(unit) <= room:
            yield unit
            continue
        if kind is Kind.H264:
            head, form, rest = bytes([unit[0] & 0xE0 | 28]), unit[0] & 0x1F, memoryview(unit)[1:]
        else:
            head, form, rest = bytes([unit[0] & 0x81 | 49 << 1, unit[1]]), unit[0] >> 1 & 0x3F, memoryview(unit)[2:]
        size = room - len(head) - 1
        for at in range(0, len(rest), size):
            edge = (0x80 if at == 0 else 0) | (0x40 if at + size >= len(rest) else 0)
            yield head + bytes([edge | form]) + rest[at : at + size]


def sound_payloads(data: bytes, room: int = PAYLOAD) -> Iterator[bytes]:
    """One access unit in the mode AAC-hbr: 13 bits of size, 3 of index; in fragments where it must be."""
    head = struct.pack("!HH", 16, len(data) << 3 & 0xFFFF)
    for at in range(0, len(data), room - len(head)):
        yield head + data[at : at + room - len(head)]


class Track:
    """One stream of packets with its own clock, in the interleaved frames of RTSP (RFC 2326, 10.12).

    `origin` is the moment (monotonic, s) that both tracks of a session call zero, `wall` the same in unix seconds.
    The wall clock is asked no more after that: its steps have no effect.
    """

    def __init__(self, index: int, clock: int, *, origin: float, wall: float, seed: int) -> None:
        self.index = index
        self.clock = clock
        self._origin, self._wall = origin, wall
        self._source = seed & 0xFFFFFFFF
        self._sequence = seed >> 32 & 0x7FFF
        self._base = seed >> 16 & 0x7FFFFFFF
        self._last: int | None = None
        self._packets = self._bytes = 0
        self._reported: float | None = None

    def video(self, frame: Frame, units: Iterable[bytes]) -> bytes:
        """The packets of one frame, given in coding order; the last has the marker."""
        at = self._grow(round((frame.mono - self._origin) * self.clock))
        shown = at
        if frame.pts is not None and frame.dts is not None and frame.time_base is not None:
            shown += max(0, round((frame.pts - frame.dts) * frame.time_base * self.clock))
        return self._packed(frame.mono, at, shown, list(video_payloads(frame.kind, units)))

    def sound(self, sound: Sound) -> bytes:
        """The packets of one access unit. Its time follows the samples, and the capture where they stray from it."""
        at = round((sound.mono - self._origin) * self.clock)
        if self._last is not None:
            counted = self._last + round(sound.duration * self.clock)
            at = counted if abs(at - counted) <= _DRIFT * self.clock else at
        at = self._grow(at)
        return self._packed(sound.mono, at, at, list(sound_payloads(sound.data)))

    def _grow(self, at: int) -> int:
        self._last = at if self._last is None else max(at, self._last + 1)
        return self._last

    def _packed(self, mono: float, at: int, shown: int, payloads: list[bytes]) -> bytes:
        parts: list[bytes] = []
        if self._reported is None or mono - self._reported >= REPORT_EVERY:
            self._reported = mono
            parts.append(self._framed(2 * self.index + 1, self._report(at)))
        for number, payload in enumerate(payloads, 1):
            marker = 0x80 if number == len(payloads) else 0
            head = struct.pack(
                "!BBHII",
                0x80,
                marker | 96 + self.index,
                self._sequence,
                self._base + shown & 0xFFFFFFFF,
                self._source,
            )
            parts.append(self._framed(2 * self.index, head + payload))
            self._sequence = self._sequence + 1 & 0xFFFF
            self._packets += 1
            self._bytes += len(payload)
        return b"".join(parts)

    def _report(self, at: int) -> bytes:
        """A sender report (RFC 3550, 6.4.1): which moment an RTP time is, so that sound and picture meet."""
        seconds = self._wall + at / self.clock + _FROM_1900
        whole = int(seconds)
        fraction = int((seconds - whole) * 2**32)
        return struct.pack(
            "!BBHIIIIII",
            0x80,
            200,
            6,
            self._source,
            whole & 0xFFFFFFFF,
            fraction,
            self._base + at & 0xFFFFFFFF,
            self._packets & 0xFFFFFFFF,
            self._bytes & 0xFFFFFFFF,
        )

    @staticmethod
    def _framed(channel: int, packet: bytes) -> bytes:
        return struct.pack("!cBH", b"$", channel, len(packet)) + packet
