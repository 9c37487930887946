"""What goes over the line to an RTSP server: packets, the session's description, what waits."""

import asyncio
import struct
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast import aac, hevc, later
from clips import h264, jpegs
from edgecam import nal
from edgecam.frame import Frame, Kind, Sound
from edgecam.relay.backlog import Backlog
from edgecam.relay.rtp import PAYLOAD, Track, sound_payloads, video_payloads
from edgecam.relay.sdp import Offer, Voice, describe


def joined(kind: Kind, payloads: Iterable[bytes]) -> list[bytes]:
    """The units that a receiver makes of them: each is whole before the next begins."""
    found: list[bytes] = []
    whole = True
    for payload in payloads:
        if nal.unit_type(kind, payload) != (28 if kind is Kind.H264 else 49):
            assert whole
            found.append(payload)
            continue
        size = 1 if kind is Kind.H264 else 2
        edge = payload[size]
        assert whole == bool(edge & 0x80)
        if whole:
            found.append(
                bytes([payload[0] & 0xE0 | edge & 0x1F])
                if kind is Kind.H264
                else bytes([payload[0] & 0x81 | (edge & 0x3F) << 1, payload[1]])
            )
        found[-1] += payload[size + 1 :]
        whole = bool(edge & 0x40)
    assert whole
    return found


units = st.lists(st.binary(min_size=3, max_size=200).map(lambda data: b"\x65\x01" + data), min_size=1, max_size=5)


@pytest.mark.parametrize("kind", [Kind.H264, Kind.HEVC])
@given(given=units, room=st.integers(10, 120))
def test_every_unit_can_be_put_together_again(kind: Kind, given: list[bytes], room: int) -> None:
    payloads = list(video_payloads(kind, given, room))
    assert all(len(payload) <= room for payload in payloads)
    assert joined(kind, payloads) == given


@given(st.binary(min_size=1, max_size=5000))
def test_every_packet_of_sound_says_how_large_the_whole_is(data: bytes) -> None:
    payloads = list(sound_payloads(data))
    assert all(len(payload) <= PAYLOAD for payload in payloads)
    assert {struct.unpack("!HH", payload[:4]) for payload in payloads} == {(16, len(data) << 3)}
    assert b"".join(payload[4:] for payload in payloads) == data


def packets(framed: bytes) -> list[tuple[int, bytes]]:
    """Channel and packet of each interleaved frame."""
    found = []
    while framed:
        mark, channel, size = struct.unpack("!cBH", framed[:4])
        assert mark == b"$"
        found.append((channel, framed[4 : 4 + size]))
        framed = framed[4 + size :]
    return found


def track(index: int = 0, clock: int = 90_000) -> Track:
    return Track(index, clock, origin=1000.0, wall=1.79e9, seed=0xFFFF_8000_1234_5678)


def times(framed: Iterable[bytes]) -> list[int]:
    """The RTP times of the media packets, from zero on."""
    found = [struct.unpack("!I", packet[4:8])[0] for one in framed for channel, packet in packets(one) if channel == 0]
    return [at - found[0] for at in found]


def test_a_frame_is_packets_in_sequence_and_the_last_is_marked() -> None:
    stream = track()
    large = h264(5)[0]
    media = [packet for channel, packet in packets(stream.video(large, nal.units(large))) if channel == 0]
    assert len(media) > 3
    assert [packet[1] for packet in media] == [96] * (len(media) - 1) + [96 | 0x80]
    numbers = [struct.unpack("!H", packet[2:4])[0] for packet in media]
    assert [(number - numbers[0]) % 65536 for number in numbers] == list(range(len(media)))
    assert len({packet[4:12] for packet in media}) == 1
    assert joined(Kind.H264, [packet[12:] for packet in media]) == nal.units(large)


def frame(mono: float, pts: int | None = None, dts: int | None = None) -> Frame:
    base = Fraction(1, 10)
    return Frame("cam", 1, mono, 0.0, Kind.H264, b"\0\0\1a", 320, 240, pts=pts, dts=dts, time_base=base)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([frame(1000.0), frame(1000.1)], [0, 9000]),
        ([frame(1000.0), frame(1090.0)], [0, 8_100_000]),  # frames were missing
        ([frame(1000.0), frame(1000.0), frame(999.0)], [0, 1, 2]),  # never back
        ([frame(1000.0, 0, 0), frame(1000.1, 3, 1), frame(1000.2, 2, 2)], [0, 27_000, 18_000]),  # shown otherwise
    ],
)
def test_times_are_those_of_capture_and_grow(given: list[Frame], told: list[int]) -> None:
    stream = track()
    assert times([stream.video(each, [b"a"]) for each in given]) == told


def sound(mono: float) -> Sound:
    return Sound("cam", mono, b"..", 0.1, 1000, 1, b"\x12")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([1000.0, 1000.1, 1000.2], [0, 100, 200]),
        ([1000.0, 1000.11, 1000.18], [0, 100, 200]),  # samples are counted, whatever the jitter of their capture
        ([1000.0, 1005.0], [0, 5000]),  # something was missing
        ([1000.0, 999.0], [0, 1]),
    ],
)
def test_sound_follows_its_samples(given: list[float], told: list[int]) -> None:
    stream = track(0, 1000)
    assert times([stream.sound(sound(mono)) for mono in given]) == told


def test_a_report_every_few_seconds_says_which_moment_a_time_is() -> None:
    stream = track(1)
    told = [packets(stream.video(frame(mono), [b"ab"])) for mono in (1000.0, 1004.0, 1005.5, 1006.0)]
    reports = [[packet for channel, packet in each if channel == 3] for each in told]
    assert [len(each) for each in reports] == [1, 0, 1, 0]
    (_, kind, _, source, seconds, fraction, at, count, size) = struct.unpack("!BBHIIIIII", reports[2][0])
    media = next(packet for channel, packet in told[2] if channel == 2)
    assert (kind, count, size) == (200, 2, 4)
    assert (source, at) == struct.unpack("!I", media[8:12]) + struct.unpack("!I", media[4:8])
    assert seconds + fraction / 2**32 - 2_208_988_800 == pytest.approx(1.79e9 + 5.5)


def test_the_description_of_h264_with_sound() -> None:
    key, voice = h264(5)[0], Voice.of(aac(1.0)[0])
    text = describe(Offer.of(key, nal.units(key), voice), "Bird\r\nbox").decode()
    assert "s=Bird box\r\n" in text
    assert "a=rtpmap:96 H264/90000\r\n" in text
    assert "profile-level-id=42c00c;sprop-parameter-sets=" in text
    assert "a=rtpmap:97 MPEG4-GENERIC/48000/1\r\n" in text
    assert text.endswith(f"config={voice.config.hex()}\r\na=control:streamid=1\r\n")


def test_the_description_of_h265_without_sound() -> None:
    key = hevc(5)[0]
    text = describe(Offer.of(key, nal.units(key), None), "").decode()
    assert "s=-\r\n" in text
    assert "a=rtpmap:96 H265/90000\r\n" in text
    assert text.index("sprop-vps=") < text.index("sprop-sps=") < text.index("sprop-pps=")
    assert "m=audio" not in text


def test_a_keyframe_without_parameter_sets_goes_on_with_those_that_are_known() -> None:
    key = h264(5)[0]
    offer = Offer.of(key, nal.units(key), None)
    bare = replace(key, data=b"\0\0\1\x65abc")
    assert offer.after(bare, nal.units(bare), None) == offer
    assert offer.after(replace(bare, width=640), nal.units(bare), None) != offer
    assert offer.after(key, nal.units(key), Voice(8000, 1, b"..")) != offer


# -- what waits -----------------------------------------------------------------------------------------------------


def sized(*sizes: int, keys: str) -> list[Frame]:
    base = jpegs(1)[0]
    return [replace(base, number=n, data=bytes(size), keyframe=keys[n] == "K") for n, size in enumerate(sizes)]


async def test_what_does_not_fit_is_dropped_up_to_the_next_keyframe() -> None:
    backlog = Backlog(limit=25)
    backlog.begin()
    kept = [backlog.put(frame) for frame in sized(1, 10, 10, 10, 5, 5, 5, keys=".K...K.")]
    assert kept == [True, True, True, False, False, True, False]
    assert backlog.bytes == 25
    assert [(await backlog.next()).number for _ in range(3)] == [1, 2, 5]  # type: ignore[union-attr]


async def test_sound_without_a_picture_is_not_kept() -> None:
    backlog = Backlog(limit=25)
    assert backlog.put(sound(1.0))
    backlog.begin()
    assert backlog.put(sound(1.0))
    assert backlog.put(sized(22, keys="K")[0])
    assert backlog.put(sound(2.0))
    assert not backlog.put(sound(3.0))
    assert backlog.bytes == 24


async def test_an_end_wakes_whoever_waits_and_forgets_everything() -> None:
    backlog = Backlog()
    backlog.begin()
    waiting = asyncio.create_task(backlog.next())
    await asyncio.sleep(0)
    backlog.end()
    assert await waiting is None
    key = sized(5, keys="K")[0]
    backlog.back(key)
    assert backlog.put(key)
    assert (await backlog.next(), backlog.bytes) == (None, 0)
    backlog.begin([later(key, 1)])
    assert backlog.bytes == 5
