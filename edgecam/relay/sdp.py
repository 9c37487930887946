"""What a session is about to send, and its description for the server (SDP, RFC 8866). Pure."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from edgecam import nal
from edgecam.frame import Frame, Kind, Sound
from edgecam.relay.rtp import VIDEO_CLOCK


@dataclass(frozen=True, slots=True)
class Voice:
    """The format of a camera's sound."""

    rate: int
    channels: int
    config: bytes
    """AudioSpecificConfig."""

    @classmethod
    def of(cls, sound: Sound) -> Self:
        return cls(sound.rate, sound.channels, sound.extradata)


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything that the server must know before the first packet. Another offer needs another session."""

    kind: Kind
    width: int
    height: int
    sets: tuple[bytes, ...]
    """Parameter sets, in their order."""
    voice: Voice | None = None

    @classmethod
    def of(cls, keyframe: Frame, units: Sequence[bytes], voice: Voice | None) -> Self:
        """The sets are those in the keyframe itself, else those of its configuration record.

        Raises ValueError for a record that cannot be read.
        """
        sets = nal.parameter_sets(keyframe.kind, units) or nal.parameters(keyframe)
        return cls(keyframe.kind, keyframe.width, keyframe.height, sets, voice)

    def after(self, keyframe: Frame, units: Sequence[bytes], voice: Voice | None) -> "Offer":
        """What it takes to go on with `keyframe`: the same, unless the camera has changed."""
        now = Offer.of(keyframe, units, voice)
        return now if now.sets else replace(now, sets=self.sets)


def describe(offer: Offer, title: str) -> bytes:
    """The session description; tracks are `streamid=0`, and `streamid=1` for sound."""
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        f"s={' '.join(title.split()) or '-'}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=tool:edgecam",
        "m=video 0 RTP/AVP 96",
        f"a=rtpmap:96 {'H264' if offer.kind is Kind.H264 else 'H265'}/{VIDEO_CLOCK}",
        f"a=fmtp:96 {_video(offer)}",
        "a=control:streamid=0",
    ]
    if voice := offer.voice:
        lines += [
            "m=audio 0 RTP/AVP 97",
            f"a=rtpmap:97 MPEG4-GENERIC/{voice.rate}/{voice.channels}",
            "a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;"
            f"config={voice.config.hex()}",
            "a=control:streamid=1",
        ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _video(offer: Offer) -> str:
    """The format's parameters (RFC 6184, 8.1; RFC 7798, 7.1)."""
    by_type: dict[int, list[str]] = {}
    for unit in offer.sets:
        by_type.setdefault(nal.unit_type(offer.kind, unit), []).append(b64encode(unit).decode())
    if offer.kind is Kind.H264:
        profile = next((unit[1:4].hex() for unit in offer.sets if nal.unit_type(offer.kind, unit) == 7), "42e01f")
        both = ",".join(by_type.get(7, []) + by_type.get(8, []))
        return f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={both}"
    names = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}
    return ";".join(f"{name}={','.join(by_type[number])}" for number, name in names.items() if number in by_type)
